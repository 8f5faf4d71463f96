"""What the numbers of a crash mean, for people: registers, addresses, and the instruction at the crash.

Pure, and never raises on data. The way of the data: `find` says which value is under a character of a line, `values` what a value may be
(with `poisons`, `errnos`, `shadow`, `layouts`, `flags`: tables, one subject each), `instruction` what the instruction of the `Code:` line
did with it (`disassemble` knows capstone, `operands` memory operands, `origin` where a register got its value, `traps` what traps on
purpose).
"""

from kernfix.crash.explain.find import Found, is_code, value_at, values_in
from kernfix.crash.explain.instruction import Explained, explain_code, explain_crash
from kernfix.crash.explain.values import explain

__all__ = ["Explained", "Found", "explain", "explain_code", "explain_crash", "is_code", "value_at", "values_in"]

"""Symbols by name, with sizes as a running kernel counts them."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence

from kernfix.source.debuginfo.model import Query

_PAGE = 4096
"""The smallest page of any machine."""


class Table:
    """The addresses of names. `ends` are those where a stretch of code ends, which ends its last function, too."""

    def __init__(self, symbols: Iterable[tuple[str, int]], ends: Sequence[int] = ()) -> None:
        self._addresses: dict[str, list[int]] = defaultdict(list)
        for name, address in symbols:
            self._addresses[name].append(address)
            if ".llvm." in name:  # What link-time optimisation appends is not printed (cleanup_symbol_name in kernel/kallsyms.c).
                self._addresses[name.partition(".llvm.")[0]].append(address)
        self._sorted = sorted({address for each in self._addresses.values() for address in each} | set(ends))

    def __len__(self) -> int:
        return len(self._addresses)

    def knows(self, name: str, size: int) -> bool:
        """Whether there is such a symbol of that size."""
        return any(self._size(address) == size for address in self._addresses.get(name, ()))

    def addresses(self, query: Query) -> list[int]:
        """Where `query` can be, ascending: more than one address where several symbols have the name and size.

        A return address is taken one byte earlier, inside the call: the next instruction may belong to another line or function.
        """
        found = set()
        for address in self._addresses.get(query.function, ()):
            size = self._size(address)
            page = query.address is None or (address + query.offset - query.address) % _PAGE == 0
            if query.size in (None, size) and 0 <= query.offset <= size and page:
                found.add(address + query.offset - (query.returns and query.offset > 0))
        return sorted(found)

    def _size(self, address: int) -> int:
        """Bytes to the next symbol, which is what a report calls a function's size (get_symbol_pos in kernel/kallsyms.c)."""
        after = bisect.bisect_right(self._sorted, address)
        return self._sorted[after] - address if after < len(self._sorted) else 0

"""What the instruction at the crash did: where its memory is, and which register made that address a bad one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from kernfix.crash.explain.cpu import Cpu, cpu_of, parsed
from kernfix.crash.explain.disassemble import Instruction, Listing, listing
from kernfix.crash.explain.operands import Memory, named
from kernfix.crash.explain.origin import Loaded, Source, is_call, sources
from kernfix.crash.explain.shadow import SHADOWS, Shadow, shadow_of_null
from kernfix.crash.explain.traps import trap_of
from kernfix.crash.explain.values import PAGE, as_pointer, near_null, shadow_meaning
from kernfix.crash.model import Crash, Frame

_FAULTS = re.compile(
    r"BUG: unable to handle kernel|general protection fault|KASAN: (?:null-ptr-deref|.*-memory-access)|stack segment|Internal error"
    r"|Unhandled fault|PANIC: double fault|BUG: stack guard page|kernel stack overflow|Alignment trap"
)
"""Titles of crashes that the processor found, at the memory that an instruction wanted."""
_COUNTERS = frozenset({"RIP", "EIP", "pc"})
"""Instruction pointers: their value in an address is not the one of the log, but what is behind the instruction."""
_SYSTEM_CALLS = frozenset({"syscall", "sysenter", "int $0x80", "svc #0", "ecall", "sc"})
_STACK = {"x86_64": "RSP", "i386": "ESP"}


class Explained(NamedTuple):
    """The instruction at the crash in its code, sentences about it, and for each register that matters its part in them, as words
    that go after "is". `operands` are those among them that have no part in an address.

    `faulted` is whether the processor refused this instruction its memory: in a crash of another kind it is only where the processor was.
    `function` and `offset` are the place of the instruction, where the log tells it.
    """

    listing: Listing
    sentences: tuple[str, ...] = ()
    roles: Mapping[str, tuple[str, ...]] = {}
    operands: frozenset[str] = frozenset()
    faulted: bool = False
    function: str | None = None
    offset: int = 0


def explain_crash(crash: Crash) -> Explained:
    """The instruction at which a crash happened; the listing's `problem` says why there is none."""
    frame = _place(crash)
    where = (frame.offset or 0) if frame else 0
    explained = explain_code(
        crash.code, crash.arch, crash.registers, faulted=_FAULTS.match(crash.title) is not None, where=where
    )
    doubt = _doubt(crash, explained)
    sentences = (*explained.sentences, doubt) if doubt else explained.sentences
    return explained._replace(sentences=sentences, function=frame.shown if frame else None, offset=where)


def _place(crash: Crash) -> Frame | None:
    """The function at the instruction pointer: a register's, or where the trace begins with it."""
    for stack in crash.stacks:
        for number, frame in enumerate(stack.frames):
            begins = number == 0 and stack.kind == "crash" and crash.arch in ("arm64", "riscv64")
            if frame.offset is not None and (frame.register or begins):
                return frame
    return None


def explain_code(
    code: str | None, arch: str | None, registers: Mapping[str, str], *, faulted: bool = False, where: int = 0
) -> Explained:
    """The same for code and registers by themselves; `where` is the marked instruction's offset in its function."""
    code_ = listing(code, arch, where=where, faulted=faulted)
    trapping = code_.trapping
    if trapping is None:
        return Explained(code_, faulted=faulted)
    numbers = _numbers(registers)
    story = _Story(code_, trapping, numbers, cpu_of(arch, registers), faulted=faulted)
    story.tell()
    roles = {name: tuple(its) for name, its in story.roles.items()}
    return Explained(code_, tuple(story.sentences), roles, frozenset(story.operands), faulted)


def _numbers(registers: Mapping[str, str]) -> dict[str, int]:
    """The values that addresses are made of."""
    known = ((name, parsed(digits)) for name, digits in registers.items() if name not in _COUNTERS)
    return {name: number for name, number in known if number is not None}


class _Story:
    """Collects what is to be said of one instruction."""

    def __init__(
        self, code: Listing, trapping: Instruction, numbers: Mapping[str, int], cpu: Cpu, *, faulted: bool
    ) -> None:
        self._code, self._trapping, self._numbers, self._cpu = code, trapping, numbers, cpu
        self._word = "faulting" if faulted else "marked"
        self._faulted = faulted
        self.sentences: list[str] = []
        self.roles: dict[str, list[str]] = {}
        self.operands: set[str] = set()

    def tell(self) -> None:
        """The trap, or each memory operand, and then the registers beside it."""
        before = self._code.instructions[(self._code.marked or 0) - 1].text if self._code.marked else ""
        if before in _SYSTEM_CALLS:
            self.sentences.append(f"This is a program's code: the instruction before, `{before}`, made a system call.")
            return
        if trap := trap_of(self._trapping, self._cpu.arch, self._numbers):
            self.sentences.append(f"This is {trap}.")
            self._operands()
            return
        if register := _target(self._code, self._cpu.arch):
            self._jump(register)
        else:
            for memory in _accesses(self._trapping, self._cpu.arch):
                self._access(memory)
        self._operands()

    def _jump(self, register: str) -> None:
        number = self._numbers.get(register)
        self._role(register, f"where the {self._word} instruction jumps to")
        about = "" if number is None else f" = {number:#x}: {self._named(number)}"
        self.sentences.append(f"It is an indirect jump or call to the address in {register}{about}.")
        self._origin(register, 0)

    def _access(self, memory: Memory) -> None:
        address = memory.address(self._numbers, self._cpu)
        shadow = self._shadow(memory, address)
        self.sentences.append(f"It {_at(memory, address)}{self._because(memory, address, shadow)}.")
        for register in memory.registers:
            if shadow and self._numbers[register] == shadow.offset:
                self._role(register, "KASAN_SHADOW_OFFSET in the KASAN check")
            elif not shadow or len(memory.registers) == 1:
                self._role(
                    register, f"part of the address in the {self._word} instruction, which {_at(memory, address)}"
                )
        if shadow and address is not None:
            self._check(memory, address, shadow)
        elif memory.base and not memory.indexed and address is not None and self._faulted:
            self._origin(memory.base, memory.displacement)

    def _because(self, memory: Memory, address: int | None, shadow: Shadow | None) -> str:
        if memory.segment in ("GS", "FS"):
            return ": a per-CPU variable"
        if memory.base in _COUNTERS:
            return ": static data, addressed from the code"
        if address is None:
            unknown = [name for name in memory.registers if name not in self._numbers]
            return f"; {' and '.join(unknown)} cannot be read from the log"
        if shadow:
            return f": {shadow_meaning(address, shadow, self._cpu).what}"
        number = self._numbers.get(memory.base or "")
        # Which of two registers is the pointer, only their size tells.
        alone = self._numbers.get(memory.indexed or "", 0) < PAGE
        if self._faulted and alone and number is not None and (bad := as_pointer(number, self._cpu)).bad:
            return f": {memory.base} is {bad.what}"
        return f": {self._named(address)}"

    # --- checks of KASAN -----------------------------------------------------------------------------------------------------------------

    def _shadow(self, memory: Memory, address: int | None) -> Shadow | None:
        """The layout of the shadow, where the operand is in it: one register has its offset, or the address is the shadow of NULL."""
        if address is None or self._cpu.bits != 64:
            return None
        parts = {self._numbers.get(name) for name in memory.registers}
        layouts = SHADOWS.get(self._cpu.arch or "", ())
        return next((shadow for shadow in layouts if shadow.offset in parts), None) or shadow_of_null(
            address, self._cpu
        )

    def _check(self, memory: Memory, address: int, shadow: Shadow) -> None:
        """Which access the compiler's check stands before: the one right after it, or what the check was computed from."""
        first = shadow.memory(address) & self._cpu.mask
        self.sentences.append(
            "This is the check that the compiler puts before an access for KASAN: the access itself comes after it."
        )
        after = self._code.instructions[(self._code.marked or 0) + 1 :]
        real = next(((its, place) for its in after for place in its.memory if self._within(place, first, shadow)), None)
        pointer = self._pointer(memory, address, shadow)
        if real:
            instruction, place = real
            at = place.address(self._numbers, self._cpu)
            self.sentences.append(
                f"The access is `{instruction.text}`: it {_at(place, at)}{self._because(place, at, None)}."
            )
            if place.base:
                self._role(
                    place.base, f"the base of the access that is checked, `{instruction.text}`, at {place.shown}"
                )
                self._origin(place.base, place.displacement)
        elif pointer:
            self._made_of(pointer)

    def _within(self, place: Memory, first: int, shadow: Shadow) -> bool:
        at = place.address(self._numbers, self._cpu)
        return place.access != "uses" and at is not None and first <= at < first + shadow.granule

    def _pointer(self, memory: Memory, address: int, shadow: Shadow) -> list[Source]:
        """The registers that hold, or were added up to, the address that is checked: the nearest first."""
        index = next((name for name in memory.registers if self._numbers[name] != shadow.offset), None)
        if index is None:
            return []
        wanted = address - shadow.offset
        self._role(index, f"an address >> {shadow.scale}, to which the KASAN check adds KASAN_SHADOW_OFFSET")
        found, _ = sources(self._code, index, self._cpu.arch)
        made = [its for its in found if its.shift and its.register in self._numbers and its.register != index]
        return [its for its in made if self._sum(its) >> its.shift == wanted]

    def _made_of(self, pointer: list[Source]) -> None:
        nearest, deepest = pointer[0], pointer[-1]
        at = self._sum(nearest)
        text = f"The access is to {nearest.register} = {at:#x}"
        if deepest.offset and deepest.register != nearest.register:
            text += f" = {_plus(deepest)}: {deepest.register} is {self._named(self._numbers[deepest.register])}"
            self._role(deepest.register, f"the pointer whose member at offset {deepest.offset:#x} is to be accessed")
        elif at < PAGE:
            text += f": {near_null(at)}"
        self.sentences.append(text + ".")
        self._role(nearest.register, "the address of the access that the KASAN check is for")
        self._origin(deepest.register, deepest.offset)

    def _sum(self, source: Source) -> int:
        return self._numbers[source.register] + source.offset & self._cpu.mask

    # --- where it comes from -------------------------------------------------------------------------------------------------------------

    def _origin(self, register: str, offset: int) -> None:
        """Where the base of an address comes from, when it is none that could be followed."""
        number = self._numbers.get(register)
        if number is None or not as_pointer(number, self._cpu).bad:
            return
        found, loaded = sources(self._code, register, self._cpu.arch)
        same = [
            its for its in found[1:] if not its.shift and its.register in self._numbers and self._sum(its) == number
        ]
        if same and same[-1].offset:
            its = same[-1]
            self.sentences.append(
                f"{register} = {_plus(its)}: {its.register} is {self._named(self._numbers[its.register])}, "
                f"so the member is at offset {its.offset + offset:#x}."
            )
            self._role(its.register, f"the pointer that {register} was made of: {_plus(its)}")
        if loaded and not (found[-1].shift):
            self.sentences.append(
                f"{register} {_came(loaded, same=found[-1].register == register)}, as the code stands."
            )

    def _named(self, number: int) -> str:
        return as_pointer(number, self._cpu).what

    # --- the other registers -------------------------------------------------------------------------------------------------------------

    def _operands(self) -> None:
        for register in dict.fromkeys(self._trapping.registers):
            if register not in self.roles:
                self.operands.add(register)
            how = "set by" if register in self._trapping.writes else "an operand of"
            self._role(register, f"{how} the {self._word} instruction `{self._trapping.text}`")

    def _role(self, register: str, role: str) -> None:
        roles = self.roles.setdefault(register, [])
        if role not in roles:
            roles.append(role)


def _target(code: Listing, arch: str | None) -> str | None:
    """The register that an x86 instruction jumps to: ``call *%rax``, or the ``ret`` of a retpoline (arch/x86/lib/retpoline.S), which
    stored it on the stack right before.
    """
    if arch not in _STACK or code.trapping is None:
        return None
    before = code.instructions[(code.marked or 0) - 1].text if code.marked else ""
    jump = re.fullmatch(r"(?:call|jmp)[lq]? \*%(\w+)", code.trapping.text)
    thunk = re.fullmatch(r"mov[lq] %(\w+), \(%[re]sp\)", before) if code.trapping.mnemonic.startswith("ret") else None
    found = jump or thunk
    return named(found[1], arch) if found else None


def _plus(source: Source) -> str:
    return f"{source.register}{'-' if source.offset < 0 else '+'}{abs(source.offset):#x}"


def _at(memory: Memory, address: int | None) -> str:
    """Such as "reads 8 bytes at RBX+0x18 = 0x18"."""
    size = {None: "", 1: "1 byte "}.get(memory.size, f"{memory.size} bytes ")
    value = "" if address is None or memory.shown == f"{address:#x}" else f" = {address:#x}"
    return f"{memory.access} {size}at {memory.shown}{value}"


def _came(loaded: Loaded, *, same: bool) -> str:
    if is_call(loaded.by):
        return "is what the call before returned" if same else "comes from what the call before returned"
    if loaded.by.memory and loaded.by.memory[0].access != "uses":
        return f"was loaded from {loaded.by.memory[0].shown} (`{loaded.by.text}`)"
    return f"was set by `{loaded.by.text}`"


def _accesses(instruction: Instruction, arch: str | None) -> tuple[Memory, ...]:
    """The memory that an instruction wants; the stack of those that push is told where there is no other."""
    memory = tuple(place for place in instruction.memory if place.access != "uses" or arch == "s390")
    if memory or arch not in _STACK:
        return memory
    bytes_ = 8 if arch == "x86_64" else 4
    if re.match(r"push|call", instruction.mnemonic):
        return (Memory("writes", bytes_, _STACK[arch], displacement=-bytes_),)
    return (Memory("reads", bytes_, _STACK[arch]),) if re.match(r"pop|ret|leave", instruction.mnemonic) else ()


def _doubt(crash: Crash, explained: Explained) -> str | None:
    """A word of warning where the kernel names another address than the registers give."""
    trapping, stated = explained.listing.trapping, parsed(crash.facts.get("address"))
    if trapping is None or stated is None or not explained.faulted:
        return None
    numbers = _numbers(crash.registers)
    cpu = cpu_of(crash.arch, crash.registers)
    places = [(memory.address(numbers, cpu), memory.size or 16) for memory in _accesses(trapping, crash.arch)]
    known = [(address, size) for address, size in places if address is not None]
    stated &= (1 << 56) - 1 if crash.arch == "arm64" and stated >> 56 == 0 else cpu.mask  # FAR may lack the tag
    fits = any(
        address <= stated < address + size or (stated % PAGE == 0 and stated == address & -PAGE)
        for address, size in known
    )
    if not known or fits or "rep " in trapping.text:
        return None
    return f"The kernel names {stated:#x} as the address, which these registers do not give: they may be of another moment."

"""How kernel code defines functions: every idiom in one small tree, found through the index and by the walk that does without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from kernfix.crash.model import Crash, Frame, Span, Stack
from kernfix.source import Definition, Tree, locate
from kernfix.source.index.build import refresh
from kernfix.source.index.lookup import open_index
from kernfix.source.search import search

FILES = {
    "include/linux/syscalls.h": """\
#define SYSCALL_DEFINE0(name) long __x64_sys_##name(void)
#define SYSCALL_DEFINE2(name, ...) SYSCALL_DEFINEx(2, _##name, __VA_ARGS__)
#define SYSCALL_DEFINEx(n, name, ...) \\
	static long __se_sys##name(TYPES(n, __VA_ARGS__)); \\
	long __x64_sys##name(const struct pt_regs *regs) \\
	{ \\
		return __se_sys##name(ARGUMENTS(n, regs)); \\
	} \\
	static inline long __do_sys##name(TYPES(n, __VA_ARGS__))
#define COMPAT_SYSCALL_DEFINE2(name, ...) COMPAT_SYSCALL_DEFINEx(2, _##name, __VA_ARGS__)
""",
    "include/linux/filter.h": """\
#define BPF_CALL_2(name, ...) BPF_CALL_x(2, name, __VA_ARGS__)
#define BPF_CALL_x(n, name, ...) \\
	static inline u64 ____##name(TYPES(n, __VA_ARGS__)); \\
	u64 name(u64 a, u64 b) \\
	{ \\
		return ____##name(a, b); \\
	} \\
	static inline u64 ____##name(TYPES(n, __VA_ARGS__))
""",
    "include/linux/seq_file.h": """\
#define DEFINE_SHOW_ATTRIBUTE(name) \\
static int name ## _open(struct inode *inode, struct file *file) \\
{ \\
	return single_open(file, name ## _show, inode->i_private); \\
} \\
static const struct file_operations name ## _fops = { .open = name ## _open }
""",
    "include/linux/tracepoint.h": """\
#define DECLARE_TRACE(name, proto, args) \\
	extern int __traceiter_##name(void *data, proto); \\
	static inline void trace_##name(proto) \\
	{ \\
		if (on(name)) \\
			static_call(tp_func_##name)(args); \\
	}
#define DEFINE_TRACE(name, proto, args) \\
	int __traceiter_##name(void *data, proto) \\
	{ \\
		return 0; \\
	} \\
	DEFINE_STATIC_CALL(tp_func_##name, __traceiter_##name);
#define TRACE_EVENT(name, proto, args, fields, assign, print) \\
	DECLARE_TRACE(name, PARAMS(proto), PARAMS(args))
""",
    "include/trace/define_trace.h": """\
#undef TRACE_EVENT
#define TRACE_EVENT(name, proto, args, fields, assign, print) \\
	DEFINE_TRACE(name, PARAMS(proto), PARAMS(args))
""",
    "include/trace/perf.h": """\
#undef DECLARE_EVENT_CLASS
#define DECLARE_EVENT_CLASS(call, proto, args, fields, assign, print) \\
static notrace void \\
perf_trace_##call(void *data, proto) \\
{ \\
	{ assign; } \\
}
#define TRACE_EVENT(name, proto, args, fields, assign, print) \\
	DECLARE_EVENT_CLASS(name, PARAMS(proto), PARAMS(args), \\
		PARAMS(fields), PARAMS(assign), PARAMS(print)); \\
	DEFINE_EVENT(name, name, PARAMS(proto), PARAMS(args));
""",
    "include/trace/events/ring.h": """\
TRACE_EVENT(ring_full,
	TP_PROTO(struct ring *r),
	TP_ARGS(r),
	TP_STRUCT__entry(__field(int, head)),
	TP_fast_assign(
		if (r) {
			__entry->head = r->head;
		}
	),
	TP_printk("%d", __entry->head)
);
""",
    "include/linux/static_call.h": """\
#define DEFINE_STATIC_CALL(name, func) \\
	struct static_call_key key_##name = { \\
		.func = func, \\
	}; \\
	ARCH_DEFINE_STATIC_CALL_TRAMP(name, func)
""",
    "arch/x86/include/asm/static_call.h": """\
#define ARCH_DEFINE_STATIC_CALL_TRAMP(name, func) \\
	asm(".globl __SCT__" #name "\\n__SCT__" #name ": jmp " #func)
""",
    "arch/x86/include/asm/idtentry.h": """\
#define DECLARE_IDTENTRY(vector, func) \\
	asmlinkage void asm_##func(void); \\
	__visible void func(struct pt_regs *regs)
#define DEFINE_IDTENTRY(func) \\
static __always_inline void __##func(struct pt_regs *regs); \\
__visible noinstr void func(struct pt_regs *regs) \\
{ \\
	__##func(regs); \\
} \\
static __always_inline void __##func(struct pt_regs *regs)
#define DEFINE_IDTENTRY_RAW(func) __visible noinstr void func(struct pt_regs *regs)
#define DEFINE_IDTENTRY_NOIST(func) DEFINE_IDTENTRY_RAW(noist_##func)
#define DEFINE_IDTENTRY_SYSVEC(func) \\
static void __##func(struct pt_regs *regs); \\
static __always_inline void instr_##func(struct pt_regs *regs) \\
{ \\
	run(__##func, regs); \\
} \\
__visible noinstr void func(struct pt_regs *regs) \\
{ \\
	instr_##func(regs); \\
} \\
static noinline void __##func(struct pt_regs *regs)

DECLARE_IDTENTRY(VECTOR_RING, exc_ring);
""",
    "arch/x86/kernel/traps.c": """\
DEFINE_IDTENTRY(exc_ring)
{
	report(regs);
}

DEFINE_IDTENTRY_NOIST(exc_slot)
{
	report(regs);
}

DEFINE_IDTENTRY_SYSVEC(sysvec_ring)
{
	ack();
}
""",
    "arch/x86/lib/copy_64.S": """\
#include <linux/linkage.h>
	.text
SYM_FUNC_START(ring_copy)
	rep movsb
SYM_INNER_LABEL(ring_copy_fault, SYM_L_GLOBAL)
	RET
SYM_FUNC_END(ring_copy)
SYM_FUNC_ALIAS_WEAK(ring_move, ring_copy)

SYM_CODE_START_LOCAL(ring_entry)
	jmp exc_ring
SYM_CODE_END(ring_entry)
""",
    "kernel/calls.c": """\
SYSCALL_DEFINE0(ring_count)
{
	return rings;
}

SYSCALL_DEFINE2(ring_cut, int, fd,
		unsigned long, by)
{
	return ring_cut(fd, by);
}

COMPAT_SYSCALL_DEFINE2(ring_map, int, fd, compat_ulong_t, by)
{
	return ring_cut(fd, by);
}

BPF_CALL_2(bpf_ring_get, struct ring *, r, u64, at)
{
	return r->slot[at];
}

DEFINE_STATIC_CALL(ring_wake, ring_wake_all);

static int ring_facts_show(struct seq_file *m, void *v)
{
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ring_facts);
""",
    "kernel/heads.c": """\
static __always_inline struct ring * __must_check
attributed(struct file *file)
{
	return file->private_data;
}

static __printf(2, 3) void said(struct ring *r, const char *format, ...)
{
}

void locked(struct ring *r)
	__acquires(&r->lock)
	__releases(&r->lock)
{
}

#ifdef CONFIG_RING_BIG
int split(struct ring *r, long by)
#else
int split(struct ring *r, int by)
#endif
{
	return r->head + by;
}

int branches(struct ring *r)
{
#ifdef CONFIG_RING_BIG
	if (r->big) {
#else
	if (r->head) {
#endif
		return 1;
	}
	return 0;
}

int guarded(struct ring *r)
{
	guard(mutex)(&r->lock);
	return r->head;
}

int scoped(struct ring *r)
{
	scoped_guard(spinlock_irqsave, &r->lock) {
		if (r->head)
			return 1;
	}
	return 0;
}

int old_style(r, by)
	struct ring *r;
	int by;
{
	return r->head + by;
}

static int (*chosen(struct ring *r))(int)
{
	return r->call;
}

static inline int single(void) { return 1; }

int last(void)
{
	return 0;
}
""",
    "Kbuild": "obj-y += drivers/\n",
    "drivers/Makefile": "obj-$(CONFIG_GAUGE) += gauge/\nobj-m += one/ two/\n",
    "drivers/gauge/Makefile": "obj-$(CONFIG_GAUGE) += gauge.o\ngauge-y := regs.o\n",
    "drivers/one/Makefile": "obj-m += one-core.o\none-core-y := main.o\n",
    "drivers/two/Makefile": "obj-m += main.o\n",
    "drivers/gauge/regs.c": """\
#define GAUGE_ATTR(_name, _reg) \\
static ssize_t show_##_name(struct device *dev, char *buf) \\
{ \\
	return gauge_read(dev, _reg, buf); \\
} \\
static ssize_t store_##_name(struct device *dev, const char *buf) \\
{ \\
	return gauge_write(dev, _reg, buf); \\
} \\
static DEVICE_ATTR(_name, 0644, show_##_name, store_##_name)

GAUGE_ATTR(limit, 0x10);
GAUGE_ATTR(floor,
	0x14);
""",
    "drivers/one/main.c": "static int probe(void)\n{\n\treturn 1;\n}\n",
    "drivers/two/main.c": "int two_first(void)\n{\n\treturn 0;\n}\n\nstatic int probe(void)\n{\n\treturn 2;\n}\n",
}


class Case(NamedTuple):
    """A symbol, and where it is: the file, how the first line begins, and its `kind` in the index.

    `walk` says whether it is found without an index, too: what a macro makes and what only pasting gives its name is in no line that could
    be looked for. A text is the line that the walk finds instead.
    """

    symbol: str
    path: str
    begins: str
    kind: str = "function"
    walk: bool | str = True


CALLS, HEADS, TRAPS, COPY, GAUGE = (
    "kernel/calls.c", "kernel/heads.c", "arch/x86/kernel/traps.c", "arch/x86/lib/copy_64.S", "drivers/gauge/regs.c"
)  # fmt: skip
EVENT, STATIC_CALL = ("include/trace/events/ring.h", "TRACE_EVENT(ring_full,"), (CALLS, "DEFINE_STATIC_CALL(ring_wake")
CASES = (
    # System calls, by all the names that the wrappers give them
    Case("__x64_sys_ring_count", CALLS, "SYSCALL_DEFINE0("),
    Case("__do_sys_ring_count", CALLS, "SYSCALL_DEFINE0("),
    Case("__x64_sys_ring_cut", CALLS, "SYSCALL_DEFINE2("),
    Case("__ia32_sys_ring_cut", CALLS, "SYSCALL_DEFINE2("),
    Case("__arm64_sys_ring_cut", CALLS, "SYSCALL_DEFINE2("),
    Case("__se_sys_ring_cut", CALLS, "SYSCALL_DEFINE2("),
    Case("__do_sys_ring_cut", CALLS, "SYSCALL_DEFINE2("),
    Case("__do_sys_ring_cut.isra.0", CALLS, "SYSCALL_DEFINE2("),
    Case("sys_ring_cut", CALLS, "SYSCALL_DEFINE2("),
    Case("__ia32_compat_sys_ring_map", CALLS, "COMPAT_SYSCALL_DEFINE2("),
    Case("__do_compat_sys_ring_map", CALLS, "COMPAT_SYSCALL_DEFINE2("),
    # Helpers of BPF
    Case("bpf_ring_get", CALLS, "BPF_CALL_2("),
    Case("____bpf_ring_get", CALLS, "BPF_CALL_2(", "macro"),
    # Exceptions and interrupts
    Case("exc_ring", TRAPS, "DEFINE_IDTENTRY("),
    Case("__exc_ring", TRAPS, "DEFINE_IDTENTRY(", "macro"),
    Case("asm_exc_ring", "arch/x86/include/asm/idtentry.h", "DECLARE_IDTENTRY(VECTOR_RING", "macro", walk=False),
    Case("noist_exc_slot", TRAPS, "DEFINE_IDTENTRY_NOIST(", "macro"),
    Case("sysvec_ring", TRAPS, "DEFINE_IDTENTRY_SYSVEC("),
    Case("__sysvec_ring", TRAPS, "DEFINE_IDTENTRY_SYSVEC("),
    Case("instr_sysvec_ring", TRAPS, "DEFINE_IDTENTRY_SYSVEC(", "macro", walk=False),
    # Macros that make functions; a driver's own among them
    Case("ring_facts_open", CALLS, "DEFINE_SHOW_ATTRIBUTE(", "macro", walk=False),
    Case("ring_facts_show", CALLS, "static int ring_facts_show("),
    Case("show_limit", GAUGE, "GAUGE_ATTR(limit", "macro", walk=False),
    Case("store_floor", GAUGE, "GAUGE_ATTR(floor", "macro", walk=False),
    # Tracepoints and static calls
    Case("trace_ring_full", *EVENT, "macro", walk=False),
    Case("__traceiter_ring_full", *EVENT, "macro", walk=False),
    Case("perf_trace_ring_full", *EVENT, "macro", walk=False),
    Case("__SCT__tp_func_ring_full", *EVENT, "macro", walk=False),
    Case("__SCT__ring_wake", *STATIC_CALL, "macro", walk=False),
    # Heads of functions
    Case("attributed", HEADS, "static __always_inline struct ring *"),
    Case("said", HEADS, "static __printf(2, 3)"),
    Case("locked", HEADS, "void locked("),
    Case("branches", HEADS, "int branches("),
    Case("guarded", HEADS, "int guarded("),
    Case("scoped", HEADS, "int scoped("),
    Case("old_style", HEADS, "int old_style("),
    Case("chosen", HEADS, "static int (*chosen("),
    Case("single", HEADS, "static inline int single("),
    Case("last", HEADS, "int last("),
    # What compilers and the kernel hang on to a name
    *(
        Case(symbol, HEADS, "void locked(")
        for symbol in (
            "locked.isra.0", "locked.part.0", "locked.constprop.0.isra.0", "locked.cold", "locked.llvm.1234567890", "__pfx_locked",
            "__cfi_locked",
        )
    ),
    # Assembler
    Case("ring_copy", COPY, "SYM_FUNC_START(ring_copy)", "label"),
    Case("__pfx_ring_copy", COPY, "SYM_FUNC_START(ring_copy)", "label"),
    Case("ring_copy_fault", COPY, "SYM_INNER_LABEL(ring_copy_fault", "label"),
    Case("ring_move", COPY, "SYM_FUNC_START(ring_copy)", "label"),
    Case("ring_entry", COPY, "SYM_CODE_START_LOCAL(ring_entry)", "label"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def idioms(make_tree: Callable[..., Tree]) -> Tree:
    return make_tree(FILES)


def line_of(path: str, begins: str) -> int:
    lines = [number for number, text in enumerate(FILES[path].split("\n"), 1) if text.startswith(begins)]
    assert len(lines) == 1, f"{begins} begins {len(lines)} lines of {path}"
    return lines[0]


def check(case: Case, found: list[Definition]) -> None:
    assert found, f"{case.symbol} is not found"
    wanted = f"{case.path}:{line_of(case.path, case.begins)}"
    assert [f"{each.path}:{each.function.start}" for each in found] == [wanted], case.symbol
    end = FILES[case.path].split("\n")[found[0].function.end - 1]
    assert end.rstrip(";").endswith(("}", ")")) or case.kind == "label", f"{case.symbol} ends in {end!r}"


def test_through_the_index(idioms: Tree) -> None:
    refreshed, problem = refresh(idioms)
    assert refreshed is not None, problem
    index, problem = open_index(idioms)
    assert index is not None, problem
    with index:
        for case in CASES:
            entries = index.entries(case.symbol, "x86_64")
            check(case, [entry.definition for entry in entries])
            assert [entry.kind for entry in entries] == [case.kind], case.symbol


def test_by_a_walk(idioms: Tree) -> None:
    found = search(idioms, [case.symbol for case in CASES], "x86_64")
    for case in CASES:
        if case.walk:
            begins = case.walk if isinstance(case.walk, str) else case.begins
            check(case._replace(begins=begins), list(found[case.symbol]))
        else:
            assert found[case.symbol] == (), f"{case.symbol} is found by a walk now: say so in the table"


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(("module", "path", "line"), [("one_core", "one/main.c", 1), ("main", "two/main.c", 6)])
def test_two_functions_of_one_name_in_two_modules(
    idioms: Tree, indexed: bool, module: str, path: str, line: int
) -> None:
    if indexed:
        refresh(idioms)
    frame = Frame("probe", Span(1, 0, 1), offset=4, size=16, module=module)
    crash = Crash("title", Span(0, 0, 1), 0, 9, 0, stacks=(Stack("crash", (frame,)),))
    location = locate(crash, idioms).stacks[0].locations[0]
    assert location is not None
    assert (location.path, location.line, location.how) == (f"drivers/{path}", line, "symbol")
    assert location.confidence >= 0.9
    assert f"the one in module {module}" in location.reason

"""Signs that a patch hides a crash, and fixes that must show none."""

from __future__ import annotations

import pytest

from kernfix.patch import Change, papering_over

BODY = """\
static int ring_put(struct ring *r, int v)
{
	unsigned long flags;
	int at = r->head;

	spin_lock_irqsave(&r->lock, flags);
	WARN_ON_ONCE(at >= SLOTS);
	r->slot[at] = v;
	spin_unlock_irqrestore(&r->lock, flags);
	return 0;
}
"""


def signs(before: str | None, after: str | None, path: str = "lib/ring.c") -> str:
    return "\n".join(papering_over(Change({path: before}, {path: after})))


def replaced(old: str, new: str) -> str:
    assert old in BODY
    return signs(BODY, BODY.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("\tWARN_ON_ONCE(at >= SLOTS);\n", "", "takes out a WARN_ON_ONCE()"),
        ("\tWARN_ON_ONCE(at >= SLOTS);\n", "\t// WARN_ON_ONCE(at >= SLOTS);\n", "takes out a WARN_ON_ONCE()"),
        ("\tspin_lock_irqsave(&r->lock, flags);\n", "", "drops locking (spin_lock_irqsave)"),
        ("\tunsigned long flags;\n", "\tunsigned long flags;\n\treturn 0;\n", "ring_put() now returns before"),
        ("{\n", "{\n\tif (true) return 0;\n", "ring_put() now returns before"),
        ("static int", "static __no_sanitize_address int", "silences a detector"),
        ("\tr->slot[at] = v;\n", "#if 0\n\tr->slot[at] = v;\n#endif\n", "switches code off"),
    ],
)
def test_sign_in_code(old: str, new: str, word: str) -> None:
    assert word in replaced(old, new)


@pytest.mark.parametrize(
    ("path", "before", "after", "word"),
    [
        ("mm/kasan/report.c", "a\n", "b\n", "detects or reports"),
        ("lib/ubsan.c", "a\n", "b\n", "detects or reports"),
        ("kernel/panic.c", "a\n", "b\n", "detects or reports"),
        ("kernel/configs/debug.config", "CONFIG_KASAN=y\n", "# CONFIG_KASAN is not set\n", "switches an option off"),
        ("arch/x86/configs/x86_64_defconfig", "CONFIG_RING=y\n", "", "takes an option out"),
        ("lib/Kconfig", "config RING\n", "config RING\n\tdepends on BROKEN\n", "unavailable"),
        ("lib/Makefile", "obj-y += a.o\nobj-$(CONFIG_RING) += ring.o\n", "obj-y += a.o\n", "out of the build"),
        ("lib/Makefile", "obj-y += a.o\n", "obj-y += a.o\nKASAN_SANITIZE_a.o := n\n", "silences"),
        ("lib/ring.c", BODY, None, "deletes the whole file"),
    ],
)
def test_sign_by_file(path: str, before: str, after: str | None, word: str) -> None:
    assert word in signs(before, after, path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\tr->slot[at] = v;\n", "\tif (at < SLOTS)\n\t\tr->slot[at] = v;\n"),
        ("\tint at = r->head;\n", "\tint at = r->head;\n\n\tif (!r)\n\t\treturn -EINVAL;\n"),
        ("\tr->slot[at] = v;\n", "\tr->slot[at] = v;\n\twake_up(&r->wait);\n"),
        ("spin_lock_irqsave(&r->lock, flags)", "raw_spin_lock_irqsave(&r->lock, flags)"),
        ("\tWARN_ON_ONCE(at >= SLOTS);\n", "\tif (WARN_ON_ONCE(at >= SLOTS))\n\t\tat = 0;\n"),
        ("\treturn 0;\n}", "\treturn 1;\n}"),
    ],
)
def test_no_sign(old: str, new: str) -> None:
    assert replaced(old, new) == ""


def test_moved_lock_is_no_sign() -> None:
    line = "\tspin_lock_irqsave(&r->lock, flags);\n"
    assert signs(BODY, BODY.replace(line, "").replace("\tr->slot", line + "\tr->slot")) == ""


def test_new_file_is_no_sign() -> None:
    assert signs(None, BODY) == ""


def test_comments_do_not_count() -> None:
    assert signs("/* WARN_ON(x) was here */\nint a;\n", "int a;\n") == ""


def test_long_lines_take_linear_time() -> None:
    for line in ("\tint " + " * " * 40_000 + "(", "assert" * 40_000, "\t" + "x " * 40_000, "WARN" + " " * 100_000):
        signs("int a;\n", f"int a;\n{{\n{line}\n\treturn 0;\n}}\n")

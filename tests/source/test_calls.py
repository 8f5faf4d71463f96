"""Who calls whom."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kernfix.source import Definition, Tree, calls
from kernfix.source.functions import functions

MAIN = """\
#include "box.h"
#define BOX_TWICE(b) do { \\
		box_put(b); \\
	} while (0)
#define box_alias box_put

static int box_open(struct inode *inode, struct file *file);

static int helper(struct box *b)
{
	return b->n;
}

/* box_put() in a comment */
int box_put(struct box *b)
{
	const char *text = "box_put(x) helper(y)";
	int n = sizeof(*b);

	if (helper(b)) { // helper(z)
		list_for_each_entry(e, &b->list, node)
			e->ops->release(e);
#if defined(CONFIG_X)
		pr_info(text);
#endif
		b->ops.free (b);
		return BOX_MAX(n, 1);
	}
	while (n--)
		helper(
			b);
	return 0;
}
EXPORT_SYMBOL(box_put);

static int box_open(struct inode *inode, struct file *file)
{
	INIT_WORK(&file->work, box_put);
	return box_put(file->box);
}

static int box_shadow(int box_put)
{
	return use(box_put);
}

const struct file_operations box_fops = {
	.owner = THIS_MODULE,
	.open = box_open,
	.release =
		box_put,
};

static int (*box_table[])(struct box *) __initdata = { helper, box_put };
struct box_put *unrelated;
module_init(box_start);
"""

FILES = {
    "drivers/box/main.c": MAIN,
    "drivers/box/other.c": "int box_start(void)\n{\n\treturn box_put(0) + b->box_put(1) + b.box_put(2);\n}\n",
    "drivers/far.c": "static int box_put(int a)\n{\n\treturn a;\n}\n\nint own(void)\n{\n\treturn box_put(1);\n}\n",
    "drivers/far2.c": "static int helper(int a)\n{\n\treturn a;\n}\nint own2(void)\n{\n\treturn helper(1);\n}\n",
    "include/box.h": "int box_put(struct box *b);\nstatic inline void box_end(struct box *b)\n{\n\tbox_put(b);\n}\n",
    "arch/x86/box.S": "SYM_FUNC_START(box_entry)\n\tcall box_put\n\t.quad box_put\nSYM_FUNC_END(box_entry)\n",
    "Documentation/box.c": "void doc(void)\n{\n\tbox_put(0);\n}\n",
}


@pytest.fixture
def tree(make_tree: Callable[..., Tree]) -> Tree:
    return make_tree(FILES)


def uses(found: calls.Calls) -> list[str]:
    return [f"{each.kind} {each.name} {each.path}:{each.line}" for each in found.found]


def test_callers(tree: Tree) -> None:
    found = calls.callers(tree, "box_put", "drivers/box/main.c")
    assert uses(found) == [
        "macro BOX_TWICE drivers/box/main.c:3",
        "macro box_alias drivers/box/main.c:5",
        "reference box_open drivers/box/main.c:38",
        "call box_open drivers/box/main.c:39",
        "reference box_fops drivers/box/main.c:51",
        "reference box_table drivers/box/main.c:54",
        "call box_start drivers/box/other.c:3",
        "call box_entry arch/x86/box.S:2",
        "reference box_entry arch/x86/box.S:3",
        "call box_end include/box.h:4",
    ]
    assert found.complete
    caller = found.found[3].function
    assert caller is not None
    assert (caller.name, caller.start, caller.end) == ("box_open", 36, 40)


def test_a_static_function_is_called_in_its_file_alone(tree: Tree) -> None:
    assert uses(calls.callers(tree, "helper", "drivers/box/main.c")) == [
        "call box_put drivers/box/main.c:20",
        "call box_put drivers/box/main.c:30",
        "reference box_table drivers/box/main.c:54",
    ]
    assert uses(calls.callers(tree, "helper", "drivers/far2.c")) == ["call own2 drivers/far2.c:7"]
    assert uses(calls.callers(tree, "box_open", "drivers/box/main.c")) == ["reference box_fops drivers/box/main.c:49"]


def test_without_the_defining_file_all_of_that_name_count(tree: Tree) -> None:
    found = uses(calls.callers(tree, "helper"))
    assert "call own2 drivers/far2.c:7" in found
    assert "call box_put drivers/box/main.c:20" in found


def test_a_macro_at_the_top_takes_the_address(tree: Tree) -> None:
    assert uses(calls.callers(tree, "box_start", "drivers/box/other.c")) == [
        "reference module_init drivers/box/main.c:56"
    ]


def test_a_recursive_function_calls_itself(make_tree: Callable[..., Tree]) -> None:
    tree = make_tree(
        {"kernel/a.c": "int walk(int n)\n{\n\treturn n ? walk(n - 1) : 0;\n}\n\nint one(void) { return walk(1); }\n"}
    )
    assert uses(calls.callers(tree, "walk", "kernel/a.c")) == ["call walk kernel/a.c:3", "call one kernel/a.c:6"]


def test_limit_and_stop(tree: Tree) -> None:
    found = calls.callers(tree, "box_put", "drivers/box/main.c", limit=2)
    assert (len(found.found), found.complete) == (2, False)
    assert calls.callers(tree, "box_put", "drivers/box/main.c", stop=lambda: True) == calls.Calls((), False)
    assert calls.callers(tree, "box_put", "drivers/box/main.c", limit=10).complete


@pytest.mark.parametrize("name", ["", "nowhere", "box put", "-r", ".*", "box_put\n", "x" * 100_000])
def test_names_that_are_nowhere(tree: Tree, name: str) -> None:
    assert calls.callers(tree, name) == calls.Calls()
    assert calls.callers(tree, name, "../outside.c") == calls.Calls()


def test_without_grep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert calls.callers(tree, "box_put", "drivers/box/main.c") == calls.Calls((), False)


def test_links_that_lead_out_are_not_followed(tree: Tree) -> None:
    (tree.root.parent / "outside.c").write_text("int secret(void)\n{\n\treturn box_put(0);\n}\n")
    (tree.root / "drivers/link.c").symlink_to("../../outside.c")
    assert not any("link" in each or "secret" in each for each in uses(calls.callers(tree, "box_put")))


def definition(tree: Tree, path: str, name: str) -> Definition:
    return Definition(path, next(each for each in functions(tree.read(path) or "") if each.name == name))


def test_callees(tree: Tree) -> None:
    where = definition(tree, "drivers/box/main.c", "box_put")
    found = calls.callees(tree, where)
    assert [(each.kind, each.name, each.line) for each in found] == [
        ("call", "helper", 20),
        ("indirect", "release", 22),
        ("call", "pr_info", 24),
        ("indirect", "free", 26),
        ("call", "BOX_MAX", 27),
    ]
    assert {each.function for each in found} == {where.function}


def test_callees_of_nothing(tree: Tree) -> None:
    where = definition(tree, "drivers/box/main.c", "box_put")
    assert calls.callees(tree, Definition("drivers/nowhere.c", where.function)) == ()
    assert calls.callees(tree, Definition("../main.c", where.function)) == ()
    assert calls.callees(tree, Definition("drivers/far.c", where.function)) == ()


@pytest.mark.parametrize(
    "filler",
    [
        " " * 200_000,
        "=" * 100_000,
        "(" * 100_000,
        "x * " * 50_000,
        "/*" * 50_000,
        '"' * 99_999,
        "a(\n" * 50_000,
        "#\\\n" * 50_000,
    ],
)
def test_odd_code_takes_no_time(make_tree: Callable[..., Tree], filler: str) -> None:
    tree = make_tree(
        {
            "kernel/odd.c": f"int odd(void)\n{{\n\t{filler}\n\todd_one(1);\n\tx = odd_one;\n}}\nint a =\n{filler} odd_one\n"
        }
    )
    begin = time.process_time()
    calls.callers(tree, "odd_one")
    for function in functions(tree.read("kernel/odd.c") or ""):
        calls.callees(tree, Definition("kernel/odd.c", function))
    assert time.process_time() - begin < 3

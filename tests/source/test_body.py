"""A function taken apart: what fix templates ask for."""

from __future__ import annotations

from kernfix.source import function_at
from kernfix.source.syntax import Assignment, Body, Condition, Label, Return, Variable, parse_function

TEXT = """\
int before;

static const struct ring *ring_cut(struct ring *r, unsigned int by, int __user *out,
				int (*done)(int))
{
	struct item *item, items[SLOTS];
	unsigned long flags = r->flags;
	int err = ring_lock(r);

	if (err)
		return ERR_PTR(err);
	/* ä: one character, two bytes */
	list_for_each_entry(item, &r->items, list) {
		if (item->size > by && !by) {
			err = -EINVAL;
			goto out;
		}
		r->slot[item->at + 1] = item->next->size;
		*out = min_t(unsigned int, by, SLOTS);
	}
	switch (by) {
	case 1 ... 3:
		r->count--;
		break;
	default:
		return NULL;
	}
	if (r->closed) ring_free(container_of(r, struct big, r));
	else
		r->closed = true;
out:
	ring_unlock(r);
	return err ? ERR_PTR(err) : r;
}
"""


def body(text: str = TEXT, line: int = 10) -> Body:
    function = function_at(text, line)
    assert function is not None
    taken = parse_function(text, function)
    assert taken is not None
    return taken


def line_of(part: str) -> int:
    return TEXT[: TEXT.index(part)].count("\n") + 1


def test_frame_of_it() -> None:
    taken = body()
    assert (taken.name, taken.return_type) == ("ring_cut", "const struct ring *")
    assert (taken.open_line, taken.close_line, taken.broken) == (5, 34, False)


def test_variables() -> None:
    assert body().variables == (
        Variable("r", "struct ring", 3, pointers=1, parameter=True),
        Variable("by", "unsigned int", 3, parameter=True),
        Variable("out", "int", 3, pointers=1, parameter=True),
        Variable("done", "int", 4, pointers=1, parameter=True),
        Variable("item", "struct item", 6, pointers=1),
        Variable("items", "struct item", 6, array=("SLOTS",)),
        Variable("flags", "unsigned long", 7, value="r->flags"),
        Variable("err", "int", 8, value="ring_lock(r)"),
    )
    assert body().variable("none") is None


def test_statement_at() -> None:
    taken = body()
    cut = taken.statement_at(line_of("r->slot"))
    assert cut is not None
    assert (cut.kind, cut.text) == ("expression_statement", "r->slot[item->at + 1] = item->next->size;")
    assert (cut.indent, cut.alone, cut.depth, cut.block) == ("\t\t", True, 2, (13, 20))
    assert TEXT[cut.start : cut.end] == cut.text
    declaration = taken.statement_at(7)
    assert declaration is not None
    assert declaration.is_declaration


def test_statement_around_a_branch_without_braces() -> None:
    statement = body().statement_at(line_of("return ERR_PTR(err);"))
    assert statement is not None
    assert (statement.kind, statement.first, statement.last) == ("if_statement", 10, 11)


def test_statement_of_a_loop_head() -> None:
    statement = body().statement_at(13)
    assert statement is not None
    assert (statement.kind, statement.first, statement.last) == ("while_statement", 13, 20)


def test_statement_in_a_case() -> None:
    statement = body().statement_at(line_of("r->count--"))
    assert statement is not None
    assert (statement.text, statement.depth) == ("r->count--;", 2)


def test_statement_after_a_label() -> None:
    statement = body().statement_at(line_of("ring_unlock(r)"))
    assert statement is not None
    assert statement.text == "ring_unlock(r);"


def test_no_statement() -> None:
    assert body().statement_at(1) is None
    assert body().statement_at(9) is None
    assert body().statement_at(99) is None


def test_first_statement() -> None:
    first = body().first_statement()
    assert first is not None
    assert first.first == 10


def test_subscripts() -> None:
    (subscript,) = body().subscripts_at(line_of("r->slot"))
    assert (subscript.array, subscript.index) == ("r->slot", "item->at + 1")
    assert TEXT[subscript.start : subscript.end] == "r->slot[item->at + 1]"
    assert body().subscripts_at(1) == ()


def test_dereferences() -> None:
    found = {(each.base, each.member) for each in body().dereferences_at(line_of("r->slot"))}
    assert found == {("r", "slot"), ("item", "at"), ("item->next", "size"), ("item", "next")}
    assert [(each.base, each.member) for each in body().dereferences_at(line_of("*out ="))] == [("out", None)]


def test_dereferences_of_a_chain_over_lines() -> None:
    taken = body("int f(struct a *p)\n{\n\treturn p->one\n\t\t->two;\n}\n", 3)
    assert [each.member for each in taken.dereferences_at(3)] == ["one"]
    assert [each.member for each in taken.dereferences_at(4)] == ["two"]


def test_assignments() -> None:
    assert Assignment("err", "ring_lock(r)", 8, "ring_lock") in body().assignments
    assert Assignment("err", "-EINVAL", 15) in body().assignments


def test_conditions() -> None:
    assert body().conditions == (
        Condition("err", 10, 10, 11, "return", "ERR_PTR(err)"),
        Condition("item->size > by && !by", 14, 14, 17, "goto", "out"),
        Condition("r->closed", 28, 28, 30, "other"),
    )


def test_labels_and_returns() -> None:
    assert body().labels == (Label("out", 31),)
    assert body().returns == (Return("ERR_PTR(err)", 11), Return("NULL", 26), Return("err ? ERR_PTR(err) : r", 33))


def test_system_call() -> None:
    text = "SYSCALL_DEFINE2(cut, int, fd, const char __user *, name)\n{\n\treturn;\n}\n"
    taken = body(text, 3)
    assert (taken.name, taken.return_type, taken.returns) == ("sys_cut", "long", (Return(None, 3),))
    assert [(each.type, each.name, each.pointers) for each in taken.variables] == [
        ("int", "fd", 0),
        ("const char", "name", 1),
    ]


def test_broken_part_does_not_spoil_the_rest() -> None:
    taken = body("int f(struct a *p)\n{\n\tODD_MACRO(p) { ] }\n\tp->x = 1;\n\treturn 0;\n}\n", 5)
    assert taken.broken
    assert taken.returns == (Return("0", 5),)


def test_nothing_there() -> None:
    function = function_at(TEXT, 10)
    assert function is not None
    assert parse_function("int other(void)\n{\n}\n", function) is None
    assert parse_function("", function) is None

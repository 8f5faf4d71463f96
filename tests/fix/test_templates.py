"""The templates on small functions: what each proposes, and where it must keep quiet.

The line of the fault is marked by a comment ``HERE``, which is taken out before the text is used.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kernfix.crash.model import Crash, Frame, Span, Stack
from kernfix.fix.checks import check as run_checks
from kernfix.fix.model import Candidate
from kernfix.fix.templates import template_drafts
from kernfix.source.model import Located, LocatedStack, Location
from kernfix.source.tree import Tree

SPAN = Span(0, 0, 1)
FILE = "drivers/toy.c"
UBSAN = ("MEMORY_SAFETY_UBSAN", "UBSAN: array-index-out-of-bounds in f")
KASAN = ("KASAN-READ", "KASAN: slab-out-of-bounds Read in f")
NULL = ("KASAN-NULL-POINTER-DEREFERENCE-READ", "KASAN: null-ptr-deref Read in f")
GPF = ("DoS", "general protection fault in f")
PAGING = ("MEMORY_SAFETY_BUG", "BUG: unable to handle kernel paging request in f")

HEAD = """\
#define SLOTS 4
static struct slot *slots[SLOTS];
static int sizes[SLOTS];

"""


def propose(tmp_path: Path, kind: tuple[str, str], source: str, **facts: str) -> list[Candidate]:
    """The candidates for a crash at the line marked HERE, or in the whole function ``f`` when no line is marked."""
    text = HEAD + source
    lines = text.split("\n")
    marked = [at for at, line in enumerate(lines, 1) if "/* HERE */" in line]
    text = text.replace(" /* HERE */", "")
    function = next(at for at, line in enumerate(lines, 1) if " f(" in line or "*f(" in line)
    path = tmp_path / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    location = Location(FILE, marked[0] if marked else function, "log" if marked else "symbol", 1.0, "", "", "f")
    crash = Crash(
        kind[1], SPAN, 0, 1, 0, type=kind[0], function="f", facts=facts, stacks=(Stack("crash", (Frame("f", SPAN),)),)
    )
    tree = Tree(tmp_path.resolve(), "6.12.0")
    drafts = template_drafts(crash, Located((LocatedStack((location,)),)), tree)
    return [run_checks(draft, tree.read) for draft in drafts]


def changes(candidate: Candidate) -> str:
    """The changed lines of the diff, tabs shown as they are."""
    lines = [line for line in candidate.diff.splitlines() if line != "+"]
    return "\n".join(line for line in lines if line[:1] in "+-" and not line.startswith(("+++", "---")))


def proposes(tmp_path: Path, kind: tuple[str, str], source: str, *expected: str, **facts: str) -> list[Candidate]:
    candidates = propose(tmp_path, kind, source, **facts)
    assert [changes(candidate) for candidate in candidates] == list(expected)
    assert all(candidate.ok for candidate in candidates)
    return candidates


INDEX = {"index": "-1", "array": "slot *[4]"}
LARGE = {"index": "7", "array": "slot *[4]"}


@pytest.mark.parametrize(
    ("limit", "better"),
    [
        ("id >= SLOTS", "id < 0 || id >= SLOTS"),
        ("id > SLOTS - 1", "id < 0 || id > SLOTS - 1"),
        ("SLOTS <= id", "id < 0 || SLOTS <= id"),
        ("unlikely(id >= SLOTS)", "unlikely(id < 0 || id >= SLOTS)"),
        ("!arg || id >= ARRAY_SIZE(slots)", "!arg || id < 0 || id >= ARRAY_SIZE(slots)"),
        ("arg && id >= SLOTS", "arg && (id < 0 || id >= SLOTS)"),
        ("(id >= SLOTS)", "(id < 0 || id >= SLOTS)"),
    ],
)
def test_a_negative_index_passes_an_upper_limit(tmp_path: Path, limit: str, better: str) -> None:
    source = f"""\
static int f(int id, void *arg)
{{
	if ({limit})
		return -ENOENT;

	return slots[id]->size; /* HERE */
}}
"""
    [candidate] = proposes(tmp_path, UBSAN, source, f"-\tif ({limit})\n+\tif ({better})", **INDEX)
    assert candidate.draft.kind == "root-cause"
    assert "id is -1 where it indexes slots" in candidate.draft.hypothesis


@pytest.mark.parametrize(
    ("old", "new"), [("id > SLOTS", "id >= SLOTS"), ("SLOTS < id", "SLOTS <= id"), ("id > 4", "id >= 4")]
)
def test_an_index_equal_to_the_length_passes_a_strict_limit(tmp_path: Path, old: str, new: str) -> None:
    source = (
        f"int f(unsigned int id)\n{{\n\tif ({old})\n\t\treturn -EINVAL;\n\treturn slots[id]->size; /* HERE */\n}}\n"
    )
    proposes(tmp_path, UBSAN, source, f"-\tif ({old})\n+\tif ({new})", index="4", array="slot *[4]")
    if "SLOTS" in old:
        proposes(tmp_path, KASAN, source, f"-\tif ({old})\n+\tif ({new})")


def test_the_check_of_the_same_name_elsewhere_is_left_alone(tmp_path: Path) -> None:
    twin = """\
static int g(int id)
{
	if (id >= SLOTS)
		return -ENOENT;
	return 0;
}

"""
    source = twin + twin.replace("g(", "f(").replace("return 0;", "return sizes[id]; /* HERE */")
    [candidate] = proposes(tmp_path, UBSAN, source, "-\tif (id >= SLOTS)\n+\tif (id < 0 || id >= SLOTS)", **INDEX)
    assert "@@ -1" in candidate.diff
    assert "int f(int id)" in candidate.diff.split("+\tif")[0]


MISSING = [
    pytest.param(
        """\
static int f(unsigned int id)
{
	return slots[id]->size; /* HERE */
}
""",
        "+\tif (id >= ARRAY_SIZE(slots))\n+\t\treturn -EINVAL;",
        id="int",
    ),
    pytest.param(
        """\
static int f(int id)
{
	return slots[id]->size; /* HERE */
}
""",
        "+\tif (id < 0 || id >= ARRAY_SIZE(slots))\n+\t\treturn -EINVAL;",
        id="signed",
    ),
    pytest.param(
        """\
static void f(struct req *req)
{
	slots[req->id]->size = 0; /* HERE */
}
""",
        "+\tif (req->id >= ARRAY_SIZE(slots))\n+\t\treturn;",
        id="void",
    ),
    pytest.param(
        """\
static bool f(u8 id)
{
	return slots[id + 1]->size; /* HERE */
}
""",
        "+\tif ((id + 1) >= ARRAY_SIZE(slots))\n+\t\treturn false;",
        id="bool",
    ),
    pytest.param(
        """\
static struct slot *f(u8 id)
{
	if (!id)
		return NULL;
	return slots[id]; /* HERE */
}
""",
        "+\tif (id >= ARRAY_SIZE(slots))\n+\t\treturn NULL;",
        id="null",
    ),
    pytest.param(
        """\
static struct slot *f(u8 id)
{
	if (busy())
		return ERR_PTR(-EBUSY);
	return slots[id]; /* HERE */
}
""",
        "+\tif (id >= ARRAY_SIZE(slots))\n+\t\treturn ERR_PTR(-EINVAL);",
        id="err-ptr",
    ),
    pytest.param(
        """\
static irqreturn_t f(u8 id)
{
	slots[id]->n++; /* HERE */
	return IRQ_HANDLED;
}
""",
        "+\tif (id >= ARRAY_SIZE(slots))\n+\t\treturn IRQ_NONE;",
        id="irq",
    ),
    pytest.param(
        """\
static int f(u8 id)
{
	mutex_lock(&lock);
	sizes[id] = 0; /* HERE */
	mutex_unlock(&lock);
	return 0;
}
""",
        "+\tif (id >= ARRAY_SIZE(sizes))\n+\t\treturn -EINVAL;",
        id="before-the-lock",
    ),
    pytest.param(
        """\
static int f(struct req *req)
{
	int err = 0;
	u8 id;

	mutex_lock(&lock);
	if (req->dead) {
		err = -ENODEV;
		goto out;
	}
	id = req->id;
	sizes[id] = 0; /* HERE */
out:
	mutex_unlock(&lock);
	return err;
}
""",
        "+\tif (id >= ARRAY_SIZE(sizes)) {\n+\t\terr = -EINVAL;\n+\t\tgoto out;\n+\t}",
        id="by-the-label-under-the-lock",
    ),
]


@pytest.mark.parametrize(("source", "expected"), MISSING)
def test_a_missing_check_is_added_before_the_use(tmp_path: Path, source: str, expected: str) -> None:
    [candidate] = proposes(tmp_path, UBSAN, source, expected, **LARGE)
    assert candidate.draft.kind == "root-cause"


def test_a_comment_stays_with_its_statement(tmp_path: Path) -> None:
    source = "int f(u8 id)\n{\n\tint n;\n\n\t/*\n\t * The size.\n\t */\n\tn = sizes[id]; /* HERE */\n\treturn n;\n}\n"
    [candidate] = propose(tmp_path, UBSAN, source, **LARGE)
    after = candidate.change.after[FILE] or ""
    assert "\t\treturn -EINVAL;\n\n\t/*\n\t * The size.\n\t */\n\tn = sizes" in after


def test_the_new_check_stands_before_what_takes_the_lock(tmp_path: Path) -> None:
    source = """\
static int f(u8 id)
{
	if (!id)
		return -ENOENT;

	mutex_lock(&lock);
	sizes[id] = 0; /* HERE */
	mutex_unlock(&lock);
	return 0;
}
"""
    [candidate] = propose(tmp_path, UBSAN, source, **LARGE)
    after = candidate.change.after[FILE] or ""
    assert after.index("return -ENOENT;") < after.index("ARRAY_SIZE") < after.index("mutex_lock")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            """\
int f(void)
{
	return slots[9]->size; /* HERE */
}
""",
            id="a-number",
        ),
        pytest.param(
            """\
int f(u8 id)
{
	return slots[id++]->size; /* HERE */
}
""",
            id="side-effect",
        ),
        pytest.param(
            """\
int f(u8 id)
{
	return slots[next(id)]->size; /* HERE */
}
""",
            id="call",
        ),
        pytest.param(
            """\
int f(void)
{
	int i;

	for (i = 0; i < 9; i++)
		slots[i]->n = 0; /* HERE */
	return 0;
}
""",
            id="loop-variable",
        ),
        pytest.param(
            """\
int f(u8 id)
{
	return id; /* HERE */
}
""",
            id="no-subscript",
        ),
        pytest.param(
            """\
int f(u8 id)
{
	struct slot *s = slots[id]; /* HERE */

	return s->n;
}
""",
            id="in-a-declaration",
        ),
        pytest.param(
            """\
struct big f(u8 id)
{
	return big[id]; /* HERE */
}
""",
            id="unknown-result-type",
        ),
        pytest.param(
            """\
int f(u8 id)
{
	spin_lock(&l);
	id = next(id);
	sizes[id] = 0; /* HERE */
	spin_unlock(&l);
	return 0;
}
""",
            id="no-way-out",
        ),
        pytest.param(
            """\
int f(u8 id)
{
	return slots[id]->size;
}
""",
            id="line-unknown",
        ),
        pytest.param("int f(u8 id\n{{{\n\treturn slots[id]->size; /* HERE */\n", id="not-c"),
    ],
)
def test_no_bounds_fix_where_none_is_known(tmp_path: Path, source: str) -> None:
    proposes(tmp_path, UBSAN, source, **LARGE)


def test_a_flexible_array_has_no_size(tmp_path: Path) -> None:
    proposes(
        tmp_path,
        UBSAN,
        """\
int f(struct s *s, u8 id)
{
	return s->items[id]; /* HERE */
}
""",
        index="9",
        array="int []",
    )


def test_kasan_needs_an_array_that_the_file_declares(tmp_path: Path) -> None:
    source = """\
int f(u8 id, int *p)
{
	return NAME[id]; /* HERE */
}
"""
    proposes(tmp_path, KASAN, source.replace("NAME", "p"))
    [candidate] = proposes(
        tmp_path, KASAN, source.replace("NAME", "sizes"), "+\tif (id >= ARRAY_SIZE(sizes))\n+\t\treturn -EINVAL;"
    )
    assert candidate.draft.kind == "symptom"


def test_an_unsigned_index_is_not_compared_with_zero(tmp_path: Path) -> None:
    source = """\
int f(u32 id)
{
	if (id >= 9)
		return -EINVAL;
	return slots[id]->size; /* HERE */
}
"""
    proposes(tmp_path, UBSAN, source, "+\tif (id >= ARRAY_SIZE(slots))\n+\t\treturn -EINVAL;", **LARGE)


def test_a_check_of_an_older_value_does_not_count(tmp_path: Path) -> None:
    source = """\
int f(int id)
{
	if (id >= SLOTS)
		return -EINVAL;
	id = next(id);
	return sizes[id]; /* HERE */
}
"""
    proposes(tmp_path, UBSAN, source, "+\tif (id < 0 || id >= ARRAY_SIZE(sizes))\n+\t\treturn -EINVAL;", **INDEX)


NULL_CASES = [
    pytest.param(
        """\
static int f(void)
{
	struct a *p;

	p = kmalloc(8, GFP_KERNEL);
	p->x = 1; /* HERE */
	return 0;
}
""",
        "+\tif (!p)\n+\t\treturn -ENOMEM;",
        "root-cause",
        id="allocation",
    ),
    pytest.param(
        """\
static int f(struct key *key)
{
	const struct a *p;

	p = payload_of(key);
	return p->len; /* HERE */
}
""",
        "+\tif (!p)\n+\t\treturn -EINVAL;",
        "symptom",
        id="lookup",
    ),
    pytest.param(
        """\
static int f(struct key *key)
{
	struct a *p = payload_of(key);
	int n;

	n = p->len; /* HERE */
	return n;
}
""",
        "+\tif (!p)\n+\t\treturn -EINVAL;",
        "symptom",
        id="in-a-declaration",
    ),
    pytest.param(
        """\
static void f(struct a *a)
{
	a->b->c = 1; /* HERE */
}
""",
        ["+\tif (!a->b)\n+\t\treturn;", "+\tif (!a)\n+\t\treturn;"],
        "symptom",
        id="chain-of-an-argument",
    ),
    pytest.param(
        """\
static void f(struct a *a)
{
	a->n++;
	a->b->c = 1; /* HERE */
}
""",
        "+\tif (!a->b)\n+\t\treturn;",
        "symptom",
        id="the-survivor-is-not-null",
    ),
    pytest.param(
        """\
static void f(struct a *a)
{
	if (!a)
		return;
	a->b->c = 1; /* HERE */
}
""",
        "+\tif (!a->b)\n+\t\treturn;",
        "symptom",
        id="a-tested-one-is-not-null",
    ),
    pytest.param(
        """\
static int f(void)
{
	struct a *p, *q;
	int err = -ENOMEM;

	p = kmalloc(8, GFP_KERNEL);
	if (!p)
		return err;
	if (bad(p)) {
		err = -EIO;
		goto free;
	}
	q = kmalloc(8, GFP_KERNEL);
	q->x = 1; /* HERE */
	return 0;
free:
	kfree(p);
	return err;
}
""",
        "+\tif (!q) {\n+\t\terr = -ENOMEM;\n+\t\tgoto free;\n+\t}",
        "root-cause",
        id="second-allocation-frees-the-first",
    ),
    pytest.param(
        """\
static int f(struct key *key)
{
	struct a *p;

	p = payload_of(key);
	log(key);
	return p->len;
}
""",
        "+\tif (!p)\n+\t\treturn -EINVAL;",
        "symptom",
        id="line-unknown",
    ),
]


@pytest.mark.parametrize("kind", [NULL, GPF])
@pytest.mark.parametrize(("source", "expected", "label"), NULL_CASES)
def test_a_null_pointer_is_tested(
    tmp_path: Path, kind: tuple[str, str], source: str, expected: str | list[str], label: str
) -> None:
    candidates = proposes(tmp_path, kind, source, *([expected] if isinstance(expected, str) else expected))
    assert {candidate.draft.kind for candidate in candidates} == {label}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            """\
int f(struct a *a)
{
	if (!a)
		return 0;
	return a->n; /* HERE */
}
""",
            id="tested",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	if (a)
		return a->n; /* HERE */
	return 0;
}
""",
            id="in-the-branch",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	if (a == NULL || b)
		return 0;
	return a->n; /* HERE */
}
""",
            id="tested-with-another",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	return a ? a->n : 0; /* HERE */
}
""",
            id="in-the-expression",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	if (a && a->n) /* HERE */
		go();
	return 0;
}
""",
            id="in-the-condition",
        ),
        pytest.param(
            """\
int f(void)
{
	return find()->n; /* HERE */
}
""",
            id="a-call",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	int n = a->n; /* HERE */

	return n;
}
""",
            id="in-a-declaration",
        ),
        pytest.param(
            """\
struct big f(struct a *a)
{
	return a->big; /* HERE */
}
""",
            id="unknown-result-type",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	mutex_lock(&l);
	a->n = 1; /* HERE */
	mutex_unlock(&l);
	return 0;
}
""",
            id="lock-held",
        ),
        pytest.param(
            """\
int f(struct a *a)
{
	return a->n;
}
""",
            id="an-argument-somewhere",
        ),
    ],
)
def test_no_null_check_where_it_would_be_wrong(tmp_path: Path, source: str) -> None:
    proposes(tmp_path, NULL, source)


CALLEE = """\
static int setup(struct a *a)
{
	if (!a->ready)
		return -ENODEV;
	return 0;
}

"""
MAKER = """\
static struct a *make(void)
{
	return ERR_PTR(-ENOMEM);
}

"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            CALLEE
            + """\
static int f(struct a *a)
{
	int ret;

	ret = setup(a);
	a->b->c = 1; /* HERE */
	return ret;
}
""",
            "+\tif (ret < 0)\n+\t\treturn ret;",
            id="stored",
        ),
        pytest.param(
            CALLEE
            + """\
static int f(struct a *a)
{
	setup(a);
	a->b->c = 1; /* HERE */
	return 0;
}
""",
            "-\tsetup(a);\n+\tif (setup(a) < 0)\n+\t\treturn -EINVAL;",
            id="ignored",
        ),
        pytest.param(
            MAKER
            + """\
static int f(void)
{
	struct a *p = make();

	return p->n; /* HERE */
}
""",
            "+\tif (IS_ERR(p))\n+\t\treturn PTR_ERR(p);",
            id="error-pointer",
        ),
        pytest.param(
            MAKER
            + """\
static struct a *f(void)
{
	struct a *p = make();

	p->n = 1; /* HERE */
	return p;
}
""",
            "+\tif (IS_ERR(p))\n+\t\treturn ERR_CAST(p);",
            id="error-pointer-passed-on",
        ),
        pytest.param(
            """\
int g(void)
{
	struct a *q = get();
	if (IS_ERR(q))
		return 1;
}

static int f(void)
{
	struct a *p = get();

	return p->n; /* HERE */
}
""",
            "+\tif (IS_ERR(p))\n+\t\treturn PTR_ERR(p);",
            id="error-pointer-known-from-another-caller",
        ),
    ],
)
def test_an_untested_failure_is_tested(tmp_path: Path, source: str, expected: str) -> None:
    assert expected in [changes(candidate) for candidate in propose(tmp_path, NULL, source)]


@pytest.mark.parametrize("address", ["fffffffffffffff4", "0xfffffffffffff008"])
def test_a_paging_fault_in_the_last_page_is_an_error_pointer(tmp_path: Path, address: str) -> None:
    source = (
        MAKER
        + """\
static int f(void)
{
	struct a *p = make();

	return p->n; /* HERE */
}
"""
    )
    [candidate] = proposes(tmp_path, PAGING, source, "+\tif (IS_ERR(p))\n+\t\treturn PTR_ERR(p);", address=address)
    assert candidate.draft.kind == "root-cause"


@pytest.mark.parametrize(
    ("source", "address"),
    [
        pytest.param(
            MAKER
            + """\
int f(void)
{
	struct a *p = make();

	return p->n; /* HERE */
}
""",
            "ffff888000000000",
            id="elsewhere",
        ),
        pytest.param(
            MAKER
            + """\
int f(void)
{
	struct a *p = make();

	return p->n; /* HERE */
}
""",
            "(null)",
            id="no-address",
        ),
        pytest.param(
            MAKER
            + """\
int f(void)
{
	struct a *p = make();

	if (IS_ERR(p))
		return 0;
	return p->n; /* HERE */
}
""",
            "fffffffffffffff4",
            id="tested",
        ),
        pytest.param(
            """\
int f(void)
{
	struct a *p = make();

	return p->n; /* HERE */
}
""",
            "fffffffffffffff4",
            id="unknown-callee",
        ),
    ],
)
def test_no_error_test_without_evidence(tmp_path: Path, source: str, address: str) -> None:
    proposes(tmp_path, PAGING, source, address=address)


@pytest.mark.parametrize(
    "kind",
    [
        ("REFCOUNT_WARNING", "WARNING: refcount bug in f"),
        ("DoS", "divide error in f"),
        (None, "INFO: x"),
        ("HANG", "INFO: task hung in f"),
    ],
)
def test_other_crashes_get_no_template(tmp_path: Path, kind: tuple[str, str]) -> None:
    proposes(
        tmp_path,
        kind,
        """\
int f(struct a *a, int id)
{
	return a->b + slots[id]; /* HERE */
}
""",
        **INDEX,
    )


def test_no_place_no_proposal(tmp_path: Path) -> None:
    crash = Crash(UBSAN[1], SPAN, 0, 1, 0, type=UBSAN[0])
    gone = Location("gone.c", 3, "log", 1.0, "", "")
    assert template_drafts(crash, Located(()), Tree(tmp_path, "")) == ()
    assert template_drafts(crash, Located((), site=gone), Tree(tmp_path, "")) == ()

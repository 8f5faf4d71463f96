"""The fixes that need no model: each template knows one shape of mistake, and proposes nothing where it does not see it."""

from __future__ import annotations

from collections.abc import Callable

from kernfix.crash.model import Crash
from kernfix.fix.model import Draft
from kernfix.fix.templates import bounds, error_return, null_check
from kernfix.fix.templates.place import Place, places
from kernfix.source.model import Located
from kernfix.source.tree import Tree

Template = Callable[[Crash, Place], tuple[Draft, ...]]

_NULL = (error_return.propose, null_check.propose)

_TEMPLATES: tuple[tuple[str, tuple[Template, ...]], ...] = (
    ("MEMORY_SAFETY_UBSAN", (bounds.propose,)),
    ("KASAN-NULL-POINTER-DEREFERENCE", _NULL),
    ("KASAN-READ", (bounds.propose,)),
    ("KASAN-WRITE", (bounds.propose,)),
    ("NULL-POINTER-DEREFERENCE", _NULL),
    ("MEMORY_SAFETY_BUG", (error_return.propose,)),
    ("KMSAN-UNINIT-VALUE", (error_return.propose,)),
    ("DoS", _NULL),
)
"""Beginning of the crash type → the templates that know such crashes, surest first."""

MAX_DRAFTS = 6


def template_drafts(crash: Crash, located: Located, tree: Tree) -> tuple[Draft, ...]:
    """What the templates propose for a crash; the same edits are proposed once."""
    fitting = next((templates for prefix, templates in _TEMPLATES if (crash.type or "").startswith(prefix)), ())
    if crash.type == "DoS" and "general protection fault" not in crash.title:
        fitting = ()
    found: dict[object, Draft] = {}
    for place in places(crash, located, tree.read) if fitting else ():
        for template in fitting:
            for draft in template(crash, place):
                found.setdefault(draft.edits, draft)
        if found:
            break
    return tuple(found.values())[:MAX_DRAFTS]

"""A candidate as an edit of the client's documents, computed against the text that the user sees now."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types

from kernfix.lsp.analysis import Analysis
from kernfix.lsp.session import KernfixServer
from kernfix.lsp.text import Text

if TYPE_CHECKING:
    from kernfix.fix.model import Candidate

ANNOTATION = "kernfix"


def text_edits(text: Text, after: str) -> list[types.TextEdit]:
    """The changes that turn a document into `after`, whole lines at a time."""
    from kernfix.patch import line_edits

    # Lines of a patch end at newlines alone, so they are looked up by offset and not by the client's line numbers.
    offsets = list(accumulate((len(line) + 1 for line in text.source.split("\n")), initial=0))
    offsets[-1] = len(text.source)
    return [
        types.TextEdit(types.Range(text.position(offsets[edit.start]), text.position(offsets[edit.end])), edit.text)
        for edit in line_edits(text.source, after)
    ]


def workspace_edit(server: KernfixServer, analysis: Analysis, candidate: Candidate) -> types.WorkspaceEdit | str:
    """The edit, or why it cannot be made any more in one sentence."""
    from kernfix.patch import apply_edits

    tree, root = analysis.tree, analysis.root
    if tree is None or root is None:
        return analysis.unlocated
    texts: dict[str, Text] = {}

    def read(path: str) -> str | None:
        text = server.source(root / path) if tree.path(path) else None
        if text is not None:
            texts[path] = text
        return text.source if text else None

    change = apply_edits(candidate.draft.edits, read)
    if change.problems:
        return " ".join(problem.message for problem in change.problems)
    edits = {
        server.address(root / path): text_edits(texts[path], after)
        for path, after in change.after.items()
        if after is not None
    }
    return _for_client(server, edits, candidate)


def _for_client(
    server: KernfixServer, edits: dict[str, list[types.TextEdit]], candidate: Candidate
) -> types.WorkspaceEdit:
    """In the richest form that the client takes: versioned, and shown to the user before it is made."""
    if not server.can("workspace.workspace_edit.document_changes"):
        return types.WorkspaceEdit(changes=edits)
    annotated = server.can("workspace.workspace_edit.change_annotation_support")
    changes = [
        types.TextDocumentEdit(
            text_document=types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=_version(server, uri)),
            edits=[_annotate(edit) for edit in of_file] if annotated else of_file,
        )
        for uri, of_file in edits.items()
    ]
    annotation = types.ChangeAnnotation(
        label="kernfix: a proposed fix", needs_confirmation=True, description=candidate.draft.hypothesis
    )
    return types.WorkspaceEdit(
        document_changes=changes, change_annotations={ANNOTATION: annotation} if annotated else None
    )


def _annotate(edit: types.TextEdit) -> types.AnnotatedTextEdit:
    return types.AnnotatedTextEdit(range=edit.range, new_text=edit.new_text, annotation_id=ANNOTATION)


def _version(server: KernfixServer, uri: str) -> int | None:
    document = server.document(uri)
    return document.version if document else None


def touches(edit: types.WorkspaceEdit, uri: str, lines: types.Range) -> bool:
    """Whether the edit changes something in the lines of that range of that document."""
    changes: dict[str, list[types.Range]] = {
        at: [one.range for one in of_file] for at, of_file in (edit.changes or {}).items()
    }
    for change in edit.document_changes or ():
        if isinstance(change, types.TextDocumentEdit):
            changes[change.text_document.uri] = [one.range for one in change.edits]
    return any(
        unquote(at) == unquote(uri) and one.start.line <= lines.end.line and one.end.line >= lines.start.line
        for at, ranges in changes.items()
        for one in ranges
    )

"""Between the addresses of documents and paths on this machine.

An editor that works on another machine over SSH may name our files ``vscode-remote://ssh-remote+host/home/…``; it then wants to be told of
other files by such names too, and takes a ``file:`` address for one of its own machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pygls import uris

REMOTE = "vscode-remote"


def path_of(uri: str) -> Path | None:
    """The file of that address on this machine; None where it names none, as ``untitled:`` documents do."""
    scheme = uri.partition(":")[0]
    if scheme == REMOTE:
        path = unquote(urlsplit(uri).path)
    elif scheme == "file":
        path = uris.to_fs_path(uri) or ""
    else:
        return None
    return Path(path) if path.startswith("/") or (scheme == "file" and path) else None


def address_of(path: Path, known: Iterable[str]) -> str:
    """The address of an absolute path as the client calls it, judged by `known` addresses: those of its folders and documents."""
    for uri in known:
        near = path_of(uri) if uri.startswith(f"{REMOTE}:") else None
        if near and path.is_relative_to(near):
            return f"{REMOTE}://{urlsplit(uri).netloc}{quote(str(path))}"
    return uris.from_fs_path(str(path)) or path.as_uri()

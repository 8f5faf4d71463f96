"""Writes cpio archives in the "newc" format that the kernel unpacks as an initial RAM disk.

The format is the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Device nodes can be written without being root,
which is why this is not left to the ``cpio`` program.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One archive member. `mode` holds type and permissions; `device` is (major, minor) of a device node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(name: str) -> Member:
    """A folder."""
    return Member(name, stat.S_IFDIR | 0o755)


def program(name: str, data: bytes) -> Member:
    """An executable file."""
    return Member(name, stat.S_IFREG | 0o755, data)


def character_device(name: str, major: int, minor: int) -> Member:
    """A character device node that all may use."""
    return Member(name, stat.S_IFCHR | 0o666, device=(major, minor))


def archive(members: Iterable[Member]) -> bytes:
    """The archive. Equal members give equal bytes (owner root, time 0), and archives may follow each other in one RAM disk."""
    parts = [_entry(number, member) for number, member in enumerate(members, 1)]
    return b"".join([*parts, _entry(0, Member("TRAILER!!!", 0))])


def _entry(number: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    fields = (number, member.mode, 0, 0, links, 0, len(member.data), 0, 0, *member.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(member.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)

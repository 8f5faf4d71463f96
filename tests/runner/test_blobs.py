"""Uploads: their names are their hashes, a wrong one is refused, and half of one is nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernfix.runner.blobs import Blobs, WrongHash

DATA = b"CONFIG_KASAN=y\n"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


async def pieces(*chunks: bytes | BaseException) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


def files(blobs: Blobs) -> list[Path]:
    return [path for path in blobs.path(DIGEST).parent.parent.rglob("*") if path.is_file()]


def receive(blobs: Blobs, digest: str, *chunks: bytes | BaseException) -> None:
    asyncio.run(blobs.receive(digest, pieces(*chunks)))


@pytest.mark.parametrize("content", [DATA, b"", b"\0" * 3_000_000])
def test_there_and_back(blobs: Blobs, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    assert not blobs.has(digest)
    with pytest.raises(FileNotFoundError):
        blobs.read(digest)
    receive(blobs, digest, content[:7], content[7:])
    assert blobs.has(digest)
    assert blobs.read(digest) == content
    assert blobs.put(content) == digest
    assert len(files(blobs)) == 1


def test_put_names_it(blobs: Blobs) -> None:
    assert blobs.put(DATA) == DIGEST
    assert blobs.read(DIGEST) == DATA
    assert files(blobs) == [blobs.path(DIGEST)]


@pytest.mark.parametrize("chunks", [(), (b"other",), (DATA, b"more"), (DATA[:-1],)])
def test_a_wrong_hash_is_refused_and_nothing_is_kept(blobs: Blobs, chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(WrongHash, match=hashlib.sha256(b"".join(chunks)).hexdigest()):
        receive(blobs, DIGEST, *chunks)
    assert not blobs.has(DIGEST)
    assert files(blobs) == []


@pytest.mark.parametrize("error", [ConnectionResetError(), asyncio.CancelledError(), KeyboardInterrupt()])
def test_a_lost_connection_leaves_nothing(blobs: Blobs, error: BaseException) -> None:
    with pytest.raises(type(error)):
        receive(blobs, DIGEST, DATA[:5], error)
    assert files(blobs) == []


def test_what_is_there_survives_a_bad_second_upload(blobs: Blobs) -> None:
    blobs.put(DATA)
    with pytest.raises(WrongHash):
        receive(blobs, DIGEST, b"other")
    assert blobs.read(DIGEST) == DATA
    assert len(files(blobs)) == 1


def test_many_at_once(blobs: Blobs) -> None:
    async def all_at_once() -> None:
        each = [blobs.receive(DIGEST, pieces(*(DATA[i : i + 1] for i in range(len(DATA))))) for _ in range(20)]
        bad = [blobs.receive(DIGEST, pieces(b"other")) for _ in range(5)]
        results = await asyncio.gather(*each, *bad, return_exceptions=True)
        assert [type(result) for result in results] == [type(None)] * 20 + [WrongHash] * 5

    asyncio.run(all_at_once())
    assert blobs.read(DIGEST) == DATA
    assert files(blobs) == [blobs.path(DIGEST)]

"""Where the runner keeps what it keeps: one folder, whose layout is this file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def cache_home() -> Path:
    """The user's cache folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@dataclass(frozen=True, slots=True)
class State:
    """Paths below the state folder.

    Everything under `cache` is content-addressed and may be shared by several runners at once and deleted at any time nothing runs;
    `jobs` belongs to one runner.
    """

    cache: Path
    jobs: Path

    @classmethod
    def at(cls, cache: Path, jobs: Path | None = None) -> State:
        """Lay the folders out below `cache`; jobs go to `jobs` where it is given."""
        state = cls(cache=cache.absolute(), jobs=(jobs or cache / "jobs").absolute())
        for folder in (state.blobs, state.trees, state.kernels, state.reproducers, state.ccache, state.jobs):
            folder.mkdir(parents=True, exist_ok=True)
        return state

    @property
    def blobs(self) -> Path:
        """Uploads, named by their SHA-256."""
        return self.cache / "blobs"

    @property
    def trees(self) -> Path:
        """Warm build trees, one per base, config and compiler."""
        return self.cache / "trees"

    @property
    def kernels(self) -> Path:
        """Built kernels with their build logs, by everything that went into them."""
        return self.cache / "kernels"

    @property
    def reproducers(self) -> Path:
        """Compiled reproducers and the fixed part of the initial RAM disk."""
        return self.cache / "reproducers"

    @property
    def ccache(self) -> Path:
        """The compiler cache."""
        return self.cache / "ccache"

    @property
    def tokens(self) -> Path:
        """Hashes of the bearer tokens."""
        return self.jobs / "tokens.json"

    def artifacts(self, job: str) -> Path:
        """The folder of a job's artifacts."""
        folder = self.jobs / "artifacts" / job
        folder.mkdir(parents=True, exist_ok=True)
        return folder

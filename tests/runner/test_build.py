"""The build stage on a tiny tree with the real make and compiler: kernels, refusals, and whose fault a failure is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernfix.patch import apply_diff
from kernfix.patch.model import Change
from kernfix.runner import sandbox
from kernfix.runner.faults import BadRequest, RunnerFault
from kernfix.runner.stages import build as module
from kernfix.runner.stages.apply import apply
from kernfix.runner.stages.build import Built, build, compiler_version
from kernfix.runner.state import State
from kernfix.runner.trees import WarmTree

CONFIG = b"CONFIG_KASAN=y\n"


class Site:
    """A state with the tiny tree in it as a warm tree."""

    def __init__(self, tiny: Path, folder: Path) -> None:
        self.state = State.at(folder)
        self.tree = WarmTree(self.state.trees / "t1")
        shutil.copytree(tiny, self.tree.source)
        self.told: list[tuple[int, str]] = []

    def build(
        self, after: dict[str, str | None] | None = None, *, seconds: float = 60, config: bytes = CONFIG
    ) -> Built:
        change = None if after is None else Change(dict.fromkeys(after), after)
        tell = lambda count, line: self.told.append((count, line))  # noqa: E731
        return asyncio.run(build(self.tree, config, change, self.state, seconds, tell))

    def make_does(self, recipe: str) -> None:
        """Have ``make vmlinux`` do something else."""
        makefile = (self.tree.source / "Makefile").read_text().replace("vmlinux:", "unused:")
        (self.tree.source / "Makefile").write_text(f"{makefile}\nvmlinux:\n\t{recipe}\n")

    def partial(self) -> list[Path]:
        return list(self.state.kernels.glob(".partial-*"))


@pytest.fixture(params=["confined", "bare"])
def site(tiny: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Site:
    if request.param == "bare":
        monkeypatch.setattr(sandbox, "sandboxed", lambda: False)
    elif not sandbox.sandboxed():
        pytest.skip("bubblewrap does not work here")
    return Site(tiny, tmp_path / "state")


def kernel(built: Built) -> str:
    assert built.error is None, built.log.read_text()
    return built.kernel.read_text()


def check_failed(built: Built, saying: str) -> None:
    assert built.error is not None
    assert saying in built.error
    assert not built.kernel.exists()


FOUR = "int fork = 4;\n"
WHOLE = "CONFIG_KASAN=y\n# CONFIG_TINY is not set\n"


def test_a_base_is_built_once(site: Site) -> None:
    first = site.build()
    assert kernel(first) == WHOLE + "int fork = 1;\n"
    assert not first.cached
    assert site.told == [(1, "CC      kernel/fork.o"), (2, "LD      vmlinux")]
    assert "  CC      kernel/fork.o\n" in first.log.read_text()
    assert (Path(first.folder) / "config").read_text() == WHOLE
    second = site.build()
    assert (second.cached, second.folder) == (True, first.folder)
    assert len(site.told) == 2
    assert site.partial() == []


def test_a_patch_is_built_and_taken_back(site: Site) -> None:
    base = site.build()
    patched = site.build({"kernel/fork.c": "int fork = 2;\n"})
    assert kernel(patched) == WHOLE + "int fork = 2;\n"
    assert patched.folder != base.folder
    assert site.tree.read("kernel/fork.c") == "int fork = 1;\n"
    assert site.build({"kernel/fork.c": "int fork = 2;\n"}).cached
    other = site.build({"kernel/fork.c": "int fork = 3;\n"})
    assert kernel(other) == WHOLE + "int fork = 3;\n"
    assert kernel(site.build()) == WHOLE + "int fork = 1;\n", "the base's kernel is as it was"


def test_a_patch_that_does_not_compile_says_what_the_compiler_says(site: Site) -> None:
    failed = site.build({"kernel/fork.c": "int fork = no_such_name;\n"})
    check_failed(failed, "no_such_name")
    assert failed.error is not None
    assert failed.error.startswith("kernel/fork.c:1:")
    assert "no_such_name" in failed.log.read_text()
    check_failed(site.build({"kernel/fork.c": "int fork = no_such_name;\n"}), "no_such_name")
    assert kernel(site.build()) == WHOLE + "int fork = 1;\n"
    assert site.partial() == []


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("@echo only this; false", "Error 1"),
        ("@true", "left no vmlinux"),
        ("@rm .config; echo x > vmlinux", "left no .config"),
    ],
)
def test_makefiles_that_do_something_else(site: Site, recipe: str, says: str) -> None:
    site.make_does(recipe)
    check_failed(site.build(), says)


def test_a_base_that_cannot_use_the_config(site: Site) -> None:
    with pytest.raises(BadRequest, match="cannot be used with this tree"):
        site.build(config=b"UNUSABLE=y\n")
    assert kernel(site.build()) == WHOLE + "int fork = 1;\n", "what was refused is not kept"


# A build that is cut off.


@contextlib.contextmanager
def bad_compiler(site: Site, script: str) -> Iterator[None]:
    """Have the compiler write half an object before it does something else; the tree's own Makefile is where it gets in."""
    makefile = (site.tree.source / "Makefile").read_text()
    (site.tree.source / "Makefile").write_text(makefile.replace("@$(CC) -c", f"@echo half > $@; {script}; $(CC) -c"))
    yield
    (site.tree.source / "Makefile").write_text(makefile)


def test_a_build_that_takes_too_long_leaves_no_half_written_object(
    site: Site,
) -> None:
    with bad_compiler(site, "sleep 60"):
        began = time.monotonic()
        check_failed(site.build(seconds=0.7), "did not end within 1 s")
        assert time.monotonic() - began < 10
        assert (site.tree.source / "kernel/fork.o").exists()
    assert kernel(site.build()) == WHOLE + "int fork = 1;\n"
    assert (site.tree.source / "kernel/fork.o").read_bytes().startswith(b"\x7fELF")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -KILL $$PPID; sleep 1", "killed by signal 9"),
        ("echo 'fatal error: Killed signal terminated program cc1' >&2; exit 1", "Killed signal"),
        ("echo 'fork.o: final close failed: No space left on device' >&2; exit 1", "No space left"),
    ],
)
def test_the_machines_trouble_is_not_the_patchs(site: Site, script: str, says: str) -> None:
    with bad_compiler(site, script), pytest.raises(RunnerFault, match=says):
        site.build({"kernel/fork.c": "int fork = 2;\n"})
    assert kernel(site.build()) == WHOLE + "int fork = 1;\n"


def test_cancelled_in_the_middle(site: Site) -> None:
    async def cancel() -> None:
        change = Change({}, {"kernel/fork.c": FOUR})
        begun = asyncio.Event()
        work = build(site.tree, CONFIG, change, site.state, 60, lambda count, line: begun.set())
        task = asyncio.create_task(work)
        await asyncio.wait_for(begun.wait(), 20)
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with bad_compiler(site, "sleep 61.5"):
        asyncio.run(cancel())
    assert site.partial() == []
    assert site.tree.read("kernel/fork.c") == "int fork = 1;\n"
    assert kernel(site.build({"kernel/fork.c": FOUR})) == WHOLE + FOUR


# The config of one build is not that of the next.


def test_a_patch_of_the_options_is_answered_and_does_not_stay(site: Site) -> None:
    site.build()
    with_option = site.build({"Kconfig": "CONFIG_NEW=y\n"})
    assert kernel(with_option).startswith("CONFIG_KASAN=y\nCONFIG_NEW=y\n")
    assert kernel(site.build({"kernel/fork.c": "int fork = 5;\n"})) == WHOLE + "int fork = 5;\n"


def test_what_a_build_does_to_the_config_does_not_stay(site: Site) -> None:
    site.build()
    (site.tree.source / ".config").write_text("CONFIG_KASAN=n\n")
    assert kernel(site.build({"kernel/fork.c": "int fork = 5;\n"})) == WHOLE + "int fork = 5;\n"


def test_a_patch_that_breaks_the_options_does_not_build(site: Site) -> None:
    makefile = (site.tree.source / "Makefile").read_text().replace("@! grep", "@grep")
    check_failed(site.build({"Kconfig": "x", "Makefile": makefile}), "Error")


# What a hostile tree may try.


@pytest.mark.parametrize("name", ["vmlinux", ".config"])
def test_a_link_in_the_place_of_an_output_is_not_followed(site: Site, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    site.make_does(f"@echo x > vmlinux; ln -sf {tmp_path / 'secret'} {name}")
    with pytest.raises(BadRequest, match="leads out"):
        site.build()
    assert not list(site.state.kernels.rglob("vmlinux"))


def test_a_config_that_is_a_link_is_not_written_through(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (site.tree.source / ".config").symlink_to(tmp_path / "secret")
    with pytest.raises(BadRequest, match="leads out"):
        site.build()
    assert (tmp_path / "secret").read_text() == "secret"


def test_endless_output_is_not_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT", 1000)
    site.make_does("@yes 'error: again' | head -n 100000; false")
    failed = site.build()
    check_failed(failed, "error: again")
    assert failed.log.stat().st_size <= 1000


# Several at once.


def test_two_jobs_of_one_patch_build_it_once(site: Site) -> None:
    async def both() -> list[Built]:
        change = Change({}, {"kernel/fork.c": "int fork = 6;\n"})
        each = [build(site.tree, CONFIG, change, site.state, 60, lambda count, line: None) for _ in range(2)]
        return list(await asyncio.gather(*each))

    first, second = asyncio.run(both())
    assert sorted((first.cached, second.cached)) == [False, True]
    assert first.folder == second.folder


def test_a_kernel_in_use_stays_in_place_when_it_is_built_again(site: Site) -> None:
    """As another runner on the same cache would that began before."""
    failed = site.build({"kernel/fork.c": "broken\n"})
    held = failed.log.open()
    again = site.build({"kernel/fork.c": "broken\n"})
    assert again.folder == failed.folder
    assert held.read() != ""
    held.close()
    assert again.log.exists()


def test_a_tree_that_was_removed_meanwhile_is_the_runners_fault(site: Site) -> None:
    site.tree.remove_unused()
    with pytest.raises(RunnerFault, match="removed from the cache"):
        site.build()
    with pytest.raises(RunnerFault, match="removed from the cache"):
        asyncio.run(apply("", site.tree))


def test_apply_says_why_it_does_not_fit_and_writes_nothing(site: Site) -> None:
    diff = "--- a/kernel/fork.c\n+++ b/kernel/fork.c\n@@ -1 +1 @@\n-int fork = 9;\n+int fork = 2;\n"
    change = asyncio.run(apply(diff, site.tree))
    assert "int fork = 9;" in change.problems[0].message
    fits = asyncio.run(apply(diff.replace("9", "1"), site.tree))
    assert fits == apply_diff(diff.replace("9", "1"), site.tree.read)
    assert fits.after == {"kernel/fork.c": "int fork = 2;\n"}
    assert site.tree.read("kernel/fork.c") == "int fork = 1;\n"


def test_the_compiler_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gcc" in asyncio.run(compiler_version()).lower()
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(RunnerFault, match="gcc is not installed"):
        asyncio.run(compiler_version())

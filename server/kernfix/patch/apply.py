"""A unified diff against the tree as it stands: every hunk fits exactly, perhaps at another line, or the problem says what is there."""

from __future__ import annotations

from collections import Counter, defaultdict

from kernfix.patch.model import Change, Diff, FileDiff, Hunk, Problem, Reader
from kernfix.patch.parse import parse_diff
from kernfix.patch.text import MAX_TEXT, split_lines


def apply_diff(diff: str | Diff, read: Reader) -> Change:
    """What the files are after the diff. Context must match exactly; a hunk whose lines moved goes to the nearest place that fits."""
    parsed = parse_diff(diff) if isinstance(diff, str) else diff
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}
    problems = list(parsed.problems)
    for file in parsed.files:
        path = file.path
        if path not in before:
            before[path] = after[path] = read(path)
        result, found = _apply_file(file, after[path])
        problems += found
        if not found:
            after[path] = result
    return Change(before, after, tuple(problems))


def _apply_file(file: FileDiff, text: str | None) -> tuple[str | None, list[Problem]]:
    path = file.path
    if file.old is None:
        if text is not None:
            return None, [Problem(f"The patch creates {path}, which exists already.", path)]
        return "".join(line for hunk in file.hunks for line in hunk.after), []
    if text is None:
        return None, [Problem(f"There is no readable file {path} in the tree.", path)]
    lines, problems = _apply_hunks(file, split_lines(text))
    result = "".join(lines)
    if not problems and file.new is None and result:
        problems = [Problem(f"The patch deletes {path}, but the tree has more lines in it.", path)]
    if len(result) > MAX_TEXT:
        problems = [Problem(f"{path} would be too large.", path)]
    return (None if file.new is None else result), problems


def _apply_hunks(file: FileDiff, lines: list[str]) -> tuple[list[str], list[Problem]]:
    index: dict[str, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        index[line].append(at)
    result: list[str] = []
    problems: list[Problem] = []
    done, drift = 0, 0
    for number, hunk in enumerate(file.hunks, 1):
        guess = _start(hunk) + drift
        at, reason = _find(hunk, lines, index, done, guess)
        if at < 0:
            problems.append(
                Problem(f"Hunk {number} of {file.path} (line {hunk.old_start}) does not fit: {reason}", file.path)
            )
            continue
        result += lines[done:at]
        result += hunk.after
        done = at + len(hunk.before)
        drift = at - _start(hunk)
    return result + lines[done:], problems


def _start(hunk: Hunk) -> int:
    """The 0-based line where the hunk says it begins; one without old lines goes after the line it names."""
    return hunk.old_start - 1 if hunk.before else hunk.old_start


def _find(hunk: Hunk, lines: list[str], index: dict[str, list[int]], done: int, guess: int) -> tuple[int, str]:
    """Where the hunk fits at or after line `done`, nearest to `guess`; or -1 and why not."""
    wanted = list(hunk.before)
    if not wanted:
        return (guess, "") if done <= guess <= len(lines) else (-1, f"the file has only {len(lines)} lines.")
    rarest = min(range(len(wanted)), key=lambda k: len(index.get(wanted[k], ())))
    starts = [at - rarest for at in index.get(wanted[rarest], ())]
    fits = [at for at in starts if at >= done and lines[at : at + len(wanted)] == wanted]
    if not fits:
        return -1, _explain(hunk, lines, index, guess)
    nearest = min(abs(at - guess) for at in fits)
    best = [at for at in fits if abs(at - guess) == nearest]
    if len(best) > 1:
        return -1, f"lines {best[0] + 1} and {best[1] + 1} fit equally well."
    return best[0], ""


def _explain(hunk: Hunk, lines: list[str], index: dict[str, list[int]], guess: int) -> str:
    """What the tree has instead at the place that fits best."""
    votes = _votes(hunk.before, index)
    if not votes:
        return f"none of its lines is in the file; it expects {_quote(hunk.before[0])}."
    after = _votes(hunk.after, index)
    if after and max(after.values()) == len(hunk.after) > max(votes.values()):
        return "it seems to be applied already."
    at = min(votes, key=lambda start: (-votes[start], abs(start - guess)))
    for offset, wanted in enumerate(hunk.before):
        there = lines[at + offset] if 0 <= at + offset < len(lines) else None
        if there != wanted:
            seen = "the end of the file" if there is None else _quote(there)
            return f"at line {max(at + offset, 0) + 1} it expects {_quote(wanted)} and the tree has {seen}."
    return "its place lies before the end of the hunk above it."


def _votes(wanted: tuple[str, ...], index: dict[str, list[int]]) -> Counter[int]:
    """How many lines would match, by the 0-based line where the hunk would begin."""
    return Counter(at - offset for offset, line in enumerate(wanted) for at in index.get(line, ()))


def _quote(line: str) -> str:
    text = line.strip()[:120]
    return f"`{text}`" if text else "an empty line"

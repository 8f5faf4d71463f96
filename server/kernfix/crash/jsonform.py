"""A crash as the JSON that `kernfix parse --json` prints."""

from __future__ import annotations

from typing import Any

from kernfix.crash.model import Crash, Frame, Span, Stack


def to_json(crash: Crash) -> dict[str, Any]:
    """The documented shape (schema ``kernfix.crash/1``); only dicts, lists, strings, numbers, booleans and None."""
    site = crash.site
    return {
        "title": crash.title,
        "alt_titles": list(crash.alt_titles),
        "type": crash.type,
        "function": crash.function,
        "guilty_file": crash.guilty_file,
        "corrupted": crash.corrupted,
        "suppressed": crash.suppressed,
        "panicked": crash.panicked,
        "executor": {"proc": crash.executor.proc, "id": crash.executor.id} if crash.executor else None,
        "arch": crash.arch,
        "start_line": crash.start_line,
        "end_line": crash.end_line,
        "start_byte": crash.start_byte,
        "headline": {
            **_span(crash.headline),
            "file": site.file if site else None,
            "source_line": site.line if site else None,
            "column": site.column if site else None,
        },
        "stacks": [_stack(stack) for stack in crash.stacks],
        "registers": dict(crash.registers),
        "facts": dict(crash.facts),
        "problems": list(crash.problems),
    }


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "kind": stack.kind,
        "task": stack.task,
        "pid": stack.pid,
        "frames": [_frame(frame) for frame in stack.frames],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "function": frame.function,
        "offset": frame.offset,
        "size": frame.size,
        "file": frame.file,
        "line": frame.line,
        "column": frame.column,
        "inlined": frame.inlined,
        "reliable": frame.reliable,
        "module": frame.module,
        "address": frame.address,
        "span": _span(frame.span),
    }


def _span(span: Span) -> dict[str, int]:
    return {"line": span.line, "start": span.start, "end": span.end}

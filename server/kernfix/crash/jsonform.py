"""A crash as the JSON that `kernfix parse --json` prints."""

from __future__ import annotations

from typing import Any

from kernfix.crash.demangle import demangled
from kernfix.crash.model import Crash, Frame, HeldLock, Machine, Span, Stack


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
        "consequence_of": crash.consequence_of,
        "machine": _machine(crash.machine),
        "stacks": [_stack(stack) for stack in crash.stacks],
        "locks": [_lock(lock) for lock in crash.locks],
        "registers": dict(crash.registers),
        "code": crash.code,
        "facts": dict(crash.facts),
        "problems": list(crash.problems),
    }


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "kind": stack.kind,
        "task": stack.task,
        "pid": stack.pid,
        "cpu": stack.cpu,
        "label": stack.label,
        "frames": [_frame(frame) for frame in stack.frames],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "function": frame.function,
        "demangled": demangled(frame.function),
        "caller": frame.caller,
        "offset": frame.offset,
        "size": frame.size,
        "file": frame.file,
        "line": frame.line,
        "column": frame.column,
        "inlined": frame.inlined,
        "reliable": frame.reliable,
        "module": frame.module,
        "build_id": frame.build_id,
        "address": frame.address,
        "register": frame.register,
        "span": _span(frame.span),
    }


def _lock(lock: HeldLock) -> dict[str, Any]:
    return {
        "name": lock.name,
        "held": lock.held,
        "task": lock.task,
        "pid": lock.pid,
        "frame": _frame(lock.frame) if lock.frame else None,
    }


def _machine(machine: Machine) -> dict[str, Any]:
    return {name: getattr(machine, name) for name in ("comm", "pid", "uid", "cpu", "kernel", "taint", "hardware")}


def _span(span: Span) -> dict[str, int]:
    return {"line": span.line, "start": span.start, "end": span.end}

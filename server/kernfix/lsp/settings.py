"""The user's settings: section ``kernfix`` of the client's configuration. Imported on first use, because pydantic takes its time.

A bad value never takes the good ones with it: it is dropped, and a sentence names its key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

SECTION = "kernfix"
CLIENT_ONLY = ("server", "trace")
"""Keys of the section that editors use for themselves: how to start the server, and what to log of the protocol."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class RunnerSettings(_Section):
    """The remote runner; without `url` one is started on loopback. `token_env` names the environment variable with the token."""

    url: str | None = Field(default=None, pattern=r"^https?://")
    token_env: str | None = None


class LlmSettings(_Section):
    """The OpenAI-compatible endpoint. `api_key_env` names the environment variable with the key: keys have no place in settings."""

    base_url: str | None = Field(default=None, pattern=r"^https?://")
    model: str | None = None
    api_key_env: str | None = None


class Settings(_Section):
    """What the user can set. Paths may be relative to the workspace folder; ``~`` is the home folder.

    `tree`, `vmlinux`, `config` and `reproducer` are found beside the log or in the workspace when they are not set. `cmdline` is added
    to the guest's kernel command line, `runs` fixes the number of runs of a patched kernel. `index` has the symbol index of
    the tree made and kept up to date.
    """

    tree: str | None = None
    vmlinux: str | None = None
    config: str | None = None
    reproducer: str | None = None
    cmdline: str = ""
    index: bool = True
    runs: int | None = Field(default=None, ge=1, le=1000)
    provider: Literal["templates", "llm", "all"] | None = None
    runner: RunnerSettings = RunnerSettings()
    llm: LlmSettings = LlmSettings()


def read(*layers: object) -> tuple[Settings, tuple[str, ...]]:
    """The settings from several JSON values, later ones first in force, and a sentence for each key that cannot be used."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for layer in layers:
        if isinstance(layer, dict):
            _merge(values, layer)
        elif layer is not None:
            problems.append(f"{SECTION}: must be an object with settings; it is ignored.")
    for key in CLIENT_ONLY:
        values.pop(key, None)
    try:
        return Settings.model_validate(values), tuple(problems)
    except ValidationError as error:
        bad = error.errors(include_url=False, include_input=False)
    for fault in bad:
        key = ".".join(str(part) for part in (SECTION, *fault["loc"]))
        problems.append(f"{key}: {_say(fault['type'], fault['msg'])}; it is ignored.")
        _drop(values, fault["loc"])
    return Settings.model_validate(values), tuple(problems)


def _say(kind: str, message: str) -> str:
    return "there is no such setting" if kind == "extra_forbidden" else message[:1].lower() + message[1:]


def _merge(values: dict[str, Any], layer: dict[str, Any]) -> None:
    """Lay `layer` over `values`. Empty values are unset ones: editors send defaults of all that they know."""
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        elif isinstance(value, dict):
            values[key] = {}
            _merge(values[key], value)
        elif value not in (None, ""):
            values[key] = value


def _drop(values: dict[str, Any], loc: Iterable[int | str]) -> None:
    *parents, last = loc
    for part in parents:
        values = values.get(str(part), {})
    values.pop(str(last), None)

"""The VS Code extension's manifest says what the server takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kernfix.lsp.session import LANGUAGE
from kernfix.lsp.settings import CLIENT_ONLY, SECTION, Settings, read

FOLDER = Path(__file__).resolve().parents[2] / "extension" / "vscode"
MANIFEST = json.loads((FOLDER / "package.json").read_text())
PROPERTIES: dict[str, Any] = MANIFEST["contributes"]["configuration"]["properties"]


def keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """The full names of a model's settings."""
    for field in model.model_fields.values():
        name = f"{prefix}.{field.alias}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, name)
        else:
            yield name


def is_ours(name: str) -> bool:
    return name.split(".")[1] not in CLIENT_ONLY


def test_the_settings_are_the_servers() -> None:
    assert {name for name in PROPERTIES if is_ours(name)} == set(keys(Settings, SECTION))


def test_the_defaults_are_taken_without_complaint() -> None:
    section: dict[str, Any] = {}
    for name, schema in PROPERTIES.items():
        *parents, last = name.split(".")[1:]
        place = section
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = schema["default"]
    assert read(section) == (Settings(), ())


def test_an_untrusted_workspace_sets_nothing() -> None:
    """Of the program to start, the paths to read and the hosts to talk to; what is logged may be set."""
    trust = MANIFEST["capabilities"]["untrustedWorkspaces"]
    assert trust["supported"] == "limited"
    assert set(PROPERTIES) - set(trust["restrictedConfigurations"]) == {"kernfix.trace.server"}


def test_the_language() -> None:
    (language,) = MANIFEST["contributes"]["languages"]
    assert language["id"] == LANGUAGE
    assert language["extensions"] == [".crash", ".oops"]


def test_the_lock_file_names_no_host() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())

"""A scripted chat endpoint for the tests of this folder."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def scripted() -> Iterator[Callable[..., Any]]:
    """Starts an endpoint: ``scripted(step, step, …)``; see `scripted_llm.py` for the steps."""
    spec = importlib.util.spec_from_file_location("scripted_llm", Path(__file__).with_name("scripted_llm.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    servers = []

    def start(*script: dict[str, Any]) -> Any:
        server = module.ScriptedLLM(list(script))
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()

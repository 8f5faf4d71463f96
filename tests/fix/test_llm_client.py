"""The chat client against a real HTTP server on loopback that follows a script, good and bad."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernfix.fix.llm import load_settings
from kernfix.fix.llm.client import ChatClient, Limits, Reply
from kernfix.fix.llm.errors import Broken, LLMError, Overloaded, Refused, Truncated, Unreachable

Scripted = Callable[..., Any]
KEY = "sk-secret-0123456789"
SCHEMA = {"type": "object"}
QUICK = Limits(connect=2, first_token=2, idle=1, total=10, backoff=0.01)


async def ask(base_url: str, limits: Limits = QUICK, **options: Any) -> Reply:
    settings, reason = load_settings(base_url=base_url, model="m", api_key=KEY)
    assert settings is not None, reason
    async with ChatClient(settings, limits) as client:
        return await client.ask([{"role": "user", "content": "?"}], SCHEMA, **options)


async def fails(server: Any, error: type[LLMError], words: str, limits: Limits = QUICK) -> None:
    with pytest.raises(error) as caught:
        await ask(server.base_url, limits)
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


async def test_an_answer_is_put_together_from_its_stream(scripted: Scripted) -> None:
    server = scripted({"answer": "héllo wörld", "piece": 3, "usage": {"prompt_tokens": 12, "completion_tokens": 5}})
    reply = await ask(server.base_url, temperature=0.7, seed=4)
    assert (reply.text, reply.model) == ("héllo wörld", "scripted")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (12, 5)
    [request] = server.requests
    assert request["path"] == "/v1/chat/completions"
    assert (request["model"], request["stream"], request["temperature"], request["seed"]) == ("m", True, 0.7, 4)
    assert request["response_format"]["json_schema"]["schema"] == SCHEMA
    assert server.authorizations == [f"Bearer {KEY}"]


STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def says(text: str | None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text, **more}}]}


@pytest.mark.parametrize(
    ("step", "text"),
    [
        pytest.param(
            {"events": [{"choices": None}, says("a"), {"choices": []}, says("b"), STOP]}, "ab", id="null-choices"
        ),
        pytest.param({"events": [says(None), says("a"), {"choices": [{"delta": None}]}, STOP]}, "a", id="null-content"),
        pytest.param({"events": [says(None, reasoning_content="hm"), says("a"), STOP]}, "a", id="reasoning-content"),
        pytest.param(
            {
                "raw": [
                    "",
                    ": ping\r\n\r\n",
                    'data:{"choices":[{"delta":{"content":"a"},"finish_',
                    'reason":"stop"}]}\r',
                    "\n",
                ]
            },
            "a",
            id="crlf",
        ),
        pytest.param(
            {"raw": ['data: {"choices":[{"delta":{"content":"\xc3', '\xa9"},"finish_reason":"stop"}]}\n\n']},
            "é",
            id="split-utf8",
        ),
        pytest.param(
            {"raw": ['\xef\xbb\xbfdata: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}']},
            "a",
            id="bom-and-no-newline",
        ),
        pytest.param(
            {
                "headers": {"Content-Type": "application/json"},
                "body": json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}),
            },
            "a",
            id="json-despite-stream",
        ),
    ],
)
async def test_odd_but_honest_servers_are_understood(scripted: Scripted, step: dict[str, Any], text: str) -> None:
    reply = await ask(scripted({**step, "pause": 0.01}).base_url)
    assert reply.text == text
    assert reply.usage.prompt_tokens is None


@pytest.mark.parametrize(
    ("first", "requests"),
    [
        pytest.param({"status": 429, "headers": {"Retry-After": "0"}}, 2, id="429"),
        pytest.param({"status": 429, "headers": {"Retry-After-Ms": "20"}}, 2, id="429-ms"),
        pytest.param({"status": 503, "body": '{"error": {"message": "Loading model"}}'}, 2, id="503"),
        pytest.param({"status": 503, "headers": {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}}, 2, id="503-date"),
        pytest.param({"status": 408}, 2, id="408"),
        pytest.param({"refuse": ["response_format"]}, 2, id="refusal-is-not-a-retry"),
    ],
)
async def test_what_may_pass_is_tried_again(scripted: Scripted, first: dict[str, Any], requests: int) -> None:
    server = scripted(first, {"answer": "ok"})
    assert (await ask(server.base_url)).text == "ok"
    assert len(server.requests) == requests


async def test_retry_after_is_waited_for(scripted: Scripted) -> None:
    server = scripted({"status": 429, "headers": {"Retry-After": "1"}}, {"answer": "ok"})
    start = time.monotonic()
    await ask(server.base_url)
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize(
    ("step", "error", "words", "requests"),
    [
        pytest.param(
            {"status": 401, "body": json.dumps({"error": {"message": f"bad key {KEY}"}})},
            Refused,
            "KERNFIX_LLM_API_KEY",
            1,
            id="401",
        ),
        pytest.param({"status": 404, "body": '{"error": "no such model"}'}, Refused, "no such model", 1, id="404"),
        pytest.param({"status": 400, "body": "x" * 100_000}, Refused, "400", 3, id="400-down-the-ladder"),
        pytest.param({"status": 429, "headers": {"Retry-After": "3600"}}, Overloaded, "429", 1, id="429-too-long"),
        pytest.param({"status": 500, "body": "<html>\x1b[31moops"}, Overloaded, "<html>oops", 3, id="500-for-good"),
        pytest.param(
            {"status": 307, "headers": {"Location": "http://127.0.0.1:9/v1"}},
            Refused,
            "http://127.0.0.1:9/v1",
            1,
            id="redirect",
        ),
        pytest.param(
            {"events": [says("a"), {"error": {"message": f"lost {KEY}"}}]}, Broken, "lost ***", 1, id="error-in-stream"
        ),
        pytest.param({"events": [says("a")]}, Broken, "cut off", 1, id="cut-stream"),
        pytest.param({"events": ["not json"]}, Broken, "not a chat completion", 1, id="no-json"),
        pytest.param({"body": "<html>hello</html>"}, Broken, "something other", 1, id="html"),
        pytest.param({"body": "[" * 50_000}, Broken, "something other", 1, id="no-object"),
        pytest.param({"body": '{"choices":' + "[" * 50_000}, Broken, "not a chat completion", 1, id="deep-json"),
        pytest.param({"answer": "abc", "finish": "length"}, Truncated, "truncated", 1, id="length"),
        pytest.param({"events": [says("a" * 1000)], "repeat": 5000}, Broken, "bytes", 1, id="huge"),
        pytest.param({"raw": ["x" * 4096], "repeat": 1000}, Broken, "bytes", 1, id="huge-line"),
    ],
)
async def test_failures_are_one_sentence(
    scripted: Scripted, step: dict[str, Any], error: type[LLMError], words: str, requests: int
) -> None:
    server = scripted(step)
    await fails(server, error, words)
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("step", "limits", "words"),
    [
        pytest.param({"wait": 1}, Limits(first_token=0.1), "silent for 0.1", id="no-headers"),
        pytest.param(
            {"raw": [": ping\n\n"], "repeat": 100, "pause": 0.02},
            Limits(first_token=0.1),
            "silent for 0.1",
            id="only-pings",
        ),
        pytest.param({"events": [says("a"), STOP], "pause": 1}, Limits(idle=0.1), "silent for 0.1", id="idle"),
        pytest.param(
            {"events": [says("a")], "repeat": 100, "pause": 0.02}, Limits(total=0.3), "within 0.3", id="total"
        ),
    ],
)
async def test_silence_ends(scripted: Scripted, step: dict[str, Any], limits: Limits, words: str) -> None:
    await fails(scripted(step), Unreachable, words, limits)


async def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="cannot be reached"):
        await ask(f"http://127.0.0.1:{port}/v1")


async def test_the_accepted_form_is_remembered(scripted: Scripted) -> None:
    server = scripted({"refuse": ["response_format"], "answer": "ok"})
    settings, _ = load_settings(base_url=server.base_url, model="m")
    assert settings is not None
    async with ChatClient(settings, QUICK) as client:
        for _ in range(2):
            assert (await client.ask([], SCHEMA, seed=1)).text == "ok"
    forms = [request.get("response_format", {}).get("type") for request in server.requests]
    assert forms == ["json_schema", "json_object", None, None]
    assert "seed" not in server.requests[-1]
    assert server.authorizations[-1] is None


async def test_cancelling_closes_the_stream(scripted: Scripted) -> None:
    server = scripted({"events": [says("a")], "repeat": 10_000, "pause": 0.01})
    task = asyncio.create_task(ask(server.base_url))
    assert await asyncio.to_thread(server.asked.wait, 5)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.hung_up.wait, 5)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "no model endpoint"),
        ({"model": "m"}, "no model endpoint"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "no model endpoint"),
        ({"base_url": "127.0.0.1:1", "model": "m"}, "KERNFIX_LLM_BASE_URL"),
        ({"base_url": "file:///etc/passwd", "model": "m"}, "KERNFIX_LLM_BASE_URL"),
        ({"base_url": f"http://user:{KEY}@host/v1", "model": "m"}, "KERNFIX_LLM_BASE_URL"),
        ({"base_url": "http://host/v1", "model": "m", "api_key": f"{KEY}\nX: y"}, "KERNFIX_LLM_API_KEY"),
    ],
)
def test_off_until_configured(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], reason: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    for name, value in settings.items():
        monkeypatch.setenv(f"KERNFIX_LLM_{name.upper()}", value)
    loaded, said = load_settings()
    assert loaded is None
    assert reason in (said or "")
    assert KEY not in (said or "")


def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNFIX_LLM_API_KEY", KEY)
    settings, _ = load_settings(base_url="http://127.0.0.1:1/v1/", model="m")
    assert settings is not None
    assert settings.base_url == "http://127.0.0.1:1/v1"
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json()


def test_the_scripted_endpoint_is_a_program(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"answer": "ok"}]')
    command = [sys.executable, str(Path(__file__).with_name("scripted_llm.py")), "0", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split()[1]
        assert asyncio.run(ask(f"http://127.0.0.1:{port}/v1")).text == "ok"
        server.terminate()

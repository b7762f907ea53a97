"""The simulator through real sockets: every protocol, every fault, the control path, and a clean end."""

from __future__ import annotations

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from providers.simulator import Simulator, VendorKnobs
from providers.simulator.text import answer, sample, split
from tests.support.command import program
from tests.support.paths import ROOT
from tests.support.waiting import until

PROTOCOLS = ("openai", "anthropic", "ollama")
PATHS = {"openai": "/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
ERROR_KINDS = {  # kind: status of openai, anthropic, ollama
    "server_error": (500, 500, 500),
    "bad_gateway": (502, 502, 502),
    "overloaded": (503, 529, 503),
    "timeout504": (504, 504, 504),
    "rate_limited": (429, 429, 429),
    "quota": (429, 400, 402),
    "authentication": (401, 401, 401),
    "model_not_found": (404, 404, 404),
    "context_length": (400, 400, 400),
    "content_filtered": (400, 400, 400),
    "invalid_request": (400, 400, 400),
}
TOOL_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True)
        yield simulator


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"anthropic-version": "2023-06-01"}) as session:
        yield session


def body(stream: bool = False, said: str = "Why is the sky blue?", **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": said}
    return {"model": "m1", "max_tokens": 1000, "messages": [message], "stream": stream, **more}


def ask(client: aiohttp.ClientSession, sim: Simulator, name: str, **more: Any) -> Any:
    protocol = sim.vendor(name).protocol
    data = io.BytesIO(json.dumps(body(**more)).encode())  # large bytes as such make aiohttp warn
    return client.post(sim.base_url(name) + PATHS[protocol], data=data, headers={"content-type": "application/json"})


def objects(raw: str, name: str) -> list[Any]:
    """The JSON objects of a stream."""
    lines = raw.splitlines() if name == "ollama" else [x[6:] for x in raw.splitlines() if x.startswith("data: ")]
    return [json.loads(line) for line in lines if line and line != "[DONE]"]


def text_of(seen: list[Any], name: str) -> str:
    """The text of a stream's objects."""
    if name == "openai":
        return "".join(o["choices"][0]["delta"].get("content") or "" for o in seen if o["choices"])
    if name == "anthropic":
        return "".join(o["delta"]["text"] for o in seen if o["type"] == "content_block_delta")
    return "".join(o["message"]["content"] for o in seen)


async def test_openai_plain(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """A plain answer has the vendor's shape, a true text, its usage, an id and limits."""
    async with ask(client, sim, "openai") as reply:
        found = await reply.json()
    assert reply.status == 200
    assert found["object"] == "chat.completion"
    assert found["model"] == "m1"
    choice = found["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert "Rayleigh" in choice["message"]["content"]
    usage = found["usage"]
    assert usage["completion_tokens"] == len(split(choice["message"]["content"]))
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["x-ratelimit-remaining-requests"] == "9999"


async def test_openai_stream(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """A stream begins with the role, ends with the finish reason and [DONE], and tells usage only when asked."""
    async with ask(client, sim, "openai", stream=True) as reply:
        raw = await reply.text()
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert raw.endswith("data: [DONE]\n\n")
    seen = objects(raw, "openai")
    assert seen[0]["choices"][0]["delta"]["role"] == "assistant"
    assert seen[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in each for each in seen)
    assert text_of(seen, "openai") == answer("Why is the sky blue?")
    async with ask(client, sim, "openai", stream=True, stream_options={"include_usage": True}) as reply:
        last = objects(await reply.text(), "openai")[-1]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == len(split(answer("Why is the sky blue?")))


async def test_anthropic_plain_and_stream(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """Messages come with request-id, events in the vendor's order, and the same usage in both ways."""
    async with ask(client, sim, "anthropic") as reply:
        found = await reply.json()
    assert reply.headers["request-id"].startswith("req_")
    assert "anthropic-ratelimit-requests-remaining" in reply.headers
    assert found["stop_reason"] == "end_turn"
    async with ask(client, sim, "anthropic", stream=True) as reply:
        raw = await reply.text()
    seen = objects(raw, "anthropic")
    kinds = [each["type"] for each in seen]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert [x[7:] for x in raw.splitlines() if x.startswith("event: ")] == kinds
    assert text_of(seen, "anthropic") == found["content"][0]["text"] == answer("Why is the sky blue?")
    assert seen[0]["message"]["usage"]["input_tokens"] == found["usage"]["input_tokens"] > 0
    assert seen[-2]["usage"]["output_tokens"] == found["usage"]["output_tokens"]


async def test_ollama_plain_and_stream(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """Lines of JSON end with done and counts; a request that says nothing is streamed."""
    async with ask(client, sim, "ollama") as reply:
        found = await reply.json()
    assert found["done"] is True
    assert found["done_reason"] == "stop"
    silent = body()
    del silent["stream"]
    async with client.post(sim.base_url("ollama") + "/api/chat", json=silent) as reply:
        seen = objects(await reply.text(), "ollama")
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [each["done"] for each in seen] == [False] * (len(seen) - 1) + [True]
    assert text_of(seen, "ollama") == found["message"]["content"]
    assert seen[-1]["eval_count"] == found["eval_count"] == len(seen) - 1
    assert seen[-1]["prompt_eval_count"] == found["prompt_eval_count"] > 0


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/openai/v1/models", "data"),
        ("/anthropic/v1/models", "data"),
        ("/ollama/api/tags", "models"),
        ("/ollama/api/version", "version"),
    ],
)
async def test_lists(sim: Simulator, client: aiohttp.ClientSession, path: str, key: str) -> None:
    """The vendors' small endpoints answer."""
    async with client.get(sim.url + path) as reply:
        assert (await reply.json())[key]


async def test_count_tokens(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """Counting gives the same number as the usage of the answer."""
    async with client.post(sim.base_url("anthropic") + "/v1/messages/count_tokens", json=body()) as reply:
        counted = (await reply.json())["input_tokens"]
    async with ask(client, sim, "anthropic") as reply:
        assert (await reply.json())["usage"]["input_tokens"] == counted


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("missing", ["model", "messages"])
async def test_missing_fields(sim: Simulator, client: aiohttp.ClientSession, name: str, missing: str) -> None:
    """A request without model or messages is refused with 400 in the vendor's shape; Ollama then loads the model."""
    short = body()
    del short[missing]
    async with client.post(sim.base_url(name) + PATHS[name], json=short) as reply:
        found = await reply.json()
    if (name, missing) == ("ollama", "messages"):
        assert (reply.status, found["done_reason"]) == (200, "load")
        return
    assert reply.status == 400
    message = found["error"] if name == "ollama" else found["error"]["message"]
    assert missing in message


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_not_json_and_wrong_path(sim: Simulator, client: aiohttp.ClientSession, name: str) -> None:
    """A body that is not JSON gets 400, a path that is not there 404, both as errors of the vendor."""
    async with client.post(sim.base_url(name) + PATHS[name], data=b"{") as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]
    async with client.post(sim.base_url(name) + "/nothing", json=body()) as reply:
        assert reply.status == 404
        assert (await reply.json())["error"]
    async with client.get(sim.url + "/nobody/v1/models") as reply:
        assert reply.status == 404


async def test_anthropic_requirements(sim: Simulator) -> None:
    """Anthropic wants the version header and max_tokens."""
    url = sim.base_url("anthropic") + "/v1/messages"
    async with aiohttp.ClientSession() as bare, bare.post(url, json=body()) as reply:
        assert reply.status == 400
        assert "anthropic-version" in (await reply.json())["error"]["message"]
    short = body()
    del short["max_tokens"]
    headers = {"anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession(headers=headers) as bare, bare.post(url, json=short) as reply:
        assert reply.status == 400
        assert (await reply.json())["type"] == "error"


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("kind", ERROR_KINDS)
async def test_error_kinds(sim: Simulator, client: aiohttp.ClientSession, name: str, kind: str) -> None:
    """Every kind of error has the vendor's status and shape, and rate_limited tells how long to wait."""
    sim.vendor(name).set(error_rate=1, error=kind, retry_after=2.5)
    async with ask(client, sim, name) as reply:
        found = await reply.json()
    assert reply.status == ERROR_KINDS[kind][PROTOCOLS.index(name)]
    assert isinstance(found["error"], str if name == "ollama" else dict)
    assert reply.headers.get("retry-after") == ("2.5" if kind == "rate_limited" else None)
    sim.vendor(name).mend()
    sim.vendor(name).set(fast=True)
    async with ask(client, sim, name) as reply:
        assert reply.status == 200


async def test_error_rate_is_a_share_that_the_seed_repeats(client: aiohttp.ClientSession) -> None:
    """Half of the requests fail at 0.5, and the same ones with the same seed."""
    runs = []
    for _ in range(2):
        async with Simulator(seed=7) as sim:
            sim.vendor("openai").set(fast=True, error_rate=0.5)
            statuses = []
            for _ in range(40):
                async with ask(client, sim, "openai") as reply:
                    statuses.append(reply.status)
            runs.append(statuses)
    assert runs[0] == runs[1]
    assert 8 < runs[0].count(500) < 32


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("stream", [False, True])
async def test_reset_and_refuse(sim: Simulator, client: aiohttp.ClientSession, name: str, stream: bool) -> None:
    """A reset is an RST, a refusal a closed connection; neither counts as the client's leaving."""
    sim.vendor(name).set(reset=True)
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await ask(client, sim, name, stream=stream)
    assert isinstance(caught.value.__cause__ or caught.value, ConnectionResetError)
    sim.vendor(name).set(reset=False, refuse=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(client, sim, name, stream=stream)
    assert sim.vendor(name).requests >= 2
    await until(lambda: sim.vendor(name).in_flight == 0)
    assert sim.vendor(name).cancelled == 0


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("stream", [False, True])
async def test_wrong_bodies(sim: Simulator, client: aiohttp.ClientSession, name: str, stream: bool) -> None:
    """html, truncated and empty answer 200 with a body that is no answer."""
    vendor = sim.vendor(name)
    vendor.set(html=True)
    async with ask(client, sim, name, stream=stream) as reply:
        assert reply.status == 200
        assert reply.content_type == "text/html"
    vendor.set(html=False, empty=True)
    async with ask(client, sim, name, stream=stream) as reply:
        assert (reply.status, await reply.read()) == (200, b"")
    vendor.set(empty=False, truncated=True)
    async with ask(client, sim, name, stream=stream) as reply:
        raw = await reply.text()
    with pytest.raises(json.JSONDecodeError):
        objects(raw, name) if stream else json.loads(raw)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("after", [0, 3])
async def test_cut_after(sim: Simulator, client: aiohttp.ClientSession, name: str, after: int) -> None:
    """A cut stream gives exactly so many chunks and then a broken connection; a plain answer breaks within."""
    vendor = sim.vendor(name)
    vendor.set(cut_after=after, answer="one two three four five")
    raw = b""
    reply = await ask(client, sim, name, stream=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        while part := await reply.content.readany():
            raw += part
    assert text_of(objects(raw.decode(), name), name) == ("one two three" if after else "")
    with pytest.raises(aiohttp.ClientPayloadError):
        async with ask(client, sim, name) as reply:
            await reply.read()
    await until(lambda: vendor.in_flight == 0)
    assert vendor.cancelled == 0


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("after", [0, 2])
async def test_error_after(sim: Simulator, client: aiohttp.ClientSession, name: str, after: int) -> None:
    """An error within the stream comes after so many chunks, as the protocol writes it, and is the last thing."""
    sim.vendor(name).set(error_after=after, error="overloaded", answer="one two three")
    async with ask(client, sim, name, stream=True) as reply:
        assert reply.status == 200
        *before, last = objects(await reply.text(), name)
    assert last["error"]
    assert text_of(before, name) == ("one two" if after else "")
    async with ask(client, sim, name) as reply:
        assert reply.status in (503, 529)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("stream", [False, True])
async def test_hang(sim: Simulator, client: aiohttp.ClientSession, name: str, stream: bool) -> None:
    """A hanging vendor never answers, and notices that its client left."""
    vendor = sim.vendor(name)
    vendor.set(hang=True)
    waiting = asyncio.ensure_future(client.post(sim.base_url(name) + PATHS[name], json=body(stream)))
    await until(lambda: vendor.in_flight == 1)
    assert not waiting.done()
    waiting.cancel()
    await until(lambda: vendor.in_flight == 0)
    assert vendor.cancelled == 1


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_hang_after(sim: Simulator, client: aiohttp.ClientSession, name: str) -> None:
    """A stream hangs after so many chunks; leaving it is noticed and counted."""
    vendor = sim.vendor(name)
    vendor.set(hang_after=2, answer="one two three")
    async with ask(client, sim, name, stream=True) as reply:
        raw = b""
        while b"two" not in raw:
            raw += await reply.content.readany()
        assert b"three" not in raw
        assert vendor.in_flight == 1
        reply.close()
    await until(lambda: vendor.in_flight == 0)
    assert vendor.cancelled == 1
    vendor.set(hang_after=0)
    async with ask(client, sim, name) as reply:
        assert await reply.content.readany()
        reply.close()
    await until(lambda: vendor.cancelled == 2)


async def test_leaving_an_ordinary_stream_is_noticed(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """A client that leaves a healthy stream stops it."""
    vendor = sim.vendor("openai")
    vendor.set(fast=False, first_token=0, tokens_per_second=0.001)
    async with ask(client, sim, "openai", stream=True) as reply:
        await reply.content.readany()
        reply.close()
    await until(lambda: vendor.cancelled == 1)
    assert vendor.in_flight == 0


async def test_waits_are_on_the_loops_clock(
    sim: Simulator, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first token waits `first_token`, the others the rate; `fast` waits for nothing."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("providers.simulator.exchange.asyncio.sleep", note)
    vendor = sim.vendor("openai")
    vendor.set(answer="one two three", first_token=0.25, tokens_per_second=50, fast=False)
    async with ask(client, sim, "openai", stream=True) as reply:
        await reply.read()
    assert waits[:3] == [0.25, 0.02, 0.02]
    waits.clear()
    async with ask(client, sim, "openai") as reply:
        await reply.read()
    assert 0.31 in [round(wait, 6) for wait in waits]
    vendor.set(jitter=0.5)
    waits.clear()
    async with ask(client, sim, "openai", stream=True) as reply:
        await reply.read()
    assert 0.125 <= waits[0] <= 0.375
    assert waits[0] != 0.25
    vendor.set(fast=True)
    waits.clear()
    async with ask(client, sim, "openai", stream=True) as reply:
        await reply.read()
    assert not any(waits)


async def test_answer_length(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """`output_tokens` sets the length, and the request's own limit cuts it."""
    sim.vendor("openai").set(output_tokens=300)
    async with ask(client, sim, "openai") as reply:
        found = await reply.json()
    assert found["usage"]["completion_tokens"] == 300
    async with ask(client, sim, "openai", max_tokens=5) as reply:
        found = await reply.json()
    assert found["usage"]["completion_tokens"] == 5
    assert found["choices"][0]["finish_reason"] == "length"


def offered(name: str) -> list[dict[str, Any]]:
    if name == "anthropic":
        return [{"name": "get_weather", "input_schema": TOOL_SCHEMA}]
    return [{"type": "function", "function": {"name": "get_weather", "parameters": TOOL_SCHEMA}}]


def call_of(found: dict[str, Any], name: str) -> tuple[str, Any]:
    if name == "openai":
        function = found["choices"][0]["message"]["tool_calls"][0]["function"]
        return function["name"], json.loads(function["arguments"])
    if name == "anthropic":
        return found["content"][0]["name"], found["content"][0]["input"]
    function = found["message"]["tool_calls"][0]["function"]
    return function["name"], function["arguments"]


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_tool_calls(sim: Simulator, client: aiohttp.ClientSession, name: str) -> None:
    """A question with tools is answered with a call of the first, a remark with text, and a knob says which."""
    tools = offered(name)
    async with ask(client, sim, name, tools=tools) as reply:
        assert call_of(await reply.json(), name) == ("get_weather", {"city": "example"})
    async with ask(client, sim, name, tools=tools, said="Thank you.") as reply:
        assert "get_weather" not in await reply.text()
    sim.vendor(name).set(tool_call={"name": "look", "arguments": {"q": "über"}})
    async with ask(client, sim, name) as reply:
        assert call_of(await reply.json(), name) == ("look", {"q": "über"})


async def test_streamed_tool_calls(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """The fragments of a streamed call's arguments join to their JSON."""
    for vendor in sim.vendors.values():
        vendor.set(tool_call={"name": "look", "arguments": {"q": "über", "n": [1, 2]}})
    async with ask(client, sim, "openai", stream=True) as reply:
        seen = objects(await reply.text(), "openai")
    calls = [c for o in seen for c in o["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "look"
    assert json.loads("".join(c["function"]["arguments"] for c in calls)) == {"q": "über", "n": [1, 2]}
    assert seen[-1]["choices"][0]["finish_reason"] == "tool_calls"
    async with ask(client, sim, "anthropic", stream=True) as reply:
        seen = objects(await reply.text(), "anthropic")
    parts = [o["delta"]["partial_json"] for o in seen if o["type"] == "content_block_delta"]
    assert json.loads("".join(parts)) == {"q": "über", "n": [1, 2]}
    assert seen[-2]["delta"]["stop_reason"] == "tool_use"
    async with ask(client, sim, "ollama", stream=True) as reply:
        seen = objects(await reply.text(), "ollama")
    assert call_of(seen[0], "ollama") == ("look", {"q": "über", "n": [1, 2]})


async def test_tool_results_are_answered_with_text(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """After a tool's result comes text, so that a loop of tool calls ends."""
    sim.vendor("anthropic").set(tool_call={"name": "look"})
    result = [{"type": "tool_result", "tool_use_id": "t1", "content": "42?"}]
    async with ask(client, sim, "anthropic", said=result) as reply:
        assert (await reply.json())["content"][0]["type"] == "text"


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_json_answers(sim: Simulator, client: aiohttp.ClientSession, name: str) -> None:
    """A schema asked for in the vendor's way is answered with JSON that fits it."""
    wanted = {
        "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": TOOL_SCHEMA}}},
        "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": TOOL_SCHEMA}}},
        "ollama": {"format": TOOL_SCHEMA},
    }
    async with ask(client, sim, name, stream=True, **wanted[name]) as reply:
        assert json.loads(text_of(objects(await reply.text(), name), name)) == {"city": "example"}


def test_samples_fit_their_schemas() -> None:
    """Enums, references, bounds, arrays and choices of a schema are kept."""
    schema = {
        "$defs": {"kind": {"enum": ["a", "b"]}},
        "type": "object",
        "properties": {
            "kind": {"$ref": "#/$defs/kind"},
            "share": {"type": "number", "maximum": 0.5, "minimum": 0},
            "year": {"type": "integer", "minimum": 1900},
            "names": {"type": "array", "items": {"type": "string", "minLength": 9}, "minItems": 2},
            "day": {"type": ["string", "null"], "format": "date"},
            "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        },
    }
    assert sample(schema) == {
        "kind": "a",
        "share": 0.5,
        "year": 1900,
        "names": ["examplexx", "examplexx"],
        "day": "2026-01-31",
        "maybe": True,
    }
    assert sample({"$ref": "#"}) is None


def test_tokens_join_to_the_text() -> None:
    """Splitting into tokens loses nothing, whatever the text."""
    for said in ("", "  a  b\n\n", "Überraschung! 日本語 👋🏽 _x_", answer("anything at all")):
        assert "".join(split(said)) == said
    assert len(split(answer("a haiku", 500))) == 500


async def test_added_vendor(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """A vendor can be added under its own name, and has its own knobs and counters."""
    sim.add_vendor("groq", protocol="openai").set(fast=True, answer="hi")
    assert sim.base_url("groq") == f"{sim.url}/groq/v1"
    async with ask(client, sim, "groq") as reply:
        assert (await reply.json())["choices"][0]["message"]["content"] == "hi"
    assert (sim.vendor("groq").requests, sim.vendor("openai").requests) == (1, 0)
    for wrong in ("groq", "control", "a/b", ""):
        with pytest.raises(ValueError, match="cannot be named"):
            sim.add_vendor(wrong)
    with pytest.raises(ValueError, match="unknown protocol"):
        sim.add_vendor("x", protocol="soap")  # type: ignore[arg-type]  # the wrong type is the test
    with pytest.raises(KeyError, match="nobody"):
        sim.vendor("nobody")


async def test_last_request_has_no_key(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """The record of a request has its body and headers, and no credentials."""
    keys = {"authorization": "Bearer sk-secret", "X-Api-Key": "sk-secret", "x-mine": "1"}
    url = sim.base_url("openai") + "/chat/completions"
    async with client.post(url, json=body(), headers=keys):
        pass
    last = sim.vendor("openai").last_request
    assert last is not None
    assert (last.method, last.path) == ("POST", "/v1/chat/completions")
    assert last.body == body()
    assert last.headers["x-mine"] == "1"
    assert "sk-secret" not in repr(last)


async def test_keep_alive_and_large_bodies(sim: Simulator) -> None:
    """One connection carries many requests, errors, streams and bodies of several megabytes."""
    opened = []
    trace = aiohttp.TraceConfig()

    async def count(*of: object) -> None:
        opened.append(of)

    trace.on_connection_create_end.append(count)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        for stream, said in ((False, "hi"), (True, "hi"), (False, "x" * 3_000_000), (True, "")):
            async with ask(session, sim, "openai", stream=stream, said=said) as reply:
                await reply.read()
                assert reply.status == 200
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("knob", "value", "complaint"),
    [
        ("eror_rate", 1, "did you mean 'error_rate'"),
        ("error_rate", 2, "error_rate"),
        ("error_rate", "often", "error_rate"),
        ("error", "strange", "error"),
        ("first_token", -1, "first_token"),
        ("first_token", float("inf"), "first_token"),
        ("tokens_per_second", 0, "tokens_per_second"),
        ("cut_after", 1.5, "cut_after"),
        ("hang", "yes", "hang"),
        ("tool_call", {"arguments": {}}, "tool_call"),
        ("output_tokens", 0, "output_tokens"),
    ],
)
async def test_wrong_knobs(knob: str, value: object, complaint: str) -> None:
    """A wrong knob is a ValueError that names it, and changes nothing."""
    vendor = Simulator().vendor("openai")
    with pytest.raises(ValueError, match=complaint):
        vendor.set(hang_after=3, **{knob: value})
    assert vendor.knobs == VendorKnobs()


async def test_control_path(sim: Simulator, client: aiohttp.ClientSession) -> None:
    """Knobs are seen, set and mended over HTTP; mistakes are told."""
    control = sim.url + "/control"
    async with client.get(control) as reply:
        assert set(await reply.json()) == set(PROTOCOLS)
    async with client.post(control + "/openai", json={"error_rate": 1, "error": "quota"}) as reply:
        assert (await reply.json())["knobs"]["error"] == "quota"
    async with ask(client, sim, "openai") as reply:
        assert reply.status == 429
    async with client.post(control + "/openai", json={"eror": 1}) as reply:
        assert reply.status == 400
        assert "'eror'" in (await reply.json())["error"]
    async with client.post(control + "/openai", data=b"[1]") as reply:
        assert reply.status == 400
    async with client.post(control + "/openai/mend") as reply:
        assert reply.status == 200
    assert sim.vendor("openai").knobs == VendorKnobs()
    for method, path, status in (
        ("POST", "/nobody", 404),
        ("POST", "/openai/break", 404),
        ("POST", "", 405),
        ("DELETE", "/openai", 405),
        ("GET", "/openai", 200),
    ):
        async with client.request(method, control + path) as reply:
            assert reply.status == status


async def test_closes_clean_with_streams_open(client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing cuts what is open at once, leaves no task behind, and counts nobody as having left."""
    runner = web.ServerRunner
    monkeypatch.setattr(web, "ServerRunner", lambda server, **_: runner(server, shutdown_timeout=3600.0))
    before = asyncio.all_tasks()
    sim = Simulator()
    await sim.start()
    sim.vendor("openai").set(hang_after=1, fast=True)
    sim.vendor("anthropic").set(hang=True)
    reply = await ask(client, sim, "openai", stream=True)
    hanging = asyncio.ensure_future(client.post(sim.base_url("anthropic") + "/v1/messages", json=body()))
    await until(lambda: sim.vendor("anthropic").in_flight == 1)
    async with asyncio.timeout(60):
        await sim.aclose()
    await sim.aclose()
    with pytest.raises(aiohttp.ClientError):
        await reply.read()
    with pytest.raises(aiohttp.ClientError):
        await hanging
    assert [v.in_flight for v in sim.vendors.values()] == [0, 0, 0]
    assert [v.cancelled for v in sim.vendors.values()] == [0, 0, 0]
    assert asyncio.all_tasks() - {hanging} <= before


async def test_runs_as_a_program() -> None:
    """`python -m providers.simulator` tells its URLs, and ends without a traceback on Ctrl-C."""
    process = await asyncio.create_subprocess_exec(
        *program("providers.simulator", "--port", "0"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        lines = [(await process.stdout.readline()).decode().split() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, complaints = await process.communicate()
    assert [name for name, _ in lines] == [*PROTOCOLS, "control"]
    assert all(url.startswith("http://127.0.0.1:") for _, url in lines)
    assert (process.returncode, complaints) == (0, b"")

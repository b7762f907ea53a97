"""Tools that vendors run themselves, and files that they keep, as clients of one vendor bring them to another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import Served, served

ROUTES = """
providers:
  responses: {kind: openai, api: responses, dialect: openai, base_url: "{openai}", api_key: k}
  other: {kind: openai, api: responses, dialect: openai, base_url: "{openai}", api_key: k}
  router: {kind: openai, dialect: openrouter, base_url: "{openai}", api_key: k}
  groq: {kind: openai, dialect: groq, base_url: "{openai}", api_key: k}
  vllm: {kind: openai, dialect: vllm, base_url: "{openai}", api_key: k}
  claude: {kind: anthropic, base_url: "{anthropic}", api_key: k}
  llama: {kind: ollama, base_url: "{ollama}"}
defaults:
  retry: {max_attempts: 5, same_target: 0, backoff: 1ms, max_backoff: 1ms}
  timeout: {connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}
routes:
  responses: {targets: [responses/gpt-4o]}
  search: {targets: [responses/gpt-4o-search-preview]}
  router: {targets: [router/x]}
  groq: {targets: [groq/openai/gpt-oss-20b]}
  vllm: {targets: [vllm/x]}
  claude: {targets: [claude/claude-sonnet-4-5]}
  llama: {targets: [llama/x]}
  to-claude: {targets: [llama/x], fallbacks: [llama/y, claude/claude-sonnet-4-5]}
  two: {targets: [responses/gpt-4o], fallbacks: [other/gpt-4o-mini, claude/claude-sonnet-4-5]}
  claude-first: {targets: [claude/claude-sonnet-4-5], fallbacks: [responses/gpt-4o]}
"""
SAID = "Rain is likely in Oslo."
VENDOR = {"responses": "openai", "router": "openai", "groq": "openai", "vllm": "openai", "claude": "anthropic"}
USER = {"role": "user", "content": "Will it rain?"}
WHERE = {"type": "approximate", "country": "NO"}
# A search as the clients of each protocol ask for it, kept to one domain where the protocol can say so.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "responses": (
        "/v1/responses",
        {
            "input": [USER],
            "tools": [
                {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}, "user_location": WHERE},
            ],
        },
    ),
    "messages": (
        "/v1/messages",
        {
            "messages": [USER],
            "max_tokens": 500,
            "tools": [
                {
                    "type": "web_search_20250305",
                    "name": "web_search",
                    "allowed_domains": ["a.example"],
                    "user_location": WHERE,
                    "max_uses": 3,
                }
            ],
        },
    ),
    "chat": ("/v1/chat/completions", {"messages": [USER], "web_search_options": {"search_context_size": "low"}}),
    "gemini": ("/v1/chat/completions", {"messages": [USER], "tools": [{"google_search": {}}]}),
}
BOUND = ("responses", "messages")  # to a domain
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def run() -> AsyncIterator[Served]:
    async with served(ROUTES) as running:
        for vendor in running.simulator.vendors.values():
            vendor.set(fast=True, answer=SAID, sources=[{"url": "https://a.example", "title": "A", "text": "rain"}])
        yield running


async def post(run: Served, path: str, body: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(run.url + path, json=body, headers={"anthropic-version": "2023-06-01"})


def last(run: Served, vendor: str) -> dict[str, Any]:
    found = run.simulator.vendor(vendor).last_request
    assert found is not None
    body: dict[str, Any] = found.body
    return body


@both
@pytest.mark.parametrize("target", ["responses", "router", "groq", "claude"])
@pytest.mark.parametrize("asked", ASKED)
async def test_a_search_becomes_the_vendors_own(run: Served, asked: str, target: str, stream: bool) -> None:
    """In its words, with its bounds; what it found comes back as sources in the client's. A vendor that cannot keep
    to them is not asked.
    """
    path, body = ASKED[asked]
    answer = await post(run, path, {**body, "model": target, "stream": stream})
    if target == "groq" and asked in BOUND:
        assert answer.status_code == 400
        assert "allowed_domains" in answer.text
        assert run.simulator.vendor("openai").requests == 0
        return
    assert answer.status_code == 200, answer.text
    assert "x-signalbox-left-out" not in answer.headers
    (tool,) = last(run, VENDOR[target])["tools"]
    kinds = {"router": "openrouter:web_search", "groq": "browser_search", "claude": "web_search_20250305"}
    assert tool["type"] == kinds.get(target, "web_search")
    assert ("a.example" in json.dumps(tool)) is (asked in BOUND)
    if asked == "messages":
        assert "cited_text" in answer.text
    else:
        assert "url_citation" in answer.text
    assert "https://a.example" in answer.text


@both
@pytest.mark.parametrize(
    ("asked", "target"),
    [*((asked, "llama") for asked in ASKED), ("responses", "vllm"), ("messages", "vllm")],
)
async def test_where_nobody_has_the_like_the_client_is_told(run: Served, asked: str, target: str, stream: bool) -> None:
    path, body = ASKED[asked]
    answer = await post(run, path, {**body, "model": target, "stream": stream})
    assert answer.status_code == 400, answer.text
    assert "web_search" in answer.text
    assert sum(vendor.requests for vendor in run.simulator.vendors.values()) == 0


@both
@pytest.mark.parametrize("asked", ASKED)
async def test_it_falls_to_a_target_that_can(run: Served, asked: str, stream: bool) -> None:
    path, body = ASKED[asked]
    answer = await post(run, path, {**body, "model": "to-claude", "stream": stream})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-signalbox-target"] == "claude/claude-sonnet-4-5"
    assert run.simulator.vendor("ollama").requests == run.simulator.vendor("openai").requests == 0


@pytest.mark.parametrize("target", ["vllm", "llama"])
async def test_beside_tools_of_its_own_a_client_goes_without(run: Served, target: str) -> None:
    """As agents do, which always offer it; the answer's head says so."""
    path, body = ASKED["responses"]
    tools = [*body["tools"], {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}]
    answer = await post(run, path, {**body, "model": target, "tools": tools})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-signalbox-left-out"] == "web_search"
    forced = await post(run, path, {**body, "model": target, "tools": tools, "tool_choice": "required"})
    assert forced.status_code == 400, forced.text


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search", "external_web_access": False},
        {"type": "code_interpreter", "container": "cntr_1"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "mcp", "server_label": "x", "server_url": "https://x.example"},
    ],
    ids=lambda tool: tool["type"],
)
async def test_what_is_bound_to_its_vendor_goes_to_no_other(run: Served, tool: dict[str, Any]) -> None:
    """A search that may not leave the vendor's own index; containers, stores and servers that it knows."""
    body = {"input": [USER], "tools": [tool]}
    elsewhere = await post(run, "/v1/responses", {**body, "model": "claude"})
    assert elsewhere.status_code == 400, elsewhere.text
    assert tool["type"] in elsewhere.text
    assert run.simulator.vendor("anthropic").requests == 0
    there = await post(run, "/v1/responses", {**body, "model": "claude-first"})
    assert there.status_code == 200, there.text
    assert last(run, "openai")["tools"] == [tool]


async def test_a_chat_asks_openai_by_responses_for_a_search(run: Served) -> None:
    """Where it has one; models for search alone have it in chat."""
    text = ROUTES.replace("api: responses, dialect: openai", "dialect: openai")
    async with served(text, simulator=run.simulator) as running:
        path, body = ASKED["chat"]
        answer = await post(running, path, {**body, "model": "responses"})
        assert answer.status_code == 200, answer.text
        assert last(running, "openai")["tools"][0]["type"] == "web_search"
        answer = await post(running, path, {**body, "model": "search"})
        assert answer.status_code == 200, answer.text
        assert last(running, "openai")["web_search_options"] == {"search_context_size": "low"}


# --- files

FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "responses": (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
    ),
    "picture": (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]},
    ),
    "chat": (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
    ),
    "messages": (
        "/v1/messages",
        {
            "max_tokens": 500,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "file", "file_id": "file-1"}}],
                }
            ],
        },
    ),
}


@both
@pytest.mark.parametrize("asked", ["responses", "picture", "chat"])
async def test_a_files_id_goes_to_one_vendor_alone(run: Served, asked: str, stream: bool) -> None:
    """The first of the client's protocol; when that fails, nobody else is sent the id, not even one that speaks it."""
    path, body = FILES[asked]
    answer = await post(run, path, {**body, "model": "claude-first", "stream": stream})
    assert answer.status_code == 200, answer.text
    assert run.simulator.vendor("anthropic").requests == 0
    run.simulator.vendor("openai").set(error_rate=1.0, error="server_error")
    answer = await post(run, path, {**body, "model": "two", "stream": stream})
    assert answer.status_code >= 500
    assert run.simulator.vendor("anthropic").requests == 0
    trace = max((one.trace for one in run.router.telemetry.requests), key=lambda trace: trace.route == "two")
    assert {attempt.target for attempt in trace.attempts} == {"responses/gpt-4o"}
    assert 'the file "file-1" is kept at "responses"' in trace.render()


@pytest.mark.parametrize(
    ("asked", "target"), [("responses", "claude"), ("picture", "llama"), ("chat", "claude"), ("messages", "responses")]
)
async def test_where_its_vendor_is_not_the_client_is_told(run: Served, asked: str, target: str) -> None:
    path, body = FILES[asked]
    answer = await post(run, path, {**body, "model": target})
    assert answer.status_code == 400, answer.text
    assert "file-1" in answer.text
    assert sum(vendor.requests for vendor in run.simulator.vendors.values()) == 0


@pytest.mark.parametrize(("path", "named"), [("/v1/messages", True), ("/v1/chat/completions", False)])
async def test_a_picture_that_a_protocol_has_no_words_for_is_named(run: Served, path: str, named: bool) -> None:
    run.simulator.vendor("openai").set(image=True)
    answer = await post(run, path, {"model": "router", "messages": [USER], "max_tokens": 500})
    assert answer.status_code == 200, answer.text
    assert SAID in answer.text
    assert answer.headers.get("x-signalbox-left-out") == ("pictures of the answer" if named else None)


async def test_what_another_vendor_cited_does_not_go_to_claude(run: Served) -> None:
    """Whose clients send all blocks of an answer back: its own sources are, others are left away."""
    path, body = ASKED["messages"]
    for first in ("responses", "claude"):
        said = (await post(run, path, {**body, "model": first})).json()["content"]
        talk = [USER, {"role": "assistant", "content": said}, {"role": "user", "content": "And now?"}]
        answer = await post(run, path, {**body, "model": "claude", "messages": talk})
        assert answer.status_code == 200, answer.text
        arrived = last(run, "anthropic")["messages"][1]["content"]
        assert arrived[-1]["text"] == SAID
        assert ("citations" in arrived[-1]) is (first == "claude")

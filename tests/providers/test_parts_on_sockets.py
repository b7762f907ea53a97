"""What requests ask and answers hold beside text, through real sockets: each wire, plain and streamed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers import ProviderSettings, registry
from providers.base import Provider
from providers.errors import ErrorCode, ProviderError
from providers.simulator import Simulator
from providers.types import (
    AudioPart,
    CompletionRequest,
    CompletionResponse,
    FilePart,
    ImagePart,
    Message,
    Part,
    ServerTool,
    ServerToolPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
)

# By name: kind, options, model, and which of OpenAI's protocols.
WIRES: dict[str, tuple[str, dict[str, Any], str]] = {
    "chat": ("openai", {"dialect": "openai", "api": "chat"}, "gpt-4o"),
    "responses": ("openai", {"dialect": "openai", "api": "responses"}, "gpt-4o"),
    "openrouter": ("openai", {"dialect": "openrouter"}, "x/y"),
    "groq": ("openai", {"dialect": "groq"}, "openai/gpt-oss-20b"),
    "claude": ("anthropic", {}, "claude-sonnet-4-5"),
    "ollama": ("ollama", {}, "llama3.2:3b"),
}
SOURCES = [{"url": "https://a.example/1", "title": "One", "text": "it is so"}, {"url": "https://b.example"}]
SAID = "Rain is likely in Oslo."
SEARCH = {"server_tools": (ServerTool("web_search"),)}
PNG = b"\x89PNG\r\n\x1a\n"
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True, answer=SAID)
        yield simulator


@contextlib.asynccontextmanager
async def connected(sim: Simulator, name: str) -> AsyncIterator[Provider]:
    kind, options, _ = WIRES[name]
    settings = ProviderSettings(
        name=name, kind=kind, base_url=sim.base_url(kind), api_key="k", options={"max_retries": 0, **options}
    )
    provider = registry.create(settings)
    try:
        yield provider
    finally:
        await provider.aclose()


def request(name: str, *parts: Part, messages: tuple[Message, ...] = (), **fields: Any) -> CompletionRequest:
    asked = messages or (Message.user(parts or "Will it rain?"),)
    return CompletionRequest(**{"model": WIRES[name][2], "messages": asked, "max_tokens": 500, **fields})


async def ask(
    sim: Simulator, name: str, *parts: Part, stream: bool, messages: tuple[Message, ...] = (), **fields: Any
) -> CompletionResponse:
    asked = request(name, *parts, messages=messages, **fields)
    async with connected(sim, name) as provider:
        if not stream:
            return await provider.complete(asked)
        async with provider.stream(asked) as chunks:
            async for _ in chunks:
                pass
            return chunks.response


# --- answers


@both
@pytest.mark.parametrize("name", ["chat", "responses", "openrouter", "claude"])
async def test_sources_come_with_the_text_that_they_are_for(sim: Simulator, name: str, stream: bool) -> None:
    sim.vendor(WIRES[name][0]).set(sources=SOURCES)
    reply = await ask(sim, name, stream=stream)
    assert [(one.url, one.title) for one in reply.citations] == [
        ("https://a.example/1", "One"),
        ("https://b.example", "https://b.example"),
    ]
    assert [(one.start, one.end) for one in reply.citations] == [(0, len(SAID))] * 2
    (said,) = reply.parts
    assert said == TextPart(SAID, citations=reply.citations)


@both
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("responses", ["web_search_call"]),
        ("claude", ["server_tool_use", "web_search_tool_result"]),
        ("openrouter", []),
        ("groq", []),
    ],
)
async def test_a_search_stands_before_what_it_found(sim: Simulator, name: str, kinds: list[str], stream: bool) -> None:
    """Thinking, the search, the text: in this order, and so they go back."""
    vendor = sim.vendor(WIRES[name][0])
    vendor.set(sources=SOURCES, thinking="Let me look.")
    reply = await ask(sim, name, stream=stream, **SEARCH)
    assert [part.type for part in reply.parts if isinstance(part, ServerToolPart)] == kinds
    assert [type(part) for part in reply.parts] == [ThinkingPart, *[ServerToolPart] * len(kinds), TextPart]
    assert len(reply.citations) == 2
    talk = (Message.user("Will it rain?"), reply.message, Message.user("And now?"))
    again = await ask(sim, name, messages=talk, stream=stream, **SEARCH)
    assert again.text == SAID
    assert vendor.last_request is not None
    sent = str(vendor.last_request.body)
    assert all(kind in sent for kind in kinds)


@both
@pytest.mark.parametrize("name", ["chat", "responses", "openrouter", "ollama"])
async def test_likelihoods_of_all_tokens(sim: Simulator, name: str, stream: bool) -> None:
    reply = await ask(sim, name, stream=stream, logprobs=True, top_logprobs=2)
    assert reply.logprobs is not None
    assert "".join(one.token for one in reply.logprobs) == SAID
    assert all(one.logprob < 0 and len(one.top) == 2 for one in reply.logprobs)
    assert (await ask(sim, name, stream=stream)).logprobs is None


@both
@pytest.mark.parametrize("name", ["chat", "openrouter"])
async def test_speech_with_its_words(sim: Simulator, name: str, stream: bool) -> None:
    """It goes back by its id, and to another vendor as words."""
    audio = {"voice": "alloy", "format": "pcm16"}
    reply = await ask(sim, name, stream=stream, audio=audio, max_tokens=None)
    (spoken,) = reply.parts
    assert isinstance(spoken, AudioPart)
    assert (spoken.transcript, spoken.origin, reply.text) == (SAID, name, "")
    assert len(spoken.data) > 100
    talk = (Message.user("Will it rain?"), reply.message, Message.user("And now?"))
    await ask(sim, name, messages=talk, stream=stream)
    assert sim.vendor("openai").last_request.body["messages"][1]["audio"] == {"id": spoken.id}  # type: ignore[union-attr]  # just asked
    await ask(sim, "claude", messages=talk, stream=stream)
    assert sim.vendor("anthropic").last_request.body["messages"][1]["content"] == SAID  # type: ignore[union-attr]  # just asked


@both
@pytest.mark.parametrize("name", ["responses", "openrouter"])
async def test_pictures_after_the_text(sim: Simulator, name: str, stream: bool) -> None:
    sim.vendor("openai").set(image=True)
    reply = await ask(sim, name, stream=stream)
    said, drawn = reply.parts
    assert said == TextPart(SAID)
    assert isinstance(drawn, ImagePart)
    assert (drawn.data or b"").startswith(PNG)


@both
@pytest.mark.parametrize("name", ["chat", "responses", "openrouter", "claude"])
async def test_the_vendors_own_cost(sim: Simulator, name: str, stream: bool) -> None:
    assert (await ask(sim, name, stream=stream)).cost is None
    sim.vendor(WIRES[name][0]).set(cost=0.125)
    assert (await ask(sim, name, stream=stream)).cost == 0.125


@both
async def test_documents_are_cited(sim: Simulator, stream: bool) -> None:
    document = FilePart(b"The grass is green.", "text/plain", "grass.txt", citations=True)
    reply = await ask(sim, "claude", document, TextPart("What colour?"), stream=stream)
    (cited,) = reply.citations
    assert (cited.text, cited.title, cited.url) == ("The grass is green.", "grass.txt", None)


# --- requests

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
WAV, PDF = AudioPart(b"RIFF", "audio/wav"), FilePart(b"%PDF", "application/pdf", "a.pdf")
PICTURE = ImagePart(data=PNG, media_type="image/png", detail="low")
TAKEN: list[tuple[str, tuple[Part, ...], dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
    ("chat", (PICTURE,), {}, lambda body: _first(body)["image_url"]["detail"] == "low"),
    ("responses", (PICTURE,), {}, lambda body: _first(body)["detail"] == "low"),
    ("chat", (WAV,), {}, lambda body: _first(body)["input_audio"]["format"] == "wav"),
    ("chat", (PDF,), {}, lambda body: _first(body)["file"]["filename"] == "a.pdf"),
    ("chat", (FilePart(id="f"),), {}, lambda body: _first(body)["file"] == {"file_id": "f"}),
    ("openrouter", (FilePart(url="https://a.example/x.pdf"),), {}, lambda body: "https" in str(_first(body))),
    ("responses", (FilePart(url="https://a.example/x.pdf"),), {}, lambda body: "file_url" in _first(body)),
    ("responses", (ImagePart(id="f"),), {}, lambda body: _first(body)["file_id"] == "f"),
    ("claude", (FilePart(url="https://a.example/x.pdf"),), {}, lambda body: _first(body)["source"]["type"] == "url"),
    ("claude", (FilePart(id="f"),), {}, lambda body: _first(body)["source"] == {"type": "file", "file_id": "f"}),
    ("claude", (FilePart(b"a", "text/markdown"),), {}, lambda body: _first(body)["source"]["data"] == "a"),
    ("ollama", (FilePart(b"a", "text/markdown", "a.md"),), {}, lambda body: "a.md" in body["messages"][0]["content"]),
    ("ollama", (PICTURE,), {}, lambda body: len(body["messages"][0]["images"]) == 1),
    ("chat", (), {"service_tier": "flex"}, lambda body: body["service_tier"] == "flex"),
    ("chat", (), {"service_tier": "performance"}, lambda body: "service_tier" not in body),
    ("groq", (), {"service_tier": "performance"}, lambda body: body["service_tier"] == "performance"),
    ("claude", (), {"service_tier": "flex"}, lambda body: "service_tier" not in body),
    ("chat", (), {"prediction": "x", "max_tokens": None}, lambda body: "prediction" in body),
    ("chat", (), {"prediction": "x"}, lambda body: "prediction" not in body),  # refused beside a limit
    ("responses", (), SEARCH, lambda body: body["tools"] == [{"type": "web_search"}]),
    ("responses", (), {"server_tools": (ServerTool("code_execution"),)}, lambda body: "container" in body["tools"][0]),
    ("claude", (), SEARCH, lambda body: body["tools"][0]["type"] == "web_search_20250305"),
    ("openrouter", (), SEARCH, lambda body: body["tools"] == [{"type": "openrouter:web_search"}]),
    ("groq", (), SEARCH, lambda body: body["tools"] == [{"type": "browser_search"}]),
    ("chat", (), {**SEARCH, "model": "gpt-4o-search-preview"}, lambda body: body["web_search_options"] == {}),
]


def _first(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (body.get("messages") or body["input"])[0]["content"][0]
    return found


@both
@pytest.mark.parametrize(("name", "parts", "fields", "arrived"), TAKEN)
async def test_what_is_asked_arrives_in_the_vendors_words(
    sim: Simulator,
    name: str,
    parts: tuple[Part, ...],
    fields: dict[str, Any],
    arrived: Callable[[dict[str, Any]], bool],
    stream: bool,
) -> None:
    """And the vendor, who refuses what the real one refuses, takes it."""
    reply = await ask(sim, name, *parts, stream=stream, **fields)
    assert reply.text == SAID
    last = sim.vendor(WIRES[name][0]).last_request
    assert last is not None
    assert arrived(last.body), last.body


REFUSED: list[tuple[str, tuple[Part, ...], dict[str, Any], str]] = [
    ("responses", (WAV,), {}, "audio"),
    ("claude", (WAV,), {}, "audio"),
    ("ollama", (WAV,), {}, "audio"),
    ("chat", (AudioPart(b"x", "audio/flac"),), {}, "audio"),
    ("chat", (FilePart(url="https://a.example/x.pdf"),), {}, "URL"),
    ("chat", (ImagePart(id="f"),), {}, "id"),
    ("ollama", (ImagePart(url="https://a.example/x.png"),), {}, "URL"),
    ("ollama", (PDF,), {}, "PDF|documents"),
    ("ollama", (FilePart(id="f"),), {}, "id"),
    ("groq", (), {"logprobs": True}, "logprobs"),
    ("claude", (), {"logprobs": True}, "logprobs"),
    ("chat", (), {"logprobs": True, "model": "gpt-5-mini"}, "logprobs"),
    ("responses", (), {"logprobs": True, "model": "gpt-5-mini"}, "logprobs"),
    ("chat", (), {"modalities": ("text", "image")}, "modalities"),
    ("responses", (), {"audio": {"voice": "alloy"}}, "modalities"),
    ("claude", (), {"modalities": ("text", "audio")}, "modalities"),
    ("chat", (), SEARCH, "web_search"),
    ("ollama", (), SEARCH, "web_search"),
    ("claude", (), {"server_tools": (ServerTool("image_generation"),)}, "image_generation"),
    ("responses", (), {"server_tools": (ServerTool("web_search", {"blocked_domains": ["a"]}),)}, "blocked_domains"),
    ("groq", (), {"server_tools": (ServerTool("web_search", {"allowed_domains": ["a"]}),)}, "allowed_domains"),
    (
        "claude",
        (FilePart(b"a", "text/plain", citations=True),),
        {"response_format": {"name": "a", "schema": SCHEMA}},
        "citations",
    ),
]


@both
@pytest.mark.parametrize(("name", "parts", "fields", "named"), REFUSED)
async def test_what_a_vendor_cannot_do_is_named_before_a_byte_is_sent(
    sim: Simulator, name: str, parts: tuple[Part, ...], fields: dict[str, Any], named: str, stream: bool
) -> None:
    with pytest.raises(ProviderError, match=named) as caught:
        await ask(sim, name, *parts, stream=stream, **fields)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert sum(vendor.requests for vendor in sim.vendors.values()) == 0


async def test_streams_of_speech_are_pcm16(sim: Simulator) -> None:
    audio = {"voice": "alloy", "format": "wav"}
    assert (await ask(sim, "chat", stream=False, audio=audio)).others
    with pytest.raises(ProviderError, match="pcm16"):
        await ask(sim, "chat", stream=True, audio=audio)


COMMON = {
    "allowed_domains": ["a.example"],
    "user_location": {"city": "Oslo", "country": "NO"},
    "max_uses": 2,
    "search_context_size": "low",
}
PLACE = {"type": "approximate", "city": "Oslo", "country": "NO"}


@pytest.mark.parametrize(
    ("name", "without", "sent"),
    [
        (
            "responses",
            (),
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.example"]},
                "user_location": PLACE,
                "search_context_size": "low",
            },
        ),
        (
            "claude",
            (),
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "allowed_domains": ["a.example"],
                "user_location": PLACE,
                "max_uses": 2,
            },
        ),
        (
            "openrouter",
            (),
            {
                "type": "openrouter:web_search",
                "parameters": {
                    "allowed_domains": ["a.example"],
                    "user_location": PLACE,
                    "max_uses": 2,
                    "search_context_size": "low",
                },
            },
        ),
        ("groq", ("allowed_domains",), {"type": "browser_search"}),
    ],
)
async def test_what_searches_have_in_common_is_said_to_each(
    sim: Simulator, name: str, without: tuple[str, ...], sent: dict[str, Any]
) -> None:
    """Bounds are kept or refused; hints that a vendor has no word for are left out."""
    options = {key: value for key, value in COMMON.items() if key not in without}
    await ask(sim, name, stream=False, server_tools=(ServerTool("web_search", options),))
    last = sim.vendor(WIRES[name][0]).last_request
    assert last is not None
    assert last.body["tools"] == [sent]


@pytest.mark.parametrize("name", ["ollama", "groq", "chat"])
async def test_a_tool_that_can_be_done_without_is_left_out_and_named(sim: Simulator, name: str) -> None:
    tools = (ServerTool("mcp", {"server_label": "x"}, optional=True), ServerTool("file_search", optional=True))
    reply = await ask(sim, name, stream=False, server_tools=tools)
    assert (reply.text, reply.left_out) == (SAID, ("mcp", "file_search"))


@both
@pytest.mark.parametrize("name", ["chat", "responses", "claude", "groq", "ollama"])
async def test_only_allowed_tools_are_called(sim: Simulator, name: str, stream: bool) -> None:
    tools = (Tool("first", "", {"type": "object", "properties": {}}), Tool("second"))
    sim.vendor(WIRES[name][0]).set(answer=None)
    reply = await ask(sim, name, stream=stream, tools=tools, allowed_tools=("second",))
    assert [part.name for part in reply.parts if isinstance(part, ToolCall)] == ["second"]


@pytest.mark.parametrize("first", ["responses", "claude", "openrouter"])
@pytest.mark.parametrize("second", WIRES)
async def test_an_answer_with_all_of_it_goes_on_elsewhere(sim: Simulator, first: str, second: str) -> None:
    """Its text crosses; what only its maker knows stays away, and is named."""
    sim.vendor(WIRES[first][0]).set(sources=SOURCES)
    reply = await ask(sim, first, stream=False, **SEARCH)
    talk = (Message.user("Will it rain?"), reply.message, Message.user("And now?"))
    again = await ask(sim, second, messages=talk, stream=False)
    assert again.text == SAID
    sent = str(sim.vendor(WIRES[second][0]).last_request.body)  # type: ignore[union-attr]  # just asked
    assert SAID in sent
    used = [part.type for part in reply.parts if isinstance(part, ServerToolPart)]
    if first == second:
        assert again.left_out == ()
    else:
        assert again.left_out == tuple(f"{kind} of earlier turns" for kind in used)
        assert not any(kind in sent for kind in used)


async def test_files_that_a_vendor_does_not_keep_are_refused_by_it(sim: Simulator) -> None:
    sim.vendor("anthropic").set(files=("file_1",))
    assert (await ask(sim, "claude", FilePart(id="file_1"), stream=False)).text == SAID
    head = sim.vendor("anthropic").last_request
    assert head is not None
    assert "files-api" in head.headers["anthropic-beta"]
    with pytest.raises(ProviderError, match="file_2"):
        await ask(sim, "claude", FilePart(id="file_2"), stream=False)

"""Requests with their client's own body, through a router: native where the target speaks so, translated elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from providers import (
    ChunkStream,
    CompletionRequest,
    CompletionResponse,
    ErrorCode,
    FakeProvider,
    Message,
    Native,
    ProviderError,
    StreamChunk,
)
from providers.fake import Fail, Reply
from providers.simulator import Simulator
from router import ConfigError, Router
from router.testing import run
from tests.support.native import CHAT, MESSAGES, OLLAMA, RESPONSES, WIRES, Wire
from tests.support.vendors import KEY, routes

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True, answer="The sky is blue.")
        yield simulator


class Answered:
    """An answer, and what of it a client of the same protocol can be handed as it is."""

    def __init__(self, response: CompletionResponse, raw: bytes) -> None:
        self.response = response
        self.raw = raw

    @property
    def is_native(self) -> bool:
        return self.response.native or bool(self.raw)


async def ask(router: Router, route: str, request: CompletionRequest, *, stream: bool) -> Answered:
    if not stream:
        return Answered(await router.ask(request, route=route), b"")
    async with router.ask_stream(request, route=route) as chunks:
        raw = [chunk.raw async for chunk in chunks]
    return Answered(chunks.response, b"".join(raw))


FIRST = {"openai": "openai-first", "anthropic": "anthropic-first", "ollama": "ollama-first"}


@every_wire
@both
async def test_native_then_another_protocol_and_native_again(sim: Simulator, wire: Wire, stream: bool) -> None:
    """Which target answers decides, attempt by attempt; the client's body is there for the next one as it was."""
    request = wire.request(stream=stream, model="x")
    text = routes(sim).replace("kind: openai,", f"kind: openai, options: {json.dumps(wire.options)},")
    async with Router.from_text(text, env={}, seed=1) as router:
        route, vendor = FIRST[wire.kind], sim.vendor(wire.kind)
        before = await ask(router, route, request, stream=stream)
        arrived = vendor.last_request
        vendor.set(error_rate=1.0, error="invalid_request")
        elsewhere = await ask(router, route, request, stream=stream)
        vendor.set(error_rate=0.0)
        after = await ask(router, route, request, stream=stream)
    assert [each.response.text for each in (before, elsewhere, after)] == ["The sky is blue."] * 3
    assert (before.is_native, elsewhere.is_native, after.is_native) == (True, False, True)
    assert len(elsewhere.response.trace.attempts) > 1
    assert arrived is not None
    assert vendor.last_request is not None
    assert arrived.body == vendor.last_request.body
    sent = {**wire.body, "model": arrived.body["model"], "stream": stream}
    assert arrived.body == {key: value for key, value in sent.items() if stream or key != "stream_options"}


@both
async def test_from_another_protocol_to_native(sim: Simulator, stream: bool) -> None:
    """The first target speaks another one; what it fails with leads to one that speaks the client's."""
    sim.vendor("openai").set(error_rate=1.0, error="overloaded")
    async with Router.from_text(routes(sim), env={}, seed=1) as router:
        found = await ask(router, "openai-first", MESSAGES.request(stream=stream), stream=stream)
    assert found.response.target == "haiku"
    assert found.is_native
    assert sim.vendor("openai").last_request is not None
    assert "context_management" not in sim.vendor("openai").last_request.body  # type: ignore[union-attr]  # just asked


async def test_what_comes_before_the_first_content_is_not_lost(sim: Simulator) -> None:
    async with Router.from_text(routes(sim), env={}, seed=1) as router:
        found = await ask(router, "anthropic-first", MESSAGES.request(stream=True), stream=True)
    kinds = [line.removeprefix("event: ") for line in found.raw.decode().splitlines() if line.startswith("event: ")]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    said = "".join(
        json.loads(line.removeprefix("data: ")).get("delta", {}).get("text", "")
        for line in found.raw.decode().splitlines()
        if line.startswith("data: ")
    )
    assert said == found.response.text == "The sky is blue."


PARAMS = """
providers: {{o: {{kind: openai, dialect: openai, base_url: "{openai}", api_key: "{key}"}}}}
models:
  luna:
    provider: o
    id: gpt-4o
    params: {{temperature: 0.5, extra_body: {{service_tier: flex}}, extra_headers: {{x-team: red}}}}
routes:
  chat: {{targets: [{{model: luna, params: {{max_tokens: 77, seed: 5}}}}]}}
"""


@both
async def test_params_of_the_file_are_defaults(sim: Simulator, stream: bool) -> None:
    """In the protocol's own words; what the client has said stands."""
    text = PARAMS.format(openai=sim.base_url("openai"), key=KEY)
    async with Router.from_text(text, env={}, seed=1) as router:
        request = CHAT.request(stream=stream, body={"max_tokens": 9, "service_tier": "auto"})
        assert (await ask(router, "chat", request, stream=stream)).is_native
        arrived = sim.vendor("openai").last_request
        assert arrived is not None
        assert arrived.headers["x-team"] == "red"
        wanted = {"temperature": 0.5, "seed": 5, "max_tokens": 9, "service_tier": "auto"}
        assert {name: arrived.body.get(name) for name in wanted} == wanted
        assert "max_completion_tokens" not in arrived.body
        await ask(router, "chat", CHAT.request(stream=stream), stream=stream)
        bare = sim.vendor("openai").last_request
        assert bare is not None
        assert (bare.body["max_completion_tokens"], bare.body["service_tier"]) == (77, "flex")


@both
async def test_the_files_effort_and_a_clients_other_wishes_for_reasoning(sim: Simulator, stream: bool) -> None:
    text = f"""
providers:
  o: {{kind: openai, base_url: "{sim.base_url("openai")}", api_key: "{KEY}", options: {{api: responses}}}}
routes: {{chat: {{targets: [{{model: o/gpt-5, params: {{thinking: low}}}}]}}}}
"""
    async with Router.from_text(text, env={}, seed=1) as router:
        request = RESPONSES.request(stream=stream, body={"reasoning": {"summary": "auto"}})
        await ask(router, "chat", request, stream=stream)
    arrived = sim.vendor("openai").last_request
    assert arrived is not None
    assert arrived.body["reasoning"] == {"effort": "low", "summary": "auto"}


def test_a_file_cannot_give_a_body() -> None:
    with pytest.raises(ConfigError, match="native"):
        Router.from_text(
            "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [{model: a/m, params: {native: {x: 1}}}]}}", env={}
        )


def test_complete_takes_no_body() -> None:
    """`ask` does: there the rest of the request belongs to it."""
    router = Router.from_text("providers: {a: {kind: fake}}\nroutes: {chat: a/m}", env={})
    with pytest.raises(TypeError, match="native"):
        run(router.complete("chat", "Hi", native=Native("openai.chat", {})))


# --- what changes the conversation


def test_who_goes_on_from_a_broken_answer_gets_no_native_body() -> None:
    """There the beginning of the answer is missing."""
    first = FakeProvider.scripted(Reply("The sky is blue because", break_after=3), name="a")
    second = FakeProvider.scripted(Reply(" of scattering."), name="b")
    text = """
providers: {a: {kind: fake}, b: {kind: fake}}
routes: {chat: {targets: [a/m], fallbacks: [b/m], on_stream_break: continue}}
"""

    async def main() -> None:
        router = Router.from_text(text, env={}, seed=1, providers={"a": first, "b": second})
        request = CHAT.request(body={"tools": []})
        async with router.ask_stream(request, route="chat") as stream:
            async for _ in stream:
                pass

    run(main())
    assert first.requests[0].native is not None
    assert second.requests[0].native is None
    assert len(second.requests[0].messages) > 1


class Scripted:
    """A provider whose chunks are given."""

    def __init__(self, *chunks: StreamChunk) -> None:
        self.name = "a"
        self._chunks = chunks

    def stream(self, request: CompletionRequest) -> ChunkStream:
        async def chunks() -> AsyncIterator[StreamChunk]:
            for chunk in self._chunks:
                yield chunk

        return ChunkStream(chunks(), CompletionResponse)

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        raise ProviderError(ErrorCode.UNSUPPORTED, "streams only")

    def count_tokens(self, messages: Any, model: str) -> Any:
        raise NotImplementedError

    def capabilities(self, model: str) -> Any:
        return FakeProvider.scripted().capabilities(model)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([StreamChunk(raw=b"1"), StreamChunk(raw=b"2")], b"123"),
        ([StreamChunk(raw=b"1"), StreamChunk(restarted=True, raw=b"2")], b"23"),
        ([], b"3"),
    ],
    ids=["held back", "void", "none"],
)
def test_events_of_chunks_that_are_held_back_come_with_the_first(before: list[StreamChunk], expected: bytes) -> None:
    provider = Scripted(*before, StreamChunk("hi", raw=b"3"), StreamChunk(done=True, finish_reason="stop", raw=b"4"))

    async def main() -> list[bytes]:
        router = Router.from_text(
            "providers: {a: {kind: fake}}\nroutes: {chat: a/m}", env={}, providers={"a": provider}
        )
        async with router.ask_stream(CHAT.request(stream=True), route="chat") as stream:
            return [chunk.raw async for chunk in stream]

    assert run(main()) == [expected, b"4"]


# --- the cache

CACHED = """
providers: {{o: {{kind: openai, base_url: "{openai}", api_key: "{key}"}}}}
routes: {{kept: {{targets: [o/gpt-4o], cache: {{ttl: 1h}}}}}}
cache: {{path: memory}}
"""


@pytest.fixture
async def kept(sim: Simulator) -> AsyncIterator[Router]:
    async with Router.from_text(CACHED.format(openai=sim.base_url("openai"), key=KEY), env={}, seed=1) as router:
        yield router


@both
async def test_a_stored_answer_is_ours_to_write(sim: Simulator, kept: Router, stream: bool) -> None:
    """What the vendor said was said of another request, with its ids and its metadata."""
    miss = await ask(kept, "kept", CHAT.request(stream=stream), stream=stream)
    hit = await ask(kept, "kept", CHAT.request(stream=stream), stream=stream)
    assert (miss.is_native, miss.response.cached) == (True, False)
    assert (hit.is_native, hit.response.cached, hit.response.text) == (False, True, miss.response.text)
    assert sim.vendor("openai").requests == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"a": "b"}},
        {"user": "somebody"},
        {"prompt_cache_key": "k"},
        {"client_metadata": {"a": "b"}},
        {"model": "another"},
        {"stream_options": {"include_usage": False}},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_cannot_change_the_answer_shares_it(sim: Simulator, kept: Router, changes: dict[str, Any]) -> None:
    await ask(kept, "kept", CHAT.request(stream=True), stream=True)
    await ask(kept, "kept", CHAT.request(stream=True, body=changes), stream=True)
    await ask(kept, "kept", CHAT.request(body=changes), stream=False)
    assert sim.vendor("openai").requests == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"body": {"beta_field": {"deep": [1.0, {"a": 1}]}}},
        {"body": {"logit_bias": {"50256": -99}}},
        {"native": {"headers": {"openai-beta": "x"}}},
        {"extra_body": {"x": 1}},
        {"native": None},
        {"namespace": "other"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_whatever_may_change_the_answer_tells_requests_apart(
    sim: Simulator, kept: Router, changes: dict[str, Any]
) -> None:
    request = CHAT.request()
    other = replace(request, native=None) if changes == {"native": None} else CHAT.request(**changes)
    for each in (request, other, request, other):
        await ask(kept, "kept", each, stream=False)
    assert sim.vendor("openai").requests == 2


@both
async def test_who_joins_a_call_gets_nothing_of_the_firsts_own(sim: Simulator, kept: Router, stream: bool) -> None:
    """One may have asked for counts and the other not, and the metadata of one is none of the other's business."""
    sim.vendor("openai").set(fast=False, first_token=0.05, tokens_per_second=2000)
    request = CHAT.request(stream=stream)
    first, second = await asyncio.gather(*(ask(kept, "kept", request, stream=stream) for _ in range(2)))
    assert sim.vendor("openai").requests == 1
    assert sorted([first.is_native, second.is_native]) == [False, True]
    assert first.response.text == second.response.text


# --- what a router knows of it


async def test_limits_and_needs_come_from_the_normalised_request(sim: Simulator) -> None:
    """A window that is too small is known without the vendor."""
    text = f"""
providers: {{o: {{kind: ollama, base_url: "{sim.base_url("ollama")}"}}}}
models: {{small: {{provider: o, id: m, context_window: 10}}, large: {{provider: o, id: n}}}}
routes: {{chat: {{targets: [small], fallbacks: [large]}}}}
"""
    long = {"messages": [{"role": "user", "content": "word " * 500}]}
    async with Router.from_text(text, env={}, seed=1) as router:
        found = await ask(router, "chat", OLLAMA.request(body=long), stream=False)
    assert (found.response.target, found.is_native) == ("large", True)
    assert sim.vendor("ollama").requests == 1


def test_who_is_no_vendor_of_ours_ignores_it() -> None:
    fake = FakeProvider.scripted(Fail(ErrorCode.UNSUPPORTED), Reply("ok"), name="a")
    router = Router.from_text(
        "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/m], fallbacks: [a/n]}}",
        env={},
        providers={"a": fake},
    )
    reply = run(router.ask(CHAT.request(), route="chat"))
    assert (reply.text, reply.native) == ("ok", False)
    assert fake.requests[1].messages == (Message.user("Hi"),)

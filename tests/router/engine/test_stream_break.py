"""What becomes of a stream that breaks after its first content, by the route's policy; at every place it may break."""

from __future__ import annotations

from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, ProviderError, ToolCall
from providers.fake import Fail, Reply, Step
from providers.simulator import Simulator
from providers.types import StreamChunk
from router import Router
from router.engine.stream import GO_ON
from router.testing import run
from tests.support.vendors import routes

pytestmark = pytest.mark.usefixtures("every_carrier")

WHOLE = "The sky is blue because of Rayleigh scattering."
CHUNKS = -(-len(WHOLE) // 4)


class World:
    """Two fakes behind one route with a policy."""

    def __init__(self, policy: str, first: list[Step], second: list[Step]) -> None:
        self.a = FakeProvider.scripted(*first, name="a")
        self.b = FakeProvider.scripted(*second, name="b")
        text = f"""\
providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}
routes: {{chat: {{targets: [a/m], fallbacks: [b/m], on_stream_break: {policy}}}}}
"""
        self.router = Router.from_text(text, env={}, seed=1, providers={"a": self.a, "b": self.b})
        self.chunks: list[StreamChunk] = []

    def ask(self, **params: Any) -> Any:
        """The accumulated response; the chunks are kept."""

        async def story() -> Any:
            async with self.router.stream("chat", "Why?", **params) as stream:
                async for chunk in stream:
                    self.chunks.append(chunk)
            return stream.response

        return run(story())

    @property
    def kept(self) -> str:
        """What a consumer has who drops all before a restart."""
        text = ""
        for chunk in self.chunks:
            text = "" if chunk.restarted else text + chunk.text
        return text


def broken(after: int, **fields: Any) -> Reply:
    return Reply(WHOLE, break_after=after, **fields)


@pytest.mark.parametrize("cut", range(1, CHUNKS + 1))
def test_error_gives_what_came(cut: int) -> None:
    """The default: stream_interrupted with the partial answer, and nobody else is asked."""
    world = World("error", [broken(cut)], [Reply(WHOLE)])
    with pytest.raises(ProviderError) as caught:
        world.ask()
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert caught.value.partial.text == WHOLE[: 4 * cut] == world.kept
    assert world.b.requests == []


@pytest.mark.parametrize("cut", range(1, CHUNKS + 1))
def test_restart_marks_its_seam(cut: int) -> None:
    """One chunk says that the answer begins anew; what follows is the next target's whole answer."""
    world = World("restart", [broken(cut)], [Reply("Another answer.")])
    reply = world.ask()
    assert [chunk.restarted for chunk in world.chunks].count(True) == 1
    assert world.kept == reply.text == "Another answer."
    assert reply.provider == "b"
    told = [(attempt.target, attempt.tier, attempt.code) for attempt in reply.trace.attempts]
    assert told == [("a/m", 0, None), ("a/m", 0, ErrorCode.STREAM_INTERRUPTED), ("b/m", 1, None)]


@pytest.mark.parametrize("cut", range(1, CHUNKS))
def test_continue_goes_on_from_the_text(cut: int) -> None:
    """Only the new text comes, the next target sees what there is, and the response is the whole."""
    so_far = WHOLE[: 4 * cut]
    world = World("continue", [broken(cut)], [Reply(WHOLE[4 * cut :])])
    reply = world.ask()
    assert not any(chunk.restarted for chunk in world.chunks)
    assert world.kept == reply.text == WHOLE
    asked = world.b.requests[0].messages
    assert [message.text for message in asked] == ["Why?", so_far, GO_ON]
    assert (reply.provider, reply.finish_reason) == ("b", "stop")


CALL = ToolCall("c", "f", {}, "{}")
TOOL = {"name": "f", "parameters": {}}


@pytest.mark.parametrize("cut", range(1, CHUNKS + 2))
@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({"tool_calls": (CALL,)}, {"tools": [TOOL]}),
        ({"thinking": "hm"}, {}),
        ({}, {"response_format": "json"}),
        ({}, {"tools": [TOOL]}),
    ],
    ids=["tool calls", "thinking", "json", "tools offered"],
)
def test_continue_restarts_where_text_is_not_all(cut: int, fields: dict[str, Any], params: dict[str, Any]) -> None:
    """An answer with tool calls, a fixed form or thinking in play is begun anew, never patched together."""
    world = World("continue", [broken(cut, **fields)], [Reply('["Another answer."]')])
    if cut > CHUNKS and not fields.get("tool_calls"):
        return  # it has no such chunk
    reply = world.ask(**params)
    assert [chunk.restarted for chunk in world.chunks].count(True) == 1
    assert world.kept == reply.text == '["Another answer."]'
    assert GO_ON not in [message.text for message in world.b.requests[0].messages]


def test_a_second_break_is_survived_as_well() -> None:
    """Each break takes the next target; the attempts of the request bound it."""
    text = """\
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
routes: {chat: {targets: [a/m], fallbacks: [b/m, c/m], on_stream_break: continue}}
"""
    fakes = {
        "a": FakeProvider.scripted(Reply("one two three", break_after=1), name="a"),
        "b": FakeProvider.scripted(Reply("two three", break_after=1), name="b"),
        "c": FakeProvider.scripted(Reply("three"), name="c"),
    }

    async def story() -> tuple[str, str, Any]:
        async with Router.from_text(text, env={}, providers=fakes).stream("chat", "Count.") as stream:
            return "".join([chunk.text async for chunk in stream]), stream.response.text, stream.trace

    streamed, whole, trace = run(story())
    assert streamed == whole == "one two three"
    breaks = [attempt for attempt in trace.attempts if attempt.code is ErrorCode.STREAM_INTERRUPTED]
    assert [(attempt.target, attempt.tier) for attempt in breaks] == [("a/m", 0), ("b/m", 1)]
    assert [message.text for message in fakes["c"].requests[0].messages][1] == "one two "


@pytest.mark.parametrize("policy", ["restart", "continue"])
def test_when_nothing_is_left_the_partial_is_given(policy: str) -> None:
    """As by default: stream_interrupted, with the partial answer and a trace of what was tried."""
    world = World(policy, [broken(3)], [Fail(ErrorCode.QUOTA_EXHAUSTED)])
    with pytest.raises(ProviderError) as caught:
        world.ask()
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert caught.value.partial.text == WHOLE[:12]
    assert "exhausted" in str(caught.value.__cause__)


@pytest.mark.parametrize("policy", ["restart", "continue"])
@pytest.mark.parametrize("vendor", ["openai", "anthropic", "ollama"])
async def test_through_real_sockets(simulator: Simulator, vendor: str, policy: str) -> None:
    """A vendor that cuts the connection in mid-stream: the next one takes over."""
    simulator.vendor(vendor).set(cut_after=5)
    text = routes(simulator).replace("retry: {backoff", f"on_stream_break: {policy}\n  retry: {{backoff")
    async with (
        Router.from_text(text, env={}, seed=1) as router,
        router.stream(f"{vendor}-first", "Why is the sky blue?") as stream,
    ):
        chunks = [chunk async for chunk in stream]
    assert any(chunk.restarted for chunk in chunks) == (policy == "restart")
    assert stream.response.finish_reason == "stop"
    assert stream.response.provider != vendor
    kept = ""
    for chunk in chunks:
        kept = "" if chunk.restarted else kept + chunk.text
    assert kept == stream.response.text


@pytest.mark.parametrize("policy", ["restart", "continue"])
@pytest.mark.parametrize("code", [ErrorCode.INVALID_REQUEST, ErrorCode.CONTENT_FILTERED])
def test_when_the_next_does_not_take_the_request_the_partial_is_given(policy: str, code: ErrorCode) -> None:
    """A vendor may refuse to go on from somebody else's text: what had come is not lost by that."""
    world = World(policy, [broken(2)], [Fail(code)])
    with pytest.raises(ProviderError) as caught:
        world.ask()
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert caught.value.partial.text == WHOLE[:8]
    assert isinstance(caught.value.__cause__, ProviderError)
    assert caught.value.__cause__.code is code

"""`Router.ask` and `ask_stream`: requests that are ready go the way of all others, unchecked and unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from providers import CompletionRequest, ErrorCode, FakeProvider, Message, ProviderError
from providers.fake import Fail, Reply, Step
from router import CompletionResponse, RouteExhausted, Router, SyncRouter, UnknownRoute
from router.testing import run

FILE = """\
providers: {a: {kind: fake}, b: {kind: fake}}
routes:
  chat: {targets: [a/m], fallbacks: [b/m]}
  kept: {targets: [a/m], cache: {ttl: 1h}}
cache: {path: memory}
"""
REQUEST = CompletionRequest(model="chat", messages=(Message.user("Why?"),), temperature=0.5)


class World:
    """A router over two fakes."""

    def __init__(self, *steps: Step) -> None:
        self.a = FakeProvider.scripted(*(steps or (Reply("one"), Reply("two"))), name="a")
        self.b = FakeProvider.scripted(Reply("from b"), name="b")
        self.router = Router.from_text(FILE, env={}, seed=1, providers={"a": self.a, "b": self.b})

    async def answer(self, way: str, request: CompletionRequest = REQUEST, **how: Any) -> CompletionResponse:
        """The whole answer, plain or streamed."""
        if way == "plain":
            return await self.router.ask(request, **how)
        async with self.router.ask_stream(request, **how) as stream:
            async for _ in stream:
                pass
        return stream.response


both = pytest.mark.parametrize("way", ["plain", "stream"])


@both
def test_a_ready_request_is_answered_like_any_other(way: str) -> None:
    """What the target gets is the same request that `complete` would have made of the same words."""
    world, other = World(), World()
    reply = run(world.answer(way))
    run(other.router.complete("chat", "Why?", temperature=0.5))
    assert (reply.text, reply.route, reply.target) == ("one", "chat", "a/m")
    assert world.a.requests == other.a.requests


@both
def test_another_route_than_the_requests_model_can_be_named(way: str) -> None:
    """A client's own name for a model is no name of a route."""
    world = World()
    reply = run(world.answer(way, CompletionRequest(model="gpt-4o", messages=REQUEST.messages), route="chat"))
    assert (reply.route, reply.trace.route) == ("chat", "chat")


@both
def test_it_falls_back(way: str) -> None:
    world = World(Fail(ErrorCode.OVERLOADED))
    assert run(world.answer(way)).text == "from b"


@both
def test_it_is_not_checked_again(way: str) -> None:
    """Whoever made it has checked it: a number that `complete` refuses goes to the target."""
    world, odd = World(), CompletionRequest(model="chat", messages=REQUEST.messages, temperature=7)
    with pytest.raises(ProviderError, match="temperature"):
        run(world.router.complete("chat", "Why?", temperature=7))
    run(world.answer(way, odd))
    assert world.a.requests[0].temperature == 7


@both
def test_the_cache_answers_it_and_can_be_left_aside(way: str) -> None:
    """A ready request and one that was coerced share their answers; "skip", "only" hold as everywhere."""
    world = World()

    async def story() -> list[tuple[str, bool]]:
        with pytest.raises(RouteExhausted):
            await world.answer(way, route="kept", cache="only")
        first = await world.router.complete("kept", "Why?", temperature=0.5)
        again = await world.answer(way, route="kept")
        past = await world.answer(way, route="kept", cache="skip")
        return [(reply.text, reply.cached) for reply in (first, again, past)]

    assert run(story()) == [("one", False), ("one", True), ("two", False)]


@both
def test_what_makes_no_sense_is_refused(way: str) -> None:
    world = World()
    with pytest.raises(TypeError, match="CompletionRequest"):
        run(world.answer(way, {"model": "chat"}))  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(UnknownRoute) as caught:
        run(world.answer(way, route="chta"))
    assert caught.value.trace.route == "chta"


def test_without_a_loop() -> None:
    with SyncRouter(World().router) as router:
        assert router.ask(REQUEST).text == "one"
        with router.ask_stream(REQUEST, route="chat") as stream:
            assert "".join(chunk.text for chunk in stream) == "two"

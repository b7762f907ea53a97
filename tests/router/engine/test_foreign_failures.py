"""A provider, or a transport, of somebody else: whatever it raises fails that call, and the next target is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers import ProviderError, ProviderSettings, registry
from providers.base import ChunkStream
from providers.errors import ErrorCode
from providers.fake import FakeProvider, Reply
from providers.types import CompletionResponse, StreamChunk
from router import Router

KEY = "a-key-of-some-length"


class ConnectError(Exception):
    """By its name alone it is the one of another httpx."""


class Strange(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even a text")


FAILURES = (
    ConnectError("no route"),
    KeyError("x"),
    Strange(),
    ZeroDivisionError(),
    OSError(5, "io"),
    MemoryError(),
    StopIteration(),
)


class Foreign:
    """Raises, or gives, what it is told to."""

    name = "a"

    def __init__(self, failure: Any, *, late: bool = False) -> None:
        self._failure = failure
        self._late = late

    def _fail(self) -> Any:
        if isinstance(self._failure, BaseException):
            raise self._failure
        return self._failure

    async def complete(self, request: object) -> Any:
        return self._fail()

    def stream(self, request: object) -> ChunkStream:
        return ChunkStream(self._chunks(), CompletionResponse)

    async def _chunks(self) -> AsyncIterator[StreamChunk]:
        if self._late:
            yield StreamChunk(text="so far")
        self._fail()
        yield StreamChunk(done=True)

    def count_tokens(self, messages: object, model: str) -> Any:
        return None

    def capabilities(self, model: str) -> Any:
        return self._fail()

    def remaining_quota(self, model: str) -> Any:
        return self._fail()

    async def aclose(self) -> None:
        pass


def router(provider: Any) -> Router:
    text = "providers: {a: {kind: fake}, b: {kind: fake}}\nroutes: {r: {targets: [a/m], fallbacks: [b/m]}}\n"
    return Router.from_text(text, providers={"a": provider}, monitor=False)


@pytest.mark.parametrize("failure", [*FAILURES[:-1], None, 5], ids=repr if False else lambda each: type(each).__name__)
async def test_the_next_target_answers(failure: Any) -> None:
    """Plain and streamed, whatever the class of the exception, and where it gives no answer at all."""
    async with router(Foreign(failure)) as made:
        reply = await made.complete("r", "hi")
        assert reply.target == "b/m"
        assert reply.trace.attempts[0].code in (ErrorCode.SERVER_ERROR, ErrorCode.CONNECTION_FAILED)
    if isinstance(failure, Exception):
        async with router(Foreign(failure)) as made, made.stream("r", "hi") as stream:
            assert [chunk async for chunk in stream][-1].done
            assert stream.response.target == "b/m"


async def test_after_content_it_is_an_interrupted_stream() -> None:
    """With what came so far, as of any provider; nothing hangs on the error."""
    async with router(Foreign(KeyError(KEY), late=True)) as made, made.stream("r", "hi") as stream:
        with pytest.raises(ProviderError) as caught:
            async for _ in stream:
                pass
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.__context__ is None


async def test_a_cancellation_is_none() -> None:
    """It passes, and nobody else is asked."""
    async with router(Foreign(asyncio.CancelledError())) as made:
        with pytest.raises(asyncio.CancelledError):
            await made.complete("r", "hi")


@pytest.mark.parametrize("given", [None, 5, KeyError("x"), Strange()], ids=lambda each: type(each).__name__)
def test_a_kind_that_knows_nothing_of_its_models(given: Any) -> None:
    """`capabilities` gave nothing, another type, or raised: nothing is known, and the file compiles."""
    registry.register("odd")(lambda settings: Foreign(given))  # type: ignore[arg-type,return-value]  # that is the point
    made = Router.from_text("providers: {a: {kind: odd}}\nroutes: {r: a/m}\n", monitor=False)
    assert made.capabilities("r").context_window is None


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
async def test_a_transport_may_raise_anything(failure: Exception) -> None:
    """An httpx2 transport has exceptions of its own; the key of the request is in none of what comes out."""

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise failure from RuntimeError(str(request.headers))

    options = {"transport": Transport(), "max_retries": 0}
    provider = registry.create(ProviderSettings(name="a", kind="openai", api_key=KEY, options=options))
    async with router(provider) as made:
        reply = await made.complete("r", "hi")
    assert reply.target == "b/m"
    assert KEY not in reply.trace.render()


def test_a_router_of_a_path() -> None:
    """What was meant is said."""
    with pytest.raises(TypeError, match="from_yaml"):
        Router("routes.yaml")  # type: ignore[arg-type]  # that is the mistake


@pytest.mark.parametrize("route", [5, None, b"r", ["r"], {}, ("r",), "\ud83d"], ids=ascii)
async def test_a_route_that_is_no_name(route: Any) -> None:
    """It is the caller's mistake in every call."""
    async with router(Foreign(None)) as made:
        for call in (made.complete(route, "x"), made.count_tokens(route, "x")):
            with pytest.raises(ProviderError) as caught:
                await call
            assert caught.value.code is ErrorCode.INVALID_REQUEST


H = "\ud83d"
WRONG: dict[str, dict[str, Any]] = {
    "a number": {"messages": 5}, "bytes": {"messages": b"x"}, "numbers": {"messages": [5]},
    "extra_body": {"extra_body": 5}, "extra_headers": {"extra_headers": 5}, "metadata": {"metadata": 5},
    "stop": {"stop": 5}, "header": {"extra_headers": {"x-a": H}}, "header's name": {"extra_headers": {H: "a"}},
    "affinity": {"affinity": H}, "namespace": {"namespace": H},
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_value_is_the_callers_mistake(wrong: str) -> None:
    """It never reaches a vendor, and no breaker counts it."""
    options = {"transport": httpx.MockTransport(lambda request: httpx.Response(200, json={})), "max_retries": 0}
    provider = registry.create(ProviderSettings(name="a", kind="openai", options=options | {"validate": False}))
    async with router(provider) as made:
        with pytest.raises(ProviderError) as caught:
            await made.complete("r", **{"messages": "x"} | WRONG[wrong])
        assert caught.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("fields", [
    {"messages": H}, {"messages": [{"role": "user", "name": H, "content": H}]}, {"user": H}, {"stop": [H]},
    {"tools": [{"type": "function", "function": {"name": H, "description": H, "parameters": {"title": H}}}]},
    {"metadata": {H: H}}, {"extra_body": {H: [H]}}, {"response_format": {"name": H, "schema": {"title": H}}},
], ids=lambda fields: next(iter(fields)))  # fmt: skip
async def test_half_a_character_breaks_nothing(fields: dict[str, Any]) -> None:
    """It is sent as U+FFFD, or refused, but never a UnicodeEncodeError; counting takes it too."""
    async with router(FakeProvider.scripted(Reply('"x"'), name="a")) as made:
        asked = {"messages": "x"} | fields
        await made.complete("r", **asked)
        await made.count_tokens("r", asked["messages"], tools=asked.get("tools", ()))

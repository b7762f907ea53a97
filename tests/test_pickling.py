"""What leaves a process: errors and answers are pickled and copied whole."""

from __future__ import annotations

import asyncio
import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import providers
import router
from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.fake import Fail, FakeProvider, Reply
from providers.registry import UnknownKind
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, CompletionResponse, Message, StreamChunk, Tool, ToolCall, Usage
from providers.wire.reading import BadRequest
from providers.wire.writing import Upstream
from router import ConfigError, RouteExhausted, Router, SyncRouter, UnknownRoute, UnreadableFile, WrongLoop
from router.errors import CacheUnavailable, RouterClosed
from router.gateway.errors import BodyTooLarge, Refused, UnknownModel
from router.gateway.inflate import UnknownEncoding
from router.parent import NotServed
from router.views.trace import Trace

FILE = "providers: {a: {kind: fake}, b: {kind: fake}}\nroutes: {chat: {targets: [a/x], fallbacks: [b/y]}}\n"

WAYS: list[Callable[[Any], Any]] = [
    *(lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol)) for protocol in range(6)),
    copy.copy,
    copy.deepcopy,
]


def asked(*script: object) -> Router:
    settings = ProviderSettings(name="b", kind="fake", options={"script": list(script)})
    refusing = FakeProvider.scripted(Fail(ErrorCode.OVERLOADED, "busy", retry_after=3.0), name="a")
    return Router.from_text(FILE, env={}, providers={"a": refusing, "b": FakeProvider(settings)})


async def _answer() -> CompletionResponse:
    call = ToolCall("1", "weather", {"city": "Ghent"}, '{"city": "Ghent"}')
    async with asked(Reply("hello", tool_calls=(call,), thinking="hm")) as running:
        return await running.complete("chat", "hi")


async def _exhausted() -> RouteExhausted:
    async with asked(Fail(ErrorCode.RATE_LIMITED, "slow down", retry_after=60.0)) as running:
        with pytest.raises(RouteExhausted) as caught:
            await running.complete("chat", "hi")
    return caught.value


async def _refused() -> ProviderError:
    async with asked(Fail(ErrorCode.INVALID_REQUEST, "no such role", status=400)) as running:
        with pytest.raises(ProviderError) as caught:
            await running.complete("chat", "hi")
    return caught.value


async def _interrupted() -> ProviderError:
    async with asked(Reply("hello world", break_after=2)) as running:
        with pytest.raises(ProviderError) as caught:
            async with running.stream("chat", "hi") as stream:
                async for _ in stream:
                    pass
    assert caught.value.partial is not None
    return caught.value


def _full() -> ProviderError:
    return ProviderError(
        ErrorCode.CONTEXT_LENGTH_EXCEEDED,
        "too long",
        provider="p",
        model="m",
        status=400,
        retry_after=1.5,
        request_id="r",
        vendor_type="t",
        vendor_code="c",
        body_excerpt="{}",
        context_window=10,
        prompt_tokens=20,
        phase="read",
    )


def _config_error() -> SignalboxError:
    with pytest.raises(ConfigError) as caught:
        Router.from_text("routes: {chat: nobody/x}\nproviders: 7\n", env={})
    return caught.value


ERRORS: dict[type[SignalboxError], Callable[[], SignalboxError]] = {
    SignalboxError: lambda: SignalboxError("something"),
    ProviderError: _full,
    BadRequest: lambda: BadRequest("it is no list", "messages", code=ErrorCode.UNSUPPORTED, missing=True),
    Upstream: lambda: Upstream("authentication", "a vendor refuses the key"),
    Refused: lambda: Refused(ErrorCode.RATE_LIMITED, "too much", status=429, should_retry=True, retry_after=1.5),
    BodyTooLarge: lambda: BodyTooLarge(9),
    UnknownModel: lambda: UnknownModel("gpt-9"),
    UnknownEncoding: lambda: UnknownEncoding("br"),
    UnknownKind: lambda: UnknownKind("no such kind"),
    RouteExhausted: lambda: asyncio.run(_exhausted()),
    UnknownRoute: lambda: UnknownRoute("no such route"),
    WrongLoop: lambda: WrongLoop("another loop"),
    RouterClosed: lambda: RouterClosed("closed"),
    CacheUnavailable: lambda: CacheUnavailable("no such folder"),
    ConfigError: _config_error,
    NotServed: NotServed,
    UnreadableFile: lambda: UnreadableFile("routes.yaml", "no such file"),
}


def _all_errors() -> Iterator[type[SignalboxError]]:
    for package in (providers, router):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    waiting = [SignalboxError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def known_of(error: BaseException) -> dict[str, Any]:
    """All that an error knows; of a cause, what can be compared."""
    cause = error.__cause__
    return {
        **error.__dict__,
        "args": error.args,
        "text": str(error),
        "cause": None if cause is None else (type(cause), str(cause)),
        "suppressed": error.__suppress_context__,
    }


def test_every_error_of_ours_is_tried() -> None:
    ours = {kind for kind in _all_errors() if kind.__module__.partition(".")[0] in ("providers", "router")}
    assert ours == ERRORS.keys()


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_errors_are_pickled_and_copied_with_all_they_know(kind: type[SignalboxError]) -> None:
    error = ERRORS[kind]()
    assert type(error) is kind
    error.add_note("at noon")
    error.__cause__ = UnknownRoute("why")
    for way in WAYS:
        again = way(error)
        assert type(again) is kind
        assert known_of(again) == known_of(error)


@pytest.mark.parametrize("make", [_refused, _interrupted, _exhausted], ids=lambda make: make.__name__)
async def test_what_a_router_raises_keeps_trace_and_partial_answer(make: Callable[[], Any]) -> None:
    error = await make()
    for way in WAYS:
        assert known_of(way(error)) == known_of(error)


def test_a_cause_that_cannot_be_pickled_is_told_in_words() -> None:
    """And what was suppressed stays behind: it may hold a key."""

    class Stubborn(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    try:
        try:
            raise ValueError("Authorization: Bearer sk-secret")
        except ValueError:
            raise UnknownRoute("no such route") from Stubborn(1, 2)
    except UnknownRoute as caught:
        data = pickle.dumps(caught)
    assert str(pickle.loads(data).__cause__) == "Stubborn: 1 and 2"
    assert b"sk-secret" not in data


def test_a_long_chain_of_causes_and_one_in_a_circle_are_pickled_and_copied() -> None:
    """As an app makes one that raises each failure from the one before."""
    first = last = UnknownRoute("0")
    for number in range(1, 41):
        following = UnknownRoute(str(number))
        following.__cause__, last = last, following
    for way in WAYS[:-2]:
        again, depth = way(last), 0
        while again.__cause__ is not None:
            again, depth = again.__cause__, depth + 1
        assert (str(again), depth) == ("0", 40)
    first.__cause__ = last
    for way in WAYS:
        assert str(way(last).__cause__) == "39"


REQUEST = CompletionRequest(
    model="m",
    messages=(Message.user("hi"), Message.tool("1", "sunny")),
    tools=(Tool("weather", parameters={"type": "object"}),),
    extra_body={"a": [1]},
)


@pytest.mark.parametrize(
    "value",
    [REQUEST, StreamChunk(text="a", usage=Usage(1, 2), done=True), Usage(1), Trace("chat", "abc")],
    ids=lambda value: type(value).__name__,
)
def test_values_are_pickled_and_copied_equal_to_themselves(value: object) -> None:
    for way in WAYS:
        assert way(value) == value


async def test_answers_are_pickled_and_copied_equal_to_themselves() -> None:
    """With usage, tool calls, cost and trace; and two answers that differ in their trace alone are not equal."""
    answer = await _answer()
    for way in WAYS:
        again = way(answer)
        assert again == answer
        assert again.trace.render() == answer.trace.render()
    again.trace.entries.clear()
    assert again != answer


async def test_what_a_router_tells_of_itself_is_pickled() -> None:
    async with asked(Reply("hello")) as running:
        await running.complete("chat", "hi")
        for told in (running.snapshot(), running.cache.stats, running.capabilities("chat"), running.spending):
            assert pickle.loads(pickle.dumps(told)) == told


def ask(script: list[object]) -> CompletionResponse:
    """In another process: a router of its own, which is asked once."""
    settings = ProviderSettings(name="a", kind="fake", options={"script": script})
    text = "providers: {a: {kind: fake}}\nroutes: {chat: a/x}\n"
    with SyncRouter.from_text(text, env={}, providers={"a": FakeProvider(settings)}, monitor=False) as running:
        return running.complete("chat", "hi")


def use(running: SyncRouter) -> None:
    """In another process: never gets there."""


@pytest.mark.slow
def test_through_a_process_pool() -> None:
    """Answers come back whole, errors as what they are, and the pool goes on."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(RouteExhausted, match='route "chat" is exhausted after 1 attempt') as exhausted:
            pool.submit(ask, [Fail(ErrorCode.MODEL_NOT_FOUND, "no such model", status=404)]).result(60)
        assert exhausted.value.attempts[0].status == 404
        with pytest.raises(ProviderError) as refused:
            pool.submit(ask, [Fail(ErrorCode.INVALID_REQUEST, "no such role", status=400)]).result(60)
        assert (refused.value.code, refused.value.status) == (ErrorCode.INVALID_REQUEST, 400)
        answer = pool.submit(ask, [Reply("hello")]).result(60)
        assert (answer.text, answer.trace.answer.target) == ("hello", "a/x")


async def test_what_belongs_to_a_router_says_so() -> None:
    async with asked(Reply("hello")) as running:
        for part in (running, running.cache, SyncRouter(running)):
            for way in WAYS:
                with pytest.raises(TypeError, match="a router can't be pickled or copied"):
                    way(part)


def test_a_router_as_an_argument_of_a_spawned_process_says_what_to_do() -> None:
    with SyncRouter.from_text(FILE, env={}) as running:
        process = multiprocessing.get_context("spawn").Process(target=use, args=(running,))
        with pytest.raises(TypeError, match=r"SyncRouter\.from_yaml\(path\)"):
            process.start()

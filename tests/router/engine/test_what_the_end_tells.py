"""What the end of a request tells: the trace on every error, the cost of all that was paid, a code that is true."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers import FakeProvider
from providers.errors import ErrorCode, ProviderError
from providers.fake import Fail, Hang, Reply, Step
from providers.types import Usage
from router import RouteExhausted, Router, SyncRouter, UnknownRoute
from router.views.trace import Trace
from tests.support.world import now, story

TEXT = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake, budget: $0.000001/d}}
models:
  x: {provider: a, id: m, price: {input: 1000000, output: 1000000}, context_window: 1000}
  y: {provider: b, id: m, price: {input: 1000000, output: 1000000}}
  free: {provider: b, id: free}
  dear: {provider: c, id: m, price: {input: 1000000, output: 1000000}}
  busy: {provider: a, id: busy, limits: {in_flight: 1}}
  rare: {provider: a, id: rare, limits: {requests: 1/h}}
  slow: {provider: a, id: slow, timeout: {first_token: 1s}}
routes:
  chat: {targets: [x], fallbacks: [y]}
  restart: {targets: [x], fallbacks: [y], on_stream_break: restart}
  continue: {targets: [x], fallbacks: [y], on_stream_break: continue}
  unknown: {targets: [free], fallbacks: [y], on_stream_break: restart}
  hedged: {targets: [x, y], balance: ordered, hedge: {after: 1s, budget: 100%}}
  kept: {targets: [x], cache: {ttl: 1h}}
"""


def routed(a: Step | list[Step], b: Step | None = None) -> Router:
    """A dollar a token, so that a cost reads as a number of tokens."""
    steps = {
        "a": a if isinstance(a, list) else [a],
        "b": [b or Reply("from b", usage=Usage(5, 7))],
        "c": [Reply("dear")],
    }
    fakes = {name: FakeProvider.scripted(*script, name=name) for name, script in steps.items()}
    return Router.from_text(TEXT, env={}, seed=1, providers=fakes, monitor=False)


async def streamed(router: Router, route: str, **params: Any) -> Any:
    async with router.stream(route, "hi", **params) as stream:
        [chunk async for chunk in stream]
        return stream.response


async def asked(router: Router, route: str, stream: bool, **params: Any) -> Any:
    return await (streamed(router, route, **params) if stream else router.complete(route, "hi", **params))


# --- the trace


ENDS: list[tuple[str, Step, dict[str, Any]]] = [
    ("x", Fail(ErrorCode.INVALID_REQUEST), {}),
    ("x", Fail(ErrorCode.CONTENT_FILTERED), {}),
    ("x", Fail(ErrorCode.CANCELLED), {}),
    ("x", Fail(ErrorCode.AUTHENTICATION), {}),
    ("x", Fail(ErrorCode.SERVER_ERROR), {}),
    ("slow", Hang(), {}),
    ("x", Reply("well"), {"temperature": 9}),
    ("x", Reply("well"), {"temprature": 1}),
    ("nobody", Reply("well"), {}),
    ("kept", Reply("well"), {"cache": "only"}),
    ("x", Reply("well"), {"cache": "only"}),
    ("x", Reply("well"), {"cache": "sometimes"}),
    ("kept", Fail(ErrorCode.SERVER_ERROR), {}),
    ("kept", Fail(ErrorCode.INVALID_REQUEST), {}),
    ("x", Reply("well"), {"extra_headers": {"Authorization": "x"}}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("route", "step", "params"), ENDS, ids=str)
def test_every_error_has_its_trace(route: str, step: Step, params: dict[str, Any], stream: bool) -> None:
    """Whatever ended the request, and however early."""

    @story
    async def test() -> None:
        router = routed(step)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of any type, that is the point
            await asked(router, route, stream, **params)
        trace = caught.value.trace  # type: ignore[attr-defined]  # asserted below
        assert isinstance(trace, Trace)
        assert (trace.route, trace.revision) == (route, router.revision)

    test()


@pytest.mark.parametrize("policy", ["chat", "restart", "continue"])
def test_a_broken_stream_has_its_trace(policy: str) -> None:
    @story
    async def test() -> None:
        router = routed(Reply("half and half", break_after=1), Fail(ErrorCode.SERVER_ERROR))
        with pytest.raises(ProviderError) as caught:
            await streamed(router, policy)
        assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
        assert caught.value.trace.attempts[1].code is ErrorCode.STREAM_INTERRUPTED

    test()


@story
async def test_a_drained_and_a_used_up_route_have_theirs() -> None:
    router = routed(Reply("well"))
    await router.complete("dear", "hi")
    router.drain("x")
    for route, reason in (("x", "draining"), ("dear", "over_budget")):
        with pytest.raises(RouteExhausted) as caught:
            await router.complete(route, "hi")
        assert [skip.reason for skip in caught.value.trace.skips] == [reason]


@story
async def test_who_gave_up_sees_what_it_waited_for() -> None:
    """A timeout around the call cancels it."""
    router = routed([Fail(ErrorCode.SERVER_ERROR), Hang()], Hang())
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            await router.complete("chat", "hi")
    cancelled = caught.value.__cause__
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [attempt.target for attempt in cancelled.trace.attempts] == ["x"]  # type: ignore[attr-defined]  # as promised


def test_errors_of_threads_have_it_too() -> None:
    with SyncRouter(routed(Fail(ErrorCode.SERVER_ERROR), Fail(ErrorCode.SERVER_ERROR))) as router:
        with pytest.raises(RouteExhausted) as caught:
            router.complete("chat", "hi")
        assert caught.value.trace.attempts
        with pytest.raises(UnknownRoute) as unknown:
            router.complete("nobody", "hi")
        assert isinstance(unknown.value.trace, Trace)


# --- what it cost


HALF = Reply("12345678" * 2, break_after=1, chunk_size=8)  # two tokens come, by the usual estimate


@pytest.mark.parametrize("route", ["restart", "continue"])
def test_a_broken_half_is_part_of_the_cost(route: str) -> None:
    """Its prompt and what came of it, and all of the answer that followed."""

    @story
    async def test() -> None:
        router = routed(HALF)
        reply = await streamed(router, route)
        (broken,) = [attempt for attempt in reply.trace.attempts if attempt.code is not None]
        assert broken.cost is not None
        assert broken.cost > 2
        assert reply.cost == pytest.approx(5 + 7 + broken.cost)
        assert reply.usage == Usage(5, 7)
        totals = router.snapshot().figures.totals
        assert totals.cost == pytest.approx(reply.cost)

    test()


@story
async def test_what_a_vendor_did_not_take_costs_nothing() -> None:
    for code in (ErrorCode.OVERLOADED, ErrorCode.RATE_LIMITED, ErrorCode.AUTHENTICATION, ErrorCode.CONNECTION_FAILED):
        reply = await routed(Fail(code)).complete("chat", "hi")
        assert reply.cost == 12
        assert reply.trace.wasted == 0


@story
async def test_a_call_that_timed_out_costs_its_prompt() -> None:
    reply = await routed(Fail(ErrorCode.TIMEOUT)).complete("chat", "hi")
    assert reply.trace.wasted is not None
    assert reply.trace.wasted > 0
    assert reply.cost == pytest.approx(12 + reply.trace.wasted)


@story
async def test_a_hedge_that_lost_is_part_of_the_cost() -> None:
    router = routed(Reply("late", delay=30))
    reply = await router.complete("hedged", "hi")
    (lost,) = [attempt for attempt in reply.trace.attempts if attempt.lost]
    assert lost.cost
    assert reply.cost == pytest.approx(12 + lost.cost)


@story
async def test_what_is_not_known_makes_the_sum_unknown() -> None:
    """The first half came from a model without a price."""
    router = routed(Reply("unused"), HALF)
    router = Router.from_text(
        TEXT.replace("targets: [free]", "targets: [a/unpriced]"),
        env={},
        providers={"a": FakeProvider.scripted(HALF, name="a"), "b": FakeProvider.scripted(Reply("b"), name="b")},
        monitor=False,
    )
    reply = await streamed(router, "unknown")
    assert (reply.text, reply.cost, reply.trace.wasted) == ("b", None, None)


@story
async def test_a_failed_request_tells_what_was_paid() -> None:
    router = routed(Fail(ErrorCode.TIMEOUT), Fail(ErrorCode.TIMEOUT))
    with pytest.raises(RouteExhausted) as caught:
        await router.complete("chat", "hi")
    assert caught.value.trace.wasted == router.snapshot().figures.totals.cost
    assert caught.value.trace.wasted


# --- its code


async def drained(router: Router) -> str:
    router.drain("x")
    return "x"


async def opened(router: Router) -> str:
    router.breaker("x", "open")
    return "x"


async def held(router: Router) -> str:
    with pytest.raises(RouteExhausted):
        await router.complete("x", "hi")
    return "x"


async def limited(router: Router) -> str:
    with pytest.raises(RouteExhausted):
        for _ in range(100):
            await router.complete("rare", "hi")
    return "rare"


async def used_up(router: Router) -> str:
    await router.complete("dear", "hi")
    return "dear"


async def saturated(router: Router) -> str:
    task = asyncio.create_task(router.complete("busy", "hi"))
    await asyncio.sleep(0)
    task.add_done_callback(lambda done: done.exception())
    return "busy"


CODES = [
    (drained, Reply("well"), ErrorCode.OVERLOADED, False),
    (opened, Reply("well"), ErrorCode.OVERLOADED, False),
    (held, Fail(ErrorCode.RATE_LIMITED, retry_after=600.0), ErrorCode.RATE_LIMITED, True),
    (held, Fail(ErrorCode.OVERLOADED, retry_after=600.0), ErrorCode.RATE_LIMITED, True),
    (limited, Reply("well"), ErrorCode.RATE_LIMITED, True),
    (used_up, Reply("well"), ErrorCode.QUOTA_EXHAUSTED, True),
    (saturated, Hang(), ErrorCode.RATE_LIMITED, False),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("prepare", "step", "code", "tells_when"), CODES)
def test_the_code_says_why_nobody_was_called(
    prepare: Any, step: Step, code: ErrorCode, tells_when: bool, stream: bool
) -> None:
    """And `retry_after` from when on somebody may be, where that is known."""

    @story
    async def test() -> None:
        router = routed(step)
        route = await prepare(router)
        with pytest.raises(RouteExhausted) as caught:
            await asked(router, route, stream)
        assert caught.value.attempts == ()
        assert caught.value.code is code
        assert (caught.value.retry_after is not None and caught.value.retry_after > 0) is tells_when
        assert now() < 60

    test()


@story
async def test_of_several_reasons_the_one_that_passes_first_counts() -> None:
    """A prompt too long for one target does not hide that the other will be back."""
    router = routed(Reply("well"), Fail(ErrorCode.RATE_LIMITED, retry_after=600.0))
    with pytest.raises(RouteExhausted):
        await router.complete("y", "hi")
    with pytest.raises(RouteExhausted) as caught:
        await router.complete("chat", "word " * 10_000)
    assert {skip.reason for skip in caught.value.trace.skips} == {"too_small", "held"}
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert caught.value.retry_after == pytest.approx(600)

"""Whoever has waited, for whatever, is let through by the same rules as one who comes just then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from providers import ErrorCode
from providers.fake import Fail, Hang, Reply, Step
from providers.types import Usage
from router import RouteExhausted, Router
from router.testing import run
from tests.support.cancelling import AtAwait, settled
from tests.support.idle import assert_idle
from tests.support.world import World

PATIENT = "defaults: {retry: {max_wait: 60s, same_target: 0}}\n"
STUBBORN = (
    "defaults: {retry: {max_wait: 60s, same_target: 3, backoff: 1ms}, breaker: {consecutive: 99, min_calls: 99}}\n"
)
CHAT = "routes: {chat: {targets: [a/m]}}\n"
SLOW = Reply("x", delay=0.5, usage=Usage(1, 10))

Ask = Callable[[Router], Coroutine[Any, Any, object]]


async def plain(router: Router) -> object:
    return await router.complete("chat", "hi", max_tokens=10)


async def streamed(router: Router) -> object:
    async with router.stream("chat", "hi", max_tokens=10) as stream:
        return [chunk async for chunk in stream]


def calls(text: str, *steps: Step, ask: Ask = plain, requests: int = 12) -> list[float]:
    """When each call was made, of so many requests at once; the last step goes on for ever."""
    moments: list[float] = []

    async def main() -> None:
        left = list(steps)

        def script(now: float) -> Step:
            moments.append(round(now, 2))
            return left.pop(0) if len(left) > 1 else left[0]

        world = World(text, a=script)
        await asyncio.gather(*(settled(ask(world.router)) for _ in range(requests)))
        assert_idle(world.router)

    run(main())
    return moments


def most_within(seconds: float, moments: list[float]) -> int:
    return max(sum(first <= moment < first + seconds for moment in moments) for first in moments)


@pytest.mark.parametrize("ask", [plain, streamed])
@pytest.mark.parametrize("limit", ["requests: 5/h", "requests: [100/min, 5/d]", "tokens: 60/h"])
def test_a_place_is_no_way_past_a_limit(ask: Ask, limit: str) -> None:
    assert len(calls(f"# a: limits: {{in_flight: 1, {limit}}}\n{CHAT}{PATIENT}", SLOW, ask=ask)) <= 6


def test_a_place_is_no_way_past_what_a_vendor_asked() -> None:
    text = f"# a: limits: {{in_flight: 1}}\n{CHAT}{PATIENT.replace('60s', '5s')}"
    assert calls(text, Fail(ErrorCode.RATE_LIMITED, retry_after=30, delay=0.5)) == [0.0]


def test_a_place_is_no_way_past_a_breaker() -> None:
    patient = PATIENT.replace("defaults: {", "defaults: {breaker: {consecutive: 2}, ")
    text = f"# a: limits: {{in_flight: 1}}\n{CHAT}{patient}"
    moments = calls(text, Fail(ErrorCode.SERVER_ERROR, delay=0.5))
    assert most_within(1.0, moments[2:]) == 1  # probes


@pytest.mark.parametrize(
    ("limits", "step"),
    [("in_flight: 1", SLOW), ("requests: 60/min", SLOW), ("in_flight: 100", Fail(ErrorCode.TIMEOUT, delay=0.5))],
    ids=["a place", "a limit", "a retry"],
)
def test_a_wait_is_no_way_past_a_budget(limits: str, step: Step) -> None:
    text = (
        f"# a: limits: {{{limits}}}\n"
        "models: {m: {provider: a, id: m, price: {input: 1000, output: 1000}}}\n"
        "routes: {chat: {targets: [m], budget: $0.03/d}}\n"
    )
    assert len(calls(text + STUBBORN, step, requests=6)) <= 3


def test_a_retry_is_no_way_past_the_burst_of_a_limit() -> None:
    moments = calls(f"# a: limits: {{requests: 10/min}}\n{CHAT}{STUBBORN}", Fail(ErrorCode.SERVER_ERROR), requests=3)
    assert most_within(5.9, moments) == 1


@pytest.mark.parametrize("hold", [5, 20, 50])
def test_a_hold_that_ends_lets_no_crowd_past_a_limit(hold: float) -> None:
    limited = Fail(ErrorCode.RATE_LIMITED, retry_after=hold)
    moments = calls(f"# a: limits: {{requests: 10/min}}\n{CHAT}{PATIENT}", limited, Reply("x"), requests=6)
    assert most_within(5.9, moments) == 1
    assert moments[1] == hold or moments[1] == 6.0


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_who_leaves_in_any_line_leaves_nothing_behind(late: bool) -> None:
    """Of a target with one place, a limit, and a vendor that asks to wait."""
    text = f"# a: limits: {{in_flight: 1, requests: 20/min}}\n{CHAT}{PATIENT}"

    async def one(strike: int) -> bool:
        left: list[Step] = [SLOW, Fail(ErrorCode.RATE_LIMITED, retry_after=2, delay=0.5), SLOW]
        world = World(text, a=lambda _: left.pop(0) if len(left) > 1 else left[0])
        others = [asyncio.ensure_future(settled(plain(world.router))) for _ in range(3)]
        await asyncio.sleep(0)
        striking = AtAwait(plain(world.router), strike, late=late)
        await settled(striking)
        await asyncio.gather(*others)
        assert_idle(world.router)
        return striking.awaits >= strike

    strike = 1
    while strike < 60 and run(one(strike)):
        strike += 1
    assert strike > 2


@pytest.mark.parametrize("cache", ["", ", cache: {ttl: 1h}"], ids=["a route without a cache", "nothing stored"])
@pytest.mark.parametrize("streams", [False, True])
def test_who_wants_a_stored_answer_only_is_not_told_to_come_again(cache: str, streams: bool) -> None:
    async def main() -> None:
        world = World(f"cache: {{path: memory}}\nroutes: {{chat: {{targets: [a/m]{cache}}}}}\n", a=lambda _: Hang())
        with pytest.raises(RouteExhausted, match='cache="only"') as caught:
            if streams:
                async with world.router.stream("chat", "hi", cache="only") as stream:
                    await anext(stream)
            await world.router.complete("chat", "hi", cache="only")
        assert caught.value.code == ErrorCode.UNSUPPORTED
        assert caught.value.retry_after is None

    run(main())


def test_a_call_that_takes_all_its_time_is_evidence_though_the_request_ends_with_it() -> None:
    """`answer` and `total` may be the same: five calls that hang shut the target out."""

    async def main() -> None:
        world = World(
            "routes: {chat: {targets: [a/m], fallbacks: [b/m]}}\n"
            "defaults: {timeout: {answer: 10s, total: 10s}, breaker: {consecutive: 5}}\n",
            a=lambda _: Hang(),
            b=lambda _: Reply("fine"),
        )
        for _ in range(5):
            with pytest.raises(RouteExhausted, match=r"timeout\.answer"):
                await plain(world.router)
        answer = await world.router.complete("chat", "hi")
        assert answer.target == "b/m"

    run(main())


@pytest.mark.parametrize("ask", [plain, streamed])
def test_a_target_that_hangs_leaves_time_for_the_next_by_default(ask: Ask) -> None:
    async def main() -> None:
        text = "routes: {chat: {targets: [a/m], fallbacks: [b/m, c/m]}}\n"
        world = World(text, a=lambda _: Hang(), b=lambda _: Hang(), c=lambda _: Reply("fine"))
        await ask(world.router)
        assert world.calls("c") == 1

    run(main())

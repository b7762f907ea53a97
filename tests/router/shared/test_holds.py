"""What a vendor said to one process, all follow, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from providers.errors import ErrorCode
from providers.fake import Fail, Reply, Step
from router import RouteExhausted
from router.testing import run
from tests.support.engine_fleet import EngineFleet

FILE = """
providers:
  a: {kind: fake, api_key: one}
  b: {kind: fake, api_key: two}
models: {first: {provider: a, id: m}, second: {provider: a, id: n}}
routes: {chat: {targets: [a/m], fallbacks: [b/m]}, other: a/n}
shared: {url: "redis://x", app: shop, share: [holds]}
"""
OF_KEY = "Rate limit reached for requests per min of your organization"


def well(number: int, now: float) -> Step:
    return Reply("fine")


def limited(retry_after: float | None, code: ErrorCode = ErrorCode.RATE_LIMITED, **more: str) -> EngineFleet:
    """A fleet whose vendor `a` refuses with such a Retry-After."""
    return EngineFleet(5, FILE, a=lambda number, now: Fail(code, retry_after=retry_after, **more), b=well)


@pytest.mark.parametrize(
    ("code", "message"),
    [(ErrorCode.RATE_LIMITED, "slow down"), (ErrorCode.RATE_LIMITED, OF_KEY), (ErrorCode.OVERLOADED, "busy")],
)
def test_a_retry_after_is_known_to_all_within_a_second(code: ErrorCode, message: str) -> None:
    async def story() -> None:
        fleet = limited(30.0, code, message=message)
        await asyncio.sleep(5.37)
        assert (await fleet[0].ask()).provider == "b"
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(1.0)
        for process in fleet.processes[1:]:
            assert (await process.ask()).provider == "b"
        assert fleet.calls("a") == 1, "nobody asks a vendor that asked to wait"
        await asyncio.sleep(28 - (asyncio.get_running_loop().time() - began))
        assert [(await process.ask()).provider for process in fleet] == ["b"] * 5
        assert fleet.calls("a") == 1
        await asyncio.sleep(2.1)
        await fleet[3].ask()
        assert fleet.calls("a") == 2, "and no longer than it asked"
        await fleet.end()

    run(story())


def test_a_hold_of_the_key_is_one_of_all_its_models_and_one_of_a_model_is_not() -> None:
    async def story() -> None:
        for message, held in (("slow down", False), (OF_KEY, True)):
            fleet = limited(30.0, message=message)
            await fleet[0].ask()
            await asyncio.sleep(1)
            await fleet[1].asks("other")
            assert fleet[1].calls("a") == (not held)
            await fleet.end()

    run(story())


def test_a_guess_stays_with_whoever_made_it() -> None:
    async def story() -> None:
        fleet = limited(None)
        await fleet[0].ask()
        await asyncio.sleep(0.1)
        await fleet[1].ask()
        await asyncio.sleep(1)
        assert fleet.calls("a") == 2
        assert not any(process.events("hold") for process in fleet.processes[2:])
        await fleet.end()

    run(story())


def test_used_up_credit_is_known_to_all() -> None:
    async def story() -> None:
        fleet = limited(None, ErrorCode.QUOTA_EXHAUSTED, message="You have run out of credits")
        await fleet[0].ask()
        await asyncio.sleep(1)
        assert [(await process.ask()).provider for process in fleet] == ["b"] * 5
        assert fleet.calls("a") == 1
        await fleet.end()

    run(story())


def test_one_that_starts_and_a_name_that_no_plan_has_know_it_too() -> None:
    async def story() -> None:
        fleet = limited(60.0)
        await fleet[0].asks("a/free")
        await fleet[1].ask()
        await asyncio.sleep(20)
        new = fleet.more()
        await asyncio.sleep(0.2)
        assert (await new.ask()).provider == "b"
        assert new.calls("a") == 0
        error = await new.asks("a/free")
        assert isinstance(error, RouteExhausted)
        await new.asks("a/free")
        assert new.calls("a") == 1, "a model that nobody names is not known before it is called"
        await fleet.end()

    run(story())


def test_it_is_told_and_why() -> None:
    async def story() -> None:
        fleet = limited(30.0)
        await fleet[0].ask()
        await asyncio.sleep(2)
        [own], [others] = fleet[0].events("hold"), fleet[1].events("hold")
        assert own.sentence == "a/m is held for 30 s: rate_limited"
        assert others.sentence == "a/m is held for 30 s: rate_limited (told to another process)"
        error = await fleet[2].asks("first")
        assert isinstance(error, RouteExhausted)
        assert "the vendor asked to wait" in str(error)
        await fleet.end()

    run(story())


@pytest.mark.parametrize("share", ["limits", "breakers"])
def test_who_does_not_share_holds_hears_of_none(share: str) -> None:
    async def story() -> None:
        text = FILE.replace("[holds]", f"[{share}]")
        fleet = EngineFleet(2, text, a=lambda number, now: Fail(ErrorCode.RATE_LIMITED, retry_after=30.0), b=well)
        await fleet[0].ask()
        await asyncio.sleep(2)
        await fleet[1].ask()
        assert fleet.calls("a") == 2
        await fleet.end()

    run(story())


def test_a_provider_may_keep_its_holds_to_itself() -> None:
    async def story() -> None:
        text = FILE.replace("api_key: one", "api_key: one, shared: false")
        fleet = EngineFleet(2, text, a=lambda number, now: Fail(ErrorCode.RATE_LIMITED, retry_after=30.0), b=well)
        await fleet[0].ask()
        await asyncio.sleep(2)
        await fleet[1].ask()
        assert fleet.calls("a") == 2
        await fleet.end()

    run(story())


def test_away_each_goes_by_what_it_was_told_itself() -> None:
    async def story() -> None:
        fleet = limited(30.0)
        await asyncio.sleep(2)
        fleet.server.is_gone = True
        await asyncio.sleep(1)
        for process in fleet:
            await process.ask()
        assert fleet.calls("a") == 5
        fleet.server.is_gone = False
        await asyncio.sleep(2)
        new = fleet.more()
        await asyncio.sleep(1)
        await new.ask()
        assert fleet.calls("a") == 5, "what was met meanwhile is told afterwards"
        await fleet.end()

    run(story())

"""A budget tells once that most of it is spent, once that all is, and when the next period begins."""

from __future__ import annotations

import asyncio
import logging

import pytest

from providers import FakeProvider
from providers.fake import Reply
from providers.types import Usage
from router import RouteExhausted, Router
from router.testing import run
from tests.support.world import now

FILE = """
providers: {a: {kind: fake, budget: $1/h}, b: {kind: fake}}
models:
  m: {provider: a, id: m, price: {input: 1, output: 1}}
routes:
  chat: {targets: [m], retry: {max_wait: 0s}}
"""
EIGHTH = Reply("fine", usage=Usage(0, 125_000))  # of a dollar, at a dollar the million


def a_router(text: str = FILE) -> Router:
    return Router.from_text(
        text, env={}, seed=1, providers={"a": FakeProvider.scripted(EIGHTH, name="a")}, wall_clock=now
    )


async def spend(router: Router, eighths: int) -> None:
    for _ in range(eighths):
        await router.complete("chat", "hi", max_tokens=1)


def told(router: Router) -> list[tuple[str, str]]:
    return [(event.level, event.sentence) for event in router.telemetry.events if event.kind == "budget"]


def test_each_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """However many requests come meanwhile; in the log too."""

    async def main() -> None:
        router = a_router()
        await spend(router, 6)
        assert told(router) == []
        await spend(router, 1)
        nearly = [("warning", "the budget of provider a is nearly used up: $0.8750 of $1.00 an hour, for 1 h more")]
        assert told(router) == nearly
        await spend(router, 1)
        for _ in range(20):
            with pytest.raises(RouteExhausted):
                await router.complete("chat", "hi")
        used_up = ("error", "the budget of provider a is used up: $1.00 of $1.00 an hour; it begins anew in 1 h")
        assert told(router) == [*nearly, used_up]
        await asyncio.sleep(3600)
        await spend(router, 3)
        anew = ("good", "the budget of provider a begins anew: $1.00 an hour")
        assert told(router) == [*nearly, used_up, anew]
        event = router.telemetry.events[-1]
        assert (event.provider, event.route, event.fields["state"]) == ("a", None, "anew")
        await asyncio.sleep(3600)
        await spend(router, 1)
        assert len(told(router)) == 3, "nothing was told of the last period"
        await spend(router, 6)
        assert told(router)[3:] == nearly

    with caplog.at_level(logging.INFO, "signalbox.events"):
        run(main())
    assert len([message for message in caplog.messages if message.startswith("the budget of")]) == 4


def test_what_is_used_up_at_once_was_never_nearly_so() -> None:
    """One dear answer; and the budget of a route has its name."""

    async def main() -> None:
        text = FILE.replace(", budget: $1/h", "").replace("targets: [m]", "targets: [m], budget: $0.05/d")
        router = a_router(text)
        await spend(router, 1)
        assert [event.route for event in router.telemetry.events if event.kind == "budget"] == ["chat"]
        assert told(router)[0][1].startswith("the budget of route chat is used up: $0.1250 of $0.0500 a day")
        assert len(told(router)) == 1

    run(main())

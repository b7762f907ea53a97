"""Clients of a gateway are let in as far as their own limits and budgets go, over edits of the file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from providers import FakeProvider
from providers.types import CompletionResponse, Usage
from router import RouteExhausted, Router
from router.cli.status import render
from router.config import load_text
from router.plan.compile import compile_plan
from router.state.clients import OverLimit, Permit
from router.testing import run
from tests.support.spending import CENT, NOON, file_of, opened

KEYS = """
serve:
  keys:
    alice: {key: key-of-alice-0123456789, LIMITS}
    bob: {key: key-of-bob-0123456789ab}
"""


def router_of(limits: str = "routes: [chat, only]", *, path: Path | None = None) -> Router:
    text = file_of() + KEYS.replace("LIMITS", limits)
    fakes = {name: FakeProvider.scripted(CENT, name=name) for name in "ab"}
    loop = asyncio.get_running_loop()
    more = {"providers": fakes, "seed": 1, "wall_clock": lambda: NOON + loop.time()}
    if path is None:
        return Router(compile_plan(load_text(text, env={})), **more)
    path.write_text(text)
    return Router.from_yaml(path, env={}, watch=False, **more)


def asked(router: Router, name: str = "alice", prompt: float = 10, max_tokens: int | None = None) -> Permit | OverLimit:
    client = router.plan.serving.by_name[name]
    return router.clients.admit(client, prompt, max_tokens, asyncio.get_running_loop().time())


def let_in(router: Router, *args: object, **named: object) -> Permit:
    permit = asked(router, *args, **named)
    assert isinstance(permit, Permit), permit
    return permit


def refused(router: Router, *args: object, **named: object) -> OverLimit:
    over = asked(router, *args, **named)
    assert isinstance(over, OverLimit)
    return over


def now() -> float:
    return asyncio.get_running_loop().time()


def test_without_limits_everybody_comes_in_and_is_counted() -> None:
    async def main() -> None:
        router = router_of()
        permits = [let_in(router) for _ in range(1000)]
        assert router.clients.in_flight("alice") == 1000
        assert router.clients.in_flight("bob") == 0
        for permit in permits:
            permit.answered(Usage(10, 10), now())
            permit.cancelled(now())  # it has ended: that says nothing more
        assert router.clients.in_flight("alice") == 0

    run(main())


def test_a_rate_may_be_used_at_once_and_tells_when_it_is_free_again() -> None:
    async def main() -> None:
        router = router_of("limits: {requests: 6/min}")
        await asyncio.sleep(100)
        for _ in range(6):
            let_in(router)
        over = refused(router)
        assert (over.limit, round(over.wait, 6)) == ("requests", 60)
        assert over.message == "the limit of requests of alice allows the next in 60 s"
        let_in(router, "bob")  # whose limits are others
        await asyncio.sleep(59)
        assert refused(router).wait == pytest.approx(1)
        await asyncio.sleep(1)
        let_in(router)

    run(main())


@pytest.mark.parametrize(
    ("outcome", "left"),
    [("answered", 700), ("uncounted", 500), ("failed", 1000), ("broken", 880), ("cancelled", 900), ("left", 880)],
)
def test_tokens_are_settled_by_what_happened(outcome: str, left: int) -> None:
    """Of 1000 a minute: reserved are the prompt's and those that the answer may have."""

    async def main() -> None:
        router = router_of("limits: {tokens: 1000/min}")
        permit = let_in(router, prompt=100, max_tokens=400)
        assert refused(router, prompt=100, max_tokens=401).limit == "tokens"
        partial = CompletionResponse(text="x" * 80)
        if outcome == "answered":
            permit.answered(Usage(120, 180), now())
        elif outcome == "uncounted":
            permit.answered(None, now())
        elif outcome in ("failed", "broken"):
            permit.failed(now(), partial if outcome == "broken" else None)
        else:
            permit.cancelled(now(), partial if outcome == "left" else None)
        let_in(router, prompt=0, max_tokens=left)
        assert refused(router, prompt=1, max_tokens=0).limit == "tokens"

    run(main())


def test_places_are_given_back() -> None:
    async def main() -> None:
        router = router_of("limits: {in_flight: 2}")
        first, _ = let_in(router), let_in(router)
        over = refused(router)
        assert (over.limit, over.wait) == ("in_flight", 1.0)
        first.failed(now())
        first.failed(now())
        let_in(router)
        assert refused(router).limit == "in_flight"

    run(main())


def test_a_budget_is_charged_by_every_request_of_its_client() -> None:
    """Plain and streamed, on every route; used up it lets nobody in until its period ends, and status shows it."""

    async def main() -> None:
        router = router_of("budget: $0.03/d")
        await router.complete("only", "hi", caller="alice")
        async with router.stream("chat", "hi", caller="alice") as stream:
            _ = [chunk async for chunk in stream]
        await router.complete("only", "hi", caller="bob")
        await router.complete("only", "hi")
        (spent,) = router.spending
        assert (spent.scope, spent.name, spent.usd) == ("key", "alice", 0.02)
        let_in(router).answered(None, now())
        await router.complete("only", "hi", caller="alice")
        over = refused(router)
        assert (over.limit, round(over.wait)) == ("budget", 12 * 3600)
        assert over.message == "the budget of key alice is used up ($0.03 of $0.03 a day); it begins anew in 12.0 h"
        with pytest.raises(RouteExhausted, match="the budget of key alice is used up"):
            await router.complete("only", "hi", caller="alice")
        assert (await router.complete("only", "hi", caller="bob")).target == "paid"
        let_in(router, "bob")
        assert "budget of key alice: $0.030 of $0.03" in render(router.snapshot())
        (told,) = [event for event in router.telemetry.events if event.kind == "budget"]
        assert (told.level, told.route, told.provider) == ("error", None, None)
        await asyncio.sleep(12 * 3600)
        let_in(router)
        assert (await router.complete("only", "hi", caller="alice")).target == "paid"

    run(main())


def test_edits_keep_what_was_used_by_name(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "routes.yaml"
        router = router_of("budget: $1/d, limits: {requests: 6/h}", path=path)
        for _ in range(6):
            let_in(router)
        await router.complete("only", "hi", caller="alice")
        text = path.read_text()
        path.write_text(text.replace("6/h", "8/h").replace("$1/d", "$2/d"))
        assert (await router.reload()).changes == ("key alice: budget $1 a day→$2 a day, limits",)
        assert [(spent.usd, spent.limit) for spent in router.spending] == [(0.01, 2.0)]
        permits = [let_in(router) for _ in range(2)]
        assert refused(router).limit == "requests"
        path.write_text(text.replace("alice:", "carol:"))
        await router.reload()
        permits[0].answered(Usage(1, 1), now())  # of a client that is gone
        assert [spent.name for spent in router.spending] == ["carol"]
        let_in(router, "carol")
        path.write_text(text)
        await router.reload()
        let_in(router)  # nothing is known of her any more
        await router.aclose()

    run(main())


async def test_processes_spend_a_clients_budget_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was idle asks what is left before it spends, as for a route's budget."""
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    moment = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    path = tmp_path / "routes.yaml"
    path.write_text(file_of() + KEYS.replace("LIMITS", "budget: $0.30/d"))

    async def paid(router: Router, calls: int) -> int:
        replies = [await router.complete("chat", "hi", max_tokens=1000, caller="alice") for _ in range(calls)]
        return [reply.target for reply in replies].count("paid")

    async with opened(path) as idle, opened(path) as busy:
        assert await paid(idle, 1) == 1
        assert await paid(busy, 40) == 29
        moment[0] += 3600
        assert await paid(idle, 5) == 0

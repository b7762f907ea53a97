"""Alerts on budgets by user tell of all users that are above, also those whom no screen shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers import FakeProvider
from router import Router
from router.alerts.conditions import troubles
from router.monitor.merge import merge
from router.testing import run
from router.views.figures import Snapshot
from tests.support.spending import CENT, NOON

FILE = """
providers: {a: {kind: fake}}
models: {paid: {provider: a, id: m, price: {input: 5, output: 5}}}
routes: {chat: {targets: [paid], budget: {usd: 0.1/d, by: user}}}
alerts: [{on: budget, above: 15%, to: "http://localhost/hook"}, {on: budget, above: 35%, to: "http://localhost/hook"}]
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    return file


def made(path: Path, later: float = 0.0) -> Router:
    fakes = {"a": FakeProvider.scripted(CENT, name="a")}
    clock = lambda: NOON + later  # noqa: E731 # shorter than a function
    return Router.from_yaml(path, env={}, watch=False, providers=fakes, wall_clock=clock, monitor=False)


def told(router: Router, snapshot: Snapshot, number: int = 0) -> set[str]:
    prefix = "the budget of route chat, user "
    rule = router.plan.alerts[number]
    return {trouble.who.removeprefix(prefix) for trouble in troubles(rule, snapshot)}


async def spend(router: Router, first: int, last: int, times: int) -> None:
    for number in range(first, last):
        for _ in range(times):
            await router.complete("chat", "hi", user=f"user {number}")


def test_all_users_above_are_told_also_after_a_restart(path: Path) -> None:
    async def story() -> None:
        async with made(path) as router:
            await spend(router, 0, 15, 4)
            await spend(router, 15, 40, 2)
            await spend(router, 40, 60, 1)
            assert told(router, router.snapshot()) == {f"user {number}" for number in range(40)}
            assert told(router, router.snapshot(), 1) == {f"user {number}" for number in range(15)}
            assert len([each for each in router.snapshot().spending if each.of]) == 10, "the screens have ten"
        async with made(path) as router:
            await spend(router, 0, 1, 1)
            assert told(router, router.snapshot()) == {f"user {number}" for number in range(40)}

    run(story())


def test_a_new_period_is_the_end_of_it(path: Path) -> None:
    async def story() -> None:
        async with made(path) as router:
            await spend(router, 0, 20, 2)
        async with made(path, later=86_400.0) as router:
            await spend(router, 0, 3, 2)
            assert told(router, router.snapshot()) == {"user 0", "user 1", "user 2"}

    run(story())


def test_users_of_other_processes_are_told_too(path: Path) -> None:
    async def story() -> None:
        async with made(path) as one, made(path) as other:
            await spend(one, 0, 20, 2)
            await spend(other, 20, 40, 2)
            assert told(one, merge([one.snapshot(), other.snapshot()])) == {f"user {number}" for number in range(40)}

    run(story())

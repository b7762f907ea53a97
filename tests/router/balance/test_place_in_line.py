"""Who is next in a tier belongs to a router, not to a plan: edits keep it, and nobody shares it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from router import Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.simulate import load_scenario, simulate
from router.testing import run

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
routes: {chat: {targets: {a/m: 70, b/m: 30}}}
"""


async def _answered_by(router: Router, calls: int) -> Counter[str | None]:
    return Counter([(await router.complete("chat", "hi")).target for _ in range(calls)])


@pytest.mark.parametrize("calls", [1, 2, 3, 7])
async def test_an_edit_of_a_comment_keeps_the_shares(tmp_path: Path, calls: int) -> None:
    """70 to 30, however often the file is saved meanwhile."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    answered: Counter[str | None] = Counter()
    async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
        for number in range(60 // calls):
            answered += await _answered_by(router, calls)
            path.write_text(f"{FILE}# edit {number}\n")
            assert (await router.reload()).accepted
    whole = answered.total()
    assert answered["a/m"] == pytest.approx(0.7 * whole, abs=1)


async def test_other_weights_hold_from_the_edit_on(tmp_path: Path) -> None:
    """What was owed at the old weights is no more than a call; one that joins gets its share at once."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
        await _answered_by(router, 15)
        path.write_text(FILE.replace("{a/m: 70, b/m: 30}", "{a/m: 10, b/m: 30, c/m: 60}"))
        assert (await router.reload()).accepted
        answered = await _answered_by(router, 100)
    assert answered["a/m"] == pytest.approx(10, abs=2)
    assert answered["b/m"] == pytest.approx(30, abs=2)
    assert answered["c/m"] == pytest.approx(60, abs=2)


async def test_two_routers_on_one_plan_share_nothing() -> None:
    """Each has the order that it has alone."""
    plan = compile_plan(load_text(FILE, env={}))
    async with Router(plan, monitor=False) as alone:
        order = [(await alone.complete("chat", "hi")).target for _ in range(10)]
    async with Router(plan, monitor=False) as one, Router(plan, monitor=False) as other:
        taken = [
            ((await one.complete("chat", "hi")).target, (await other.complete("chat", "hi")).target) for _ in order
        ]
    assert [first for first, _ in taken] == [second for _, second in taken] == order


def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    """Also twice on one plan: the first run leaves nothing behind in it."""
    plan = compile_plan(load_text(FILE, env={}))
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("duration: 7s\ntraffic: [{route: chat, rate: 3/s}]\n")
    loaded = load_scenario(scenario, plan).scenario
    assert loaded is not None
    first, second = (simulate(plan, loaded, seed=5) for _ in range(2))
    assert first.requests == second.requests > 10
    assert {name: count.course for name, count in first.targets.items()} == {
        name: count.course for name, count in second.targets.items()
    }


def test_a_strategy_that_changes_begins_anew() -> None:
    """An edit of `balance` takes hold at once."""

    async def main() -> None:
        router = Router(compile_plan(load_text(FILE, env={})), monitor=False)
        await _answered_by(router, 3)
        router._engine.adopt(compile_plan(load_text(FILE.replace("targets:", "balance: ordered, targets:"), env={})))
        assert await _answered_by(router, 5) == {"a/m": 5}
        await router.aclose()

    run(main())

"""Money as it is shown: what is unknown is a dash, in every place, and only what is known to be nothing is $0."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from providers import ErrorCode
from providers.fake import Fail, Reply, Step
from providers.types import Price, Usage
from router.cli import group
from router.cli.status import render
from router.monitor.merge import merge
from router.plan.pricing import cost, exact, is_known
from router.telemetry.buckets import Bucket, CallCounter, Totals
from router.testing import run
from router.views.figures import Counts, Snapshot
from router.views.money import UNKNOWN, dollars, exact_dollars
from tests.support.world import World

PRICED = "price: {input: 1, output: 2}"
FREE = "price: {input: 0, output: 0}"
FILE = (
    "models: {{m: {{provider: a, id: m{price}}}, n: {{provider: b, id: n{other}}}}}\n"
    "routes: {{chat: {{targets: [m], budget: $20/d}}, other: {{targets: [n]}}}}\n"
)


def snapshot_after(
    price: str = "", other: str = "", *, calls: int = 1, others: int = 0, step: Step | None = None
) -> Snapshot:
    """The snapshot of a router after calls to a model of this price, and to another of the other price."""

    async def story() -> Snapshot:
        text = FILE.format(price=price and f", {price}", other=other and f", {other}")
        answer = step or Reply("x", usage=Usage(1000, 500))
        world = World(text, a=lambda _: answer, b=lambda _: answer)
        for route, times in (("chat", calls), ("other", others)):
            for _ in range(times):
                await asyncio.gather(world.router.complete(route, "hi"), return_exceptions=True)
        return world.router.snapshot(with_sketches=True)

    return run(story())


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "–"),
        (0.0, "$0"),
        (-0.0, "$0"),
        (-3e-18, "$0"),
        (5.5e-17, "$0"),
        (0.0000012, "$0.0000012"),
        (0.000608, "$0.0006"),
        (0.00006, "$0.0001"),
        (0.0004, "$0.0004"),
        (0.0012, "$0.0012"),
        (0.021, "$0.021"),
        (0.03, "$0.030"),
        (1.239, "$1.24"),
        (999.999, "$1.00k"),
        (1240.0, "$1.24k"),
    ],
)
def test_amounts(usd: float | None, text: str) -> None:
    assert dollars(usd) == text


def test_the_price_of_one_answer_has_three_digits() -> None:
    assert [dollars(usd, fine=True) for usd in (0.000608, 0.0384, 0.00001, 1.5)] == [
        "$0.000608",
        "$0.0384",
        "$0.00001",
        "$1.50",
    ]


def test_what_is_at_least_so_much() -> None:
    assert dollars(1.5, at_least=True) == "$1.50+"
    assert dollars(0.0, at_least=True) == UNKNOWN


@given(st.floats(1e-9, 1e9))
def test_no_amount_is_shown_as_nothing(usd: float) -> None:
    shown = dollars(usd)
    assert re.search("[1-9]", shown)
    assert not shown.startswith("$-")


@given(st.integers(1, 10**9), st.integers(0, 6))
def test_what_was_written_is_shown_as_written(cents: int, places: int) -> None:
    usd = cents / 10**places
    assert float(exact_dollars(usd).strip("$").replace(",", "")) == pytest.approx(usd, rel=1e-12)


@pytest.mark.parametrize("rest", [-0.0, -1e-12, 1e-12])
def test_a_rest_of_rounding_is_nothing(rest: float) -> None:
    assert exact_dollars(rest) == dollars(rest) == "$0"


@given(st.lists(st.floats(0, 100), max_size=50), st.randoms())
def test_sums_leave_no_rest(amounts: list[float], chance: object) -> None:
    """What was added is taken away again, in any order: nothing is left, and never less than nothing."""
    total, parts = 0.0, [exact(amount) for amount in amounts]
    for part in parts:
        total += part
    chance.shuffle(parts)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    for part in parts:
        total -= part
        assert total >= 0
    assert total == 0


@given(st.lists(st.lists(st.floats(0, 0.01), max_size=9), min_size=1, max_size=20))
def test_what_leaves_a_window_leaves_no_rest(seconds: list[list[float]]) -> None:
    window, counter, buckets = Totals(), CallCounter("answers", "chat"), []
    for second, costs in enumerate(seconds):
        bucket = Bucket(counter, second, second + 1.0)
        for usd in costs:
            bucket.cost += usd
        bucket.close()
        buckets.append(bucket)
        window.add(bucket)
    for bucket in buckets:
        window.subtract(bucket)
        assert window.cost >= 0
    assert window.cost == 0


@pytest.mark.parametrize(
    ("price", "known"),
    [
        (None, False),
        (Price(), False),
        (Price(input=1.0), False),
        (Price(output=1.0), False),
        (Price(0.0, 0.0), True),
        (Price(1.0, 0.0), True),
    ],
)
def test_nothing_is_a_price_and_a_half_is_none(price: Price | None, known: bool) -> None:
    assert is_known(price) is known
    assert (cost(price, Usage(1, 1)) is not None) is known


def test_unknown_cost_is_null_in_figures() -> None:
    unknown = snapshot_after()
    figures = unknown.figures
    assert (figures.totals.cost, figures.window.cost, figures.cost_per_minute) == (None, None, None)
    assert unknown.spending[0].used is None
    data = json.loads(msgspec.json.encode(unknown))
    assert data["figures"]["totals"]["cost"] is None
    assert data["spending"][0]["used"] is None


def test_free_cost_is_nothing_and_known() -> None:
    free = snapshot_after(FREE)
    assert (free.figures.totals.cost, free.figures.cost_per_minute, free.spending[0].used) == (0.0, 0.0, 0.0)
    assert snapshot_after(PRICED, calls=0).figures.totals.cost == 0.0


def test_mixed_cost_says_that_it_is_not_all() -> None:
    mixed = snapshot_after(PRICED, others=1)
    assert (mixed.figures.totals.cost, mixed.figures.totals.unpriced) == (pytest.approx(0.002), 1)
    nothing = snapshot_after(FREE, others=1)
    assert nothing.figures.totals.cost is None


def test_a_window_that_has_passed_leaves_nothing() -> None:
    """No $-0.0000 after a minute, whatever the calls cost."""

    async def story() -> Snapshot:
        tenths = iter(range(1, 10_000))
        text = FILE.format(price=", price: {input: 0.1, output: 0.7}", other="")
        world = World(text, a=lambda _: Reply("x", usage=Usage(next(tenths), 3)), b=lambda _: Reply("x"))
        for second in range(200):
            if second < 100:
                await world.router.complete("chat", "hi")
            world.router.snapshot()
            await asyncio.sleep(1)
        return world.router.snapshot()

    snapshot = run(story())
    assert snapshot.figures.window.cost == 0.0
    assert dollars(snapshot.figures.cost_per_minute) == "$0"


def test_status_shows_a_dash() -> None:
    shown = render(snapshot_after())
    assert re.search(r"cost +–( |$)", shown, re.MULTILINE)
    assert "budget of route chat: – of $20.00" in shown
    assert "$0" not in shown
    assert "$0.12+/min" in render(snapshot_after(PRICED, others=1))
    assert "budget of route chat: $0 of $20.00" in render(snapshot_after(FREE))


def test_failures_that_cost_nothing_are_known_to() -> None:
    snapshot = snapshot_after(step=Fail(ErrorCode.SERVER_ERROR))
    assert snapshot.figures.totals.cost == 0.0


def test_processes_of_unknown_cost_add_up_to_it() -> None:
    known, unknown = snapshot_after(PRICED), snapshot_after()
    assert merge([unknown, unknown]).figures.totals.cost is None
    both = merge([known, unknown]).figures
    assert (both.totals.cost, both.totals.unpriced) == (pytest.approx(0.002), 1)
    assert both.cost_per_minute == pytest.approx(known.figures.cost_per_minute)


def test_processes_of_one_file_share_its_budgets() -> None:
    """Each knows what all of them spent: that is not added up again."""
    one, two = (replace(snapshot_after(PRICED, calls=calls), path="/routes.yaml") for calls in (1, 3))
    assert merge([one, two]).spending[0].used == pytest.approx(0.006)
    apart = [replace(each, path=None) for each in (one, two)]
    assert merge(apart).spending[0].used == pytest.approx(0.008)


def test_counts_say_what_they_leave_out() -> None:
    assert Counts().cost == 0.0


def test_a_lost_race_of_unknown_price_shows_a_dash() -> None:
    async def story() -> str:
        text = "routes: {chat: {targets: [a/m, b/m], balance: ordered, hedge: {after: 1s, budget: 100%}}}\n"
        world = World(text, a=lambda _: Reply("slow", delay=60.0), b=lambda _: Reply("fine"))
        return str((await world.router.complete("chat", "hi")).trace.render())

    assert "– or more" in run(story())


def test_explain_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("providers: {a: {kind: openai, api_key: k}}\nroutes: {chat: {targets: [a/x], budget: $0.001/d}}\n")
    for command in (["explain", "chat"], ["explain", "chat", "--json"], ["show"]):
        group.main([*command, "-f", str(path)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "cost –" in shown
    assert '"cost_least": null' in shown
    assert "budget of route chat: $0.001 a day" in shown

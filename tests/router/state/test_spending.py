"""Budgets: what a route or provider may spend, over restarts, processes and edits of the file."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from providers import ErrorCode, FakeProvider, ProviderSettings
from providers.fake import Fail, Reply, Step
from providers.types import Usage
from router import RouteExhausted, Router
from router.config import load_text
from router.plan.budget import Budget
from router.plan.compile import compile_plan
from router.testing import run
from tests.support.paths import ROOT
from tests.support.spending import CENT, NOON, TIMES, file_of, opened


class Shop:
    """A router on virtual time whose wall clock begins at noon."""

    def __init__(self, text: str, script: Callable[[], Step] = lambda: CENT) -> None:
        options = {"script": lambda _: script()}
        self.fakes = {
            "a": FakeProvider(ProviderSettings(name="a", kind="fake", options=options)),
            "b": FakeProvider.scripted(CENT, name="b"),
        }
        plan = compile_plan(load_text(text, env={}))
        loop = asyncio.get_running_loop()
        self.router = Router(plan, providers=self.fakes, seed=1, wall_clock=lambda: NOON + loop.time())

    async def answered_by(self, route: str = "chat", prompt: str = "hi", **params: object) -> str | None:
        return (await self.router.complete(route, prompt, **params)).target


def test_over_budget_the_free_one_answers() -> None:
    """A route's budget skips what costs; a target whose price is known to be nothing goes on; tomorrow begins anew."""

    async def main() -> None:
        shop = Shop(file_of(chat="$0.03/d"))
        assert [await shop.answered_by() for _ in range(5)] == ["paid"] * 3 + ["free"] * 2
        reply = await shop.router.complete("chat", "hi")
        (skip,) = reply.trace.skips
        assert (skip.target, skip.reason) == ("paid", "over_budget")
        assert "$0.03 of $0.03 a day" in skip.message
        assert "12.0 h" in skip.message
        assert await shop.answered_by("only") == "paid"  # another route's budget
        await asyncio.sleep(12 * 3600)
        assert await shop.answered_by() == "paid"

    run(main())


def test_a_providers_budget_counts_every_route() -> None:
    async def main() -> None:
        shop = Shop(file_of(provider="$0.03/h"))
        assert [await shop.answered_by("only") for _ in range(3)] == ["paid"] * 3
        assert await shop.answered_by("chat") == "free"
        (spent,) = shop.router.spending
        assert (spent.scope, spent.name, spent.limit, spent.per) == ("provider", "a", 0.03, 3600)
        assert spent.usd == pytest.approx(0.03)
        assert spent.resets_at == NOON + 3600

    run(main())


def test_nothing_left_says_so() -> None:
    """The error names the budget and when the next try makes sense."""

    async def main() -> None:
        shop = Shop(file_of(only="$0.01/h"))
        await shop.answered_by("only")
        with pytest.raises(RouteExhausted) as caught:
            await shop.answered_by("only")
        assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED
        assert caught.value.retry_after == pytest.approx(3600)
        assert "the budget of route only is used up ($0.01 of $0.01 an hour); it begins anew in 1.0 h" in str(
            caught.value
        )

    run(main())


def test_a_short_rest_is_waited_for() -> None:
    """A period that ends within retry.max_wait is waited for, like a limit."""

    async def main() -> None:
        shop = Shop(file_of(only="$0.01/min"))
        await shop.answered_by("only")
        await asyncio.sleep(55)
        assert await shop.answered_by("only") == "paid"
        assert asyncio.get_running_loop().time() == pytest.approx(60)

    run(main())


def test_calls_under_way_count() -> None:
    """A hundred at once overspend by one answer at most, not by ninety-nine."""

    async def main() -> None:
        shop = Shop(
            file_of(chat="$0.05/d"), lambda: Reply("x", delay=5.0, usage=Usage(input_tokens=1000, output_tokens=1000))
        )
        prompt = "word " * 800
        answers = await asyncio.gather(*(shop.answered_by(prompt=prompt, max_tokens=1000) for _ in range(100)))
        assert answers.count("paid") == 5
        (spent,) = shop.router.spending
        assert 0.05 <= spent.usd <= 0.06

    run(main())


@pytest.mark.parametrize(
    ("step", "charged"),
    [
        (Fail(ErrorCode.OVERLOADED), 0.0),
        (Fail(ErrorCode.RATE_LIMITED), 0.0),
        (Fail(ErrorCode.CONNECTION_FAILED, phase="connect"), 0.0),
        (Fail(ErrorCode.TIMEOUT), 0.00502),  # the vendor read the prompt
    ],
)
def test_what_failures_cost(step: Step, charged: float) -> None:
    """Refused calls cost nothing; one that timed out costs its prompt, as far as anybody knows."""

    async def main() -> None:
        shop = Shop(file_of(chat="$1/d"), lambda: step)
        await shop.answered_by(prompt="word " * 800)
        (spent,) = shop.router.spending
        assert spent.usd == pytest.approx(charged)

    run(main())


def test_a_broken_or_left_stream_is_charged_for_what_came() -> None:
    async def main() -> None:
        answer = Reply("x" * 400, break_after=50, every=0.1, chunk_size=4)
        shop = Shop(file_of(only="$1/d"), lambda: answer)
        with pytest.raises(Exception, match="scripted break"):
            async with shop.router.stream("only", "word " * 800) as stream:
                async for _ in stream:
                    pass
        (spent,) = shop.router.spending
        assert spent.usd == pytest.approx((1004 + 50) * 5 / 1e6)
        async with shop.router.stream("only", "word " * 800) as stream:
            for _ in range(10):
                await anext(stream)
        (spent,) = shop.router.spending
        assert spent.usd == pytest.approx((2 * 1004 + 60) * 5 / 1e6)

    run(main())


def test_an_unknown_price_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """What can't be counted is said once, with how to mend it."""
    text = 'providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/x], budget: "$1/d"}}\n'
    with caplog.at_level(logging.WARNING, "signalbox.spending.unpriced"):
        Router.from_text(text, env={})
    (told,) = caplog.messages
    assert told.startswith("the budget of route chat does not count a/x: the price is not known; write it as `price:")


@pytest.mark.parametrize(
    ("per", "began", "ends"),
    [
        (3600, (2026, 11, 23, 12), (2026, 11, 23, 13)),
        (86_400, (2026, 11, 23), (2026, 11, 24)),
        (604_800, (2026, 11, 23), (2026, 11, 30)),
        (2_629_746, (2026, 11, 1), (2026, 12, 1)),
    ],
)
def test_periods_are_those_of_the_calendar(per: float, began: tuple[int, ...], ends: tuple[int, ...]) -> None:
    budget = Budget("route chat", 1.0, per)
    start = budget.began(NOON + 1800)
    assert start == datetime(*began, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]  # (year, month, day, …)
    assert budget.ends(start) == datetime(*ends, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]  # likewise


# --- on disk


@pytest.fixture
def shop_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(chat="$0.03/month"))
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_it_is_kept_across_restarts(shop_file: Path) -> None:
    """Also with an edit in between that changes the amount."""
    async with opened(shop_file) as router:
        for _ in range(2):
            assert (await router.complete("chat", "hi")).target == "paid"
    write(shop_file, file_of(chat="$0.04/month"))
    async with opened(shop_file) as router:
        targets = [(await router.complete("chat", "hi")).target for _ in range(3)]
        assert targets == ["paid", "paid", "free"]
    assert stat.S_IMODE((shop_file.parent / "state").stat().st_mode) == 0o700


async def test_processes_of_an_app_share_it(shop_file: Path) -> None:
    """What another one spent is known after its next write, of which closing makes one."""
    async with opened(shop_file) as one, opened(shop_file) as two:
        await one.complete("chat", "hi")
        await one.aclose()
        await two.complete("chat", "hi")
        assert two.spending[0].usd == pytest.approx(0.01)
        await two.aclose()
        assert two.spending[0].usd == pytest.approx(0.02)


async def test_a_budget_that_an_edit_brings(shop_file: Path) -> None:
    """It begins with what was spent under it before."""
    async with opened(shop_file) as router:
        await router.complete("chat", "hi")
    write(shop_file, file_of())
    async with opened(shop_file) as router:
        assert router.spending == ()
        write(shop_file, file_of(chat="$0.03/month"))
        assert (await router.reload()).changes == ("chat: budget none→$0.03 a month",)
        assert router.spending[0].usd == pytest.approx(0.01)


@pytest.mark.parametrize("harm", ["garbage", "folder", "file"])
async def test_a_disk_that_fails_is_a_warning(
    shop_file: Path, harm: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go on, the budget holds in memory, and it is said once."""
    state = shop_file.parent / "state"
    if harm == "file":
        state.write_text("not a folder")
    else:
        state.mkdir()
        database = state / "spending.sqlite3"
        database.mkdir() if harm == "folder" else database.write_bytes(b"garbage " * 1000)
    with caplog.at_level(logging.WARNING, "signalbox.spending"):
        async with opened(shop_file) as router:
            targets = [(await router.complete("chat", "hi")).target for _ in range(4)]
    assert targets == ["paid"] * 3 + ["free"]
    assert len([told for told in caplog.messages if "they go on in memory" in told]) == 1


def test_no_update_is_lost_among_processes(shop_file: Path) -> None:
    """Four processes spend at the same time: the sum on disk is exact."""
    shop_file.write_text(file_of(chat="$1000/d"))
    command = [sys.executable, "-m", "tests.support.spending", str(shop_file)]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    with closing(sqlite3.connect(shop_file.parent / "state" / "spending.sqlite3")) as database:
        ((usd,),) = database.execute("select usd from spent").fetchall()
    assert usd == pytest.approx(4 * TIMES * 0.01)


def test_the_commands_show_budgets(shop_file: Path) -> None:
    """`show` names them, `check` says what can't be counted."""
    command = [sys.executable, "-m", "router.cli"]
    shown = subprocess.run([*command, "show", "-f", str(shop_file)], cwd=ROOT, capture_output=True, text=True)
    assert "budget of route chat: $0.03 a month" in shown.stdout
    shop_file.write_text(shop_file.read_text().replace(", price: {input: 5, output: 5}", ""))
    checked = subprocess.run([*command, "check", "--json", str(shop_file)], cwd=ROOT, capture_output=True, text=True)
    assert json.loads(checked.stdout)["notes"][0].startswith("the budget of route chat does not count paid")

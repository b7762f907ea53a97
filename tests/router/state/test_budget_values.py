"""A budget for each user, team or key: each has its own, all are bounded in memory, and none is lost with a process."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from providers import ErrorCode, FakeProvider
from router import RouteExhausted, Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.state import budget_values
from router.telemetry.events import Event
from router.testing import run
from tests.support.spending import CENT, NOON

FILE = """
providers: {a: {kind: fake, budget: A}, b: {kind: fake}}
models:
  paid: {provider: a, id: m, price: {input: 5, output: 5}}
  free: {provider: b, id: m, price: {input: 0, output: 0}}
routes:
  chat: {targets: [paid], fallbacks: [free], budget: B}
  only: {targets: [paid]}
serve: {keys: {alice: {key: key-of-alice-0123456789, budget: K}}}
"""


def file_of(*, provider: str = "$9/d", route: str = "$9/d", key: str = "$9/d") -> str:
    return (
        FILE.replace("budget: A", f"budget: {provider}")
        .replace("budget: B", f"budget: {route}")
        .replace("budget: K", f"budget: {key}")
    )


class Shop:
    def __init__(self, text: str, path: Path | None = None) -> None:
        fakes = {name: FakeProvider.scripted(CENT, name=name) for name in "ab"}
        loop = asyncio.get_running_loop()
        if path is None:
            plan = compile_plan(load_text(text, env={}))
            self.router = Router(plan, providers=fakes, wall_clock=lambda: NOON + loop.time())
        else:
            path.write_text(text)
            self.router = Router.from_yaml(path, env={}, watch=False, providers=fakes, wall_clock=lambda: NOON)

    async def ask(self, route: str = "chat", **params: object) -> str | None:
        return (await self.router.complete(route, "hi", **params)).target

    async def why(self, route: str = "only", **params: object) -> RouteExhausted:
        with pytest.raises(RouteExhausted) as caught:
            await self.ask(route, **params)
        return caught.value

    def spent(self) -> dict[str, float | None]:
        return {spent.owner: spent.usd for spent in self.router.spending if spent.of}


def test_each_user_has_a_budget() -> None:
    async def main() -> None:
        shop = Shop(file_of(route="{usd: 0.02/d, by: user}"))
        assert [await shop.ask(user="ann") for _ in range(3)] == ["paid", "paid", "free"]
        assert [await shop.ask(user="bob") for _ in range(3)] == ["paid", "paid", "free"]
        assert shop.spent() == {"route chat, user ann": 0.02, "route chat, user bob": 0.02}
        await asyncio.sleep(12 * 3600)
        assert await shop.ask(user="ann") == "paid", "another day"

    run(main())


def test_those_without_a_value_have_one_together() -> None:
    async def main() -> None:
        shop = Shop(file_of(route="{usd: 0.02/d, by: user}"))
        assert [await shop.ask(), await shop.ask(user=""), await shop.ask()] == ["paid", "paid", "free"]
        assert await shop.ask(user="no user") == "paid", "that is a name like others"
        assert shop.spent() == {"route chat, no user": 0.02, "route chat, user no user": 0.01}

    run(main())


@pytest.mark.parametrize(
    ("by", "first", "second"),
    [
        ("namespace", {"namespace": "red"}, {"namespace": "blue"}),
        ("key", {"caller": "alice"}, {"caller": "bob"}),
        ("user", {"end_user": "ann"}, {"user": "bob"}),
        ("tag.team", {"tags": {"team": "red", "tier": "free"}}, {"tags": {"team": "blue"}}),
    ],
)
def test_what_a_budget_may_be_by(by: str, first: dict[str, str], second: dict[str, str]) -> None:
    async def main() -> None:
        shop = Shop(file_of(route=f"{{usd: 0.01/d, by: {by}}}"))
        asked = [await shop.ask(**params) for params in (first, first, second, {})]
        assert asked == ["paid", "free", "paid", "paid"]

    run(main())


def test_a_providers_budget_by_user_counts_all_routes() -> None:
    async def main() -> None:
        shop = Shop(file_of(provider="{usd: 0.02/d, by: user}"))
        assert [await shop.ask("only", user="ann"), await shop.ask("chat", user="ann")] == ["paid", "paid"]
        assert await shop.ask("chat", user="ann") == "free"
        assert await shop.ask("only", user="bob") == "paid"

    run(main())


def test_the_error_says_whose_budget_how_much_and_when_it_begins_anew() -> None:
    async def main() -> None:
        shop = Shop(file_of(provider="{usd: 0.01/d, by: user}"))
        await shop.ask("only", user="ann")
        error = await shop.why(user="ann")
        assert error.code is ErrorCode.QUOTA_EXHAUSTED
        assert error.retry_after == pytest.approx(12 * 3600)
        assert "the budget of provider a, user ann is used up ($0.01 of $0.01 a day); it begins anew in 12.0 h" in str(
            error
        )

    run(main())


def test_names_of_strangers_act_nowhere_and_stay_apart() -> None:
    """A user's name comes from outside: what acts on terminals is not in it, and two long ones are two."""

    async def main() -> None:
        shop = Shop(file_of(provider="{usd: 0.01/d, by: user}"))
        names = ["\x1b[2Jx", "\nx", "x" * 5000, "x" * 4999 + "y", "ann, user bob", "ann"]
        assert [await shop.ask("only", user=name) for name in names] == ["paid"] * len(names)
        owners = list(shop.spent())
        assert len(owners) == len(names)
        assert all(owner.isprintable() and len(owner) < 100 for owner in owners)

    run(main())


def test_each_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[Event]:
        shop = Shop(file_of(route="{usd: 0.02/d, by: user}"))
        for user in ("ann", "ann", "ann", "bob"):
            await shop.ask(user=user)
        return [event for event in shop.router.telemetry.events if event.kind == "budget"]

    events = run(main())
    assert [event.fields["state"] for event in events] == ["used_up"]
    assert "the budget of route chat, user ann is used up" in events[0].sentence


def test_many_values_take_bounded_memory_and_the_top_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_values, "MOST", 50)

    async def main() -> None:
        shop = Shop(file_of(route="{usd: 9/d, by: user}"))
        for number in range(200):
            for _ in range(3 if number == 190 else 1):
                await shop.ask(user=f"u{number}")
        assert len(shop.spent()) == 50
        shown = [each for each in shop.router.snapshot().spending if each.of]
        assert len(shown) == budget_values.TOP
        assert (shown[0].owner, shown[0].used) == ("route chat, user u190", pytest.approx(0.03))

    run(main())


def test_an_edit_keeps_what_was_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))

    async def main() -> None:
        path = tmp_path / "routes.yaml"
        shop = Shop(file_of(route="{usd: 0.01/d, by: user}"), path)
        async with shop.router:
            assert [await shop.ask(user="ann"), await shop.ask(user="ann")] == ["paid", "free"]
            path.write_text(file_of(route="{usd: 0.02/d, by: user}"))
            result = await shop.router.reload()
            assert result.changes == ("chat: budget $0.01 a day for each user→$0.02 a day for each user",)
            assert [await shop.ask(user="ann"), await shop.ask(user="ann")] == ["paid", "free"]

    run(main())


def test_what_was_spent_outlives_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(budget_values, "MOST", 20)
    path, text = tmp_path / "routes.yaml", file_of(route="{usd: 0.02/d, by: user}")

    async def first() -> None:
        shop = Shop(text, path)
        async with shop.router:
            for number in range(40):
                await shop.ask(user=f"u{number}")
            await shop.ask(user="u39")
            assert await shop.ask(user="u39") == "free"

    async def second() -> None:
        shop = Shop(text, path)
        async with shop.router:
            shown = [each for each in shop.router.snapshot().spending if each.of]
            assert shown[0].owner == "route chat, user u39", "before anybody asks"
            assert await shop.ask(user="u39") == "free"
            assert [await shop.ask(user="u0"), await shop.ask(user="u0")] == ["paid", "free"], "it had left memory"

    asyncio.run(first())
    asyncio.run(second())


def test_processes_of_a_file_spend_a_users_budget_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))
    path, text = tmp_path / "routes.yaml", file_of(route="{usd: 0.10/d, by: user}")

    async def main() -> None:
        shops = [Shop(text, path) for _ in range(2)]
        async with shops[0].router, shops[1].router:
            asked = [await shops[number % 2].ask(user="ann", max_tokens=1000) for number in range(30)]
        assert 10 <= asked.count("paid") <= 12

    asyncio.run(main())


def test_a_user_who_comes_during_anothers_exchange_has_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))

    async def main() -> None:
        shop = Shop(file_of(route="{usd: 1/d, by: user}"), tmp_path / "routes.yaml")
        async with shop.router:
            await shop.ask(user="eve")  # the database is there
            with closing(sqlite3.connect(tmp_path / "spending.sqlite3")) as database:
                database.execute("begin immediate")
                first = asyncio.create_task(shop.ask(user="ann"))
                for _ in range(20):  # ann's exchange waits for the disk
                    await asyncio.sleep(0)
                second = asyncio.create_task(shop.ask(user="bob"))
                for _ in range(20):
                    await asyncio.sleep(0)
                assert [first.done(), second.done()] == [False, False], "they wait for the disk"
                database.rollback()
            assert [await first, await second] == ["paid", "paid"]

    asyncio.run(main())

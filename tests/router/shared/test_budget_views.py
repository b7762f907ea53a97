"""What people see of budgets that machines spend together, and a router that changes its loop."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from providers import FakeProvider
from router import Router
from router.cli.status import render
from router.monitor.merge import merge
from router.telemetry.events import budget_changed, shared_state_changed
from router.views.figures import Snapshot, Spending
from tests.support.dashboard_feed import busy
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.spending import CENT, file_of
from tests.support.waiting import until
from tui.format import used

FLEET = Spending("route", "chat", 40.0, 12.5, 86_400.0, of_all_machines=True)
ALONE = Spending("route", "chat", 40.0, 12.5, 86_400.0)


def test_events_say_that_it_is_of_all_machines() -> None:
    told = {"spent": 5.0, "limit": 5.0, "period": "a day", "resets_at": 7200.0, "time": 0.0}
    event = budget_changed("route chat", "used_up", of_all_machines=True, **told)
    assert "used up: $5.00 of $5.00 a day, of all machines; it begins anew" in event.sentence
    assert event.fields["of_all_machines"]
    assert "machines" not in budget_changed("route chat", "used_up", **told).sentence


@pytest.mark.parametrize(
    ("policy", "budgets", "words"),
    [
        ("share", None, ["its part of the limits"]),
        (None, "share", ["its part of what was left of the budgets"]),
        (None, "refuse", ["of the budgets it spends what it was granted"]),
        ("local", "refuse", ["the limits for its own", "of the budgets it spends what it was granted"]),
        (None, None, []),
    ],
)
def test_without_the_server_it_is_told_what_holds(policy: str | None, budgets: str | None, words: list[str]) -> None:
    event = shared_state_changed("away", "gone", 0.0, policy=policy, budgets_policy=budgets, time=0.0)
    first, *others = event.sentence.split("; ")
    assert first == "the shared state is away: gone"
    assert [word in other for word, other in zip(words, others, strict=True)] == [True] * len(words)


def test_the_dashboard_says_it() -> None:
    assert used(FLEET) == "$12.50 of $40.00 of all machines"
    assert used(ALONE) == "$12.50 of $40.00"


def snapshot(spending: Spending, path: str | None) -> Snapshot:
    return replace(busy(), spending=(spending,), path=path)


def test_status_says_it_and_processes_without_a_file_are_not_added_up() -> None:
    joined = merge([snapshot(FLEET, None), snapshot(FLEET, None)])
    assert [budget.used for budget in joined.spending] == [12.5]
    assert "budget of route chat: $12.50 of $40.00, of all machines" in render(joined)
    apart = merge([snapshot(ALONE, None), snapshot(ALONE, None)])
    assert [budget.used for budget in apart.spending] == [25.0]


@needs_redis
def test_on_a_loop_after_another_all_is_counted_once(server: RedisServer) -> None:
    text = file_of(chat="$5/month") + f"shared: {{url: '{server.url}', timeout: 2s, share: [budgets]}}\n"
    fakes = {name: FakeProvider.scripted(CENT, name=name) for name in "ab"}
    router = Router.from_text(text, env={}, providers=fakes)

    def cents() -> float:
        with server.client() as client:
            names = [name for name in client.scan_iter("*:b:*") if not name.endswith(":l")]
            return sum(int(client.hget(name, "spent")) for name in names) / 1e7

    async def story() -> None:
        for _ in range(3):
            assert (await router.complete("chat", "hi")).target == "paid"

    async def end() -> None:
        await router.complete("chat", "hi")
        await until(lambda: cents() == 10)
        await router.aclose()

    for _ in range(3):
        asyncio.run(story())
    asyncio.run(end())
    assert cents() == 10

"""A budget for each user that machines share: what one has spent on one machine, he has spent on all."""

from __future__ import annotations

import asyncio

import pytest

from providers import FakeProvider
from router import Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.state import budget_values
from router.testing import run
from tests.support.fleet import Server
from tests.support.spending import CENT

FILE = """
shared: {url: "redis://x", app: shop, share: [budgets]}
providers: {a: {kind: fake}}
models:
  paid: {provider: a, id: m, price: {input: 5, output: 5}}
  free: {provider: a, id: f, price: {input: 0, output: 0}}
routes: {chat: {targets: [paid], fallbacks: [free], budget: {usd: 0.05/d, by: user}}}
"""
USERS = [f"u{number}" for number in range(8)]


async def paid(router: Router, user: str, calls: int) -> int:
    targets = [(await router.complete("chat", "hi", user=user, max_tokens=1000)).target for _ in range(calls)]
    return targets.count("paid")


def routers(count: int) -> list[Router]:
    server, plan = Server(), compile_plan(load_text(FILE, env={}))
    return [
        Router(
            plan,
            providers={"a": FakeProvider.scripted(CENT, name="a")},
            wall_clock=lambda: server.allocator_time(),
            exchange=server,
        )
        for _ in range(count)
    ]


def test_machines_spend_a_users_budget_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a process has forgotten the user meanwhile, for others that were there since."""
    monkeypatch.setattr(budget_values, "MOST", 3)

    async def main() -> None:
        one, other = routers(2)
        async with one, other:
            for user in USERS:
                assert await paid(one, user, 3) == 3
            await asyncio.sleep(15)
            for user in USERS:
                assert await paid(other, user, 4) <= 3, "one answer too many at most"
            await asyncio.sleep(15)
            for router in (one, other):
                assert [await paid(router, user, 3) for user in USERS] == [0] * len(USERS)

    run(main())


def test_what_a_process_tells_again_counts_once() -> None:
    async def main() -> None:
        one, other = routers(2)
        async with one, other:
            assert await paid(one, "ann", 2) == 2
            await asyncio.sleep(60)
            assert await paid(other, "ann", 9) == 3
            assert await paid(other, "bob", 9) == 5

    run(main())


def test_a_user_who_was_forgotten_and_comes_again_is_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_values, "MOST", 3)

    async def main() -> None:
        one, other = routers(2)
        async with one, other:
            for _ in range(2):
                assert await paid(one, "ann", 2) == 2
                await asyncio.sleep(15)
                for user in USERS:
                    await paid(one, user, 1)
                await asyncio.sleep(15)
            assert await paid(other, "ann", 5) == 1

    run(main())

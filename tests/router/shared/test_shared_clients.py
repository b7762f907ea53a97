"""The clients of a gateway: what one may ask for, and spend, is the same for all processes and machines together."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import pytest

from providers.errors import ErrorCode
from providers.types import CompletionRequest, Message
from router import Router
from router.config import load_text
from router.gateway.admission import Admitted, admit
from router.gateway.errors import Refused
from router.plan.compile import compile_plan
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.spending import file_of, opened

KEYS = "serve: {WORKERSkeys: {alice: {key: key-of-alice-0123456789, MORE}}}\n"
REQUEST = CompletionRequest(model="only", messages=(Message.user("hi"),), max_tokens=2000, caller="alice")


@pytest.fixture
def path(server: RedisServer, tmp_path: Path) -> Path:
    return tmp_path / "routes.yaml"


def write(path: Path, server: RedisServer, more: str, share: str = "limits") -> Path:
    shared = f"shared: {{url: '{server.url}', timeout: 2s, share: [{share}]}}\n"
    path.write_text(file_of() + KEYS.replace("MORE", more).replace("WORKERS", "") + shared)
    return path


async def let_in(router: Router) -> bool:
    try:
        with await admit(router.clients, router.plan.serving.by_name["alice"], REQUEST) as admitted:
            await router.complete("only", "hi", caller="alice", max_tokens=2000)
            admitted.failed()
    except Refused:
        return False
    return True


async def admitted(router: Router) -> Admitted:
    """Let a request in, as soon as a place that another process has ahead is back."""
    async with asyncio.timeout(60):
        while True:
            with suppress(Refused):
                return await admit(router.clients, router.plan.serving.by_name["alice"], REQUEST)


@needs_redis
@pytest.mark.parametrize("limit", ["10/min", "10/h"])
async def test_a_clients_limit_holds_over_processes_and_may_be_had_at_once(
    server: RedisServer, path: Path, limit: str
) -> None:
    write(path, server, f"limits: {{requests: {limit}}}")
    async with opened(path) as first, opened(path) as second:
        got = [await let_in((first, second)[number % 2]) for number in range(30)]
    assert all(got[:8]), "a first one is not told to come again"
    assert sum(got) in (10, 11)


@needs_redis
async def test_a_refused_request_says_when_the_next_is_let_in(server: RedisServer, path: Path) -> None:
    write(path, server, "limits: {requests: 2/min}")
    async with opened(path) as router:
        assert [await let_in(router) for _ in range(2)] == [True, True]
        with pytest.raises(Refused) as refused:
            await admit(router.clients, router.plan.serving.by_name["alice"], REQUEST)
    assert refused.value.code is ErrorCode.RATE_LIMITED
    assert refused.value.retry_after is not None
    assert 1 < refused.value.retry_after <= 62


@needs_redis
async def test_the_place_of_one_who_waited_counts(server: RedisServer, path: Path) -> None:
    write(path, server, "limits: {requests: 20/h, in_flight: 1}")
    async with opened(path) as router:
        client = router.plan.serving.by_name["alice"]
        both = await asyncio.gather(*(admit(router.clients, client, REQUEST) for _ in "ab"), return_exceptions=True)
    assert sum(isinstance(each, Refused) for each in both) == 1


@needs_redis
async def test_requests_that_leave_while_they_wait_take_no_place_along(server: RedisServer, path: Path) -> None:
    write(path, server, "limits: {in_flight: 4, requests: 100000/h}")
    chance = random.Random(7)
    async with opened(path) as first, opened(path) as second:
        routers = (first, second)

        async def one(router: Router) -> None:
            try:
                admitted = await admit(router.clients, router.plan.serving.by_name["alice"], REQUEST)
            except Refused:
                return
            with admitted:
                assert sum(each.clients.in_flight("alice") for each in routers) <= 4
                await asyncio.sleep(chance.random() / 100)
                admitted.failed()

        for _ in range(20):
            tasks = [asyncio.create_task(one(router)) for router in routers for _ in range(15)]
            for task in tasks:
                if chance.random() < 0.5:
                    asyncio.get_running_loop().call_later(chance.random() / 20, task.cancel)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
            assert [each.clients.in_flight("alice") for each in routers] == [0, 0]
        held: list[Admitted] = []
        async with asyncio.timeout(60):
            while len(held) < 4:
                try:
                    held.append(await admit(first.clients, first.plan.serving.by_name["alice"], REQUEST))
                except Refused:
                    continue
        for each in held:
            each.failed()


@needs_redis
async def test_a_clients_calls_at_the_same_time_are_counted_over_all_gateways(server: RedisServer, path: Path) -> None:
    write(path, server, "limits: {in_flight: 2}")
    async with opened(path) as first, opened(path) as second:
        client = first.plan.serving.by_name["alice"]
        held = [await admitted(first), await admitted(second)]
        for router in (first, second):
            with pytest.raises(Refused):
                await admit(router.clients, client, REQUEST)
        held[0].failed()  # its place is another gateway's to have
        (await admitted(second)).failed()
        held[1].failed()


@needs_redis
async def test_a_clients_budget_holds_over_machines(
    server: RedisServer, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, server, "budget: $0.2/d", "budgets")
    machines = []
    for name in ("one", "two"):
        monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / name))
        machines.append(opened(path))
    async with machines[0] as first, machines[1] as second:
        assert [await let_in(first) for _ in range(10)] == [True] * 10
        count = 0
        async with asyncio.timeout(60):
            while (second.spending[0].usd or 0) < 0.199:
                count += await let_in(second)
        assert count == 10
        assert not await let_in(second)


def test_workers_have_the_whole_of_rates_that_are_shared_and_their_part_of_places() -> None:
    text = file_of() + KEYS.replace("WORKERS", "workers: 4, ").replace(
        "MORE", "limits: {requests: 60/min, in_flight: 8}"
    )
    alone = compile_plan(load_text(text, env={})).serving.by_name["alice"].limits
    loaded = load_text(text + "shared: {url: redis://x}", env={})
    shared = compile_plan(loaded).serving.by_name["alice"].limits
    assert alone.requests is not None
    assert shared.requests is not None
    assert (alone.requests[0].amount, shared.requests[0].amount) == (15, 60)
    assert alone.in_flight == shared.in_flight == 2
    assert [one.message for one in loaded.diagnostics if "workers" in one.message]
    without = load_text(text.replace(", in_flight: 8", "") + "shared: {url: redis://x}", env={})
    assert not without.diagnostics

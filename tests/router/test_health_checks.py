"""Health checks: asked is what is free, breakers learn of it, and no request waits. Faults through real sockets, the
schedule in virtual time.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from providers import FakeProvider
from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.simulator import Simulator
from router import Router
from router.cli.status import check_words
from router.config import load_text
from router.engine.engine import Engine
from router.health_checks import HealthChecks
from router.monitor.merge import merge
from router.plan.compile import compile_plan
from router.views.figures import HealthCheck
from tests.support.ports import held_port
from tests.support.raw_server import serving
from tests.support.waiting import until
from tests.support.world import now, story

HTTP = "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"


def answer(status: int, body: str) -> bytes:
    return HTTP.format(status=status, length=len(body), body=body).encode()


def file_of(url: str, *, every: str = "1h", kind: str = "openai", more: str = "") -> str:
    return (
        f'providers: {{p: {{kind: {kind}, base_url: "{url}", api_key: k, health: {{every: {every}}}{more}}}}}\n'
        "routes: {chat: p/m}\n"
    )


@asynccontextmanager
async def checking(text: str) -> AsyncIterator[tuple[HealthChecks, Callable[[], str]]]:
    """Checks of a file's provider, by hand; and what its key's breaker is then."""
    engine = Engine(compile_plan(load_text(text, env={})), rng=Random(1))
    (target,) = engine.chain("chat").targets
    try:
        yield HealthChecks(engine, {}), lambda: engine.states.key_guard(target, target.keys[0]).breaker.state
    finally:
        await engine.aclose()


async def checked(checks: HealthChecks, times: int = 1) -> HealthCheck:
    """Check so often; gives what came of the last one."""
    found = [await checks.check("p") for _ in range(times)][-1]
    assert found is not None
    return found


# --- through real sockets


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama"])
async def test_a_list_of_models_is_asked_for_and_nothing_else(kind: str) -> None:
    async with Simulator(seed=1) as simulator:
        text = file_of(simulator.base_url(kind), kind=kind)
        async with checking(text) as (checks, state):
            assert (await checked(checks)).ok
            vendor = simulator.vendor(kind)
            assert vendor.requests <= 1  # of which none is for an answer
            assert state() == "closed"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, '{"error": {"message": "no"}}', "server_error"),
        (503, '{"error": {"message": "loading"}}', "overloaded"),
        (200, "<html>", "protocol_error"),
    ],
)
async def test_a_server_that_fails_opens_as_failed_calls_do(status: int, body: str, code: str) -> None:
    async with serving(answer(status, body)) as server, checking(file_of(server.url)) as (checks, state):
        found = await checked(checks, 4)
        assert found.ok is False
        assert found.why.startswith(f"{code}: ")
        assert state() == "closed"
        await checked(checks)  # the fifth in a row, as `breaker.consecutive` has it
        assert state() == "open"


async def test_a_server_that_is_not_there_opens_too() -> None:
    with held_port() as port:
        async with checking(file_of(f"http://127.0.0.1:{port}/v1")) as (checks, state):
            assert (await checked(checks, 5)).why.startswith("connection_failed: ")
            assert state() == "open"


async def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.health_checks.LONGEST", 0.01)
    async with serving(b"") as server, checking(file_of(server.url)) as (checks, state):
        assert (await checked(checks, 5)).why == "timeout: no answer within 0.01 s"
        assert state() == "open"


async def test_a_wrong_key_opens_at_once_by_the_vendors_words() -> None:
    body = '{"error": {"message": "Incorrect API key provided: k", "code": "invalid_api_key"}}'
    async with serving(answer(401, body)) as server, checking(file_of(server.url)) as (checks, state):
        assert (await checked(checks)).ok is False
        assert state() == "open"


async def test_of_a_pool_the_wrong_key_alone_opens_and_it_is_told_once() -> None:
    wrong = answer(401, '{"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}')
    well = answer(200, '{"data": [{"id": "m"}]}')
    number = 0

    async def by_turns(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        number += 1
        writer.write(wrong if number % 2 else well)
        await writer.drain()

    async with serving(by_turns) as server:
        text = file_of(server.url).replace("api_key: k", "api_keys: [k1, k2]")
        engine = Engine(compile_plan(load_text(text, env={})), rng=Random(1))
        checks = HealthChecks(engine, {})
        for _ in range(3):
            found = await checked(checks)
            assert found.why.startswith("key 1: authentication: ")
        (target,) = engine.chain("chat").targets
        states = [engine.states.key_guard(target, key).breaker.state for key in target.keys]
        assert states == ["open", "closed"]
        assert sum(event.kind == "health" for event in engine.telemetry.events) == 1
        assert checks.pause("p") > 3000  # a wrong key is not asked for every second
        await engine.aclose()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, '{"error": {"message": "You have insufficient permissions. Missing scopes: api.model.read"}}'),
        (403, '{"error": {"message": "Missing scopes: api.model.read"}}'),
        (404, '{"error": {"message": "no such path"}}'),
        (429, '{"error": {"message": "slow down"}}'),
    ],
)
async def test_that_no_models_are_listed_is_no_evidence(status: int, body: str) -> None:
    async with serving(answer(status, body)) as server, checking(file_of(server.url)) as (checks, state):
        assert (await checked(checks, 9)).ok
        assert state() == "closed"


# --- what breakers make of it, in virtual time


class Checked(FakeProvider):
    """A provider of which a check fails as `fails` says."""

    def __init__(self, name: str) -> None:
        super().__init__(ProviderSettings(name=name, kind="fake"))
        self.fails: ErrorCode | None = None
        self.checked: list[float] = []
        self.under_way = self.most_under_way = 0

    async def list_models(self) -> tuple[str, ...]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.checked.append(now())
        try:
            await asyncio.sleep(0.5)
        finally:
            self.under_way -= 1
        if self.fails is not None:
            raise ProviderError(self.fails, "no", provider=self.name)
        return ("m",)


FILE = """\
providers: {p: {kind: fake, health: HEALTH}, q: {kind: fake}}
routes: {chat: {targets: [p/m], fallbacks: [q/m]}}
"""


def router_of(health: str = "30s", **more: Any) -> tuple[Router, Checked]:
    fake = Checked("p")
    text = FILE.replace("HEALTH", health)
    fakes = {"p": fake, "q": FakeProvider.scripted(name="q")}
    return Router.from_text(text, env={}, seed=1, providers=fakes, **more), fake


@story
async def test_it_is_asked_so_often_one_at_a_time() -> None:
    router, fake = router_of()
    async with router:
        await asyncio.sleep(3600)
    pauses = [after - before for before, after in zip(fake.checked, fake.checked[1:], strict=False)]
    assert fake.checked[0] <= 1
    assert all(27 <= pause <= 33.6 for pause in pauses)
    assert len({round(pause, 3) for pause in pauses}) > 50  # spread, so that many processes do not ask together
    assert fake.most_under_way == 1


@story
async def test_an_outage_is_found_without_a_request_and_so_is_its_end() -> None:
    router, fake = router_of()
    async with router:
        await asyncio.sleep(60)
        fake.fails = ErrorCode.CONNECTION_FAILED
        began = now()
        await until_open(router)
        assert now() - began < 33.6 + 5 * 1.7  # the next check, and as many again as `consecutive` has
        await asyncio.sleep(600)
        assert health_of(router) == "open"  # which it stays while checks fail, whatever `open_for` says
        assert (await router.complete("chat", "hi")).target == "q/m"
        assert fake.requests == []
        fake.fails = None
        back = now()
        while (await router.complete("chat", "hi")).target != "p/m":
            await asyncio.sleep(0.5)
        assert now() - back < 35
        await asyncio.sleep(1)
        assert health_of(router) == "closed"
        kinds = [(event.kind, event.level) for event in router.telemetry.events if event.kind == "health"]
        assert kinds == [("health", "warning"), ("health", "good")]


@story
async def test_a_good_check_lets_a_target_be_tried_sooner_that_requests_have_opened() -> None:
    router, _ = router_of("1s")
    async with router:
        await router.complete("chat", "hi")
        states = router.states
        (target,) = router.chain("p/m").targets
        breaker = states.target(target).breaker
        for _ in range(5):
            breaker.failure(breaker.acquire(now()), now())
        assert breaker.state == "open"
        await asyncio.sleep(2)
        assert breaker.state == "half_open"
        assert (await router.complete("chat", "hi")).target == "p/m"


@story
async def test_what_a_person_opened_stays_so() -> None:
    router, fake = router_of("1s")
    async with router:
        router.breaker("p", "open")
        await asyncio.sleep(10)
        assert health_of(router) == "open"
        router.breaker("p", "close")
        fake.fails = ErrorCode.SERVER_ERROR
        await asyncio.sleep(60)
        assert health_of(router) == "closed"


@story
async def test_good_checks_wipe_out_no_failures_of_calls() -> None:
    router, _ = router_of("1s")
    async with router:
        await router.complete("chat", "hi")
        (target,) = router.chain("p/m").targets
        breaker = router.states.target(target).breaker
        for _ in range(4):
            breaker.failure(breaker.acquire(now()), now())
            await asyncio.sleep(2)
        breaker.failure(breaker.acquire(now()), now())
        assert breaker.state == "open"


@story
async def test_who_has_something_to_ask_only_after_an_edit_is_asked_then() -> None:
    router, fake = router_of("1s")
    unused = FILE.replace("HEALTH", "1s").replace("targets: [p/m], fallbacks: [q/m]", "targets: [q/m]")
    async with router:
        await router.apply(unused)
        number = len(fake.checked)
        await asyncio.sleep(20)
        assert len(fake.checked) == number
        await router.apply(FILE.replace("HEALTH", "1s"))
        await asyncio.sleep(20)
        assert len(fake.checked) > number + 5


@story
async def test_an_edit_begins_changes_and_ends_it() -> None:
    router, fake = router_of("1h")
    async with router:
        await asyncio.sleep(5)
        assert len(fake.checked) == 1
        await router.apply(FILE.replace("HEALTH", "10s"))
        await asyncio.sleep(100)
        assert 9 <= len(fake.checked) <= 13
        await router.apply(FILE.replace(", health: HEALTH", ""))
        number = len(fake.checked)
        assert router.snapshot().providers[0].check is None
        await asyncio.sleep(100)
        assert len(fake.checked) == number
        await router.apply(FILE.replace("HEALTH", "true"))
        await asyncio.sleep(100)
        assert len(fake.checked) > number
    ended = len(fake.checked)
    await asyncio.sleep(100)
    assert len(fake.checked) == ended  # it ends with the router


@story
async def test_it_is_shown() -> None:
    router, fake = router_of("10s")
    async with router:
        await asyncio.sleep(5)
        provider = next(each for each in router.snapshot().providers if each.name == "p")
        assert provider.check is not None
        assert (provider.check.ok, provider.check.every) == (True, 10.0)
        fake.fails = ErrorCode.TIMEOUT
        await asyncio.sleep(20)
        provider = next(each for each in router.snapshot().providers if each.name == "p")
        assert provider.check is not None
        assert (provider.check.ok, provider.check.why) == (False, "timeout: no")


@story
async def test_of_several_processes_the_one_that_fails_is_shown() -> None:
    (first, _), (second, fake) = router_of("10s"), router_of("10s")
    fake.fails = ErrorCode.TIMEOUT
    async with first, second:
        await asyncio.sleep(15)
        whole = merge([router.snapshot(with_sketches=True) for router in (first, second)])
    check = next(each for each in whole.providers if each.name == "p").check
    assert check is not None
    assert check.ok is False
    assert check_words(check, check.time + 3) == "health check failed 3 s ago: timeout: no"


@story
async def test_a_provider_that_cannot_be_asked_is_left_alone() -> None:
    async with Router.from_text(FILE.replace("HEALTH", "1s"), env={}) as router:
        await asyncio.sleep(10)
        assert (await router.complete("chat", "hi")).target == "p/m"
        assert router.snapshot().providers[0].check is None


async def test_a_dropped_router_is_collected() -> None:
    router, fake = router_of("1s")
    await router.complete("chat", "hi")
    found = weakref.ref(fake)  # which lives as long as the router's engine
    del router, fake
    await until(lambda: gc.collect() >= 0 and found() is None)


def health_of(router: Router) -> str:
    return next(each for each in router.snapshot().providers if each.name == "p").health.state


async def until_open(router: Router) -> None:
    while health_of(router) != "open":
        await asyncio.sleep(0.1)


# --- how it is written


@pytest.mark.parametrize(
    ("written", "every"), [("30s", 30), ("true", 30), ("on", 30), ("{}", 30), ("{every: 2m}", 120)]
)
def test_short_and_long_forms(written: str, every: float) -> None:
    health = load_text(FILE.replace("HEALTH", written), env={}).require().providers["p"].health
    assert health is not None
    assert health.every == every


def test_more_than_once_a_second_is_refused() -> None:
    (found,) = load_text(FILE.replace("HEALTH", "100ms"), env={}).diagnostics
    assert found.message == "no server has to be asked more often than once a second: write 1s or more"


def test_a_file_without_it_imports_nothing_of_it() -> None:
    import subprocess
    import sys

    code = (
        "import sys, asyncio\nfrom router import Router\n"
        "async def main():\n"
        "    async with Router.from_text('providers: {a: {kind: fake}}\\nroutes: {c: a/m}', monitor=False) as router:\n"
        "        await router.complete('c', 'hi')\n"
        "asyncio.run(main())\nassert 'router.health_checks' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

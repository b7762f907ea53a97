"""A caller's own key for a provider, through real sockets: whose key comes where, and what each caller's key is alone
with.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from providers import ErrorCode, FakeProvider, ProviderError
from providers.own_keys import OwnKey
from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.config import load_text
from router.engine.engine import Engine
from router.engine.request import build_request
from router.plan.compile import compile_plan
from tests.support.raw_server import serving
from tests.support.waiting import until

FILE = """
providers:
  openai:
    kind: openai
    base_url: "{openai}"
    api_key: sk-of-the-file-000-FILE
    headers: {OpenAI-Organization: org-of-the-file, X-Team: blue}
    labels: {region: us}
  claude: {kind: anthropic, base_url: "{anthropic}", api_key: sk-of-the-file-001-FIL2, labels: {region: eu}}
models:
  mini: {provider: openai, id: gpt-5-mini, price: {input: 1000000, output: 1000000}}
  haiku: {provider: claude, id: claude-haiku-4-5}
  vectors: {provider: openai, id: text-embedding-3-small, embeds: true}
defaults: {retry: {same_target: 0, max_wait: 0s}, breaker: {consecutive: 2}}
routes:
  chat: {targets: [mini], fallbacks: [haiku]}
  alone: {targets: [mini]}
  kept: {targets: [mini], cache: {ttl: 1h}}
  pooled: {targets: [mini], cache: {ttl: 1h, own_keys: shared}}
  hedged: {targets: [mini, haiku], balance: ordered, hedge: {after: 10ms, budget: 100%}}
  paid: {targets: [mini], budget: $0.01/d}
  vec: {targets: [vectors], embeds: true, cache: {ttl: 1h}}
cache: {path: memory}
"""
ALICE, BOB = "sk-of-alice-4711-ALIC", "sk-of-bob-0815-BOBB"
MINE = {"openai": ALICE}


class World:
    def __init__(self, simulator: Simulator, router: Router) -> None:
        self.simulator, self.router = simulator, router

    @property
    def openai(self) -> Any:
        return self.simulator.vendor("openai")

    @property
    def keys(self) -> dict[str, int]:
        """The calls of each key at either vendor, by the key's ending."""
        return dict(self.openai.keys + self.simulator.vendor("anthropic").keys)


def written(simulator: Simulator) -> str:
    text = FILE
    for name in ("openai", "anthropic"):
        text = text.replace(f"{{{name}}}", simulator.base_url(name))
    return text


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with Simulator(seed=1) as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True)
        async with Router.from_text(written(simulator), env={}, seed=1, monitor=False) as router:
            yield World(simulator, router)


async def test_it_is_sent_in_the_place_of_the_files_and_nothing_of_the_file_that_names_another_account(
    world: World,
) -> None:
    reply = await world.router.complete("chat", "hi", credentials=MINE)
    assert world.keys == {"ALIC": 1}
    headers = world.openai.last_request.headers
    assert "openai-organization" not in headers
    assert headers["x-team"] == "blue"
    assert reply.trace.attempts[0].own_key
    assert "mini (the call's own key)  ok" in reply.trace.render()
    assert reply.trace.of_call == {"credentials": "openai"}
    await world.router.complete("chat", "hi", credentials={"openai": SecretStr(BOB)})
    await world.router.complete("chat", "hi")
    assert world.keys == {"ALIC": 1, "BOBB": 1, "FILE": 1}
    assert world.openai.last_request.headers["openai-organization"] == "org-of-the-file"


async def test_it_goes_to_no_other_provider_and_the_files_key_does_not_stand_in_for_it(world: World) -> None:
    world.openai.set(key_errors={"ALIC": "authentication"})
    reply = await world.router.complete("chat", "hi", credentials=MINE)
    assert reply.target == "haiku"
    assert world.keys == {"ALIC": 1, "FIL2": 1}
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("alone", "hi", credentials=MINE)
    assert caught.value.code in (ErrorCode.AUTHENTICATION, ErrorCode.OVERLOADED)
    assert "FILE" not in world.keys


async def test_streams_hedges_and_vectors_are_called_with_it(world: World) -> None:
    async with world.router.stream("alone", "hi", credentials=MINE) as stream:
        async for _ in stream:
            pass
    await world.router.embed("vec", ["a", "b"], credentials=MINE)
    assert world.keys == {"ALIC": 2}
    world.openai.set(fast=False, first_token=5.0)
    reply = await world.router.complete("hedged", "hi", credentials={**MINE, "claude": BOB})
    assert reply.target == "haiku"
    assert world.keys == {"ALIC": 3, "BOBB": 1}


@pytest.mark.parametrize("fault", ["authentication", "rate_limited", "quota", "overloaded"])
async def test_what_becomes_of_it_is_its_own(world: World, fault: Any) -> None:
    """Breaker, holds and waits of one key say nothing about the file's key, nor about another caller's."""
    world.openai.set(key_errors={"ALIC": fault}, retry_after=60.0)
    for _ in range(5):
        with pytest.raises(RouteExhausted):
            await world.router.complete("alone", "hi", credentials=MINE)
    assert world.keys["ALIC"] <= 3  # it is left alone by then
    for own in (None, {"openai": BOB}):
        reply = await world.router.complete("alone", "hi", credentials=own)
        assert [attempt.code for attempt in reply.trace.attempts] == [None]
        assert not reply.trace.skips
    world.openai.set(key_errors={"FILE": fault})
    for _ in range(5):
        with pytest.raises(RouteExhausted):
            await world.router.complete("alone", "hi")
    assert (await world.router.complete("alone", "hi", credentials={"openai": BOB})).target == "mini"


@pytest.mark.parametrize("fault", ["authentication", "overloaded"])
async def test_nobody_hears_of_its_troubles_and_it_is_counted_apart(world: World, fault: Any) -> None:
    heard: list[Any] = []
    world.router.telemetry.subscribers.add(heard.append)
    world.openai.set(key_errors={"ALIC": fault}, retry_after=60.0)
    for _ in range(5):
        with pytest.raises(RouteExhausted):
            await world.router.complete("alone", "hi", credentials=MINE)
    await world.router.complete("alone", "hi", credentials={"openai": BOB})
    await asyncio.sleep(0)
    assert heard == []
    (openai, _) = world.router.snapshot().providers
    figures = {target.name: target.figures.totals for target in openai.targets}
    assert figures["mini"].calls == 0
    assert (figures["mini (callers' keys)"].succeeded, openai.health.state) == (1, "closed")


async def test_it_is_the_callers_money(world: World) -> None:
    """No budget of the file is charged for it, and one that is used up does not keep it from being called."""
    await world.router.complete("paid", "hi")
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("paid", "hi")
    assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED
    (before,) = (spent.usd for spent in world.router.spending if spent.name == "paid")
    reply = await world.router.complete("paid", "hi", credentials=MINE)
    assert reply.cost  # what it cost the caller
    (after,) = (spent.usd for spent in world.router.spending if spent.name == "paid")
    assert after == before


async def test_an_answer_got_with_one_key_is_given_to_that_key_alone(world: World) -> None:
    for own in (MINE, {"openai": BOB}, None):
        first = await world.router.complete("kept", "hi", credentials=own)
        again = await world.router.complete("kept", "hi", credentials=own)
        assert (first.cached, again.cached) == (False, True)
    assert world.keys == {"ALIC": 1, "BOBB": 1, "FILE": 1}
    await asyncio.gather(*(world.router.complete("kept", "at once", credentials=own) for own in (MINE, None)))
    assert world.keys == {"ALIC": 2, "BOBB": 1, "FILE": 2}
    vectors = [await world.router.embed("vec", ["a"], credentials=own) for own in (MINE, {"openai": BOB}, MINE)]
    assert [each.cached for each in vectors] == [False, False, True]


async def test_the_file_may_have_them_shared(world: World) -> None:
    for own in (MINE, {"openai": BOB}, None):
        await world.router.complete("pooled", "hi", credentials=own)
    assert world.keys == {"ALIC": 1}


async def test_what_is_required_holds_for_it_too(world: World) -> None:
    reply = await world.router.complete("chat", "hi", credentials=MINE, require={"region": "eu"})
    assert (reply.target, world.keys) == ("haiku", {"FIL2": 1})


async def test_who_is_taken_out_by_hand_gets_no_calls_with_any_key(world: World) -> None:
    await world.router.complete("chat", "hi", credentials=MINE)
    world.router.drain("mini")
    assert (await world.router.complete("chat", "hi", credentials=MINE)).target == "haiku"
    world.router.undrain("mini")
    assert (await world.router.complete("chat", "hi", credentials=MINE)).target == "mini"
    world.router.breaker("openai", "open")
    assert (await world.router.complete("chat", "hi", credentials=MINE)).target == "haiku"


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        ({"opnai": ALICE}, 'credentials: no provider is named "opnai" (did you mean "openai"?)'),
        ({"openai": ""}, "credentials: the key for openai: it is empty"),
        ({"openai": None}, "credentials: the key for openai: a text is expected, not NoneType"),
        ({"openai": 7}, "credentials: the key for openai: a text is expected, not int"),
        ({"openai": f"{ALICE}\n"}, "credentials: the key for openai: no vendor could be sent it"),
        ({"openai": "${OPENAI_API_KEY}"}, "credentials: the key for openai: it is a placeholder, or"),
        ({"openai": "sk-..."}, "credentials: the key for openai: it is a placeholder, or"),
        (ALICE, 'credentials: a key for each provider is expected, such as {"openai": key}, not the key alone'),
        ([ALICE], "not list"),
        ({ALICE: "openai"}, "credentials: name and key have changed places"),
        ({f"{ALICE}-and-more": BOB}, "credentials: no provider is named so (a name of 30 characters)"),
    ],
)
async def test_what_is_none_is_refused_without_being_shown(world: World, credentials: Any, told: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await world.router.complete("chat", "hi", credentials=credentials)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert told in caught.value.message
    assert "of-alice" not in caught.value.message
    assert world.keys == {}


async def test_a_provider_that_the_app_has_made_itself_takes_none() -> None:
    """It has a key already: the caller's would silently not be used."""
    text = "providers: {a: {kind: openai, api_key: sk-12345678}}\nroutes: {chat: a/m}\n"
    async with Router.from_text(
        text, env={}, providers={"a": FakeProvider.scripted(name="a")}, monitor=False
    ) as router:
        with pytest.raises(ProviderError, match="a is a provider that the app has made itself"):
            await router.complete("chat", "hi", credentials={"a": ALICE})


async def test_it_shows_nowhere(world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    text = written(world.simulator).replace("{path: memory}", f"{{path: '{tmp_path}/cache'}}")
    text += f"telemetry: {{capture: full, log: {{path: '{tmp_path}/log'}}}}\n"
    shown: list[str] = []
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        router.telemetry.subscribers.add(lambda event: shown.append(repr(event)))
        reply = await router.complete("kept", "hi", credentials=MINE)
        shown += [repr(reply), reply.to_json(), reply.trace.render(), json.dumps(reply.trace.as_dict())]
        request = build_request("chat", "hi", {"credentials": MINE})
        shown += [repr(request), str(request.routing), f"{request.routing!r}"]
        world.openai.set(key_errors={"ALIC": "authentication"})
        for route in ("alone", "nowhere"):
            try:
                await router.complete(route, "hi", credentials=MINE)
            except Exception as error:
                shown += [repr(error), str(error), repr(error.__cause__), repr(getattr(error, "trace", ""))]
        shown += [msgspec.json.encode(router.snapshot()).decode()]
        feed = router.feed()
        records = await feed.requests()
        assert records
        shown += [repr(each) for each in records] + [repr(await feed.trace(each.id)) for each in records]
        shown += [repr(router), repr(router.plan)]
    shown += [record.getMessage() for record in caplog.records]
    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()])
    assert len(files) > 1
    assert not any(b"of-alice" in data for data in files)
    assert "of-alice" not in "\n".join(shown)
    assert "of-alice" not in repr(OwnKey("openai", ALICE))


async def test_a_vendor_that_repeats_it_does_not_make_it_show() -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {ALICE}.", "type": "invalid_request_error"}})
    head = f"HTTP/1.1 401 no\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    async with serving(f"{head}{body}".encode()) as server:
        text = f"providers: {{a: {{kind: openai, base_url: '{server.url}', api_key: sk-of-the-file}}}}\n"
        text += "routes: {r: a/m}\n"
        async with Router.from_text(text, env={}, monitor=False) as router:
            with pytest.raises(RouteExhausted) as caught:
                await router.complete("r", "hi", credentials={"a": ALICE})
            error = caught.value
            assert ALICE.encode() in server.requests[0]
            shown = [str(error), error.trace.render(), repr(error.__cause__), str(vars(error.__cause__ or error))]
            assert "Incorrect API key" in shown[0]
            assert "of-alice" not in "\n".join(shown)


async def test_many_callers_keys_take_a_bounded_room() -> None:
    plan = compile_plan(load_text(FILE.replace("{openai}", "http://o").replace("{anthropic}", "http://a"), env={}))
    engine = Engine(plan, rng=random.Random(0))
    engine.enter_loop()
    seen: set[str] = set()
    for number in range(3000):
        chain, *_ = engine.begin("chat", build_request, "chat", "hi", {"credentials": {"openai": f"sk-{number:024}"}})
        target = chain.targets[0]
        seen.add(target.state_id)
        lease = engine.states.begin(target, target.keys[0], 1.0, None, 0.0)
        engine.providers.of(target, target.keys[0])
        lease.cancelled(0.0)
    await asyncio.sleep(0)
    assert len(seen) == 3000
    assert sum(engine.states.find_target(state_id) is not None for state_id in seen) <= 256
    assert len(engine.own_keys.kept) <= 2 * 256
    for _ in range(10):
        await asyncio.sleep(0)
    assert engine.providers.open <= 257
    await engine.aclose()


async def test_one_in_use_is_not_forgotten_for_others() -> None:
    plan = compile_plan(load_text(FILE.replace("{openai}", "http://o").replace("{anthropic}", "http://a"), env={}))
    engine = Engine(plan, rng=random.Random(0))
    engine.enter_loop()

    def begin(key: str) -> Any:
        target = engine.begin("chat", build_request, "chat", "hi", {"credentials": {"openai": key}})[0].targets[0]
        return target, engine.states.begin(target, target.keys[0], 1.0, None, 0.0)

    target, lease = begin(ALICE)
    for number in range(600):
        begin(f"sk-{number:024}")[1].cancelled(0.0)
    assert engine.states.find_target(target.state_id) is not None
    lease.cancelled(0.0)
    await engine.aclose()


async def test_edits_keep_its_state_while_its_provider_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    async with Simulator(seed=1) as simulator:
        vendor = simulator.vendor("openai")
        vendor.set(fast=True, key_errors={"ALIC": "authentication"})
        await asyncio.to_thread(path.write_text, written(simulator))
        async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
            for _ in range(3):
                with pytest.raises(RouteExhausted):
                    await router.complete("alone", "hi", credentials=MINE)
            calls = vendor.requests
            await asyncio.to_thread(path.write_text, written(simulator) + "# an edit\n")
            assert (await router.reload()).accepted
            with pytest.raises(RouteExhausted) as caught:
                await router.complete("alone", "hi", credentials=MINE)
            assert [skip.reason for skip in caught.value.trace.skips] == [
                "circuit_open"
            ] or vendor.requests == calls + 1
            vendor.mend()
            vendor.set(fast=True)
            await asyncio.to_thread(path.write_text, written(simulator).replace("X-Team: blue", "X-Team: red"))
            assert (await router.reload()).accepted
            assert (await router.complete("alone", "hi", credentials=MINE)).target == "mini"
            assert vendor.last_request is not None
            assert vendor.last_request.headers["x-team"] == "red"


async def test_limits_of_the_file_hold_for_each_key_by_itself(world: World) -> None:
    text = written(world.simulator).replace("    labels: {region: us}\n", "    limits: {requests: 2/d}\n")
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        for own in (MINE, {"openai": BOB}, None):
            for _ in range(2):
                await router.complete("alone", "hi", credentials=own)
            with pytest.raises(RouteExhausted) as caught:
                await router.complete("alone", "hi", credentials=own)
            assert caught.value.code is ErrorCode.RATE_LIMITED
    assert world.keys == {"ALIC": 2, "BOBB": 2, "FILE": 2}


@pytest.mark.parametrize("timeout", ["50ms", 0.05, {"total": "50ms"}])
async def test_one_time_is_that_of_the_whole_request(world: World, timeout: Any) -> None:
    world.openai.set(hang=True)
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("alone", "hi", timeout=timeout)
    assert caught.value.code is ErrorCode.TIMEOUT
    assert caught.value.trace.of_call == {"timeout": "total 0.05 s"}


@pytest.mark.parametrize(
    ("timeout", "told"),
    [
        ("30", 'timeout: "30" is not a duration, such as 250ms, 5s, 2m, 1h or 1d'),
        ("never", "timeout: no limit is written as off"),
        ({"total": "5 parsecs"}, "timeout['total']: \"5 parsecs\" is not a duration"),
        (True, 'timeout: a dict such as {"total": 30} is expected'),
        (0, "timeout['total']: seconds above 0"),
    ],
)
async def test_a_time_that_is_none_says_how_it_is_written(world: World, timeout: Any, told: str) -> None:
    for call in (
        world.router.complete("alone", "hi", timeout=timeout),
        world.router.embed("vec", "a", timeout=timeout),
    ):
        with pytest.raises(ProviderError) as caught:
            await call
        assert told in caught.value.message


async def test_whole_chains_that_share_load_are_called_with_it(world: World) -> None:
    text = written(world.simulator).replace(
        "routes:\n", "routes:\n  split: {targets: {alone: 1, talk: 1}}\n  talk: haiku\n"
    )
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        for _ in range(6):
            await router.complete("split", "hi", credentials=MINE)
    assert world.keys == {"ALIC": 3, "FIL2": 3}
    world.openai.set(key_errors={"ALIC": "authentication"})
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        for _ in range(6):
            assert (await router.complete("split", "hi", credentials=MINE)).target == "haiku"
        await router.complete("split", "hi")
        assert (await router.complete("split", "hi")).trace.skips == ()


async def test_a_request_with_an_own_key_is_not_copied(world: World) -> None:
    shadow = "alone: {targets: [mini], shadow: {to: haiku, share: 100%}}"
    text = written(world.simulator).replace("alone: {targets: [mini]}", shadow)
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        await router.complete("alone", "hi", credentials=MINE)
        await router.complete("alone", "hi")
        await until(lambda: sum(world.keys.values()) >= 3)  # the second and its copy
        assert world.keys == {"ALIC": 1, "FILE": 1, "FIL2": 1}


async def test_a_chain_is_drawn_by_how_its_own_key_fares(world: World) -> None:
    more = "routes:\n  split: {targets: {alone: 1, talk: 1}}\n  talk: haiku\n"
    text = written(world.simulator).replace("routes:\n", more)
    world.openai.set(key_errors={"FILE": "authentication"})
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        with pytest.raises(RouteExhausted):
            await router.complete("alone", "hi")
        replies = [await router.complete("split", "hi", credentials=MINE) for _ in range(6)]
    assert sorted(reply.target or "" for reply in replies) == ["haiku"] * 3 + ["mini"] * 3


async def test_figures_of_callers_keys_are_a_series_of_their_own(world: World) -> None:
    seeded = "alone: {targets: [{model: mini, params: {seed: 7}}]}"
    text = written(world.simulator).replace("alone: {targets: [mini]}", seeded)
    async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
        await router.complete("alone", "hi", credentials=MINE)
        await router.complete("chat", "hi", credentials=MINE)
        for _ in range(3):
            await router.complete("chat", "hi")
        registry = CollectorRegistry()
        registry.register(router.prometheus())
        lines = generate_latest(registry).decode().splitlines()
    told = [line for line in lines if "first_token_seconds_count" in line and 'provider="openai"' in line]
    counts = dict(line.rsplit(" ", 1) for line in told)
    assert {name.partition('target="')[2].rstrip('"}'): float(count) for name, count in counts.items()} == {
        "mini": 3.0,
        "mini (callers' keys)": 1.0,
        "mini (seed=7)": 0.0,
        "mini (seed=7) (callers' keys)": 1.0,
        "vectors": 0.0,
    }
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(series) == len(set(series))

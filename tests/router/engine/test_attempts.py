"""What counts as an attempt, what was tried already, and how long somebody is waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers import CompletionRequest, FakeProvider, ProviderError, ProviderSettings
from providers.errors import ErrorCode
from providers.fake import Fail, Reply, Step
from router import RouteExhausted, Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.views.trace import Attempt
from tests.support.world import World, now, story

REFUSALS = [
    *(ErrorCode.AUTHENTICATION, ErrorCode.PERMISSION_DENIED, ErrorCode.QUOTA_EXHAUSTED, ErrorCode.RATE_LIMITED),
]


class Pool:
    """A provider with a pool of keys, each of them a fake of its own, before a fallback."""

    def __init__(self, *keys: Step, fallback: Step | None = None, more: str = "", retry: str = "") -> None:
        listed = ", ".join(f"sk-pool-number-{number}" for number in range(len(keys)))
        text = f"""
providers: {{a: {{kind: fake, api_keys: [{listed}]{more}}}, b: {{kind: fake}}}}
defaults: {{retry: {{{retry}}}}}
routes: {{chat: {{targets: [a/m], fallbacks: [b/m]}}, solo: a/m}}
"""
        plan = compile_plan(load_text(text, env={}))
        named = zip(plan.catalogue.keys["a"], keys, strict=True)
        self.keys = {key.identity: FakeProvider.scripted(step, name="a") for key, step in named}
        self.b = FakeProvider.scripted(fallback or Reply("from b"), name="b")
        self.router = Router(plan, seed=1, providers={**self.keys, "b": self.b})

    @property
    def calls(self) -> list[int]:
        return [len(fake.requests) for fake in self.keys.values()]


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("most", ["", "max_attempts: 1", "max_attempts: 2"])
def test_a_refused_key_is_no_attempt(code: ErrorCode, most: str) -> None:
    """A pool with four bad keys of six reaches a good one, whatever the number of attempts."""
    fine, bad = Reply("fine"), Fail(code, retry_after=100.0)

    @story
    async def test() -> None:
        pool = Pool(bad, bad, bad, bad, fine, fine, retry=most)
        assert [(await pool.router.complete("chat", "hi")).text for _ in range(3)] == ["fine"] * 3
        assert max(pool.calls[:4]) <= 2  # a second request may have to confirm what the first saw
        assert pool.b.requests == []

    test()


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("count", [1, 2, 6, 12])
def test_a_pool_of_refused_keys_reaches_the_fallback(code: ErrorCode, count: int) -> None:
    @story
    async def test() -> None:
        pool = Pool(*[Fail(code, retry_after=100.0)] * count, retry="max_attempts: 1")
        reply = await pool.router.complete("chat", "hi")
        assert (reply.text, pool.calls) == ("from b", [1] * count)
        assert len(reply.trace.attempts) == count + 1  # the trace has them all the same

    test()


@story
async def test_attempts_at_a_model_are_bounded_beside_refused_keys() -> None:
    """What is no key's fault counts."""
    pool = Pool(*[Fail(ErrorCode.AUTHENTICATION)] * 3, Fail(ErrorCode.SERVER_ERROR), retry="max_attempts: 1")
    with pytest.raises(RouteExhausted, match="max_attempts is 1"):
        await pool.router.complete("chat", "hi")
    assert (pool.calls, pool.b.requests) == ([1, 1, 1, 1], [])


@pytest.mark.parametrize("count", [1, 2, 6])
def test_held_keys_are_waited_for_however_many_they_are(count: int) -> None:
    """A vendor that asks every key for three seconds is asked again after them."""

    @story
    async def test() -> None:
        pool = Pool(*[Reply("fine")] * count)
        for fake in pool.keys.values():
            fake.script = [Fail(ErrorCode.RATE_LIMITED, retry_after=3.0), Reply("fine")]
        assert (await pool.router.complete("solo", "hi")).text == "fine"
        assert now() == pytest.approx(3.0)
        assert sum(pool.calls) == count + 1

    test()


@story
async def test_keys_that_stay_held_come_to_an_end() -> None:
    """Every key is asked again once at most, within the attempts of the request."""
    pool = Pool(*[Fail(ErrorCode.RATE_LIMITED, retry_after=1.0)] * 20)
    with pytest.raises(RouteExhausted) as caught:
        await pool.router.complete("solo", "hi")
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert sum(pool.calls) <= 24
    assert now() < 30


HELD = """
models: {x: {provider: a, id: m}, y: {provider: b, id: m}}
routes:
  chat: {targets: [x], fallbacks: [y, {to: z/m, on: [context_length_exceeded]}]}
  now: {targets: [x], fallbacks: [y], retry: {max_wait: 0s}}
"""


async def held(then_x: Step, then_y: Step, x: float = 2.0, y: float = 3.0) -> World:
    """A router whose targets were told to wait, until when they answer otherwise."""

    def script(seconds: float, then: Step) -> Any:
        return lambda at: Fail(ErrorCode.RATE_LIMITED, retry_after=seconds) if at == 0 else then

    world = World(HELD, a=script(x, then_x), b=script(y, then_y), z=lambda at: Reply("from z"))
    with pytest.raises(RouteExhausted):
        await world.router.complete("now", "hi")
    assert now() == 0
    return world


FAILURES = [ErrorCode.SERVER_ERROR, ErrorCode.TIMEOUT, ErrorCode.OVERLOADED, ErrorCode.MODEL_NOT_FOUND]


@pytest.mark.parametrize("code", [*FAILURES, *REFUSALS])
def test_the_first_that_comes_back_and_fails_does_not_end_the_request(code: ErrorCode) -> None:
    """With all targets held, the one that is free a second later answers."""

    @story
    async def test() -> None:
        world = await held(Fail(code), Reply("from y"))
        reply = await world.router.complete("chat", "hi")
        assert (reply.text, now()) == ("from y", pytest.approx(3.0))

    test()


@story
async def test_what_comes_of_a_wait_may_open_a_further_tier() -> None:
    """The error of a target that was waited for is heeded like any other."""
    world = await held(Fail(ErrorCode.CONTEXT_LENGTH_EXCEEDED), Fail(ErrorCode.CONTEXT_LENGTH_EXCEEDED))
    assert (await world.router.complete("chat", "hi")).text == "from z"
    assert now() == pytest.approx(2.0)


@story
async def test_a_callers_mistake_ends_the_waiting() -> None:
    world = await held(Fail(ErrorCode.INVALID_REQUEST), Reply("never asked"))
    with pytest.raises(ProviderError):
        await world.router.complete("chat", "hi")
    assert (now(), world.calls("b")) == (pytest.approx(2.0), 1)


@story
async def test_nobody_is_waited_for_past_max_wait() -> None:
    """The error says at once when to come back."""
    world = await held(Reply("late"), Reply("late"), x=11.0, y=12.0)
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("chat", "hi")
    assert (now(), caught.value.code) == (0.0, ErrorCode.RATE_LIMITED)
    assert caught.value.retry_after == pytest.approx(11.0)


@story
async def test_a_held_target_is_waited_for_after_others_failed() -> None:
    """What failed for good leaves the request waiting for who is still to come."""
    world = await held(Fail(ErrorCode.TIMEOUT), Reply("from y"), x=0.5)
    assert (await world.router.complete("chat", "hi")).text == "from y"


# --- the same model with other params


PARAMS = """
models:
  deep: {provider: a, id: m, params: {thinking: high}}
  quick: {provider: a, id: m, params: {thinking: low}, limits: {in_flight: 1}}
  same: {provider: a, id: m, params: {thinking: low}, limits: {in_flight: 1}}
routes:
  chat: {targets: [deep], fallbacks: [quick, same]}
  tiers:
    targets: [{model: a/m, params: {extra_body: {service_tier: flex}}}, a/m]
    balance: ordered
"""


def by_params(step: Step) -> FakeProvider:
    """A vendor that fails with high effort, and with a flexible tier of service."""

    def script(request: CompletionRequest) -> Step:
        return step if request.thinking == "high" or request.extra_body else Reply("fine")

    return FakeProvider(ProviderSettings(name="a", kind="fake", options={"script": script}))


def routed(step: Step) -> Router:
    return Router.from_text(
        f"providers: {{a: {{kind: fake}}}}{PARAMS}", env={}, seed=1, providers={"a": by_params(step)}
    )


@pytest.mark.parametrize(
    "code", [ErrorCode.TIMEOUT, ErrorCode.OVERLOADED, ErrorCode.RATE_LIMITED, ErrorCode.SERVER_ERROR]
)
@pytest.mark.parametrize("route", ["chat", "tiers"])
def test_other_params_are_a_new_candidate(code: str, route: str) -> None:
    """Another effort or tier of service of the same model takes over, as often as it takes; it keeps its own health."""

    @story
    async def test() -> None:
        router = routed(Fail(ErrorCode(code)))
        replies = [await router.complete(route, "hi") for _ in range(12)]
        assert {reply.text for reply in replies} == {"fine"}
        names = {"chat": ("deep", "quick"), "tiers": ("a/m (extra_body.service_tier=flex)", "a/m")}[route]
        first = [entry.target for entry in replies[0].trace.entries if isinstance(entry, Attempt)]
        assert tuple(first) == names
        assert {reply.target for reply in replies} == {names[1]}
        states = router.states
        bad, good = (router.chain(name).targets[0] for name in names)
        shut = {target.name: states.refusal_for_target(target, 1, 1, now()) is not None for target in (bad, good)}
        assert shut == {names[0]: True, names[1]: False}
        shown = {target.name: target.figures.totals for target in router.snapshot().targets}
        assert (shown[names[0]].succeeded, shown[names[1]].succeeded) == (0, 12)

    test()


@story
async def test_the_same_params_are_the_same_target() -> None:
    """Another name for the same is not tried again."""
    fake = FakeProvider.scripted(Fail(ErrorCode.TIMEOUT), name="a")
    router = Router.from_text(f"providers: {{a: {{kind: fake}}}}{PARAMS}", env={}, seed=1, providers={"a": fake})
    with pytest.raises(RouteExhausted) as caught:
        await router.complete("chat", "hi")
    assert [attempt.target for attempt in caught.value.attempts] == ["deep", "quick"]


@story
async def test_the_limits_of_a_model_hold_for_all_its_params() -> None:
    """A vendor counts the calls of a model, with whatever params."""
    text = """
providers: {a: {kind: fake}}
models: {m: {provider: a, id: m, limits: {in_flight: 1}}}
routes: {plain: m, cold: {targets: [{model: m, params: {temperature: 0}}]}}
"""
    fake = FakeProvider.scripted(Reply("slow", delay=2.0), name="a")
    router = Router.from_text(text, env={}, seed=1, providers={"a": fake})
    async with asyncio.TaskGroup() as group:
        group.create_task(router.complete("plain", "hi"))
        group.create_task(router.complete("cold", "hi"))
        await asyncio.sleep(1)
        assert len(fake.requests) == 1
    assert (len(fake.requests), now()) == (2, 4.0)


@story
async def test_a_model_is_drained_with_all_its_params() -> None:
    router = routed(Reply("fine"))
    router.drain("a/m")
    with pytest.raises(RouteExhausted) as caught:
        await router.complete("tiers", "hi")
    assert {skip.reason for skip in caught.value.trace.skips} == {"draining"}
    router.undrain("a/m")
    assert (await router.complete("tiers", "hi")).text == "fine"


# --- how many attempts


def chain_of(count: int, more: str = "") -> str:
    names = [f"a/{number}" for number in range(count)]
    return f"""
providers:
  a: {{kind: fake}}
routes:
  chat:
    targets: [{names[0]}]
    fallbacks: [{", ".join(names[1:])}]
{more}"""


@pytest.mark.parametrize("count", [1, 3, 5, 9, 20])
def test_every_target_of_a_chain_is_reached(count: int) -> None:
    """However long it is; with further tries on them where the policy has some."""

    @story
    async def test() -> None:
        fake = FakeProvider.scripted(Fail(ErrorCode.SERVER_ERROR), name="a")
        router = Router.from_text(chain_of(count), env={}, seed=1, providers={"a": fake})
        with pytest.raises(RouteExhausted) as caught:
            await router.complete("chat", "hi")
        assert len({attempt.target for attempt in caught.value.attempts}) == count
        assert router.chain("chat").max_attempts == max(4, 2 * count)
        assert len(caught.value.attempts) <= router.chain("chat").max_attempts

    test()


def warnings(text: str) -> list[tuple[int, int, str]]:
    loaded = load_text(text, env={})
    assert loaded.file is not None
    return [(found.line, found.column, found.message) for found in loaded.diagnostics if "attempts" in found.message]


def test_a_number_that_is_too_low_is_told_with_its_place() -> None:
    """Where it is written: at the route, or in the defaults for every route that it cuts short."""
    (found,) = warnings(chain_of(5, "    retry:\n      max_attempts: 3\n"))
    assert found[:2] == (9, 21)
    assert "a/3, a/4" in found[2]
    (found,) = warnings(chain_of(5, "defaults: {retry: {max_attempts: 4}}\n"))
    assert found[:2] == (8, 34)
    assert found[2].endswith("a/4")


@pytest.mark.parametrize(
    "text",
    [
        chain_of(9),
        chain_of(4, "    retry: {max_attempts: 4}\n"),
        # Of targets that share load each is the first of some requests.
        "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/1, a/2, a/3], retry: {max_attempts: 1}}}\n",
        # A refusal goes to the tier that names it after one attempt.
        "providers: {a: {kind: fake}}\nroutes:\n  chat:\n    targets: [a/1, a/2]\n    balance: ordered\n"
        "    fallbacks: [{to: a/3, on: [content_filtered]}]\n    retry: {max_attempts: 2}\n",
    ],
)
def test_what_is_reached_gives_no_warning(text: str) -> None:
    assert warnings(text) == []

"""What a route says of its own: params, breaker and limits."""

from __future__ import annotations

import asyncio

import pytest

from providers.errors import ErrorCode
from providers.fake import Fail, Reply
from providers.types import Usage
from router import RouteExhausted, Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.differences import differences
from tests.support.world import World, now, story, well

HEAD = "providers: {a: {kind: fake}, b: {kind: fake}}\n"


def told(text: str) -> list[str]:
    return [found.render().splitlines()[0] for found in load_text(HEAD + text, env={}).diagnostics]


# --- params


def test_params_go_over_the_models_and_under_the_targets_and_the_calls() -> None:
    text = """\
models: {m: {provider: a, id: m, params: {temperature: 0.1, top_p: 0.1, max_tokens: 1, seed: 1}}}
routes:
  chat:
    params: {top_p: 0.2, max_tokens: 2, seed: 2}
    targets: [{model: m, params: {max_tokens: 3, seed: 3}}]
    fallbacks: [m, {targets: [b/x]}, other]
  other: {targets: [b/y], params: {seed: 9}}
"""
    plan = compile_plan(load_text(HEAD + text, env={}))
    params = [dict(target.params) for target in plan.chains["chat"].targets]
    assert params == [
        {"temperature": 0.1, "top_p": 0.2, "max_tokens": 3, "seed": 3},
        {"temperature": 0.1, "top_p": 0.2, "max_tokens": 2, "seed": 2},
        {"top_p": 0.2, "max_tokens": 2, "seed": 2},
        {"top_p": 0.2, "max_tokens": 2, "seed": 2},  # a policy of the route that is called, as its timeouts are
    ]
    assert dict(plan.chains["other"].targets[0].params) == {"seed": 9}
    assert dict(plan.chains["m"].targets[0].params)["seed"] == 1


@story
async def test_a_call_has_the_last_word() -> None:
    world = World("routes: {chat: {targets: [a/m], params: {seed: 2, max_tokens: 7}}}", a=well)
    await world.router.complete("chat", "hi", seed=5)
    (request,) = world.fakes["a"].requests
    assert (request.seed, request.max_tokens) == (5, 7)


def test_each_target_with_a_routes_params_can_be_called_by_its_name() -> None:
    plan = compile_plan(load_text(HEAD + "routes: {chat: {targets: [a/m], params: {seed: 2}}}", env={}))
    name = plan.chains["chat"].targets[0].name
    assert name == "a/m (seed=2)"
    assert plan.chains[name].targets[0].identity == plan.chains["chat"].targets[0].identity


def test_params_are_checked_where_they_stand() -> None:
    (found,) = told("routes: {chat: {targets: [a/m], params: {temprature: 1}}}")
    assert found.startswith('routes.yaml:2:42: routes.chat.params.temprature: no parameter is named "temprature"')


# --- breaker

BREAKS = "breaker: {consecutive: 1, open_for: 1h, max_open_for: 1h}"


@story
async def test_a_routes_breaker_holds_for_the_targets_that_it_names() -> None:
    world = World(
        f"routes: {{chat: {{targets: [a/m], fallbacks: [b/m], {BREAKS}}}, other: [a/n]}}\n"
        "defaults: {retry: {same_target: 0}}\n",
        a=lambda _: Fail(ErrorCode.SERVER_ERROR),
        b=well,
    )
    await world.router.complete("chat", "hi")
    await world.router.complete("chat", "hi")
    assert world.calls("a") == 1
    for _ in range(2):  # another model of that provider has the breaker that is usual, and so has its key
        with pytest.raises(RouteExhausted):
            await world.router.complete("other", "hi")
    assert world.calls("a") == 3


def test_a_target_has_one_breaker_wherever_it_is_called() -> None:
    plan = compile_plan(load_text(HEAD + f"routes: {{chat: {{targets: [a/m], {BREAKS}}}, other: [a/m]}}", env={}))
    (named,), (other,) = plan.chains["chat"].targets, plan.chains["other"].targets
    assert named.breaker == other.breaker
    assert named.breaker.consecutive == 1
    assert named.key_breaker is not None
    assert named.key_breaker.consecutive == 5


def test_two_routes_that_disagree_of_it_are_an_error_that_names_both() -> None:
    text = (
        "routes:\n  one: {targets: [a/m], breaker: {probes: 2}}\n"
        "  two: {targets: [b/m], fallbacks: [a/m], breaker: {probes: 3}}\n"
    )
    assert told(text) == [
        'routes.yaml:4:43: routes.two.breaker: "a/m" has one breaker, and the route "one" (line 3) says something else '
        "of it: write it under models"
    ]
    assert told(text.replace("probes: 3", "probes: 2")) == []


# --- limits


@story
async def test_a_routes_limit_is_of_all_its_targets_together() -> None:
    world = World(
        "routes: {chat: {targets: [a/m, b/m], limits: {requests: 4/min}, retry: {max_wait: 0s}}, other: [a/m]}",
        a=well,
        b=well,
    )
    for _ in range(4):
        await world.router.complete("chat", "hi")
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("chat", "hi")
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert caught.value.retry_after == 60
    assert str(caught.value) == (
        'route "chat" is exhausted after 0 attempts: its own limit of requests allows the next in 60 s'
    )
    assert world.calls("a") + world.calls("b") == 4
    await world.router.complete("other", "hi")  # it is no limit of the targets
    await asyncio.sleep(60)
    await world.router.complete("chat", "hi")


@story
async def test_it_is_waited_for_in_line_as_a_vendors_is() -> None:
    world = World("routes: {chat: {targets: [a/m], limits: {requests: 2/s}, retry: {max_wait: 2s}}}", a=well)
    done: list[float] = []

    async def ask() -> None:
        await world.router.complete("chat", "hi")
        done.append(now())

    began = now()
    results = await asyncio.gather(*(ask() for _ in range(8)), return_exceptions=True)
    assert [moment - began for moment in done] == pytest.approx([0, 0, 1, 1, 2, 2], abs=0.01)
    assert sum(isinstance(result, RouteExhausted) for result in results) == 2


@story
async def test_places_are_given_back_however_a_request_ends() -> None:
    world = World(
        "routes: {chat: {targets: [a/m], limits: {in_flight: 1}, retry: {max_wait: 0s, same_target: 0}}}",
        a=lambda moment: Reply("slow", delay=5) if moment < 100 else Fail(ErrorCode.SERVER_ERROR),
    )
    first = asyncio.ensure_future(world.router.complete("chat", "hi"))
    await asyncio.sleep(0.1)
    with pytest.raises(RouteExhausted, match="as many requests are under way as its own limits allow"):
        await world.router.complete("chat", "hi")
    first.cancel()
    await asyncio.wait([first])
    async with world.router.stream("chat", "hi") as stream:
        async for _ in stream:
            break
    await world.router.complete("chat", "hi")
    await asyncio.sleep(100)
    for _ in range(2):
        with pytest.raises(RouteExhausted) as caught:
            await world.router.complete("chat", "hi")
        assert caught.value.code is ErrorCode.SERVER_ERROR


@story
async def test_tokens_are_settled_by_what_was_used() -> None:
    world = World(
        "routes: {chat: {targets: [a/m], limits: {tokens: 1000/min}, retry: {max_wait: 0s}}}",
        a=lambda _: Reply("x", usage=Usage(10, 90)),
    )
    for _ in range(5):  # each reserves 500 and more for an answer of unknown length, and uses 100
        await world.router.complete("chat", "hi")
    with pytest.raises(RouteExhausted, match="its own limit of tokens allows the next in"):
        await world.router.complete("chat", "hi", max_tokens=900)


@story
async def test_an_edit_keeps_what_was_used() -> None:
    text = HEAD + "routes: {chat: {targets: [a/m], limits: 4/min, retry: {max_wait: 0s}}}"
    async with Router.from_text(text, env={}) as router:
        for _ in range(4):
            await router.complete("chat", "hi")
        result = await router.apply(text.replace("4/min", "5/min"))
        assert result.changes == ("chat: limits changed",)
        await router.complete("chat", "hi")
        with pytest.raises(RouteExhausted):
            await router.complete("chat", "hi")
        await router.apply(text.replace("limits: 4/min, ", ""))
        await router.complete("chat", "hi")


def test_a_rate_beside_a_smaller_one_is_told() -> None:
    (found,) = told("routes: {chat: {targets: [a/m, b/m], limits: {requests: [60/min, 90/min]}}}")
    assert "90/min has no effect beside 60/min" in found


def test_the_difference_tells_what_a_route_says() -> None:
    plans = [
        compile_plan(load_text(f"{HEAD}routes: {{chat: {{targets: [a/m]{more}}}}}", env={}))
        for more in ("", ", breaker: {probes: 2}, limits: 9/s")
    ]
    assert differences(*plans, {}) == ("chat: limits changed, breaker changed",)

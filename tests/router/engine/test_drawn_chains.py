"""Targets that are routes: whole chains share load, and when the one that was drawn is exhausted the other is next."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Reply
from router import RouteExhausted, Router
from router.config import load_text
from router.testing import run

HEAD = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}, d: {kind: fake}}
defaults: {retry: {same_target: 0}}
"""
SPLIT = """
routes:
  chat: {targets: {stable: 90, candidate: 10}, fallbacks: [d/last]}
  stable: {targets: [a/one], fallbacks: [b/two]}
  candidate: {targets: [c/three], fallbacks: [b/two]}
"""
DOWN = Fail(ErrorCode.SERVER_ERROR)


def router_of(routes: str, seed: int = 1, **scripts: Any) -> Router:
    fakes = {name: FakeProvider.scripted(scripts.get(name, Reply(f"of {name}")), name=name) for name in "abcd"}
    return Router.from_text(HEAD + routes, env={}, seed=seed, providers=fakes, monitor=False)


def ask(router: Router, times: int, route: str = "chat", *, opened: str = "", **params: Any) -> list[Any]:
    async def main() -> list[Any]:
        async with router:
            if opened:
                router.breaker(opened, "open")
            return [await router.complete(route, "hi", **params) for _ in range(times)]

    return run(main())


def attempts(reply: Any) -> list[tuple[str, str, int]]:
    return [(attempt.chain, attempt.target, attempt.tier) for attempt in reply.trace.attempts]


def test_whole_chains_share_load_by_weight() -> None:
    replies = ask(router_of(SPLIT), 100)
    assert Counter(reply.target for reply in replies) == {"a/one": 90, "c/three": 10}
    assert Counter(reply.trace.answer.chain for reply in replies) == {"stable": 90, "candidate": 10}
    assert {reply.route for reply in replies} == {"chat"}  # which is what was asked for
    assert "candidate: c/three" in next(reply.trace.render() for reply in replies if reply.target == "c/three")


def test_a_chain_goes_on_with_its_own_fallbacks() -> None:
    replies = ask(router_of(SPLIT, a=DOWN, c=DOWN), 2)
    assert attempts(replies[0]) == [("stable", "a/one", 0), ("stable", "b/two", 1)]


@pytest.mark.parametrize("first", ["stable", "candidate"])
def test_when_the_chain_is_exhausted_the_other_is_next_and_nobody_is_asked_twice(first: str) -> None:
    weights = {"stable": 1000, "candidate": 1} if first == "stable" else {"stable": 1, "candidate": 1000}
    routes = SPLIT.replace("{stable: 90, candidate: 10}", str(weights))
    (reply,) = ask(router_of(routes, a=DOWN, b=DOWN, c=DOWN), 1)
    one, three = ("stable", "a/one", 0), ("candidate", "c/three", 0)
    two = (first, "b/two", 1)  # of either chain, and asked once
    begin, end = (one, three) if first == "stable" else (three, one)
    assert attempts(reply) == [begin, two, end, ("", "d/last", 2)]


def test_when_all_are_exhausted_the_error_has_all() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(router_of(SPLIT, a=DOWN, b=DOWN, c=DOWN, d=DOWN), 1)
    assert [attempt.target for attempt in caught.value.trace.attempts] == ["a/one", "b/two", "c/three", "d/last"]


def test_a_chain_that_nobody_answers_for_is_passed_over() -> None:
    """Its breakers are open: the other has all the load, and no request waits."""
    router = router_of(SPLIT.replace("fallbacks: [b/two]", ""))
    replies = ask(router, 20, opened="c/three")
    assert {reply.target for reply in replies} == {"a/one"}
    assert {len(reply.trace.attempts) for reply in replies} == {1}
    told = {(skip.chain, skip.target, skip.reason) for reply in replies for skip in reply.trace.skips}
    assert told == {("candidate", "c/three", "circuit_open")}
    assert max(len(reply.trace.skips) for reply in replies) == 1


def test_where_the_first_of_a_chain_is_out_its_fallback_has_the_chains_share() -> None:
    router = router_of(SPLIT)
    assert Counter(reply.target for reply in ask(router, 100, opened="a/one")) == {"b/two": 90, "c/three": 10}


def test_routes_and_models_share_one_draw_and_chains_hold_chains() -> None:
    routes = """
routes:
  chat: {targets: {split: 80, d/model: 20}}
  split: {targets: {stable: 75, candidate: 25}, fallbacks: [d/last]}
  stable: a/one
  candidate: {targets: {b/x: 1, c/y: 1}}
"""
    replies = ask(router_of(routes), 200)
    assert Counter((reply.trace.answer.chain, reply.target) for reply in replies) == {
        ("split > stable", "a/one"): 120,
        ("split > candidate", "b/x"): 20,
        ("split > candidate", "c/y"): 20,
        ("", "d/model"): 40,
    }


def test_names_and_patterns_may_be_targets() -> None:
    routes = """
routes:
  chat: {targets: {old-name: 1, "cheap-*": 1}}
  stable: a/one
  old-name: stable
  "cheap-*": c/three
"""
    assert Counter(reply.target for reply in ask(router_of(routes), 10)) == {"a/one": 5, "c/three": 5}


@pytest.mark.parametrize(
    ("params", "targets"),
    [
        ({"only": "c"}, ["c/three"]),
        ({"avoid": ["a"]}, ["b/two", "c/three"]),
        ({"only": ["d"]}, ["d/last"]),
        ({"avoid": ["a", "b/two", "c"]}, ["d/last"]),
    ],
)
def test_only_and_avoid_take_from_all_chains(params: dict[str, Any], targets: list[str]) -> None:
    assert sorted({reply.target for reply in ask(router_of(SPLIT), 20, **params)}) == targets


def test_max_attempts_bounds_all_chains_together() -> None:
    with pytest.raises(RouteExhausted, match="max_attempts of the call is 3") as caught:
        ask(router_of(SPLIT, a=DOWN, b=DOWN, c=DOWN, d=DOWN), 1, max_attempts=3)
    assert [attempt.target for attempt in caught.value.trace.attempts] == ["a/one", "b/two", "c/three"]


def test_affinity_keeps_callers_at_their_chain() -> None:
    routes = SPLIT.replace("{targets: {stable: 90", "{balance: affinity, targets: {stable: 90")
    router = router_of(routes)

    async def main() -> dict[str, set[str]]:
        async with router:
            seen: dict[str, set[str]] = {}
            for number in range(600):
                who = f"user {number % 200}"
                reply = await router.complete("chat", "hi", affinity=who)
                seen.setdefault(who, set()).add(reply.target)
            return seen

    seen = run(main())
    assert {len(targets) for targets in seen.values()} == {1}
    at_candidate = sum(targets == {"c/three"} for targets in seen.values())
    assert 8 <= at_candidate <= 36  # 20 of 200, give or take three sigmas and more


def test_affinity_holds_however_busy_a_chain_is() -> None:
    routes = SPLIT.replace("{targets: {stable: 90", "{balance: affinity, targets: {stable: 90")

    async def main() -> set[str]:
        async with router_of(routes, a=Reply("slow", delay=9.0), c=Reply("slow", delay=9.0)) as router:
            asked = (router.complete("chat", "hi", affinity="one user") for _ in range(40))
            return {reply.target or "" for reply in await asyncio.gather(*asked)}

    assert len(run(main())) == 1


def test_ordered_chains_are_tried_as_written() -> None:
    routes = SPLIT.replace("{targets: {stable: 90", "{balance: ordered, targets: {stable: 90")
    assert {reply.target for reply in ask(router_of(routes), 20)} == {"a/one"}
    (reply,) = ask(router_of(routes, a=DOWN, b=DOWN), 1)
    assert reply.target == "c/three"


def test_a_chain_of_weight_0_gets_nothing() -> None:
    routes = SPLIT.replace("candidate: 10", "candidate: 0")
    (reply,) = ask(router_of(routes, a=DOWN, b=DOWN), 1)
    assert [target for _, target, _ in attempts(reply)] == ["a/one", "b/two", "d/last"]


# --- what is about one chain stays there


def test_an_error_that_nobody_else_may_have_goes_to_no_other_chain() -> None:
    with pytest.raises(ProviderError) as caught:
        ask(router_of(SPLIT, a=Fail(ErrorCode.INVALID_REQUEST)), 1)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


FILTERED = """
routes:
  chat: {targets: {stable: 90, candidate: 10}}
  stable: {targets: [a/one], fallbacks: [{to: b/two, on: [WHICH]}]}
  candidate: {targets: [c/three], fallbacks: [{to: d/four, on: [content_filtered]}]}
"""


def test_a_fallback_of_the_other_chain_is_not_opened_by_an_error_of_this_one() -> None:
    refused = Fail(ErrorCode.CONTENT_FILTERED)
    with pytest.raises(ProviderError) as caught:
        ask(router_of(FILTERED.replace("WHICH", "rate_limited"), a=refused), 1)
    assert caught.value.code is ErrorCode.CONTENT_FILTERED
    (reply,) = ask(router_of(FILTERED.replace("WHICH", "content_filtered"), a=refused), 1)
    assert [target for _, target, _ in attempts(reply)] == ["a/one", "b/two"]


def test_a_fallback_that_its_codes_keep_shut_is_passed_over_for_the_next_chain() -> None:
    (reply,) = ask(router_of(FILTERED.replace("WHICH", "rate_limited"), a=DOWN), 1)
    assert attempts(reply) == [("stable", "a/one", 0), ("candidate", "c/three", 0)]


FALLBACK = """
routes:
  chat: {targets: [a/one], fallbacks: [{to: split, on: [CODE]}]}
  split: {targets: {left: 1, right: 1}, fallbacks: [d/last]}
  left: b/two
  right: c/three
"""


@pytest.mark.parametrize("code", [ErrorCode.OVERLOADED, ErrorCode.CONTENT_FILTERED])
def test_a_fallback_may_be_a_route_whose_targets_are_routes(code: ErrorCode) -> None:
    routes = FALLBACK.replace("CODE", code.value)
    replies = ask(router_of(routes, a=Fail(code)), 10)
    assert Counter(reply.target for reply in replies) == {"b/two": 5, "c/three": 5}
    assert {reply.trace.answer.tier for reply in replies} == {1}
    (reply,) = ask(router_of(routes, a=Fail(code), b=DOWN, c=DOWN), 1)
    assert attempts(reply)[1:] == [("left", "b/two", 1), ("right", "c/three", 1), ("", "d/last", 2)]


def test_chains_behind_a_fallback_that_does_not_serve_are_not_drawn() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(router_of(FALLBACK.replace("CODE", "overloaded"), a=Fail(ErrorCode.AUTHENTICATION)), 1)
    assert [attempt.target for attempt in caught.value.trace.attempts] == ["a/one"]


# --- policies


def test_the_chains_own_policies_hold_within_it_and_the_asked_routes_go_before() -> None:
    routes = """
models: {one: {provider: a, id: one, retry: {same_target: 0}}}
routes:
  chat: {targets: {stable: 1, candidate: 1}, timeout: {idle: 7s}, retry: {max_attempts: 9}}
  stable: {targets: [one], timeout: {answer: 5s, idle: 3s, total: 1s}, retry: {same_target: 3, max_attempts: 2}}
  candidate: {targets: [c/three]}
"""
    router = Router.from_text(HEAD + routes, env={}, monitor=False)
    one, three = router.chain("chat").targets
    assert (one.timeout.answer, one.timeout.idle, one.retry.same_target) == (5.0, 7.0, 3)
    assert (three.timeout.answer, three.timeout.idle, three.retry.same_target) == (600.0, 7.0, 0)
    assert (router.chain("chat").total, router.chain("chat").max_attempts) == (router.chain("one").total, 9)
    assert router.chain("stable").targets[0].timeout.idle == 3.0


def test_a_hedge_goes_to_the_other_chain_where_this_one_has_nobody() -> None:
    routes = SPLIT.replace("chat: {", "chat: {hedge: {after: 1s, budget: 100%}, ")
    router = router_of(routes, a=Reply("slow", delay=60.0))
    (reply,) = ask(router, 1)
    assert [(attempt.chain, attempt.target, attempt.hedge) for attempt in reply.trace.attempts if not attempt.lost] == [
        ("candidate", "c/three", True)
    ]


def test_streams_are_drawn_alike() -> None:
    async def main() -> Counter[str]:
        seen: Counter[str] = Counter()
        async with router_of(SPLIT, c=DOWN) as router:
            for _ in range(50):
                async with router.stream("chat", "hi") as stream:
                    async for _chunk in stream:
                        pass
                seen[stream.response.target or ""] += 1
        return seen

    assert run(main()) == {"a/one": 45, "b/two": 5}


@pytest.mark.parametrize("targets", ["[left, right]", "[one, two]"])
def test_a_busy_chain_is_waited_for_as_a_target_is(targets: str) -> None:
    routes = f"""
models:
  one: {{provider: a, id: one, limits: {{in_flight: 1}}}}
  two: {{provider: b, id: two, limits: {{in_flight: 1}}}}
routes:
  chat: {targets}
  left: one
  right: two
"""

    async def main() -> list[str]:
        fakes = {name: FakeProvider.scripted(Reply("x", delay=2.0), name=name) for name in "abcd"}
        async with Router.from_text(HEAD + routes, env={}, providers=fakes, monitor=False) as router:
            replies = await asyncio.gather(*(router.complete("chat", "hi") for _ in range(6)))
            return [reply.target or "" for reply in replies]

    assert Counter(run(main())) == {"one": 5, "two": 1}  # those who wait do so for the first


# --- properties


@given(
    st.lists(st.integers(0, 20), min_size=2, max_size=5).filter(any),
    st.integers(1, 300),
)
def test_over_any_number_of_calls_the_shares_differ_from_the_weights_by_one_call(
    weights: list[int], calls: int
) -> None:
    chains = "".join(f"  c{number}: a/m{number}\n" for number in range(len(weights)))
    named = ", ".join(f"c{number}: {weight}" for number, weight in enumerate(weights))
    replies = ask(router_of(f"routes:\n  chat: {{targets: {{{named}}}}}\n{chains}"), calls)
    counts = Counter(reply.trace.answer.chain for reply in replies)
    for number, weight in enumerate(weights):
        assert abs(counts[f"c{number}"] - calls * weight / sum(weights)) <= 1


@given(st.sets(st.sampled_from(["a", "b", "c", "d"])), st.integers(0, 9))
def test_whoever_is_down_each_is_asked_once_and_whoever_is_up_answers(down: set[str], seed: int) -> None:
    router = router_of(SPLIT, seed, **dict.fromkeys(down, DOWN))
    try:
        (reply,) = ask(router, 1)
        trace = reply.trace
        assert reply.target[0] not in down
    except RouteExhausted as error:
        trace = error.trace
        assert down >= {"a", "b", "c", "d"}
    targets = [attempt.target for attempt in trace.attempts]
    assert len(targets) == len(set(targets))


# --- the file


def findings(routes: str) -> list[str]:
    return [found.render().splitlines()[0] for found in load_text(HEAD + routes, env={}).diagnostics]


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (
            "routes:\n  x: {balance: cheapest, targets: [y, a/m]}\n  y: b/m",
            'routes.yaml:5:7: routes.x.balance: balance: cheapest compares models, and "y" is a route',
        ),
        (
            "routes:\n  x: {targets: [{model: y, params: {seed: 1}}]}\n  y: b/m",
            'routes.yaml:5:28: routes.x.targets.0.params: "y" is a route: params belong to the models',
        ),
        (
            "routes:\n  x: {targets: [y, name]}\n  y: b/m\n  name: y",
            '"y" is in this tier twice',
        ),
        (
            "models: {v: {provider: a, id: v, embeds: true}}\nroutes:\n  x: {targets: [y, b/m]}\n"
            "  y: {embeds: true, targets: [v]}",
            'the route "y" makes embeddings, this one answers: it can be no target of it',
        ),
        (
            'routes:\n  x: {targets: [a/m, b/n]}\n  "a/m": b/o',
            '"a/m" is the model here, as provider/model-id is in targets',
        ),
    ],
)
def test_what_cannot_be_is_told(routes: str, message: str) -> None:
    assert any(message in line for line in findings(routes)), findings(routes)


def test_a_route_may_still_be_called_as_its_own_model() -> None:
    assert findings('routes:\n  "a/m": {targets: [a/m, b/n], fallbacks: [c/o, d/p]}') == []
    assert {reply.target for reply in ask(router_of('routes:\n  "a/m": [a/m, b/n]'), 10, "a/m")} == {"a/m", "b/n"}


async def test_a_chain_is_edited_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(HEAD + SPLIT)
    fakes = {name: FakeProvider.scripted(Reply(name), name=name) for name in "abcd"}
    async with Router.from_yaml(path, env={}, providers=fakes, monitor=False, watch=False) as router:
        before = Counter([(await router.complete("chat", "hi")).target for _ in range(50)])
        path.write_text(HEAD + SPLIT.replace("90, candidate: 10", "50, candidate: 50"))
        told = (await router.reload()).changes
        after = Counter([(await router.complete("chat", "hi")).target for _ in range(50)])
    assert before == {"a/one": 45, "c/three": 5}
    assert abs(after["c/three"] - 25) <= 1
    assert told == ("chat: stable 90→50, candidate 10→50",)

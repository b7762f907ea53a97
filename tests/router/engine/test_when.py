"""Rules of a route: the first that holds leads a request elsewhere, by tags, size, what is needed, and the hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import CompletionRequest, ErrorCode, FakeProvider, Message
from providers.fake import Fail, Reply
from providers.tokens import estimated_prompt
from providers.types import ImagePart, TextPart
from router import RouteExhausted, Router
from router.config import load_text
from router.engine import facts
from router.testing import run

HEAD = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}, d: {kind: fake}}
defaults: {retry: {same_target: 0}}
"""
RULES = """
routes:
  chat:
    when:
      - {if: {tags: {tier: [free, trial]}}, to: cheap}
      - {if: {prompt_tokens: "> 2k"}, to: long}
      - {if: {needs: [vision, tools]}, to: c/eyes}
    targets: [a/one]
  cheap: {targets: [b/small], fallbacks: [c/last], timeout: {answer: 9s}}
  long: d/long
"""
PICTURE = [Message(role="user", content=(TextPart("what?"), ImagePart(url="https://a.invalid/b.png")))]
TOOL = {"name": "f", "parameters": {"type": "object"}}


def router_of(routes: str, clock: Callable[[], float] | None = None, **scripts: Any) -> Router:
    fakes = {name: FakeProvider.scripted(scripts.get(name, Reply(f"of {name}")), name=name) for name in "abcd"}
    more = {} if clock is None else {"wall_clock": clock}
    return Router.from_text(HEAD + routes, env={}, seed=1, providers=fakes, monitor=False, **more)


def ask(router: Router, prompt: Any = "hi", route: str = "chat", **params: Any) -> Any:
    async def main() -> Any:
        async with router:
            return await router.complete(route, prompt, **params)

    return run(main())


@pytest.mark.parametrize(
    ("prompt", "params", "target", "line"),
    [
        ("hi", {}, "a/one", 0),
        ("hi", {"tags": {"tier": "free"}}, "b/small", 8),
        ("hi", {"tags": {"tier": "trial", "team": "x"}}, "b/small", 8),
        ("hi", {"tags": {"tier": "paid"}}, "a/one", 0),
        ("word " * 3000, {}, "d/long", 9),
        ("word " * 3000, {"tags": {"tier": "free"}}, "b/small", 8),  # the first that holds
        (PICTURE, {}, "a/one", 0),  # of several needs all
        (PICTURE, {"tools": [TOOL]}, "c/eyes", 10),
    ],
)
def test_the_first_rule_that_holds_decides(prompt: Any, params: dict[str, Any], target: str, line: int) -> None:
    reply = ask(router_of(RULES), prompt, **params)
    assert (reply.target, reply.route) == (target, "chat")
    rule = reply.trace.rule
    assert rule.startswith(f"routes.yaml:{line}: if ") if line else rule == "none of the route's rules holds"
    assert rule in reply.trace.render()
    assert reply.trace.as_dict()["rule"] == rule


def test_what_a_rule_leads_to_is_the_whole_chain_with_its_policies() -> None:
    router = router_of(RULES, b=Fail(ErrorCode.SERVER_ERROR))
    reply = ask(router, tags={"tier": "free"})
    assert [(each.chain, each.target) for each in reply.trace.attempts] == [("cheap", "b/small"), ("cheap", "c/last")]
    (_, cheap), *_ = router.chain("chat").rules
    assert cheap.targets[0].timeout.answer == 9.0


def test_nobody_else_is_asked_when_the_chain_of_the_rule_is_exhausted() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(router_of(RULES, b=Fail(ErrorCode.SERVER_ERROR), c=Fail(ErrorCode.SERVER_ERROR)), tags={"tier": "free"})
    assert [each.target for each in caught.value.trace.attempts] == ["b/small", "c/last"]
    assert "tags.tier" in caught.value.trace.rule


def test_streams_and_vectors_go_by_the_same_rules() -> None:
    routes = """
models:
  small: {provider: a, id: v, embeds: {dimensions: 2}}
  same: {provider: b, id: v, embeds: {dimensions: 2}}
routes:
  chat: {when: {if: {needs: streaming}, to: b/streams}, targets: [a/one]}
  embed: {embeds: true, when: {if: {tags: {tier: free}}, to: same}, targets: [small]}
"""

    async def main() -> list[Any]:
        async with router_of(routes) as router:
            async with router.stream("chat", "hi") as stream:
                async for _ in stream:
                    pass
            plain = await router.complete("chat", "hi")
            vectors = [await router.embed("embed", "hi", tags=tags) for tags in ({"tier": "free"}, None)]
            return [stream.response.target, plain.target, *(each.target for each in vectors)]

    assert run(main()) == ["b/streams", "a/one", "same", "small"]


def test_names_and_only_hold_with_rules() -> None:
    routes = RULES + '  gpt: chat\n  "gpt-*": chat\n'
    for name in ("gpt", "gpt-5"):
        assert ask(router_of(routes), route=name, tags={"tier": "free"}).target == "b/small"
    assert ask(router_of(RULES), tags={"tier": "free"}, only="c").target == "c/last"
    reply = ask(router_of(RULES.replace("to: cheap", "to: gpt-x") + "  gpt-x: cheap\n"), tags={"tier": "free"})
    assert reply.target == "b/small"


def test_a_rule_may_lead_to_the_routes_own_targets() -> None:
    routes = RULES.replace("- {if: {tags", "- {if: {tags: {tier: free, team: own}}, to: chat}\n      - {if: {tags")
    assert ask(router_of(routes), tags={"tier": "free", "team": "own"}).target == "a/one"
    assert ask(router_of(routes), tags={"tier": "free"}).target == "b/small"


def test_a_rule_may_lead_to_chains_that_share_load() -> None:
    routes = RULES.replace("to: cheap", "to: split") + "  split: {targets: {cheap: 3, long: 1}}\n"

    async def main() -> list[str]:
        async with router_of(routes) as router:
            return [(await router.complete("chat", "hi", tags={"tier": "free"})).trace.answer.chain for _ in range(8)]

    found = run(main())
    assert (found.count("split > cheap"), found.count("split > long")) == (6, 2)


def test_shares_hold_within_each_rule_whatever_comes_between() -> None:
    routes = """
routes:
  chat: {when: {if: {tags: {tier: free}}, to: cheap}, targets: {a/one: 1, b/two: 1}}
  cheap: {targets: {c/x: 1, d/y: 1}}
"""

    async def main() -> list[tuple[str, str]]:
        async with router_of(routes) as router:
            tiers = ["free", "paid", "paid", "free"] * 10
            return [(tier, (await router.complete("chat", "hi", tags={"tier": tier})).target or "") for tier in tiers]

    found = run(main())
    for tier, targets in (("free", ("c/x", "d/y")), ("paid", ("a/one", "b/two"))):
        assert [sum(each == (tier, target) for each in found) for target in targets] == [10, 10]


def test_answers_of_different_chains_are_not_shared() -> None:
    routes = RULES.replace("  chat:\n", "  chat:\n    cache: {ttl: 1h}\n") + "cache: {path: memory}\n"

    async def main() -> list[str]:
        async with router_of(routes) as router:
            tags = [{"tier": "free"}, {"tier": "paid"}, {"tier": "trial"}]
            replies = [await router.complete("chat", "hi", tags=each) for each in tags]
            return [f"{reply.text} {reply.trace.cache}" for reply in replies]

    assert run(main()) == ["of b stored", "of a stored", "of b hit"]


# --- hours


NIGHT = """
routes:
  chat:
    when:
      - {if: {hours: 22:00-06:00, days: mon-fri, timezone: Europe/Berlin}, to: b/night}
      - {if: {days: [sat, sun], timezone: Europe/Berlin}, to: c/weekend}
    targets: [a/day]
"""
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("when", "target"),
    [
        ("2026-11-27T21:59:59+01:00", "a/day"),  # a Friday
        ("2026-11-27T22:00:00+01:00", "b/night"),
        ("2026-11-28T05:59:59+01:00", "b/night"),  # Friday's night
        ("2026-11-28T06:00:00+01:00", "c/weekend"),
        ("2026-11-29T23:00:00+01:00", "c/weekend"),
        ("2026-11-30T00:30:00+01:00", "a/day"),  # Sunday's night is none of the five
        ("2026-11-30T22:30:00+01:00", "b/night"),
        ("2026-07-01T20:30:00+00:00", "b/night"),  # summer: two hours before UTC
        ("2026-12-01T20:30:00+00:00", "a/day"),  # winter: one
        ("2026-03-27T21:30:00+00:00", "b/night"),  # two days before the clocks go on
        ("2026-03-30T20:30:00+00:00", "b/night"),  # the day after
        ("2026-03-30T19:59:00+00:00", "a/day"),
    ],
)
def test_hours_are_those_of_the_zone(when: str, target: str) -> None:
    at = datetime.fromisoformat(when).timestamp()
    reply = ask(router_of(NIGHT, lambda: at))
    assert reply.target == target


@given(st.integers(1_600_000_000, 1_900_000_000))
def test_at_any_moment_the_rule_agrees_with_the_clock_on_the_wall(at: int) -> None:
    local = datetime.fromtimestamp(at, BERLIN)
    evening, morning = local.hour >= 22 and local.weekday() < 5, local.hour < 6 and local.weekday() in (1, 2, 3, 4, 5)
    expected = "b/night" if evening or morning else "c/weekend" if local.weekday() > 4 else "a/day"
    rules = PLANNED.chain("chat").rules
    clock = facts.RequestFacts(REQUEST, streaming=False, clock=lambda: float(at))
    chain, _ = facts.decided(PLANNED.chain("chat"), clock)
    assert len(rules) == 2
    assert chain.targets[0].name == expected


PLANNED = Router.from_text(HEAD + NIGHT, env={}, monitor=False)
REQUEST = CompletionRequest(model="chat", messages=(Message.user("hi"),))


@given(
    st.lists(
        st.tuples(st.sampled_from(["free", "paid", "any"]), st.integers(0, 3)), min_size=1, max_size=5, unique=True
    ),
    st.sampled_from(["free", "paid", "other"]),
    st.integers(1, 3),
)
def test_of_any_rules_the_first_that_holds_decides(rules: list[tuple[str, int]], tier: str, size: int) -> None:
    """By a model of the language in two lines."""
    written = [
        f"      - {{if: {{{'' if name == 'any' else f'tags: {{tier: {name}}}, '}prompt_tokens: '>= {1000 * least}'}}, "
        f"to: b/m{number}}}\n"
        for number, (name, least) in enumerate(rules)
    ]
    text = HEAD + "routes:\n  chat:\n    when:\n" + "".join(written) + "    targets: [a/one]\n"
    loaded = load_text(text, env={})
    holding = [n for n, (name, least) in enumerate(rules) if name in ("any", tier) and 1000 * least <= size * 1000]
    hidden = {
        n
        for n, (name, least) in enumerate(rules)
        if any(other in ("any", name) and low <= least for other, low in rules[:n])
    }
    assert {int(found.path.split(".")[3]) for found in loaded.diagnostics if found.severity == "error"} == hidden
    if not hidden:
        reply = ask(
            Router.from_text(text, env={}, providers={n: FakeProvider.scripted(name=n) for n in "abcd"}, monitor=False),
            "word" * (size * 900),
            tags={"tier": tier},
        )
        assert reply.target == (f"b/m{holding[0]}" if holding else "a/one")


# --- what it costs, and edits


def test_tokens_are_counted_only_when_a_rule_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    monkeypatch.setattr(facts, "estimated_prompt", lambda *asked: counted.append(asked) or 1)
    router = router_of(RULES + "  plain: a/one\n")
    ask(router, tags={"tier": "free"})
    ask(router_of(RULES + "  plain: a/one\n"), route="plain")
    assert counted == []
    ask(router_of(RULES))
    assert len(counted) == 1


async def test_rules_are_edited_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(HEAD + RULES)
    fakes = {name: FakeProvider.scripted(name=name) for name in "abcd"}
    async with Router.from_yaml(path, env={}, providers=fakes, monitor=False, watch=False) as router:
        assert (await router.complete("chat", "hi", tags={"tier": "free"})).target == "b/small"
        path.write_text(HEAD + RULES.replace("[free, trial]", "trial"))
        assert (await router.reload()).changes == ("chat: when changed",)
        assert (await router.complete("chat", "hi", tags={"tier": "free"})).target == "a/one"
        assert (await router.complete("chat", "hi", tags={"tier": "trial"})).target == "b/small"
        feed = router.feed()
        records = await feed.requests()
        told = [view.rule for record in records if (view := await feed.trace(record.id)) is not None]
        assert [rule.partition(": ")[2] for rule in told] == [
            "if tags.tier is trial → cheap",
            "",
            "if tags.tier is free or trial → cheap",
        ]


def test_what_the_asked_route_requires_holds_wherever_a_rule_leads() -> None:
    labels = HEAD.replace("b: {kind: fake}", "b: {kind: fake, labels: {region: us}}").replace(
        "c: {kind: fake}", "c: {kind: fake, labels: {region: eu}}"
    )
    routes = RULES.replace("  chat:\n", "  chat:\n    require: {region: eu}\n")
    routes = routes.replace("targets: [a/one]", "targets: [c/one]").replace("long: d/long", "long: [d/long, c/large]")
    for prompt, tags, target in (("hi", {"tier": "free"}, "c/last"), ("word " * 3000, {}, "c/large")):
        router = Router.from_text(labels + routes, env={}, seed=1, monitor=False)
        assert ask(router, prompt, tags=tags).target == target  # the others are elsewhere


@pytest.mark.parametrize("word", ["wörter ", "字", "word "])
@pytest.mark.parametrize("in_parts", [False, True])
def test_of_a_long_prompt_a_part_tells_its_size(word: str, in_parts: bool) -> None:
    """A text of several MB takes no noticeable time, and what is counted is about what is there."""
    text = word * 300_000
    content = (TextPart(text),) if in_parts else text
    request = CompletionRequest(model="chat", messages=(Message(role="user", content=content),))
    told = facts.RequestFacts(request, streaming=False, clock=float).prompt_tokens
    assert told == pytest.approx(estimated_prompt(request.messages, ()), rel=0.01)

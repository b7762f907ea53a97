"""What `check` says where one feature of the language meets another: names, drawn routes, rules, requirements."""

from __future__ import annotations

import pytest

from router.config import load_text

HEAD = """\
providers:
  a: {kind: fake, labels: {region: eu}}
  b: {kind: fake, labels: {region: us}}
models: {m1: {provider: a, id: one}, m2: {provider: b, id: two}}
routes:
"""


def said(routes: str) -> list[str]:
    """What is said of some routes, without the path."""
    lines = [found.render().splitlines()[0] for found in load_text(HEAD + routes, env={}).diagnostics]
    return [line.removeprefix("routes.yaml:") for line in lines if "no route uses the model" not in line]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("  chat: {targets: {one: 1, other: 1}}\n  one: m1\n  other: one", '"one" is in this tier twice'),
        ("  chat: {targets: [m1], shadow: other}\n  other: chat", "a route is no shadow of itself: name another"),
        ("  chat: {targets: [m1], shadow: {to: other}}\n  other: chat", "a route is no shadow of itself: name another"),
        ("  chat: {targets: [m1], fallbacks: [other]}\n  other: chat", "lead to each other in a circle: chat → chat"),
    ],
)
def test_what_is_told_of_another_name_has_that_name_too(routes: str, expected: str) -> None:
    (line,) = said(routes)
    assert expected in line
    assert line.endswith(f'("other" is another name of "{"one" if "one:" in routes else "chat"}")')


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{tags: {a: b}, to: m2}", 'no key is named "tags" here: it belongs under if, as if: {tags: …}'),
        ("{if: {tags: {a: b}}, then: m2}", 'no key is named "then" here: write to: the name of a route or model'),
        ("{if: {tokens: 8}, to: m2}", 'no key is named "tokens" here: write prompt_tokens: "> 32k"'),
        ("{if: {vision: true}, to: m2}", 'no key is named "vision" here: write needs: [tools, vision]'),
        ("{if: {user: bob}, to: m2}", "write tags: {tier: free}, which calls and clients' keys say"),
        ("{if: {temperature: 1}, to: m2}", "its keys: tags, prompt_tokens, needs, hours, days, timezone"),
    ],
)
def test_a_wrong_key_of_a_rule_says_what_to_write(rule: str, expected: str) -> None:
    assert expected in "\n".join(said(f"  chat: {{targets: [m1], when: [{rule}]}}"))


@pytest.mark.parametrize(
    ("targets", "place"),
    [
        ("targets: {inner: 1, m2: 1}", "6:20: warning: routes.chat.targets.inner"),
        ("targets: [inner, m2]", "6:20: warning: routes.chat.targets.0"),
        ("targets: [m2], fallbacks: [{targets: [inner, m2]}]", "6:48: warning: routes.chat.fallbacks.0.targets.0"),
        ("targets: [m2], fallbacks: [inner]", "6:37: warning: routes.chat.fallbacks.0"),
    ],
)
def test_a_chain_of_which_nobody_meets_a_requirement_is_told(targets: str, place: str) -> None:
    (line,) = said(f"  chat: {{{targets}, require: {{region: us}}}}\n  inner: [m1]")
    why = "of m1 region is eu, where route chat (line 6) requires us"
    assert line == f'{place}: nobody of the route "inner" is left here: {why}'


def test_a_chain_that_meets_what_the_route_asks_for_is_no_trouble_whatever_another_requires() -> None:
    routes = "  chat: {targets: {own: 1, m2: 1}, fallbacks: [inner]}\n"
    assert said(f"{routes}  own: {{targets: [m2], require: {{region: us}}}}\n  inner: [m1]") == []


def test_a_breaker_of_a_route_that_names_no_model_is_of_nobody() -> None:
    (line,) = said("  chat: {targets: {inner: 1}, breaker: {consecutive: 2}}\n  inner: [m1]")
    assert line.startswith("6:31: warning: routes.chat.breaker: this is of nobody, since the route names other routes")
    assert said("  chat: {targets: [inner], fallbacks: [m2], breaker: {consecutive: 2}}\n  inner: [m1]") == []


def of_provider(more: str) -> list[str]:
    text = f"providers:\n  a: {{kind: openai, {more}}}\nroutes: {{chat: a/x}}\n"
    return [found.render().splitlines()[0] for found in load_text(text, env={}).diagnostics]


@pytest.mark.parametrize(
    ("first", "second", "is_hidden"),
    [
        ("{status: 409, code: overloaded}", "{status: 409, text: busy, code: rate_limited}", True),
        ("{text: busy, code: overloaded}", "{text: Server BUSY now, code: rate_limited}", True),
        ("{text: busy, code: overloaded}", "{status: 409, text: busy, code: rate_limited}", True),
        ("{status: 409, text: busy, code: overloaded}", "{status: 409, code: rate_limited}", False),
        ("{status: 409, code: overloaded}", "{status: 410, text: busy, code: rate_limited}", False),
        ("{text: busy now, code: overloaded}", "{text: busy, code: rate_limited}", False),
        ("{status: 409, code: overloaded}", "{text: busy, code: rate_limited}", False),
    ],
)
def test_a_rule_about_errors_that_another_leaves_nothing_is_told(first: str, second: str, is_hidden: bool) -> None:
    found = of_provider(f"base_url: http://h/v1, errors: [{first}, {second}]")
    text = "the rule of line 2 takes every error that this one does: write this one before it"
    assert [line.endswith(f"providers.a.errors.1: {text}") for line in found] == [True] * is_hidden


def test_an_empty_text_is_no_rule_about_errors() -> None:
    (line,) = of_provider('base_url: http://h/v1, errors: [{text: " ", code: overloaded}]')
    assert "an empty text is in every error: write some words of it, or its status" in line


@pytest.mark.parametrize(
    ("more", "is_told"),
    [("health: 30s", True), ("health: 30s, api_key: k-12345678", False), ("health: 1m, base_url: http://h/v1", False)],
)
def test_a_vendor_is_not_asked_for_its_health_without_a_key(more: str, is_told: bool) -> None:
    assert ["it would be asked without a key" in line for line in of_provider(more)] == [True] * is_told


def test_attempts_that_end_before_a_rules_chain_does_are_told() -> None:
    rules = "when: [{if: {tags: {a: b}}, to: inner}]"
    (line,) = said(
        f"  chat: {{{rules}, targets: [m1], retry: {{max_attempts: 1}}}}\n  inner: {{targets: [m1], fallbacks: [m2]}}"
    )
    assert line.endswith('1 attempts end a request of route "chat" before it reaches m2')


def test_an_alert_may_be_of_a_route_by_another_name() -> None:
    alert = 'alerts: [{{on: budget, route: {}, to: "https://hooks.example/x"}}]'
    routes = "  chat: {targets: [m1, m2], budget: $1/d}\n  other: chat\n"
    assert said(routes + alert.format("other")) == []
    (line,) = said(routes + alert.format("othr"))
    assert line.endswith('alerts.0.route: no route is named "othr"')
    (line,) = said(routes.replace(", budget: $1/d", "") + alert.format("other"))
    assert "route chat has no budget: write one there" in line


def test_prompts_that_drawn_chains_keep_are_told_to_be_spread() -> None:
    chains = "  inner: {targets: [m1], prompt_cache: 1h}\n  other: {targets: [{model: m2}], prompt_cache: auto}"
    (line,) = said(f"  chat: {{targets: {{inner: 1, other: 1}}}}\n{chains}")
    assert "routes.chat.targets: prompt_cache has inner keep a conversation's prompts, but balance: weighted" in line
    assert said(f"  chat: {{targets: {{inner: 1, other: 1}}, balance: affinity}}\n{chains}") == []
    assert said(f"  chat: {{targets: {{inner: 1, other: 0}}}}\n{chains}") == []


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("{targets: [M1]}", 'no model or route is named "M1" (did you mean "m1"?)'),
        ("{targets: [m1], fallbacks: [[m2, m1]]}", "such as {targets: [PROVIDER/MODEL, PROVIDER/MODEL]} where several"),
        ("{targets: [[m1, m2]]}", "such as {model: PROVIDER/MODEL, weight: 70}"),
        ("{targets: [{route: inner}]}", 'no key is named "route" here: write model: NAME, which may be a route\'s too'),
        (
            "{routes: {inner: 1}}",
            'no key is named "routes" here: write targets: {NAME: 70, OTHER: 30}; a target may be',
        ),
        (
            "{targets: {m1: {weight: 3}}}",
            "this must be a number; what has more to say stands in a list: [{model: NAME,",
        ),
    ],
)
def test_a_target_that_is_written_otherwise_says_how_it_is_written(route: str, expected: str) -> None:
    assert expected in "\n".join(said(f"  chat: {route}\n  inner: m1"))

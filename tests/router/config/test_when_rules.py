"""What `check` says of rules that work, but in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config import load, load_text
from router.config.json_schema import json_schema
from router.plan.compile import compile_plan

HEAD = """\
providers: {a: {kind: openai, base_url: "http://127.0.0.1:1/v1"}}
models:
  blind: {provider: a, id: b, capabilities: {vision: false}, context_window: 8k}
  seeing: {provider: a, id: c, capabilities: {vision: true}, context_window: 200k}
routes:
"""


def said(routes: str) -> list[str]:
    lines = [found.render().splitlines()[0] for found in load_text(HEAD + routes, env={}).diagnostics]
    return [line for line in lines if "no route uses the model" not in line]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (
            "  chat:\n    when: {if: {needs: vision}, to: small}\n    targets: [a/q]\n  small: [blind]",
            "routes.yaml:7:16: warning: routes.chat.when.0.if.needs: small can't: vision; lead it to one that can",
        ),
        (
            '  chat:\n    when: {if: {prompt_tokens: "> 32k"}, to: small}\n    targets: [a/q]\n  small: [blind]',
            "routes.yaml:7:16: warning: routes.chat.when.0.if.prompt_tokens: no target of small takes more than 8,000",
        ),
        (
            "  chat:\n    when:\n      - {to: seeing}\n    targets: [a/q]",
            "routes.yaml:8:9: warning: routes.chat.when.0: this rule always holds, so that the route's own targets",
        ),
        (
            "  chat: {targets: [{model: inner}, a/q]}\n  inner: {when: {if: {tags: {x: y}}, to: a/z}, targets: [a/r]}",
            'routes.chat.targets.0.model: the rules of "inner" hold for those who ask for it',
        ),
    ],
)
def test_what_is_in_vain_is_told_with_its_place(routes: str, expected: str) -> None:
    (line,) = said(routes)
    assert expected.partition("warning: ")[2] or expected in line
    assert expected.rpartition(": ")[2] in line


@pytest.mark.parametrize(
    "rules",
    [
        '[{if: {needs: vision}, to: mixed}, {if: {prompt_tokens: "> 32k"}, to: mixed}]',  # one of them can
        "[{if: {tags: {tier: free}}, to: a/x}, {if: {tags: {tier: [free, paid]}}, to: a/y}]",  # paid is left
        '[{if: {prompt_tokens: "< 1k"}, to: a/x}, {if: {prompt_tokens: ">= 1k", needs: tools}, to: a/y}]',
        "[{if: {hours: 22:00-06:00}, to: a/x}, {if: {hours: 21:00-06:00}, to: a/y}]",
        "[{if: {hours: 22:00-06:00}, to: a/x}, {if: {hours: 23:00-01:00, timezone: Asia/Tokyo}, to: a/y}]",
        "[{if: {tags: {tier: free}}, to: chat}, {if: {needs: tools}, to: a/y}]",
    ],
)
def test_what_can_be_reached_is_let_alone(rules: str) -> None:
    assert said(f"  chat: {{when: {rules}, targets: [a/q]}}\n  mixed: [blind, seeing]\n") == []


def test_a_rule_of_another_kind_of_answers_is_an_error() -> None:
    routes = "  chat: {when: {to: vec}, targets: [a/q]}\n  vec: {embeds: true, targets: [v]}\n"
    text = HEAD.replace("models:\n", "models:\n  v: {provider: a, id: v, embeds: true}\n") + routes
    messages = [found.message for found in load_text(text, env={}).diagnostics]
    assert any('the route "vec" makes embeddings, this one answers' in message for message in messages)


def test_an_editor_knows_the_words() -> None:
    definitions = json_schema()["$defs"]
    assert set(definitions["Condition"]["properties"]) == {
        "tags",
        "prompt_tokens",
        "needs",
        "hours",
        "days",
        "timezone",
    }
    assert set(definitions["RuleConfig"]["properties"]) == {"if", "to"}


def test_rules_of_an_included_file_are_told_with_that_file(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("include: [team.yaml]\nproviders: {a: {kind: fake}}\nroutes: {main: a/m}\n")
    team = "routes:\n  chat:\n    when:\n      - {if: {needs: tools}, to: main}\n"
    team += "      - {if: {needs: [tools, vision]}, to: a/x}"
    (tmp_path / "team.yaml").write_text(f"{team}\n    targets: [a/y]\n")
    (found,) = [each for each in load(tmp_path / "routes.yaml", env={}).diagnostics if each.severity == "error"]
    assert (Path(found.file).name, found.line) == ("team.yaml", 5)
    assert "team.yaml:4 holds whenever this one does" in found.message
    (tmp_path / "team.yaml").write_text("\n".join(team.splitlines()[:-1]) + "\n    targets: [a/y]\n")
    (rule, _), *_ = compile_plan(load(tmp_path / "routes.yaml", env={})).chains["chat"].rules
    assert rule.where == f"{tmp_path / 'team.yaml'}:4"


def test_rules_and_fallbacks_may_lead_to_each_other() -> None:
    routes = """\
  cheap: {targets: [blind], fallbacks: [chat]}
  chat: {when: [{if: {tags: {tier: free}}, to: cheap}, {if: {tags: {tier: own}}, to: chat}], targets: [seeing]}
"""
    told = said(routes)
    assert [line.partition("routes.cheap.fallbacks")[2] for line in told] == [
        '.0: the rules of "chat" hold for those who ask for it, not where it serves "cheap"'
    ]


def test_models_that_only_a_rule_leads_to_are_used() -> None:
    text = HEAD + "  chat: {when: {if: {needs: vision}, to: seeing}, targets: [blind]}\n"
    assert load_text(text, env={}).diagnostics == ()

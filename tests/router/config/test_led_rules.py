"""Policies of routes that others draw or lead to, which hold for nobody who is led there."""

from __future__ import annotations

import pytest

from router.config import load_text
from router.config.diagnostics import Diagnostic

FILE = """\
providers: {a: {kind: fake}}
models: {m: {provider: a, id: m, price: {input: 1, output: 1}}, n: {provider: a, id: n, price: {input: 1, output: 1}}}
routes:
  chat:
    CHAT
  stable: {targets: [m]}
  candidate:
    targets: [n, a/x]
    fallbacks: [m]
    SAYS
MORE
"""
DRAWS = "targets: {stable: 90, candidate: 10}"


def warnings(says: str, chat: str = DRAWS, more: str = "") -> list[Diagnostic]:
    text = FILE.replace("CHAT", chat).replace("SAYS", says).replace("MORE", more)
    loaded = load_text(text, env={"KEY": "k" * 24})
    assert not [each for each in loaded.diagnostics if each.severity == "error"], loaded.diagnostics
    return [each for each in loaded.diagnostics if "asked for" in each.message]


@pytest.mark.parametrize(
    ("says", "named"),
    [
        ("hedge: 2s", "hedge"),
        ("cache: 1h", "cache"),
        ("budget: $5/d", "budget"),
        ("accept: {not_empty: true}", "accept"),
        ("on_stream_break: restart", "on_stream_break"),
        ("limits: 60/min", "limits"),
        ("shadow: m", "shadow"),
        ("timeout: {total: 7s}", "timeout.total"),
        ("retry: {max_attempts: 9}", "retry.max_attempts"),
    ],
)
@pytest.mark.parametrize(
    "chat",
    [
        DRAWS,
        "targets: [m]\n    fallbacks: [{targets: {candidate: 1, stable: 1}}]",
        "targets: [m]\n    when: [{if: {tags: {tier: free}}, to: candidate}]",
    ],
)
def test_what_does_nothing_for_who_is_led_there_is_a_warning_where_it_stands(says: str, named: str, chat: str) -> None:
    (found,) = warnings(says, chat)
    assert found.severity == "warning"
    assert found.line == FILE.replace("CHAT", chat).splitlines().index("    SAYS") + 1
    assert found.column > 4
    assert found.message.startswith(f"{named} is that of the route that was asked for")
    assert 'requests of "chat"; write it there' in found.message


@pytest.mark.parametrize(
    "says", ["timeout: {answer: 7s}", "retry: {same_target: 3}", "params: {temperature: 0}", "balance: ordered"]
)
def test_what_holds_for_the_chain_is_none(says: str) -> None:
    assert warnings(says) == []


def test_it_is_quiet_where_the_other_route_says_it_or_comes_to_the_same() -> None:
    assert warnings("hedge: 2s", f"{DRAWS}\n    hedge: 3s") == []
    assert warnings("budget: $5/d", f"{DRAWS}\n    budget: $50/d") == []
    assert warnings("timeout: {total: 7s}", DRAWS, "defaults: {timeout: {total: 7s}}") == []
    assert warnings("hedge: 2s", DRAWS, "defaults: {hedge: 2s}") == []
    assert len(warnings("hedge: 2s", DRAWS, "defaults: {hedge: 3s}")) == 1


@pytest.mark.parametrize(
    "more",
    [
        "  other: candidate",
        'serve: {keys: {ann: {key: "${KEY}", routes: [chat, candidate]}}}',
        'serve: {names: {"claude-*": candidate}}',
        "serve: {anonymous: {routes: [candidate]}}",
    ],
)
def test_it_is_quiet_where_the_route_is_asked_for_by_name(more: str) -> None:
    assert warnings("hedge: 2s", DRAWS, more) == []
    assert len(warnings("hedge: 2s", DRAWS, more.replace("candidate", "stable"))) == 1


def test_a_fallback_is_none() -> None:
    """Routes fall back to others that apps ask for: each has its own there."""
    assert warnings("hedge: 2s", "targets: [m]\n    fallbacks: [candidate]") == []


def test_all_who_lead_there_are_named_once() -> None:
    (found,) = warnings("hedge: 2s", DRAWS, "  other: {targets: {candidate: 1, m: 2}}")
    assert '"chat" and "other"' in found.message

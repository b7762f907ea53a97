"""What may be written of alerts; those that could never be told are errors, and the address is shown nowhere."""

from __future__ import annotations

import pytest

from router.config import load_text
from router.plan.compile import compile_plan

FILE = """providers: {a: {kind: fake}, b: {kind: fake}}  # both are used
routes:
  chat: {targets: [a/m], budget: $5/d}
  other: [a/n, b/n]
alerts:
  - ALERT
"""
HOOK = "https://hooks.slack.com/services/T0/B0/SECRET"


def found(alert: str, more: str = "") -> list[tuple[str, int, str]]:
    loaded = load_text(FILE.replace("ALERT", alert) + more, env={"ALERT_URL": HOOK})
    assert "SECRET" not in "".join(each.render() for each in loaded.diagnostics)
    return [(each.severity, each.line, each.message) for each in loaded.diagnostics]


TO = 'to: "${ALERT_URL}"'


@pytest.mark.parametrize(
    "written",
    [
        f"{{on: breaker_open, for: 1m, {TO}}}",
        f"{{on: held, provider: a, every: 1h, {TO}}}",
        f"{{on: error_rate, above: 5%, for: 5m, route: chat, {TO}}}",
        f"{{on: p95, above: 8s, {TO}, form: json}}",
        f"{{on: first_token, above: 800ms, provider: b, {TO}, form: slack}}",
        f"{{on: budget, {TO}}}",
        f"{{on: budget, above: 80%, route: chat, {TO}}}",
        f"{{on: reload_rejected, {TO}}}",
        f"{{on: budget, to: {HOOK}}}",
    ],
)
def test_what_is_taken(written: str) -> None:
    assert not found(written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (f"{{on: breaker, {TO}}}", "this must be one of 'breaker_open', 'held'"),
        ("{on: held}", '"to" is missing'),
        ("{on: held, to: SECRET}", "this must be the https:// address of a webhook"),
        ("{on: held, to: me@example.com}", "this must be the https:// address of a webhook"),
        ("{on: held, to: ftp://x/SECRET}", "this must be an http:// or https:// address"),
        ("{on: held, to: 5}", "this must be the https:// address of a webhook"),
        (f"{{on: p95, {TO}}}", '"above" is missing: write what is too much, such as above: 8s'),
        (f"{{on: p95, above: 80%, {TO}}}", "above has to be a duration, such as 8s, for p95"),
        (f"{{on: budget, above: 8s, {TO}}}", "above has to be a percentage, such as 80%, for budget"),
        (f"{{on: error_rate, above: 0.05, {TO}}}", "write 5% or 0.05s"),
        (f"{{on: error_rate, above: 100%, {TO}}}", "more than 100% never fail"),
        (f"{{on: held, above: 5%, {TO}}}", "above goes with budget, error_rate, first_token, p95"),
        (f"{{on: held, route: chat, {TO}}}", "held is of no route: name a provider"),
        (f"{{on: reload_rejected, provider: a, {TO}}}", "reload_rejected is of no provider"),
        (f"{{on: budget, route: chat, provider: a, {TO}}}", "not both"),
        (f"{{on: budget, route: cat, {TO}}}", 'no route is named "cat" (did you mean "chat"?)'),
        (f"{{on: held, provider: c, {TO}}}", 'no provider is named "c"'),
        (f"{{on: budget, route: other, {TO}}}", "route other has no budget"),
        (f"{{on: budget, provider: b, {TO}}}", "provider b has no budget"),
        (f"{{on: shared_away, {TO}}}", "nothing is shared"),
        (f"{{on: first_token, above: 30m, {TO}}}", "no answer begins so late: timeout.total ends each request at 30m"),
        (f"{{on: budget, for: 1d, {TO}}}", "no period of a budget is longer than 1d (for)"),
        ("breaker_open", 'such as {on: breaker_open, for: 1m, to: "${ALERT_URL}"}'),
        (f"{{on: held, url: x, {TO}}}", 'no key is named "url"'),
    ],
)
def test_what_could_never_be_told_is_an_error_where_it_stands(written: str, says: str) -> None:
    (severity, line, message) = found(written)[0]
    assert (severity, line) == ("error", 6)
    assert says in message


def test_a_file_without_a_budget_has_no_alert_of_one() -> None:
    text = FILE.replace(", budget: $5/d", "").replace("ALERT", f"{{on: budget, {TO}}}")
    (diagnostic,) = load_text(text, env={"ALERT_URL": HOOK}).diagnostics
    assert "no route, provider or client of this file has a budget" in diagnostic.message


def test_the_same_twice_is_a_warning() -> None:
    alert = f"{{on: held, {TO}}}"
    assert found(alert, f"  - {alert}\n") == [("warning", 7, "this alert is there already (line 6)")]


def test_slacks_form_goes_to_slacks_address_and_the_plan_shows_neither() -> None:
    loaded = load_text(FILE.replace("ALERT", f"{{on: held, {TO}}}"), env={"ALERT_URL": HOOK})
    plan = compile_plan(loaded)
    (rule,) = plan.alerts
    assert (rule.form, rule.to, rule.host) == ("slack", HOOK, "https://hooks.slack.com/…")
    assert "SECRET" not in repr(plan.alerts) + repr(loaded.file) + loaded.shown
    literal = load_text(FILE.replace("ALERT", f"{{on: held, to: {HOOK}}}"), env={})
    assert "SECRET" not in literal.shown + repr(literal.file)
    assert literal.file is not None
    assert "SECRET" not in str(literal.file.model_dump(mode="json"))


def test_an_unset_address_is_told_as_of_any_secret() -> None:
    (diagnostic,) = load_text(FILE.replace("ALERT", f"{{on: held, {TO}}}"), env={}).diagnostics
    assert "ALERT_URL" in diagnostic.message

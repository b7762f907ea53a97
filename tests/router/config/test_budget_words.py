"""What may be written of a budget, and what is said of what may not."""

from __future__ import annotations

import pytest

from router.config import load_text
from router.plan.compile import compile_plan

FILE = "providers: {a: {kind: fake}}\nroutes:\n  chat:\n    targets: [a/m]\n    budget: BUDGET\n"


def problem(written: str) -> str:
    found = load_text(FILE.replace("BUDGET", written), env={}).diagnostics
    assert found, "it was taken"
    assert all(each.line == 5 for each in found), found
    return found[0].message


@pytest.mark.parametrize(
    "written",
    [
        "$5/d",
        '"$1.50/hour"',
        "{usd: 5/d}",
        "{usd: $5/d, by: user}",
        "{usd: 5/min, by: tag.team}",
        "{usd: 5/month, resets: 15}",
        "{usd: 5/month, resets: 15 06:00, timezone: Europe/Berlin, by: namespace}",
        "{usd: 5/w, resets: monday 6:00}",
        "{usd: 5/day, resets: 06:00, by: key}",
    ],
)
def test_what_is_taken(written: str) -> None:
    assert not load_text(FILE.replace("BUDGET", written), env={}).diagnostics


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("20/d", "such as $20/d, $300/month or {usd: 20/day}"),
        ("5", "such as $20/d"),
        ("[$5/d]", "such as $20/d"),
        ("{by: user}", '"usd" is missing'),
        ("{usd: 5}", "such as $20/d"),
        ("{usd: 5/year}", "periods: s, min, h, d, w, month"),
        ("{usd: 5/d, eur: 5/d}", 'no key is named "eur"'),
        ("{usd: 5/d, by: team}", "tag.NAME such as tag.team"),
        ("{usd: 5/d, by: users}", 'did you mean "user"?'),
        ("{usd: 5/d, by: [user]}", "this must be user, namespace, key"),
        ("{usd: 5/d, timezone: Europe/Berlim}", 'did you mean "Europe/Berlin"?'),
        ("{usd: 5/d, timezone: CEST}", "no time zone is named"),
        ("{usd: 5/d, timezone: ../etc}", "no time zone is named"),
        ("{usd: 5/d, timezone: Europe}", "no time zone is named"),
        ("{usd: 5/d, timezone: 2}", "this must be a time zone"),
        ("{usd: 5/h, timezone: Europe/Berlin}", "timezone goes with a budget of d, w or month"),
        ("{usd: 5/min, resets: 06:00}", "resets goes with a budget of d, w or month"),
        ("{usd: 5/d, resets: monday}", "a day of the week goes with a budget of w, not of d"),
        ("{usd: 5/month, resets: monday}", "a day of the week goes with a budget of w, not of month"),
        ("{usd: 5/w, resets: 15}", "a day of the month goes with a budget of month, not of w"),
        ("{usd: 5/month, resets: 0}", "from 1 to 31"),
        ("{usd: 5/month, resets: 32}", "from 1 to 31"),
        ("{usd: 5/d, resets: 24:00}", "no time of day"),
        ("{usd: 5/w, resets: mondy}", 'did you mean "monday"?'),
        ("{usd: 5/d, resets: noon at 12}", "such as 06:00"),
        ("{usd: 5/d, resets: true}", "such as 06:00"),
        ('{usd: 5/d, resets: ""}', "such as 06:00"),
    ],
)
def test_what_is_not_taken_is_told_with_the_right_form(written: str, says: str) -> None:
    assert says in problem(written)


def test_a_clients_budget_may_be_by_user_but_not_by_key() -> None:
    """It is one key's already."""
    text = FILE.replace("BUDGET", "$5/d") + "serve: {keys: {alice: {key: key-of-alice-0123456789, budget: BUDGET}}}\n"
    assert not load_text(text.replace("BUDGET", "{usd: 5/d, by: user}"), env={}).diagnostics
    (found,) = load_text(text.replace("BUDGET", "{usd: 5/d, by: key}"), env={}).diagnostics
    assert (found.severity, found.line) == ("error", 6)
    assert "this budget is one key's already" in found.message


def test_a_clients_limits_are_written_as_those_of_all_others() -> None:
    """A rate alone, or a list of them."""
    text = FILE.replace("BUDGET", "$5/d") + "serve: {keys: {alice: {key: key-of-alice-0123456789, limits: LIMITS}}}\n"
    for written, count in (("60/min", 1), ("[60/min, 1000/d]", 2), ("{requests: [60/min, 1000/d]}", 2)):
        plan = compile_plan(load_text(text.replace("LIMITS", written), env={}))
        assert len(plan.serving.by_name["alice"].limits.requests or ()) == count

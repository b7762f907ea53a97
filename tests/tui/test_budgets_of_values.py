"""Budgets of users and the like, and what came of copies, stand with their route or provider."""

from __future__ import annotations

from router.cli.status import render
from router.monitor.merge import merge
from router.views.figures import ProviderFigures, ShadowFigures, Snapshot, Spending
from router.views.routes import ChainView
from tui import format as as_text
from tui.widgets.policies import Fact, of_route

CHAIN = ChainView("chat", (), None, "error")
SPENT = tuple(Spending("route", "chat", 2.0, usd, 86_400.0, of=f"user {name}") for name, usd in
              {"ann": 0.2, "bob": 2.0, "carol": 1.0, "dan": 0.1}.items())  # fmt: skip
SHADOW = ShadowFigures("chat", "other", answered=2, seconds=4.0, of_callers=2.0)


def snapshot(pid: int = 0, path: str | None = None) -> Snapshot:
    return Snapshot(
        0.0,
        "app",
        path,
        "r",
        float(pid),
        0.0,
        spending=SPENT,
        shadows=(SHADOW,),
        providers=(ProviderFigures("a", "fake"),),
    )


def test_a_route_shows_the_fullest_three_and_its_copies() -> None:
    facts = [fact for fact in of_route(CHAIN, snapshot()) if "spent" in fact.text or "answered" in fact.text]
    assert facts == [
        Fact("user bob", "$2.00 of $2.00 spent"),
        Fact("user carol", "$1.00 of $2.00 spent"),
        Fact("user ann", "$0.20 of $2.00 spent"),
        Fact("copied to other", "2 of 2 answered; 2 s (callers 1 s)"),
    ]
    assert as_text.spent(snapshot(), "route", "chat") is None, "no one of them is the route's"


def test_status_names_them() -> None:
    lines = render(snapshot()).splitlines()
    assert "  $ budget of route chat, user bob: $2.00 of $2.00" in lines
    assert "  ~ chat copied to other: 2 of 2 answered, 2 s (callers 1 s)" in lines


def test_processes_of_an_app_are_added_up() -> None:
    both = merge([snapshot(1, "/x"), snapshot(2, "/x")])
    assert [each.used for each in both.spending] == [each.used for each in SPENT], "all know what all have spent"
    (shadow,) = both.shadows
    assert (shadow.answered, shadow.each("seconds"), shadow.each("of_callers")) == (4, 2.0, 1.0)
    apart = merge([snapshot(1), snapshot(2)])
    assert [each.used for each in apart.spending][:2] == [0.4, 4.0]

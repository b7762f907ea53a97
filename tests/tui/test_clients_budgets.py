"""Budgets of a gateway's clients are shown with a route, those first that are nearest to their end."""

from __future__ import annotations

from router.views.figures import Snapshot, Spending
from router.views.routes import ChainView
from tui.widgets.policies import Fact, of_route

CHAIN = ChainView("chat", (), None, "error")


def test_the_fullest_three_are_shown() -> None:
    used = {"alice": 1.0, "bob": 19.5, "carol": None, "dan": 20.0, "eve": 0.0, "frank": 4.0}
    clients = [Spending("key", name, 20.0, usd, 86_400.0) for name, usd in used.items()]
    own = Spending("route", "chat", 5.0, 1.0, 86_400.0)
    facts = list(of_route(CHAIN, Snapshot(0.0, "app", None, "r", 0.0, 0.0, spending=(own, *clients))))
    assert [fact for fact in facts if "spent" in fact.text] == [
        Fact("budget", "$1.00 of $5.00 spent"),
        Fact("key dan", "$20.00 of $20.00 spent, on all routes"),
        Fact("key bob", "$19.50 of $20.00 spent, on all routes"),
        Fact("key frank", "$4.00 of $20.00 spent, on all routes"),
    ]

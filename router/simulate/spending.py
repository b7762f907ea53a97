"""What budgets were spent at most, by all processes of a run together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from router.router import Router
from router.simulate.counters import total
from router.state.spending import Spent


def note_spent(most: dict[str, Spent], routers: Iterable[Router]) -> None:
    """Keep of each budget, by its owner, how it was when most of it was spent in one period."""
    by_owner: dict[str, list[Spent]] = {}
    for spent in chain.from_iterable(router.spending for router in routers):
        by_owner.setdefault(spent.owner, []).append(spent)
    for owner, alike in by_owner.items():
        spent = replace(alike[0], usd=total(each.usd for each in alike))
        had = most.get(owner)
        if had is None or (had.usd or 0.0) < (spent.usd or 0.0):
            most[owner] = spent

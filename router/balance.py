"""Which of the eligible targets comes next. Pure: no clock, no await, no chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.target import Target


class Balancer(Protocol):
    """Picks one of the eligible targets of a tier; `eligible` is never empty and keeps the file's order."""

    def pick(self, eligible: Sequence[Target]) -> Target: ...

    def odds(self, eligible: Sequence[Target]) -> list[tuple[Target, float]]:
        """Each target's share of the next picks, most likely first; changes nothing."""
        ...


class Ordered:
    """The first as written."""

    def pick(self, eligible: Sequence[Target]) -> Target:
        return eligible[0]

    def odds(self, eligible: Sequence[Target]) -> list[tuple[Target, float]]:
        return [(target, 1.0 if number == 0 else 0.0) for number, target in enumerate(eligible)]


class Weighted:
    """Smooth weighted round robin: shares differ from the weights by at most one call a target.

    Each pick adds every eligible target's weight to its credit, takes the richest and charges it the sum
    (the algorithm of nginx's `ngx_http_upstream_get_peer`).
    """

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def pick(self, eligible: Sequence[Target]) -> Target:
        if len(eligible) == 1:
            return eligible[0]
        credit = self._credit
        total, best, most = 0.0, eligible[0], float("-inf")
        for target in eligible:
            total += target.weight
            now = credit[target.name] = credit.get(target.name, 0.0) + target.weight
            if now > most + 1e-9 * target.weight:
                best, most = target, now
        credit[best.name] -= total
        return best

    def odds(self, eligible: Sequence[Target]) -> list[tuple[Target, float]]:
        total = sum(target.weight for target in eligible) or 1.0
        shares = [(target, target.weight / total) for target in eligible]
        return sorted(shares, key=lambda share: -share[1])


def make_balancer(strategy: str) -> Balancer:
    """A balancer by its name in the file: `weighted` or `ordered`."""
    return Ordered() if strategy == "ordered" else Weighted()

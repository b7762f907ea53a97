"""Makes the tiers of a chain out of a route's targets and fallbacks, and the draws where targets are routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from providers.errors import ErrorCode
from providers.types import Requirement
from router.config import RoutesFile
from router.config.schema import TargetRef
from router.plan.plan import Branch, Draw, Step, Tier
from router.plan.target import Target

Make: TypeAlias = Callable[[TargetRef, tuple[str, ...], tuple[Requirement, ...]], Target]


class _Place(msgspec.Struct, frozen=True):
    """Where in a chain tiers are added. `chains` are the routes among the targets that lead there, the outermost
    first; the rest is as in `Tier`.
    """

    on: frozenset[ErrorCode] | None = None
    gate: int | None = None
    chains: tuple[str, ...] = ()
    level: int = 0
    required: tuple[Requirement, ...] = ()


class TierMaker:
    """Makes the tiers of one route, and of all routes that it leads to.

    Args:
        make: makes a target of what the file says of it, of the routes among the targets that lead to it, and of what
            all routes on the way require.
        required: what routes require of their targets, by the route's name.
    """

    def __init__(self, file: RoutesFile, make: Make, required: Mapping[str, Requirement]) -> None:
        self._file = file
        self._make = make
        self._required = required
        self._marks = 0
        self.tiers: list[Tier] = []
        self.draws: list[Draw] = []

    def whole(self, route: str) -> tuple[Step, ...]:
        """Add all tiers of the route that the app calls; gives the order in which they serve."""
        return self._route(route, _Place(), is_whole=True)[0]

    def led(self, route: str, to: str) -> tuple[Step, ...]:
        """Add all tiers of what a rule of the route leads to; gives the order in which they serve."""
        required = (self._required[route],) if route in self._required else ()
        if to in self._file.routes:
            return self._route(to, _Place(chains=(to,), required=required), is_whole=True)[0]
        return (self._tier((TargetRef(model=to),), "ordered", _Place(required=required))[0],)

    def _route(self, name: str, place: _Place, *, is_whole: bool = False) -> tuple[tuple[Step, ...], int]:
        """Add the tiers of a route; gives their order, and the level after its last."""
        config = self._file.routes[name]
        if name in self._required:
            place = replace(place, required=(*place.required, self._required[name]))
        required = place.required
        balance = config.balance or self._file.defaults.balance or "weighted"
        first, level = self._tier(config.targets, balance, place)
        steps: tuple[Step, ...] = (first,)
        lead = first if isinstance(first, int) else first.mark
        for fallback in config.fallbacks:
            to, codes = fallback.to, _codes(fallback.on)
            if to is not None and to in self._file.routes:
                more, level = self._route(to, _Place(codes, lead, place.chains, level, required))
                steps += more
                continue
            refs = fallback.tier if to is None else (TargetRef(model=to),)
            strategy = "ordered" if to is not None else fallback.balance or balance
            behind = _Place(codes, None if is_whole else lead, place.chains, level, required)
            step, level = self._tier(refs, strategy, behind)
            steps += (step,)
        return steps, level

    def _tier(self, refs: Sequence[TargetRef], balance: str, place: _Place) -> tuple[Step, int]:
        """Add targets that share load: a tier, or a draw where one of them is a route."""
        if not any(self._file.is_route(ref.model) for ref in refs):
            targets = tuple(self._make(ref, place.chains, place.required) for ref in refs)
            tier = Tier(targets, balance, place.on, place.gate, place.level, place.chains, place.required)
            self.tiers.append(tier)
            return len(self.tiers) - 1, place.level + 1
        self._marks -= 1
        mark, highest, branches = self._marks, place.level, []
        for ref in refs:
            before, level = len(self.tiers), place.level
            if self._file.is_route(ref.model):
                inner = _Place(chains=(*place.chains, ref.model), level=level, required=place.required)
                steps, after = self._route(ref.model, inner)
            else:
                step, after = self._tier(
                    (ref,), "ordered", _Place(chains=place.chains, level=level, required=place.required)
                )
                steps = (step,)
            targets = tuple(target for tier in self.tiers[before:] for target in tier.targets)
            tiers = range(before, len(self.tiers))
            weighed = Target(name=ref.model, provider="", model=ref.model, weight=ref.weight)
            is_route = self._file.is_route(ref.model)
            branches.append(Branch(ref.model, ref.weight, steps, tiers, targets, is_route, weighed))
            highest = max(highest, after)
        draw = Draw(tuple(branches), balance, place.on, place.gate, mark)
        self.draws.append(draw)
        return draw, highest


def _codes(on: tuple[str, ...] | None) -> frozenset[ErrorCode] | None:
    if on is None or "any" in on:
        return None
    return frozenset(ErrorCode(code) for code in on)

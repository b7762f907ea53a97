"""What a balancer is, and what it may look at. The engine asks one for each pick (`router.balance.strategies`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from router.plan.target import Target
from router.state.states import States


class BalanceContext(msgspec.Struct, frozen=True):
    """What a balancer may look at when it picks a target.

    Args:
        now: the loop's time.
        prompt: tokens of the prompt, roughly.
        affinity: gives what keeps requests together: a session, or the beginning of a prompt.
    """

    states: States
    now: float
    rng: random.Random
    prompt: int = 0
    max_tokens: int | None = None
    affinity: Callable[[], bytes] = bytes


IsEligible: TypeAlias = Callable[[Target], bool]  # whether a target may be called now; the trace is told why not


class Balancer(Protocol):
    """Picks one of a tier's targets, which are in the file's order."""

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        """Pick the next target; None when none may be called."""
        ...

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        """Say each target's share of the next picks, the most likely first; this changes nothing."""
        ...

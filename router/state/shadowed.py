"""The states of targets as copies of requests see them: breakers and holds of their own, the limits of all."""

from __future__ import annotations

import random

from router.plan.target import Key, Target
from router.state.guard import Guard, Refusal, TargetState
from router.state.limits import RateLimits
from router.state.states import States

_ROOM = 0.5  # of a limit, which is left to callers


class ShadowStates(States):
    """Lets a copy through only where a caller's request would be too, and half of every limit is left.

    Args:
        callers: the states that callers' requests go by. Their limits count the copies, since the vendor does.
    """

    def __init__(self, callers: States, rng: random.Random) -> None:
        super().__init__(rng)
        self._callers = callers

    def target(self, target: Target) -> TargetState:
        """Return the state of a target, made on first use."""
        state = super().target(target)
        state.limits = self._callers.target(target).limits
        return state

    def key_guard(self, target: Target, key: Key) -> Guard:
        """Return the guard of a provider key, made on first use."""
        guard = super().key_guard(target, key)
        guard.limits = self._callers.key_guard(target, key).limits
        return guard

    def refusal_for_key(
        self, target: Target, key: Key, prompt: float, max_tokens: int | None, now: float, *, placed: bool = False
    ) -> Refusal | None:
        """Say why the target gets no copy with this key now; None when it may."""
        why = self._callers.refusal_for_key(target, key, prompt, max_tokens, now, placed=placed)
        if why is None:
            pairs = self.target(target).limits, self.key_guard(target, key).limits
            if max(_used(limits, now) for limits in pairs) <= _ROOM:
                why = super().refusal_for_key(target, key, prompt, max_tokens, now, placed=placed)
            else:
                why = Refusal("limited", "half of a limit is used, and the rest is for callers")
        # What is draining is neither waited for nor probed before its time.
        return None if why is None else Refusal("draining", why.message)


def _used(limits: RateLimits, now: float) -> float:
    """Return how far the narrowest of these limits is used up, from 0 to 1."""
    places = limits.places
    used = [rate.used(now) for rate in (*limits.requests, *limits.tokens)]
    return max([*used, (limits.in_flight / places if places else 0.0)])

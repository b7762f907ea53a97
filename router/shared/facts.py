"""The holds and breakers that a process shares, as the states of its targets and keys meet them."""

from __future__ import annotations

from router.plan.target import Key, Target
from router.shared.breakers import SharedBreakers
from router.shared.holds import SharedHolds
from router.shared.names import Names
from router.state.guard import Guard


class SharedFacts:
    """What of targets and keys is shared; None what is not."""

    def __init__(self, names: Names, holds: SharedHolds | None, breakers: SharedBreakers | None) -> None:
        self.names = names
        self._holds = holds
        self._breakers = breakers

    def join_target(self, target: Target, guard: Guard) -> None:
        """Have a target's hold and breaker in common with the other processes, as far as that is shared."""
        self.names.met(target)
        if self._holds is not None:
            guard.teller = self._holds.teller(target, None)
        if self._breakers is not None:
            self._breakers.join(self.names.of_target(target), guard.breaker)

    def join_key(self, key: Key, guard: Guard) -> None:
        """Do so for a provider's key."""
        if self._holds is not None:
            guard.teller = self._holds.teller(None, key)
        if self._breakers is not None:
            self._breakers.join(self.names.of_key(key), guard.breaker)

    def leave(self, target: Target) -> None:
        """Forget a target."""
        self.names.forget(target)

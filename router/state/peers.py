"""What the states of targets and keys tell other processes, where that is shared (`router.shared`)."""

from __future__ import annotations

from typing import Protocol

from router.plan.target import Key, Target
from router.state.guard import Guard


class Facts(Protocol):
    """All that processes tell each other of targets and keys."""

    def join_target(self, target: Target, guard: Guard) -> None:
        """Have a target's hold and breaker in common with the other processes, as far as that is shared."""
        ...

    def join_key(self, key: Key, guard: Guard) -> None:
        """Do so for a provider's key."""
        ...

    def leave(self, target: Target) -> None:
        """Forget a target."""
        ...

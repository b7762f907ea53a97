"""What is used of the limits that routes have of their own, across all their targets. Reloads keep it, by name."""

from __future__ import annotations

from router.plan.plan import Chain, Plan
from router.state.any_rate import Sharer
from router.state.limits import RateLimits


class RouteLimits:
    """The limits of routes, in use."""

    def __init__(self) -> None:
        self._limits: dict[str, RateLimits] = {}
        self._sharer: Sharer | None = None

    def share(self, sharer: Sharer | None) -> None:
        """Have the limits of each route in common with other processes from now on; None: for this one alone."""
        self._sharer = sharer
        for name, limits in self._limits.items():
            limits.share(sharer, f"route {name}")

    def adopt(self, plan: Plan) -> None:
        """Take over the limits of a new plan; what was used of them stays used."""
        for name, limits in list(self._limits.items()):
            chain = plan.chains.get(name)
            if chain is None or chain.limits is None:
                del self._limits[name]
            elif limits.rules != chain.limits:
                limits.change(chain.limits)

    def of(self, chain: Chain) -> RateLimits | None:
        """Return the limits of a route, in use; None where it has none of its own."""
        if chain.limits is None:
            return None
        limits = self._limits.get(chain.route)
        if limits is None:
            # As a client's: it is no vendor's limit, of which a tenth goes at once.
            limits = self._limits[chain.route] = RateLimits(chain.limits, smooth=False)
            limits.share(self._sharer, f"route {chain.route}")
        return limits

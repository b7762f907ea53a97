"""What a limit costs a call: one of this process alone, and one that processes share, with a lease at hand.

CPU time of asking, taking and settling, the median of several runs. No server is needed: with a lease nobody asks it.
"""

from __future__ import annotations

import statistics
import time

from router.config.units import Allowance
from router.plan.rules import Limits
from router.shared.limit import Grant
from router.shared.rate import SharedRate
from router.shared.told import Away
from router.state.any_rate import AnyRate
from router.state.limits import RateLimits

RUNS = 9
CALLS = 20_000
LEASED = 1_000_000


class _Server:
    """A link that nobody waits for."""

    processes, tick, away = 4, 0.1, False
    policy: Away = "share"
    lease = 2.0

    def ask(self, at: float) -> None:
        """Nothing is asked."""

    def expected(self, now: float) -> float:
        return 0.0

    def rate(self, share_id: str, kind: str, allowance: Allowance) -> AnyRate:
        rate = SharedRate(kind, allowance, self)
        rate.receive(Grant(LEASED, 0.1, 0.0), LEASED, 0.0, 0.0)
        return rate


def cost(*, shared: bool) -> float:
    """Seconds of CPU for one call's worth of a limit of requests."""
    limits = RateLimits(Limits(requests=(Allowance(60_000_000, 60.0),)))
    if shared:
        limits.share(_Server(), "key")
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(CALLS):
            limits.wait(0.0, 1.0)
            reserved = limits.take(0.0, 1.0, 1.0)
            limits.settle(reserved, 0, 1.0)
        found.append((time.process_time() - began) / CALLS)
    return statistics.median(found)


def main() -> None:
    own, shared = cost(shared=False), cost(shared=True)
    print(f"a limit of requests: {own * 1e6:.2f} µs a call, shared with a lease at hand {shared * 1e6:.2f} µs")


if __name__ == "__main__":
    main()

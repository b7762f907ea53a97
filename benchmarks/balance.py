"""What it costs to pick a target, for each strategy, by the number of targets that may be picked."""

from __future__ import annotations

import random
import time

from router.balance.balancer import BalanceContext
from router.balance.strategies import make_balancer
from router.plan.target import Target
from router.state.states import States

ROUNDS, PICKS = 4, 20_000
TARGETS = (3, 100, 1000)
STRATEGIES = ("weighted", "ordered", "least_latency", "least_busy", "cheapest", "affinity")


def cost(strategy: str, number: int) -> float:
    """Seconds of CPU for one pick, the best of some rounds."""
    chance = random.Random(1)
    states, balancer = States(chance), make_balancer(strategy)
    targets = [Target(name=f"m{place}", provider="a", model=f"m{place}") for place in range(number)]
    look = BalanceContext(states=states, now=1.0, rng=chance, affinity=lambda: b"session")
    best, picks = float("inf"), max(number, PICKS // number)  # each is picked, and what is due at once is paid for
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(picks):
            balancer.pick(targets, lambda target: True, look)
        best = min(best, (time.process_time() - began) / picks)
    return best


def main() -> None:
    for strategy in STRATEGIES:
        costs = ", ".join(f"{number:>4} {cost(strategy, number) * 1e6:7.1f} µs" for number in TARGETS)
        print(f"a pick, {strategy:<14} by targets: {costs}")


if __name__ == "__main__":
    main()

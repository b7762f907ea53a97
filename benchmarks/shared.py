"""What a limit and a budget cost a call: of this process alone, and shared, with a lease at hand.

CPU time of asking, taking and settling, the median of several runs, and what part that is of a whole call over the fake
provider, which costs less than any over a network. No server is needed: with a lease nobody asks it.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable

from benchmarks import engine
from providers.types import Usage
from router.config import load_text
from router.config.units import Allowance
from router.plan.budget import Budget
from router.plan.compile import compile_plan
from router.plan.rules import Limits
from router.shared.limit import Grant
from router.shared.places import SharedPlaces, User
from router.shared.rate import SharedRate
from router.shared.told import Away
from router.state.any_rate import AnyRate
from router.state.budget_account import BudgetAccount
from router.state.limits import RateLimits
from router.state.spending import Spending

RUNS = 9
CALLS = 20_000
LEASED = 1_000_000
FILE = """
providers: {a: {kind: fake}}
models: {m: {provider: a, id: m, price: {input: 1, output: 1}}}
routes: {chat: {targets: [m], budget: $1000000/d}}
"""


class _Server:
    """A link that nobody waits for."""

    processes, tick, away = 4, 0.1, False
    policy: Away = "share"
    lease = 2.0

    def ask(self, at: float) -> None:
        """Nothing is asked."""

    def expected(self, now: float) -> float:
        return 0.0

    def rate(self, share_id: str, kind: str, allowance: Allowance, *, smooth: bool = True) -> AnyRate:
        rate = SharedRate(kind, allowance, self)
        rate.receive(Grant(LEASED, 0.1, 0.0), LEASED, 0.0, 0.0)
        return rate

    def places(self, share_id: str, user: User) -> SharedPlaces:
        return SharedPlaces(share_id, self)


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


class _Keeper:
    """Who has granted enough."""

    of_all_machines = True

    def __init__(self, wall: Callable[[], float]) -> None:
        self.wall = wall

    def has(self, budget: Budget) -> bool:
        return True

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def soon(self) -> None:
        """Nothing is told."""

    def look(self) -> None:
        """Nobody looks on."""

    async def grant(self, accounts: list[BudgetAccount], waited: float) -> None:
        raise AssertionError("nobody waits")


async def cost_of_budget(*, shared: bool) -> float:
    """Seconds of CPU for one call's worth of a budget: on disk with others of the machine, or of all machines."""
    plan = compile_plan(load_text(FILE, env={}))
    target, budgets = plan.targets[0], (plan.chains["chat"].budget,)
    spending = Spending(lambda: 1_700_000_000.0)
    keeper = _Keeper(lambda: 1_700_000_000.0)
    if shared:
        spending.fleet = keeper
    else:
        spending.ledger = keeper
    spending.adopt(plan)
    for account in spending.accounts.values():
        account.period.grant, account.period.is_whole = float(LEASED), not shared
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(CALLS):
            await spending.ready(budgets)
            spending.over(budgets, target)
            charge = spending.begin_charge(budgets, target, 100, 100)
            assert charge is not None
            charge.settle(Usage(100, 100), estimated=False)
        found.append((time.process_time() - began) / CALLS)
    return statistics.median(found)


def main() -> None:
    call, _ = asyncio.run(engine.calls(3))
    pairs = {
        "a limit of requests": (cost(shared=False), cost(shared=True)),
        "a budget": (asyncio.run(cost_of_budget(shared=False)), asyncio.run(cost_of_budget(shared=True))),
    }
    for what, (own, shared) in pairs.items():
        print(
            f"{what}: {own * 1e6:.2f} µs a call, shared with a lease at hand {shared * 1e6:.2f} µs, "
            f"which is {(shared - own) / call:+.1%} of a call of {call * 1e6:.0f} µs"
        )


if __name__ == "__main__":
    main()

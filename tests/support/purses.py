"""Processes on some machines that share one budget, in virtual time: each a spending with its link, over one allocator.

A machine's ledger is in memory here: once a second each process adds to it what it spent. All calls cost dollars by the
token: one each.
"""

from __future__ import annotations

import asyncio
import random
from itertools import count

from providers.types import Usage
from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.rules import SharedRules
from router.shared.budget import NANO, BudgetEntry, Standing
from router.shared.budgets import SharedBudgets
from router.shared.exchange import Message
from router.shared.link import Link
from router.state.budget_account import BudgetAccount, Period
from router.state.spending import Spending
from tests.support.fleet import Server

START = 1_700_000_000.0  # the server's clock at the beginning
FILE = """
shared: {url: "redis://x", share: [budgets]}
providers: {a: {kind: fake}}
models: {paid: {provider: a, id: m, price: {input: 1000000, output: 1000000}}}
routes: {chat: {targets: [paid], budget: "BUDGET"}}
serve:
  keys:
    anybody: {key: key-of-anybody-0123456789}
"""
CLIENT = "    k{number}: {{key: key-of-client-{number:012d}, budget: $5/d}}\n"
_NAMES = count()


class Machine:
    """What a machine's disk has: the total of each period. `skew` is how far its clock is off, in seconds."""

    def __init__(self, skew: float = 0.0) -> None:
        self.name = f"machine {next(_NAMES)}"
        self.skew = skew
        self.totals: dict[float, float] = {}

    def wall(self) -> float:
        return START + asyncio.get_running_loop().time() + self.skew


class Ledger:
    """What keeps a process's budgets on a machine's disk."""

    of_all_machines = False

    def __init__(self, machine: Machine, spending: Spending) -> None:
        self._machine, self._spending = machine, spending
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(1.0, self.flush)

    def look(self) -> None:
        """Nobody looks on."""

    async def grant(self, accounts: list[BudgetAccount], waited: float) -> None:
        raise AssertionError("another one grants")

    def flush(self) -> None:
        self.stop()
        for account in self._spending.accounts.values():
            for began, period in account.unwritten:
                self._add(began, period)

    def _add(self, began: float, period: Period) -> None:
        usd, totals = period.pending, self._machine.totals
        totals[began] = totals.get(began, 0.0) + usd
        period.move(usd, totals[began], self._machine.name)
        period.grant -= usd

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Process:
    """One process: `call` is a request that wants to be paid for."""

    def __init__(
        self, server: Server, machine: Machine | None, budget: str, *, clients: int = 0, **rules: object
    ) -> None:
        self.events: list[str] = []
        told = lambda what, why, seconds: self.events.append(what)  # noqa: E731  # it is one word
        shared = SharedRules(url="redis://x", app="app", share=("budgets",), **rules)  # type: ignore[arg-type]  # of a test
        text = FILE.replace("BUDGET", budget) + "".join(CLIENT.format(number=number) for number in range(clients))
        plan = compile_plan(load_text(text, env={}))
        self.machine = machine or Machine()
        self.budget, self.target = plan.chains["chat"].budget, plan.targets[0]
        self.spending = Spending(self.machine.wall)
        self.link = Link(server, shared, told)
        budgets = SharedBudgets(self.link, self.spending, self.machine.wall)
        self.link.parties.append(budgets)
        self.spending.fleet = budgets
        self.ledger: Ledger | None = None
        if machine is not None:
            self.ledger = self.spending.ledger = Ledger(machine, self.spending)
        budgets.adopt(plan)
        self.spending.adopt(plan)
        if self.ledger is not None:
            self.ledger.flush()
        self.task = asyncio.get_running_loop().create_task(self.link.run())
        self.charged = 0.0
        self.waited: list[float] = []

    @property
    def spent(self) -> float:
        """What it shows as spent, by all."""
        (spent,) = self.spending.report()
        assert spent.usd is not None
        return spent.usd

    @property
    def pending(self) -> float:
        """What is on no disk yet."""
        return sum(period.pending for account in self.spending.accounts.values() for _, period in account.unwritten)

    async def call(self, cost: int = 1, *, reserved: int | None = None, seconds: float = 0.1) -> bool:
        """Make a call that costs so much in the end; says whether there was money for it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.spending.ready((self.budget,))
        self.waited.append(loop.time() - began)
        if self.spending.over((self.budget,), self.target) is not None:
            return False
        charge = self.spending.begin_charge((self.budget,), self.target, 0, cost if reserved is None else reserved)
        assert charge is not None
        await asyncio.sleep(seconds)
        if not self.task.cancelled():
            charge.settle(Usage(0, cost), estimated=False)
            self.charged += cost
        return True

    async def kill(self) -> float:
        """End it as it is; returns what it had spent that nobody will ever know."""
        self.task.cancel()
        await asyncio.wait([self.task])
        if self.ledger is not None:
            self.ledger.stop()
        return self.pending

    async def end(self) -> None:
        """End it, and give all back."""
        if self.ledger is not None:
            self.ledger.flush()
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.link.leave()


class Shop:
    """Some machines with two processes each."""

    def __init__(
        self, budget: str, machines: int = 3, *, skews: tuple[float, ...] = (), seed: int = 0, **rules: object
    ):
        self.server = Server()
        self.rng = random.Random(seed)
        self.machines = [Machine(skews[number] if skews else 0.0) for number in range(machines)]
        self.processes = [Process(self.server, machine, budget, **rules) for machine in self.machines for _ in "ab"]
        self.killed: list[Process] = []
        self._budget, self._rules = budget, rules
        self.lost = 0.0
        self.paid = 0

    @property
    def charged(self) -> float:
        """What all calls have cost."""
        return sum(process.charged for process in (*self.processes, *self.killed))

    def sum(self) -> float:
        """What the server has, of the current period."""
        process, now = self.processes[0], asyncio.get_running_loop().time()
        budget = process.budget
        assert budget is not None
        name = f"{process.link.name(f'budget {budget.owner} {budget.per:g}')}:{budget.began(START + now):.0f}"
        entry = BudgetEntry(name, round(budget.usd * NANO), "nobody", 0, 0, 0, 1, 100)
        message = Message("who looks on", next(_NAMES), "", (entry,), leaving=True)
        reply = self.server.allocator.exchange(message, START + now)
        return Standing.read(reply.answers[0]).spent / NANO

    async def demand(self, per_second: float, seconds: float, *, cost: int = 1, length: float = 0.1) -> None:
        """Have all processes call for so long, so many times a second altogether."""
        loop, calls = asyncio.get_running_loop(), set()
        end = loop.time() + seconds
        while (now := loop.time()) < end - 1e-6:
            await asyncio.sleep(min(self.rng.expovariate(per_second), end - now))
            calls.add(loop.create_task(self._call(self.rng.choice(self.processes), cost, length)))
        await asyncio.gather(*calls)

    async def _call(self, process: Process, cost: int, length: float) -> None:
        is_paid = await process.call(cost, seconds=length)
        self.paid += is_paid

    async def kill(self, number: int) -> None:
        """Kill a process, and start another on its machine."""
        process = self.processes[number]
        self.lost += await process.kill()
        self.killed.append(process)
        self.processes[number] = Process(self.server, process.machine, self._budget, **self._rules)

    async def end(self) -> None:
        """End all processes."""
        for process in self.processes:
            await process.end()

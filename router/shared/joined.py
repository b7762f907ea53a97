"""All that a process shares over one link, as its file says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from router.cleanup import end_with
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.rules import SharedRules
from router.plan.target import Target
from router.shared.breakers import SharedBreakers
from router.shared.budgets import SharedBudgets
from router.shared.facts import SharedFacts
from router.shared.holds import SharedHolds
from router.shared.limits import SharedLimits
from router.shared.link import Exchange, Link, Party
from router.shared.names import Names
from router.shared.news import News
from router.telemetry.events import shared_state_changed
from router.telemetry.recorder import Telemetry

# What else is shared over a link, made by those who have it; some of it hears news.
Parties: TypeAlias = Callable[[Link, News], Iterable[Party]]


class Joined:
    """A link, its task, and what an engine shares over it.

    Args:
        exchange: carries messages.
        machine: the name of the one that this runs on.
        parties: makes what else is shared.
    """

    def __init__(self, engine: Engine, rules: SharedRules, exchange: Exchange, machine: str, parties: Parties) -> None:
        self._engine = engine
        telemetry, wall_clock = engine.telemetry, engine.wall_clock

        # The task keeps the link alive, so nothing of it may hold the engine: a router that is dropped would never end.
        def report(what: Literal["away", "back"], why: str, seconds: float) -> None:
            now = link.rules
            policy = link.policy if now.shares("limits") else None
            of_budgets = now.budgets_away if now.shares("budgets") and not now.is_local else None
            telemetry.publish(
                shared_state_changed(what, why, seconds, policy=policy, budgets_policy=of_budgets, time=wall_clock())
            )

        def held(target: Target, of_key: bool, until: float, now: float, code: str) -> None:
            telemetry.note_held(target, until - now, code, now, of_key=of_key, told=True)

        # Of its own, so that a seed reproduces requests whatever a server does; a simulated one is a part of the run.
        rng = engine.rng if engine.telemetry.virtual else random.Random()
        self.link = link = Link(exchange, rules, report, rng)
        self._limits = SharedLimits(link) if rules.shares("limits") else None
        self._budgets = (
            SharedBudgets(link, engine.spending, engine.wall_clock)
            if rules.shares("budgets") and not rules.is_local
            else None
        )
        self._news = News(link, _Calls(engine.telemetry).are_made)
        self._names = Names(link.name)
        states = engine.states
        self._holds = SharedHolds(self._names, self._news, states, held) if rules.shares("holds") else None
        self._breakers = (
            SharedBreakers(link, self._names, self._news, states, machine, rng) if rules.shares("breakers") else None
        )
        told = self._news if rules.shares("holds", "breakers") or rules.commands else None
        link.parties += filter(None, (self._limits, self._budgets, told, self._breakers))
        link.parties += parties(link, self._news)
        self._task = asyncio.get_running_loop().create_task(link.run())

    def end_with(self, owner: object) -> None:
        """End the task with its owner, at the latest."""
        end_with(owner, self._task)

    def goes_on(self, rules: SharedRules) -> bool:
        """Say whether the connection and all that is shared over it go on under other rules."""
        now = self.link.rules
        alike = now.connection == rules.connection and now.exchanged == rules.exchanged
        return alike and now.host == rules.host and now.commands == rules.commands

    def adopt(self, plan: Plan, rules: SharedRules) -> None:
        """Take over what a plan says."""
        self.link.rules = rules
        self._names.adopt(plan.targets)
        if self._budgets is not None:
            self._budgets.adopt(plan)

    def take_part(self, plan: Plan) -> None:
        """Have what the engine knows in common from now on."""
        has_facts = self._holds is not None or self._breakers is not None
        facts = SharedFacts(self._names, self._holds, self._breakers) if has_facts else None
        have_in_common(self._engine, plan, self._limits, facts, self._budgets)
        for target in () if self._limits is None else plan.targets:
            if target.limits.in_flight is not None or target.key_limits.in_flight is not None:
                for key in target.keys:
                    self._engine.states.guards(target, key)  # so that they have places before the first request

    def hold(self) -> None:
        """Keep what is to be given back: the engine is about to share something else."""
        if self._limits is not None:
            self._limits.hold()

    async def leave(self) -> None:
        """Give all back, and close the connection."""
        if self._task.get_loop() is not asyncio.get_running_loop():
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.link.leave()


def have_in_common(
    engine: Engine,
    plan: Plan,
    limits: SharedLimits | None = None,
    facts: SharedFacts | None = None,
    budgets: SharedBudgets | None = None,
) -> None:
    """Have an engine's limits, facts and budgets in common with other processes; None: each for itself alone."""
    engine.states.share_with(limits, facts, plan.targets)
    engine.clients.share(limits)
    engine.route_limits.share(limits)
    engine.spending.fleet = budgets
    engine.spending.keep()


class _Calls:
    """Says whether calls were made since it was asked last."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._ended = 0

    def are_made(self) -> bool:
        """Say whether requests have ended since."""
        before, self._ended = self._ended, self._telemetry.ended
        return self._ended != before

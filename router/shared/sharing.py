"""What a router shares with other processes, from its start to its end; it follows the file."""

from __future__ import annotations

import asyncio
import platform
import secrets
import time
from contextlib import suppress
from typing import Literal

from router import parent
from router.cleanup import end_with
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.rules import SharedRules
from router.plan.target import Target
from router.shared import answering
from router.shared.breakers import SharedBreakers
from router.shared.exchange import Message
from router.shared.facts import SharedFacts
from router.shared.holds import SharedHolds
from router.shared.limits import SharedLimits
from router.shared.link import Exchange, Link, reason
from router.shared.names import Names
from router.shared.news import News
from router.shared.shards import Sharded
from router.telemetry.events import shared_state_changed
from router.telemetry.recorder import Telemetry


class Sharing:
    """Has an engine's limits, holds and breakers in common with other processes, as long as the file says so.

    Args:
        exchange: carries messages; None connects to the server of the file.
        machine: the name of the one that this runs on; None asks the system.
    """

    def __init__(self, engine: Engine, exchange: Exchange | None = None, machine: str | None = None) -> None:
        self._engine = engine
        self._exchange = exchange
        self._machine = platform.node() if machine is None else machine
        self._link: Link | None = None
        self._limits: SharedLimits | None = None
        self._facts: SharedFacts | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.answering = answering.Answering(engine, lambda: self._link is not None and self._link.away)

    def adopt(self, plan: Plan) -> None:
        """Take over what a plan says; it is called on the engine's loop."""
        self.answering.adopt(plan.shared)
        rules, link = plan.shared, self._link
        if rules is not None and (not rules.exchanged or (rules.is_local and parent.shares is None)):
            rules = None  # nothing is exchanged, or it is the only one
        if link is not None and rules is not None and _goes_on(link.rules, rules):
            link.rules = rules
            if self._facts is not None:
                self._facts.names.adopt(plan.targets)
            return
        if link is not None:
            leaving = asyncio.get_running_loop().create_task(_leave(link, self._task))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._link = self._task = None
            self._limits = self._facts = None
        if rules is not None:
            self._join(rules, plan)
        self._engine.states.share_with(self._limits, self._facts, plan.targets)

    def start(self) -> None:
        """Begin on a new loop; what was shared on another one is not any more."""
        self._link = self._limits = self._facts = self._task = None
        self.answering.start(self._engine.plan.shared)
        self.adopt(self._engine.plan)

    async def joined(self) -> None:
        """Wait for the first replies, as long as one may take: then it is known how many share."""
        rules = self._engine.plan.shared
        with suppress(TimeoutError):
            async with asyncio.timeout(0.0 if rules is None else rules.timeout):
                if self._link is not None:
                    await self._link.heard.wait()
                if self.answering.answers is not None:
                    await self.answering.answers.ready()

    def _join(self, rules: SharedRules, plan: Plan) -> None:
        telemetry = self._engine.telemetry

        def report(what: Literal["away", "back"], why: str, seconds: float) -> None:
            telemetry.publish(shared_state_changed(what, why, seconds, policy=link.policy, time=time.time()))

        link = self._link = Link(self._exchange or connect(rules), rules, report)
        if rules.shares("limits"):
            self._limits = SharedLimits(link)
            link.parties.append(self._limits)
        if rules.shares("holds", "breakers"):
            self._facts = self._share_facts(link, rules)
            self._facts.names.adopt(plan.targets)
        self._task = asyncio.get_running_loop().create_task(link.run())
        end_with(self, self._task)

    def _share_facts(self, link: Link, rules: SharedRules) -> SharedFacts:
        telemetry, states = self._engine.telemetry, self._engine.states
        names, news = Names(link.name), News(link, _Calls(telemetry).are_made)
        link.parties.append(news)

        def report(target: Target, of_key: bool, until: float, now: float, code: str) -> None:
            telemetry.note_held(target, until - now, code, now, of_key=of_key, told=True)

        holds = SharedHolds(names, news, states, report) if rules.shares("holds") else None
        breakers = SharedBreakers(link, names, news, states, self._machine) if rules.shares("breakers") else None
        if breakers is not None:
            link.parties.append(breakers)
        return SharedFacts(names, holds, breakers)

    async def aclose(self) -> None:
        """Give all back, and close the connections."""
        await self.answering.aclose()
        if self._link is not None:
            await _leave(self._link, self._task)
            self._link = self._task = None
        if self._leaving:
            await asyncio.wait(self._leaving)


def _goes_on(old: SharedRules, new: SharedRules) -> bool:
    """Say whether the connection and all that is shared over it go on under other rules."""
    return old.connection == new.connection and old.exchanged == new.exchanged


class _Calls:
    """Says whether calls were made since it was asked last."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._ended = 0

    def are_made(self) -> bool:
        """Say whether requests have ended since."""
        before, self._ended = self._ended, self._telemetry.ended
        return self._ended != before


async def _leave(link: Link, task: asyncio.Task[None] | None) -> None:
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        return
    task.cancel()
    await asyncio.wait([task])
    await link.leave()


async def attempt(rules: SharedRules) -> str:
    """Do once what the file shares, without a trace; returns why that can't be, "" when it can."""
    problem = await _exchange_once(rules) if rules.exchanged else ""
    return problem or (await answering.attempt(rules) if rules.shares("cache") else "")


async def _exchange_once(rules: SharedRules) -> str:
    exchange = connect(rules)
    try:
        async with asyncio.timeout(rules.timeout):
            await exchange.send(Message(secrets.token_urlsafe(9), 1, "", (), leaving=True))
    except Exception as error:  # whatever it is, it is told
        return reason(error, rules)
    finally:
        await exchange.aclose()
    return ""


def connect(rules: SharedRules) -> Exchange:
    """Return what carries messages to the server of the file. The connection is opened by the first of them."""
    if rules.is_local:
        from router.shared.local import local_exchange

        return local_exchange()
    from router.shared.redis import RedisExchange  # here: only those who share have its client

    shards = [RedisExchange(rules.url, f"{rules.app}/{shard}", rules.timeout) for shard in range(rules.shards)]
    return Sharded(shards) if len(shards) > 1 else shards[0]

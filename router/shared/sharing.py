"""What a router shares with other processes, from its start to its end; it follows the file."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import Literal

from router.cleanup import end_with
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.rules import SharedRules
from router.shared import answering
from router.shared.exchange import Message
from router.shared.limits import SharedLimits
from router.shared.link import Exchange, Link, reason
from router.telemetry.events import shared_state_changed


class Sharing:
    """Has an engine's limits in common with other processes, as long as the file says so.

    Args:
        exchange: carries messages; None connects to the server of the file.
    """

    def __init__(self, engine: Engine, exchange: Exchange | None = None) -> None:
        self._engine = engine
        self._exchange = exchange
        self._link: Link | None = None
        self._limits: SharedLimits | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.answering = answering.Answering(engine, lambda: self._link is not None and self._link.away)

    def adopt(self, plan: Plan) -> None:
        """Take over what a plan says; it is called on the engine's loop."""
        self.answering.adopt(plan.shared)
        link, rules = self._link, plan.shared if plan.shared is not None and plan.shared.exchanges else None
        if link is not None and rules is not None and rules.connection == link.rules.connection:
            link.rules = rules
            return
        if link is not None:
            leaving = asyncio.get_running_loop().create_task(_leave(link, self._task))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._link = self._task = None
            self._limits = None
        if rules is not None:
            self._join(rules)
        self._engine.states.share_limits(self._limits, plan.targets)

    def start(self) -> None:
        """Begin on a new loop; what was shared on another one is not any more."""
        self._link = self._limits = self._task = None
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

    def _join(self, rules: SharedRules) -> None:
        telemetry = self._engine.telemetry

        def report(what: Literal["away", "back"], why: str, seconds: float) -> None:
            telemetry.publish(shared_state_changed(what, why, seconds, policy=link.policy, time=time.time()))

        link = self._link = Link(self._exchange or connect(rules), rules, report)
        self._limits = SharedLimits(link)
        link.parties.append(self._limits)
        self._task = asyncio.get_running_loop().create_task(link.run())
        end_with(self, self._task)

    async def aclose(self) -> None:
        """Give all back, and close the connections."""
        await self.answering.aclose()
        if self._link is not None:
            await _leave(self._link, self._task)
            self._link = self._task = None
        if self._leaving:
            await asyncio.wait(self._leaving)


async def _leave(link: Link, task: asyncio.Task[None] | None) -> None:
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        return
    task.cancel()
    await asyncio.wait([task])
    await link.leave()


async def attempt(rules: SharedRules) -> str:
    """Do once what the file shares, without a trace; returns why that can't be, "" when it can."""
    problem = await _exchange_once(rules) if rules.exchanges else ""
    return problem or (await answering.attempt(rules) if "cache" in rules.share else "")


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
    from router.shared.redis import RedisExchange  # here: only those who share have its client

    return RedisExchange(rules.url, rules.app, rules.timeout)

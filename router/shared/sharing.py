"""What a router shares with other processes, from its start to its end; it follows the file."""

from __future__ import annotations

import asyncio
import random
import secrets
from contextlib import suppress
from typing import Literal

from router import parent
from router.cleanup import end_with
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.rules import SharedRules
from router.shared.exchange import Message
from router.shared.limits import SharedLimits
from router.shared.link import Exchange, Link, reason
from router.shared.shards import Sharded
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

    def adopt(self, plan: Plan) -> None:
        """Take over what a plan says; it is called on the engine's loop."""
        rules, link = plan.shared, self._link
        if rules is not None and rules.is_local and parent.shares is None and self._exchange is None:
            rules = None  # it is the only one
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
        self.adopt(self._engine.plan)

    async def joined(self) -> None:
        """Wait for the first reply, as long as one may take: then it is known how many share."""
        if self._link is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._link.rules.timeout):
                    await self._link.heard.wait()

    def _join(self, rules: SharedRules) -> None:
        telemetry = self._engine.telemetry
        # Of its own, so that a seed reproduces requests whatever a server does; a simulated one is a part of the run.
        rng = self._engine.rng if telemetry.virtual else random.Random()

        def report(what: Literal["away", "back"], why: str, seconds: float) -> None:
            telemetry.publish(
                shared_state_changed(what, why, seconds, policy=link.policy, time=self._engine.wall_clock())
            )

        link = self._link = Link(self._exchange or connect(rules), rules, report, rng)
        self._limits = SharedLimits(link)
        link.parties.append(self._limits)
        self._task = asyncio.get_running_loop().create_task(link.run())
        end_with(self, self._task)

    async def aclose(self) -> None:
        """Give all back, and close the connection."""
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
    """Make one exchange that changes nothing; returns why there is no reply, "" when there is one."""
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

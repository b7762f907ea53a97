"""What a router shares with other processes, from its start to its end; it follows the file."""

from __future__ import annotations

import asyncio
import platform
import secrets
import weakref
from collections.abc import Callable
from contextlib import suppress

from router import parent
from router.engine.engine import Engine
from router.plan.plan import Plan
from router.plan.rules import SharedRules
from router.shared import answering
from router.shared.answers import Answers
from router.shared.exchange import Message
from router.shared.joined import Joined, Parties, have_in_common
from router.shared.link import Exchange, reason
from router.shared.shards import Sharded


class Sharing:
    """Has what an engine knows in common with other processes, as far and as long as the file says so.

    Args:
        exchange: carries messages; None connects to the server of the file.
        machine: the name of the one that this runs on; None asks the system.
        parties: makes what else is shared.
        on_answers: called with the answers that are shared from now on.
    """

    def __init__(
        self,
        engine: Engine,
        exchange: Exchange | None = None,
        machine: str | None = None,
        parties: Parties = lambda link, news: (),
        on_answers: Callable[[Answers | None], None] = lambda answers: None,
    ) -> None:
        self._engine = engine
        self._parties = parties
        self._exchange = exchange
        self._machine = platform.node() if machine is None else machine
        self._joined: Joined | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        this = weakref.ref(self)  # else the task of the answers would keep it alive

        def is_away() -> bool:
            sharing = this()
            return sharing is not None and sharing._joined is not None and sharing._joined.link.away

        self.answering = answering.Answering(engine, is_away, on_answers)

    def adopt(self, plan: Plan) -> None:
        """Take over what a plan says; it is called on the engine's loop."""
        self.answering.adopt(plan.shared if self._exchange is None else None)
        rules, joined = plan.shared, self._joined
        if rules is not None and rules.is_local and parent.shares is None and self._exchange is None:
            rules = None  # it is the only one
        if rules is not None and not rules.exchanged:
            rules = None
        if joined is not None and rules is not None and joined.goes_on(rules):
            joined.adopt(plan, rules)
            return
        if joined is not None:
            leaving = asyncio.get_running_loop().create_task(joined.leave())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._joined = None
        if rules is None:
            have_in_common(self._engine, plan)
            return
        exchange = self._exchange or connect(rules)
        joined = self._joined = Joined(self._engine, rules, exchange, self._machine, self._parties)
        joined.end_with(self)
        joined.adopt(plan, rules)
        joined.take_part(plan)

    def start(self) -> None:
        """Begin on a new loop; what was shared on another one is not any more."""
        self._joined = None
        self.answering.forget()
        self.adopt(self._engine.plan)

    async def joined(self) -> None:
        """Wait for the first replies, as long as one may take: then it is known how many share."""
        rules = self._engine.plan.shared
        with suppress(TimeoutError):
            async with asyncio.timeout(0.0 if rules is None else rules.timeout):
                if self._joined is not None:
                    await self._joined.link.heard.wait()
                if self.answering.answers is not None:
                    await self.answering.answers.ready()

    async def aclose(self) -> None:
        """Give all back, and close the connections."""
        await self.answering.aclose()
        if self._joined is not None:
            await self._joined.leave()
            self._joined = None
        if self._leaving:
            await asyncio.wait(self._leaving)


async def attempt(rules: SharedRules) -> str:
    """Do once what the file shares, without a trace; returns why that can't be, "" when it can."""
    problem = ""
    if rules.exchanged:
        # A server that does not know the script yet answers after a second round trip, which may be too late.
        problem = await _exchange_once(rules) and await _exchange_once(rules)
    return problem or (await answering.attempt(rules) if rules.shares("cache") else "")


async def _exchange_once(rules: SharedRules) -> str:
    exchange = connect(rules)
    message = Message(secrets.token_urlsafe(9), 1, "", (), leaving=True)
    try:
        await exchange.open(message)
        async with asyncio.timeout(rules.timeout):
            await exchange.send(message)
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

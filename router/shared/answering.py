"""Shared answers from a router's start to its end, as the file says."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from router.cleanup import end_with
from router.engine.engine import Engine
from router.plan.rules import SharedRules
from router.shared.answer_names import AnswerNames
from router.shared.answers import Answers, Command, News, Store
from router.shared.link import reason
from router.telemetry.events import shared_answers_changed


class Answering:
    """Has an engine's cached answers in common with other processes, as long as the file says so.

    Args:
        link_away: says whether the server counts as away by the connection of the limits.
        on_change: called with the answers that are shared from now on, None for none.

    `answers` are those that are shared now, None where none are.
    """

    def __init__(
        self, engine: Engine, link_away: Callable[[], bool], on_change: Callable[[Answers | None], None]
    ) -> None:
        self._engine = engine
        self._on_change = on_change
        self._link_away = link_away
        self.answers: Answers | None = None
        self._rules: SharedRules | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def adopt(self, rules: SharedRules | None) -> None:
        """Take over what a plan says; it is called on the engine's loop."""
        if rules is not None and not rules.shares("cache"):
            rules = None
        if _of_answers(rules) == _of_answers(self._rules):
            return
        if self.answers is not None:
            leaving = asyncio.get_running_loop().create_task(_leave(self.answers, self._task))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        self.answers = self._task = None
        self._rules = rules
        if rules is not None:
            self.answers = Answers(connect(rules), rules, self._teller(), self._link_away)
            self._task = asyncio.get_running_loop().create_task(self.answers.run())
            end_with(self, self._task)
        self._on_change(self.answers)

    def forget(self) -> None:
        """Forget what belonged to another loop."""
        self.answers = self._task = self._rules = None
        self._on_change(None)

    async def aclose(self) -> None:
        """Store what is to be stored, and close the connection."""
        answers, self.answers, self._rules = self.answers, None, None
        self._on_change(None)
        if answers is not None:
            await _leave(answers, self._task)
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _teller(self) -> Callable[[News, str, float], None]:
        telemetry = self._engine.telemetry  # alone: who is told must not keep alive whom the task ends with

        def tell(what: News, why: str, seconds: float) -> None:
            telemetry.publish(shared_answers_changed(what, why, seconds, time.time()))

        return tell


def _of_answers(rules: SharedRules | None) -> tuple[object, ...] | None:
    """What other answers are needed for when it changes."""
    return None if rules is None else (rules.connection, rules.timeout, rules.single_flight)


async def _leave(answers: Answers, task: asyncio.Task[None] | None) -> None:
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        return
    await answers.leave()
    task.cancel()
    await asyncio.wait([task])


async def attempt(rules: SharedRules) -> str:
    """Send each kind of command once, without a trace; returns why one can't be, "" when all can."""
    store, names = connect(rules), AnswerNames(rules.app, rules.secret or "")
    key = names.flight(secrets.token_urlsafe(9))
    first: list[Command] = [
        ("PING",),
        ("SET", key, "", "NX", "PX", "1000"),
        ("MGET", names.last_key, key),
        ("GET", names.last_key),
        ("DEL", key),
        ("HGETALL", names.scopes_key),
    ]
    last: list[Command] = [("HSET", key, "a", "b"), ("DEL", key)]  # once it is known that it can be deleted
    try:
        async with asyncio.timeout(rules.timeout):
            for commands in (first, last):
                for reply in await store.send(commands):
                    if isinstance(reply, Exception):
                        return str(reply)
    except Exception as error:  # whatever it is, it is told
        return reason(error, rules)
    finally:
        await store.aclose()
    return ""


def connect(rules: SharedRules) -> Store:
    """Return a connection to the server of the file; the first command opens it."""
    from router.shared.redis import RedisStore  # here: only those who share have its client

    return RedisStore(rules.url, f"{rules.app}/0", rules.timeout)

"""The link to the server: one task that exchanges, and tells when the server is away. It retries by itself."""

from __future__ import annotations

import asyncio
import base64
import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from math import inf
from typing import Literal, Protocol

from router.plan.rules import SharedRules
from router.shared.exchange import Entry, Message, Reply
from router.shared.told import Away

_IDLE = 0.9  # seconds between two exchanges of a process that asks for nothing: it hears news within one
_OVERDUE = 1.2  # timeouts after which the server counts as away
_FIRST_RETRY, _LONGEST_RETRY = 0.05, 0.7  # seconds: with a timeout, it is back within one
_FORGOTTEN = 60.0  # seconds after which a loss of the server's data does not matter any more
_MOST = 100  # entries of one exchange: neither this process nor the server is held up by many
_LIVING = 5.0  # seconds in which all who live have told so
_LATE = 0.05  # seconds that the loop is late: a reply may lie there unread


class Exchange(Protocol):
    """Carries messages to the server."""

    async def open(self, message: Message) -> None:
        """Connect to where a message goes, if need be. No step of that takes longer than a reply may; all of them
        may: a connection takes several round trips. Raises whatever went wrong.
        """
        ...

    async def send(self, message: Message) -> Reply:
        """Return the reply; raises whatever went wrong."""
        ...

    async def aclose(self) -> None:
        """Close the connection; the next message opens another."""
        ...


class Telling(Protocol):
    """Something that is told in one exchange, which may have to be repeated; times are the loop's.

    One that is `is_idle` can wait: of nothing else, there is an exchange a second.
    """

    @property
    def is_idle(self) -> bool:
        """Whether it can wait."""
        ...

    def entry(self, now: float) -> Entry:
        """Return it as it is told now."""
        ...

    def read(self, answer: str) -> Callable[[float, float], None]:
        """Read what the server answered; returns what takes it over, given when it was asked for and answered.

        Raises:
            ValueError: it is no answer to this.
        """
        ...


class Party(Protocol):
    """Everything of one kind that a process shares."""

    def tell(self, now: float, *, leaving: bool) -> Iterable[Telling]:
        """Return what is to be told now.

        Args:
            leaving: the process ends: all is given back.
        """
        ...

    def void(self, now: float) -> None:
        """Forget what the server gave: it has lost its data."""
        ...

    def look_again(self) -> None:
        """Wake those who wait: the server has gone, or is back."""
        ...


class Link:
    """The one connection of a process to what is shared, and the task that keeps it up to date.

    Args:
        exchange: carries messages.
        rules: of the file; may be replaced at any time.
        report: told when the server is away (with why) or back (after how many seconds).
        rng: spreads the tries of those who have lost the server.

    `parties` are what is shared. `processes` are those that share, as heard last, 0 before the first reply, at which
    `heard` is set. `tick` is the seconds between two exchanges, `ahead` those that the server's
    clock (since 1970) is ahead of the loop's, None before the first reply.
    """

    def __init__(
        self,
        exchange: Exchange,
        rules: SharedRules,
        report: Callable[[Literal["away", "back"], str, float], None],
        rng: random.Random | None = None,
    ) -> None:
        self.rules = rules
        self.parties: list[Party] = []
        self.processes = 0
        self.heard = asyncio.Event()
        self.tick = 0.1
        self.ahead: float | None = None
        self.away = False
        self._exchange = exchange
        self._report = report
        self._label = secrets.token_urlsafe(9)
        self._rng = rng or random.Random()
        self._key = blake2b((rules.secret or rules.app).encode(errors="surrogateescape")).digest()
        self._number = 0
        self._unanswered: list[Telling] | None = None
        self._to_tell: list[Telling] = []  # what the last exchange had no room for
        self._was_idle = True  # whether all that was told since the last pause could wait
        self._epoch = ""
        self._lost_at = -inf
        self._next = self._earliest = -inf
        self._awake = asyncio.Event()
        self._under_way = False
        self._silent_since: float | None = None  # when the first exchange began that has no reply
        self._alarm: asyncio.TimerHandle | None = None
        self._why = ""
        self._failures = 0
        self._round_trip = 0.005

    # --- for the parties

    @property
    def label(self) -> str:
        """What this process is called at the server, random."""
        return self._label

    @property
    def policy(self) -> Away:
        """What holds while the server does not answer."""
        return self.rules.away

    @property
    def lease(self) -> float:
        """The seconds that a lease lasts."""
        return self.rules.lease

    def name(self, share_id: str) -> str:
        """Return what something is called at the server: a keyed hash, of which nobody learns what it is."""
        digest = blake2b(share_id.encode(errors="surrogateescape"), key=self._key, digest_size=9).digest()
        return base64.urlsafe_b64encode(digest).decode()

    def ask(self, at: float) -> None:
        """Exchange at this time (the loop's), or as soon after it as may be."""
        at = max(at, self._earliest)
        if at < self._next:
            self._next = at
            self._awake.set()

    def expected(self, now: float) -> float:
        """Return the seconds until the next reply, or until the server counts as away."""
        usual = max(0.02, 3 * self._round_trip)
        if self._silent_since is None:
            return max(0.0, self._next - now) + usual
        since = now - self._silent_since
        return max(0.001, usual - since if since < usual else self.rules.timeout * _OVERDUE - since)

    # --- the task

    async def run(self) -> None:
        """Exchange whenever it is time, until cancelled; the connection ends with it."""
        try:
            await self._keep_up()
        finally:
            await self._exchange.aclose()

    async def _keep_up(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        while True:
            while loop.time() < self._next:
                self._awake.clear()
                try:
                    async with asyncio.timeout_at(None if self._next == inf else self._next):
                        await self._awake.wait()
                except TimeoutError:
                    break
            self._next = inf
            await self._once()
            if task is not None and task.cancelling():  # a client may make another error of it
                raise asyncio.CancelledError

    async def _once(self, *, leaving: bool = False) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._earliest = now + self.tick / 5
        if self._silent_since is None:
            self._silent_since = now
            self._watch(loop)
        told = self._unanswered
        if told is None:
            self._number += 1
            if not self._to_tell:
                self._to_tell = [said for party in self.parties for said in party.tell(now, leaving=leaving)]
                self._was_idle = True
            told = self._unanswered = self._to_tell[:_MOST]
            del self._to_tell[:_MOST]
        is_lost = now - self._lost_at < _FORGOTTEN
        entries = tuple(said.entry(now) for said in told)
        message = Message(self._label, self._number, self._epoch, entries, is_lost, leaving)
        try:
            await self._exchange.open(message)
            sent_at = loop.time()
            async with asyncio.timeout(self.rules.timeout):
                reply = await self._exchange.send(message)
            takers = [said.read(answer) for said, answer in zip(told, reply.answers, strict=True)]
        except Exception as error:  # whatever it is: the server is asked again
            self._failed(error, loop.time())
        else:
            if not self._failures:
                self._round_trip += 0.2 * (loop.time() - sent_at - self._round_trip)
            self._was_idle = self._was_idle and all(said.is_idle for said in told)
            pause = 0.0 if self._to_tell else _IDLE if self._was_idle else reply.tick
            self._answered(reply, takers, now, loop.time(), pause)

    def _failed(self, error: Exception, now: float) -> None:
        self._why = reason(error, self.rules)
        longest = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._earliest = now + longest * self._rng.uniform(0.2, 1)
        self._next = self._earliest

    def _answered(
        self, reply: Reply, takers: Sequence[Callable[[float, float], None]], asked_at: float, now: float, pause: float
    ) -> None:
        silent_since, self._silent_since = self._silent_since, None
        if self._alarm is not None:
            self._alarm.cancel()
        # After failures it may be a reply to the first try: the leases in it are as old as that.
        began = asked_at if not self._failures or silent_since is None else silent_since
        self._failures, self._unanswered, self._why = 0, None, ""
        if is_lost := self._epoch not in ("", reply.epoch):
            self._lost_at = now
        known = self.processes if now - self._lost_at < _LIVING else 0  # not all have told that they live
        self.processes, self.tick, self.ahead = max(reply.processes, known), reply.tick, reply.time - now
        self.heard.set()
        self._next, self._epoch = now + pause, reply.epoch
        for party in self.parties if is_lost else ():
            party.void(now)
        was_away, self.away = self.away, False
        for take in takers:
            take(began, now)
        if was_away:
            for party in self.parties:
                party.look_again()
            self._report("back", "", now - (now if silent_since is None else silent_since))

    # --- away

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + self.rules.timeout * _OVERDUE
        self._alarm = loop.call_at(due, self._overdue, loop, due)

    def _overdue(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if loop.time() > due + _LATE:  # the loop was held up, and has not looked into its sockets yet
            self._alarm = loop.call_later(self.rules.timeout, self._overdue, loop, inf)
            return
        self.away = True
        for party in self.parties:
            party.look_again()
        self._report("away", self._why or reason(TimeoutError(), self.rules), 0.0)

    async def leave(self) -> None:
        """Give all back in one last exchange, and close the connection. The task has to be at its end."""
        if self._unanswered is not None and not self._failures:
            await self._once()  # what it brings is given back
        while self._to_tell and not self._failures:
            await self._once()
        if self._number and not self._failures:
            await self._once(leaving=True)
            while self._to_tell and not self._failures:
                await self._once(leaving=True)
        if self._alarm is not None:
            self._alarm.cancel()
        await self._exchange.aclose()


def reason(error: Exception, rules: SharedRules) -> str:
    """Say why there is no reply."""
    if isinstance(error, TimeoutError):
        return f"no reply within {rules.timeout:g} s"
    return str(error) or type(error).__name__

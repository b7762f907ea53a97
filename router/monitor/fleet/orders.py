"""Commands to a fleet, as news that only those can make who have the secret: what a process does with them."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from math import inf

import msgspec

from providers.harmless import harmless
from providers.printable import one_line
from router.monitor.control import run_command
from router.monitor.subject import Subject
from router.shared.sealing import Sealer
from router.telemetry.events import fleet_command
from router.views.commands import Command

KIND = "command"  # of news
FRESH = 60.0  # seconds that a command may be old, by the server's clock
ALL = "*"
REMEMBERED = 3  # commands whose outcome a brief tells
SHOWN = 120  # characters of an outcome
_KNOWN = 10_000  # commands that are not done again
_QUIET = 60.0  # seconds in which the same reason to refuse is told once


class Order(msgspec.Struct, frozen=True):
    """A command to the process with the label `to`, or to all (`*`); `at` is the server's time."""

    to: str
    at: float
    command: Command


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode


def seal(sealer: Sealer, number: str, order: Order) -> str:
    """Return a command as it is told. `number` is random, and once."""
    return sealer.seal(f"{KIND} {number}", _encode(order))


class Orders:
    """Does what the fleet is told, each command once.

    Args:
        subject: the router.
        sealer: of the file's secret.
        label: of this process.
        told: called when there is an outcome to tell.

    `done` has the last outcomes: the command's number, whether it was done, and a sentence.
    """

    def __init__(self, subject: Subject, sealer: Sealer, label: str, told: Callable[[], None]) -> None:
        self._subject = weakref.ref(subject)
        self._sealer, self._label, self._told = sealer, label, told
        self._joined_at = inf  # the server's time at the first reply
        self._ahead = 0.0  # the server's time less the loop's
        self._numbers: dict[str, None] = {}  # of what was done, whatever has become of the server's clock since
        self._refused: dict[str, float] = {}
        self._doing: set[asyncio.Task[None]] = set()
        self.done: tuple[tuple[str, bool, str], ...] = ()

    def hear_time(self, time: float, now: float) -> None:
        """Learn the server's time at this moment of the loop."""
        self._ahead = time - now
        self._joined_at = min(self._joined_at, time)

    def hear(self, number: str, payload: str, until: float, now: float) -> None:
        """Take a command; what is no fresh one with the right seal is refused, and told."""
        time = now + self._ahead
        try:
            order = _decode(self._sealer.open(f"{KIND} {number}", payload))
        except ValueError:
            self._refuse("it was not sealed with the secret of this file", now)
            return
        if abs(time - order.at) > FRESH and self._joined_at < inf:
            self._refuse(f"it is not of the last {FRESH:.0f} s", now)
        elif number in self._numbers:
            self._refuse("it was told before", now)
        elif order.at >= self._joined_at and order.to in (ALL, self._label):  # older ones were for those before
            self._numbers[number] = None
            if len(self._numbers) > _KNOWN:
                del self._numbers[next(iter(self._numbers))]
            task = asyncio.get_running_loop().create_task(self._do(number, order.command))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

    async def _do(self, number: str, command: Command) -> None:
        subject = self._subject()
        if subject is None:
            return
        with harmless:
            done = await run_command(subject, command)
            self.done = (*self.done, (number, done.ok, one_line(done.message)[:SHOWN]))[-REMEMBERED:]
            self._publish(done.message, ok=done.ok)
            self._told()

    def _refuse(self, why: str, now: float) -> None:
        if now - self._refused.get(why, -inf) >= _QUIET:
            self._refused[why] = now
            self._publish(why, ok=None)

    def _publish(self, message: str, *, ok: bool | None) -> None:
        subject = self._subject()
        if subject is not None:
            wall = asyncio.get_running_loop().time() + subject.telemetry.offset
            subject.telemetry.publish(fleet_command(message, ok=ok, time=wall))

"""Sends messages to webhooks, one after the other for each address, and gives up on one that takes none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from functools import partial
from typing import Any

import aiohttp

from providers.printable import one_line

log = logging.getLogger("signalbox.alerts")

TIMEOUT = 10.0  # seconds of one try
TRIES = 5
WAITING = 50  # messages for one address; of more, the oldest goes
BACKOFF = 1.0  # seconds before the second try; each further wait is twice as long
_LONGEST = 60.0  # seconds that a Retry-After is waited for
ENDING = 2.0  # seconds that the end waits for what is under way
_SHOWN = 200  # characters of an answer that is told


class Refused(Exception):
    """A webhook that does not take a message; `again` says whether it may do so later, `after` so many seconds."""

    def __init__(self, why: str, *, again: bool, after: float = 0.0) -> None:
        super().__init__(why)
        self.again = again
        self.after = after


async def post(session: aiohttp.ClientSession, address: str, body: dict[str, Any]) -> None:
    """Send one message, once. Redirects are not followed: the message is for this address.

    Raises:
        Refused: it was not taken; the reason does not have the address.
    """
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            session.post(
                address,
                data=json.dumps(body).encode(),
                headers={"content-type": "application/json"},
                allow_redirects=False,
            ) as answer,
        ):
            if answer.status < 300:
                return
            text = one_line((await answer.content.read(_SHOWN)).decode(errors="replace"))
            raise Refused(
                f"it answers {answer.status}" + (f": {text}" if text else ""),
                again=answer.status >= 500 or answer.status in (408, 429),
                after=_seconds(answer.headers.get("retry-after", "")),
            )
    except TimeoutError:
        raise Refused(f"no answer within {TIMEOUT:g} s", again=True) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Refused(_why(error), again=True) from None


def new_session() -> aiohttp.ClientSession:
    """Make what carries messages; the system's proxies are those of the environment."""
    return aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar())


class Outbox:
    """Takes messages without waiting, and sends them beside all else.

    `sent` and `lost` count messages.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.lost = 0
        self._waiting: dict[str, deque[tuple[dict[str, Any], str]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    def put(self, address: str, body: dict[str, Any], shown: str) -> None:
        """Have a message sent soon.

        Args:
            shown: the address for people, without what is secret of it.
        """
        waiting = self._waiting.setdefault(address, deque())
        waiting.append((body, shown))
        if len(waiting) > WAITING:
            waiting.popleft()
            self.lost += 1
        if address not in self._tasks:
            self._begin(address)

    def _begin(self, address: str) -> None:
        task = asyncio.get_running_loop().create_task(self._send_all(address, self._waiting[address]))
        self._tasks[address] = task
        task.add_done_callback(partial(self._ended, address))

    def _ended(self, address: str, task: asyncio.Task[None]) -> None:
        del self._tasks[address]
        if self._is_closed or task.cancelled() or not self._waiting[address]:
            del self._waiting[address]
        else:  # it came while the connection was closed
            self._begin(address)

    async def _send_all(self, address: str, waiting: deque[tuple[dict[str, Any], str]]) -> None:
        async with new_session() as session:  # nothing stays open in between: messages are rare
            while waiting:
                body, shown = waiting.popleft()
                if await _delivered(session, address, body, shown):
                    self.sent += 1
                else:
                    self.lost += 1

    async def aclose(self) -> None:
        """Wait a little for what is under way, and give up the rest."""
        self._is_closed = True
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=ENDING)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


async def _delivered(session: aiohttp.ClientSession, address: str, body: dict[str, Any], shown: str) -> bool:
    for number in range(TRIES):
        try:
            await post(session, address, body)
        except Refused as error:
            if error.again and number + 1 < TRIES:
                await asyncio.sleep(min(_LONGEST, max(error.after, BACKOFF * 2.0**number)))
                continue
            log.warning("an alert could not be sent to %s: %s", shown, error)
            return False
        return True
    return False


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() and len(text) < 6 else 0.0


def _why(error: Exception) -> str:
    """Say what is wrong with a connection, without the address."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "no TLS to be had: its certificate is not trusted, or it speaks none"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it hung up without an answer"
    return f"no connection ({type(error).__name__})"

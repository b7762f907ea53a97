"""Answers that processes share, over a server: one round trip for all that a turn of the loop looks up, and none while
the server is slow or gone.

A clearing gives what it forgets another name (`AnswerNames.cleared`): nobody finds it any more, and it ends by itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import ceil, inf
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from router.plan.rules import SharedRules
from router.shared.answer_names import AnswerNames
from router.shared.flights import Flights
from router.shared.link import reason
from router.shared.pace import Pace

T = TypeVar("T")

PATIENCE = 0.02  # seconds that a request waits for a lookup
_PATIENCE_FOR_MANY = 0.25  # seconds, of as many keys as it likes
_HELD_UP = 0.01  # seconds that the loop is late: a reply may lie there unread
_AT_ONCE = 64  # answers that are looked up by one command
_LONGEST = 10 * 366 * 86_400.0  # seconds that an answer is stored
_MOST_PENDING = 16 * 1024 * 1024  # bytes that wait to be stored; what comes on top is not shared
_A_TURN = 256 * 1024  # bytes after which lookups come first again
_TOLD_EVERY = 60.0  # seconds between two complaints of a kind

News: TypeAlias = Literal["away", "back", "forged", "refused"]
Command: TypeAlias = tuple[str | bytes, ...]


class Store(Protocol):
    """A connection to the server."""

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Return a reply to each command, an exception where the server refuses it; raises where there are none."""
        ...

    async def aclose(self) -> None:
        """Close the connection; the next command opens another."""
        ...


class _Queued(NamedTuple):
    command: Command
    size: int
    reply: asyncio.Future[Any]


class _Batch:
    """What is looked up by one command, by text, and who waits for it."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[asyncio.Future[bytes | None]]] = {}
        self.timer: asyncio.TimerHandle | None = None

    def give(self, text: str, data: bytes | None) -> None:
        for future in self.waiting.pop(text, ()):
            if not future.done():
                future.set_result(data)

    def end(self) -> None:
        """Give nothing to all who still wait."""
        if self.timer is not None:
            self.timer.cancel()
        for text in tuple(self.waiting):
            self.give(text, None)


class Answers:
    """The answers of all processes with the same server, app and secret. `run` is their task.

    Args:
        store: the connection.
        rules: of the file.
        tell: told what has become of the server or of what lies there, why, and for how many seconds it was away.
        link_away: says whether the server counts as away by another connection.

    No method raises for what the server does, and none waits for it while it counts as away.
    """

    def __init__(
        self,
        store: Store,
        rules: SharedRules,
        tell: Callable[[News, str, float], None],
        link_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._rules = rules
        self._tell = tell
        self._link_away = link_away
        self._names = AnswerNames(rules.app, rules.secret or "")
        self._last: object = None  # the token of the clearing that was the last when `cleared` was read
        self._flights = Flights(self._send) if rules.single_flight else None
        self._pace = Pace()
        self._heard = asyncio.Event()  # the first reply, or that there is none
        self._awake = asyncio.Event()
        self._probing = self._ended = False
        self._batch: _Batch | None = None
        self._under_way: _Batch | None = None
        self._queue: deque[_Queued] = deque()
        self._pending = 0
        self._told_at: dict[News, float] = {}

    # --- for the cache

    async def ready(self) -> None:
        """Wait for the connection; not for long, if it does not come."""
        await self._heard.wait()

    async def get(self, text: str) -> bytes | None:
        """Return what is stored under a key (`CacheKey.text`); None also when the server is late."""
        return await self._wanted(text) if self._open() else None

    async def get_many(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Return what is stored under several keys, as far as the server is in time: what one command looks up has as
        long as a single key, all of them a bound of their own.
        """
        loop, found = asyncio.get_running_loop(), dict[str, bytes]()
        until = loop.time() + _PATIENCE_FOR_MANY
        for start in range(0, len(texts), _AT_ONCE):  # so that what others look up comes in between
            if not self._open() or loop.time() > until:
                break
            some = texts[start : start + _AT_ONCE]
            for text, future in [(text, self._wanted(text)) for text in some]:
                if (data := await future) is not None:
                    found[text] = data
        return found

    def _wanted(self, text: str) -> asyncio.Future[bytes | None]:
        loop, batch = asyncio.get_running_loop(), self._batch
        if batch is None:
            batch = self._batch = _Batch()
            due = loop.time() + PATIENCE
            batch.timer = loop.call_at(due, self._late, batch, due)
            self._awake.set()
        future: asyncio.Future[bytes | None] = loop.create_future()
        batch.waiting.setdefault(text, []).append(future)
        return future

    def put(self, text: str, data: bytes, seconds: float) -> None:
        """Store an answer for so many seconds, beside the requests."""
        if not self._open() or (self._pending and self._pending + len(data) > _MOST_PENDING):
            return
        key = self._names.answer(text)
        lasts = ceil(1000 * min(max(seconds, 0.001), _LONGEST))
        self._send("SET", key, self._names.seal(key, data), "PX", str(lasts), size=len(data))

    async def written(self) -> None:
        """Wait until everything that was to be stored is, or can't be."""
        await self._send("PING")

    async def clear(self, route: str | None, namespace: str | None) -> Mapping[str, str] | None:
        """Forget the answers of a route and a namespace (None: of all) for everybody; however many they are, it is the
        same work. Returns what `cleared` has on top from now on, None when the server does not say that it is done.
        """
        scope, token = self._names.scope(route, namespace), secrets.token_urlsafe(9)
        # In this order: who sees that something was cleared finds what it was.
        sent = [
            self._send("HSET", self._names.scopes_key, scope, token),
            self._send("SET", self._names.last_key, secrets.token_urlsafe(9)),
        ]
        if any([isinstance(await reply, Exception) for reply in sent]):
            return None
        self._names.cleared = {**self._names.cleared, scope: token}
        return {scope: token}

    async def cleared(self) -> Mapping[str, str] | None:
        """Return which clearing was the last of each scope, by the scope's name; None when the server does not say."""
        last = await self._send("GET", self._names.last_key)
        if isinstance(last, Exception):
            return None
        if last != self._last:
            scopes = await self._send("HGETALL", self._names.scopes_key)
            if isinstance(scopes, Exception):
                return None
            self._learn(last, scopes)
        return self._names.cleared

    def scopes(self, text: str) -> tuple[str, ...]:
        """Return the names of the scopes that an answer is in."""
        return self._names.scopes(text)

    async def turn(self, text: str, most: float, read: Callable[[bytes], T | None]) -> T | None:
        """Wait while another process makes the call for this key; None: make it, and say when it is `done`.

        Args:
            most: seconds to wait.
            read: reads an answer; returns None for one that can't be used.
        """
        if self._flights is None:
            return None

        async def look() -> T | None:
            data = await self.get(text)
            return None if data is None else read(data)

        return await self._flights.turn(self._names.flight(text), most, look)

    async def take(self, texts: Sequence[str]) -> set[str] | None:
        """Return those keys of which no other process makes the call: this one is to make it, and to say when it is
        `done`. All of them, where the server does not say it in time; None where nobody waits for others.
        """
        if self._flights is None:
            return None
        named = {self._names.flight(text): text for text in texts}
        return {named[key] for key in await self._flights.take(list(named))}

    def done(self, text: str) -> None:
        """Let others make the call for this key, if this process has the right to; what was stored goes before."""
        if self._flights is not None:
            self._flights.release(self._names.flight(text))

    # --- the task

    async def run(self) -> None:
        """Ask the server, until cancelled; the connection ends with it."""
        self._probing, task = True, asyncio.current_task()
        try:
            while task is None or not task.cancelling():  # a client may make another error of it
                if not (self._probing or self._batch or self._queue):
                    self._awake.clear()
                    await self._awake.wait()
                await self._once()
        finally:
            self._ended = True
            self._drop(asyncio.CancelledError())
            self._heard.set()
            await self._store.aclose()

    async def _once(self) -> None:
        try:
            async with asyncio.timeout(self._rules.timeout):
                if self._probing:
                    await self._probe()
                elif self._batch is not None:
                    await self._look_up(self._batch)
                else:
                    await self._send_queued()
        except Exception as error:  # whatever it is: the server is asked again
            await self._store.aclose()
            self._failed(error)
        finally:
            self._heard.set()
            if self._under_way is not None:
                self._under_way.end()
                self._under_way = None

    async def _probe(self) -> None:
        """Connect, and see whether a reply comes in time."""
        loop, first = asyncio.get_running_loop(), not self._heard.is_set()
        self._probing = False
        _whole(await self._store.send([("PING",)]))
        began = loop.time()
        _whole(await self._store.send([("PING",)]))
        if first or loop.time() - began <= PATIENCE:
            self._in_time(loop.time())

    async def _look_up(self, batch: _Batch) -> None:
        self._batch, self._under_way = None, batch
        texts = list(batch.waiting)
        for start in range(0, len(texts), _AT_ONCE):
            await self._look_up_some(batch, texts[start : start + _AT_ONCE])
        if batch.timer is not None and not batch.timer.cancelled():
            batch.timer.cancel()
            self._in_time(asyncio.get_running_loop().time())

    async def _look_up_some(self, batch: _Batch, texts: list[str]) -> None:
        names = self._names
        while True:
            keys = [names.answer(text) for text in texts]
            (reply,) = _whole(await self._store.send([("MGET", names.last_key, *keys)]))
            last, *values = reply
            if last == self._last:
                break
            (scopes,) = _whole(await self._store.send([("HGETALL", names.scopes_key)]))
            self._learn(last, scopes)
        for text, key, value in zip(texts, keys, values, strict=True):
            data = None if value is None else names.opened(key, value)
            if value is not None and data is None:
                self._send("DEL", key)
                self._complain("forged", "an answer there is of nobody who has the secret; it was deleted")
            batch.give(text, data)

    def _learn(self, last: Any, scopes: Any) -> None:
        pairs = scopes.items() if isinstance(scopes, dict) else zip(*[iter(scopes)] * 2, strict=True)
        # Whatever stands there: a name that nobody here has made forgets nothing.
        self._names.cleared = {_text(name): _text(token) for name, token in pairs}
        self._last = last

    async def _send_queued(self) -> None:
        sent: list[_Queued] = []
        size = 0
        while self._queue and size < _A_TURN and len(sent) < _AT_ONCE:
            queued = self._queue.popleft()
            size += queued.size
            sent.append(queued)
        self._pending -= size
        replies: Sequence[object] = [ConnectionError("no reply")] * len(sent)
        try:
            replies = await self._store.send([queued.command for queued in sent])
        finally:
            for queued, reply in zip(sent, replies, strict=True):
                queued.reply.set_result(reply) if not queued.reply.done() else None
        for reply in replies:
            if isinstance(reply, Exception):
                self._complain("refused", str(reply))

    # --- in time, or not

    def _open(self) -> bool:
        """Say whether the server is asked; now and then one that is away is tried, and nobody waits for that."""
        if not self._heard.is_set() or self._ended or self._link_away():
            return False
        if self._pace.away_since is None:
            return True
        if self._pace.probes(asyncio.get_running_loop().time()):
            self._probing = True
            self._awake.set()
        return False

    def _send(self, *command: str | bytes, size: int = 0) -> asyncio.Future[Any]:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._open():
            self._queue.append(_Queued(command, size, reply))
            self._pending += size
            self._awake.set()
        else:
            reply.set_result(ConnectionError("the server is away"))
        return reply

    def _late(self, batch: _Batch, due: float) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() > due + _HELD_UP:  # the loop was held up, and has not looked into its sockets yet
            batch.timer = loop.call_later(_HELD_UP, self._late, batch, inf)
            return
        batch.end()
        batch.timer = None
        if batch is self._batch:
            self._batch = None
        self._failed(TimeoutError(f"no answer within {1000 * PATIENCE:g} ms"))

    def _in_time(self, now: float) -> None:
        away = self._pace.in_time(now)
        if away is not None:
            self._tell("back", "", away)

    def _failed(self, error: Exception) -> None:
        if self._pace.late(asyncio.get_running_loop().time(), at_once=not self._heard.is_set()):
            self._tell("away", str(error) or reason(error, self._rules), 0.0)
            self._drop(error)

    def _drop(self, error: BaseException) -> None:
        """Let nobody wait for what was not sent yet."""
        if self._batch is not None:
            self._batch.end()
        self._batch, self._pending = None, 0
        while self._queue:
            reply = self._queue.popleft().reply
            if not reply.done():
                reply.set_result(ConnectionError(str(error)))

    def _complain(self, what: News, why: str) -> None:
        """Tell of something, once in a while."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at.get(what, -inf) >= _TOLD_EVERY:
            self._told_at[what] = now
            self._tell(what, why, 0.0)

    async def leave(self) -> None:
        """Write what is to be written, within the time of a reply."""
        if self._flights is not None:
            self._flights.release_all()
        try:
            async with asyncio.timeout(self._rules.timeout):
                await self.written()
        except TimeoutError:
            pass


def _text(word: bytes) -> str:
    return word.decode(errors="surrogateescape")


def _whole(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies

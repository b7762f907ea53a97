"""News that processes tell each other: what is known to one is known to all within a second.

Others build on it: they subscribe to a kind of fact with `on`, and `publish` those of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from providers.harmless import harmless
from router.shared.fact import LONGEST_FACT, Fact, NewsEntry, NewsReply

_WORD = re.compile(r"[\w.:*~-]+", re.ASCII)
_CUTS = re.compile(r"[\t\r\n]")
_SOON = 0.05  # seconds: what ends within them is not worth telling


class Asks(Protocol):
    """What news need of the link to the server."""

    def ask(self, at: float) -> None:
        """Exchange at this time (the loop's), or as soon after it as may be."""
        ...


class Told:
    """What is told in one exchange, which may have to be repeated."""

    __slots__ = ("_cursor", "_facts", "_receive", "is_idle")

    def __init__(
        self,
        cursor: int,
        facts: dict[tuple[str, str], tuple[float, str]],
        receive: Callable[[NewsReply, float, float], None],
        *,
        is_idle: bool,
    ) -> None:
        self._cursor = cursor
        self._facts = facts
        self._receive = receive
        self.is_idle = is_idle

    def entry(self, now: float) -> NewsEntry:
        """Return it as it is told now: what has ended meanwhile is told with no time left, and is no news."""
        facts = [Fact(*item, max(0.0, until - now), payload) for item, (until, payload) in self._facts.items()]
        return NewsEntry(self._cursor, tuple(facts))

    def read(self, answer: str) -> Callable[[float, float], None]:
        """Read the news; raises ValueError where it is something else."""
        return partial(self._receive, NewsReply.read(answer))


class News:
    """A process' part in the news.

    Args:
        link: to the server.
        is_busy: says whether the process has calls; it hears sooner then.
    """

    def __init__(self, link: Asks, is_busy: Callable[[], bool] = lambda: False) -> None:
        self._link = link
        self._is_busy = is_busy
        self._cursor = 0
        self._hearers: dict[str, list[Callable[[str, str, float, float], None]]] = {}
        self._to_tell: dict[tuple[str, str], tuple[float, str]] = {}
        self._own: dict[tuple[str, str], tuple[float, str]] = {}  # what holds of what was told

    def on(self, kind: str, hear: Callable[[str, str, float, float], None]) -> None:
        """Have `hear(name, payload, until, now)` called (the loop's times) with all facts of a kind: those that hold
        now, and each when it is told or told anew. A process hears its own, too.
        """
        self._hearers.setdefault(kind, []).append(hear)

    def publish(self, kind: str, name: str, payload: str = "", *, until: float, now: float) -> None:
        """Tell a fact to all others, at once; they know it until it ends.

        A fact of the same kind and name takes the place of another; it holds until the later of both ends.

        Args:
            kind: a word, as is `name`.
            payload: one line without tabs. No clear name, key or URL may stand in it.
            until: when it ends, on the loop's clock; ten minutes from now at most.

        Raises:
            ValueError: it can't be told in this form.
        """
        if not _WORD.fullmatch(kind) or not _WORD.fullmatch(name) or _CUTS.search(payload):
            raise ValueError("a fact has a word as its kind and name, and one line without tabs as its payload")
        until = min(until, now + LONGEST_FACT)
        if until > now + _SOON:
            before, was = self._own.get((kind, name), (until, payload))
            until = max(until, before) if was == payload else until
            self._to_tell[kind, name] = self._own[kind, name] = until, payload
            self._link.ask(now)

    # --- what the link does

    def tell(self, now: float, *, leaving: bool) -> Iterator[Told]:
        """Return what is to be told and asked now."""
        facts, self._to_tell = self._to_tell, {}
        self._own = {item: fact for item, fact in self._own.items() if fact[0] > now}
        if facts or not leaving:
            yield Told(self._cursor, facts, self._receive, is_idle=not facts and not self._is_busy())

    def void(self, now: float) -> None:
        """Tell again what still holds: the server has lost its data."""
        self._cursor = 0
        self._to_tell = {item: fact for item, fact in self._own.items() if fact[0] > now}
        if self._to_tell:
            self._link.ask(now)

    def look_again(self) -> None:
        """Nobody waits for news."""

    def _receive(self, reply: NewsReply, asked_at: float, now: float) -> None:
        self._cursor = reply.cursor
        for fact in reply.facts:
            for hear in self._hearers.get(fact.kind, ()):
                with harmless:
                    hear(fact.name, fact.payload, now + fact.seconds, now)
        if reply.is_full or self._to_tell:
            self._link.ask(now)

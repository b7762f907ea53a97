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
from router.shared.telling import Telling

_WORD = re.compile(r"[\w.:*~-]+", re.ASCII)
_CUTS = re.compile(r"[\t\r\n]")
_SOON = 0.05  # seconds: what ends within them is not worth telling


class Asks(Protocol):
    """What news need of the link to the server."""

    def ask(self, at: float) -> None:
        """Exchange at this time (the loop's), or as soon after it as may be."""
        ...


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

    def tell(self, now: float, *, leaving: bool) -> Iterator[Telling[NewsReply]]:
        """Return what is to be told and asked now."""
        facts, self._to_tell = self._to_tell, {}
        self._own = {item: fact for item, fact in self._own.items() if fact[0] > now}
        if facts or not leaving:
            is_idle = not facts and not self._is_busy()
            yield Telling(partial(_entry, self._cursor, facts), NewsReply.read, self._receive, is_idle=is_idle)

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


def _entry(cursor: int, facts: dict[tuple[str, str], tuple[float, str]], now: float) -> NewsEntry:
    """Return what is told: what has ended meanwhile has no time left, and is no news."""
    told = [Fact(*item, max(0.0, until - now), payload) for item, (until, payload) in facts.items()]
    return NewsEntry(cursor, tuple(told))

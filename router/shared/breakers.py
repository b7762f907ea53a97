"""Breakers that processes share: each keeps its own, and tells the others when it opens and closes.

One that others opened takes one failure to open here; when half of those who call have opened it, it opens here too.
So an outage costs each process about one failure, and one machine with a broken network convinces nobody.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any, NamedTuple

from router.shared.link import Link
from router.shared.names import Names
from router.shared.news import News
from router.shared.outage import SETTLED, Outage, OutageEntry, What
from router.shared.probes import Probes
from router.shared.telling import Telling
from router.state.breaker import Breaker, Peers
from router.state.states import States

_LATER = 0.05  # seconds beside the time at which something is told again


class _Pending(NamedTuple):
    """What is to be told of a breaker: from when on, and until when it will be open."""

    what: What
    due: float
    until: float


class SharedBreakers:
    """All breakers of a process that it shares.

    Args:
        machine: the name of the one that it runs on.
        rng: the source of chance.
    """

    def __init__(self, link: Link, names: Names, news: News, states: States, machine: str, rng: random.Random) -> None:
        self._link = link
        self._names = names
        self._states = states
        self._machine = link.name(f"machine {machine}")
        self._rng = rng
        self._pending: dict[str, _Pending] = {}
        self._doubted: dict[str, str] = {}  # since when it is open, of what was heard last
        self._probes: dict[str, Probes] = {}  # of the breakers that are not closed
        news.on("breaker", self._hear)

    def join(self, name: str, breaker: Breaker) -> None:
        """Share a breaker from now on."""
        if name:
            breaker.peers = _Peers(self, name)
            self._follow(name, breaker)

    def _follow(self, name: str, breaker: Breaker) -> Probes | None:
        """Know those that are not closed; returns what such a one has of the probes."""
        probes = self._probes.get(name)
        if breaker.state == "closed" or breaker.manual:
            if probes is not None:
                probes.breakers.discard(breaker)
            return None
        if probes is None:
            probes = self._probes[name] = Probes(name, self._rng)
        probes.breakers.add(breaker)
        return probes

    # --- what breakers tell

    def changed(self, name: str, breaker: Breaker) -> None:
        """Tell others what has become of a breaker, unless that was done by hand or because of them."""
        now = asyncio.get_running_loop().time()
        probes = self._follow(name, breaker)
        if probes is not None:
            if breaker.state == "open" and breaker.own:
                probes.wish(breaker.until)
                self._say(name, "refused" if breaker.refused else "opened", now, breaker.until)
        elif breaker.state == "closed" and not breaker.manual and not breaker.why:  # not by a person
            self._say(name, "closed", now)
        self._link.ask(now)  # a place may be free, or needed

    def _say(self, name: str, what: What, due: float, until: float = 0.0) -> None:
        self._pending[name] = _Pending(what, due, until)
        self._link.ask(due)

    def places(self, peers: Peers, name: str, now: float) -> float:
        """Return how many probes of one breaker may be under way here; infinity without the server's word."""
        probes = self._probes.get(name)
        if probes is None or self._link.away or not self._link.processes:
            return inf
        if probes.ask(now):
            self._link.ask(now)
        if probes.is_late(now):
            return inf
        return probes.held - sum(other.probing(now) for other in probes.breakers if other.peers is not peers)

    # --- what others tell

    def _breakers(self, name: str) -> Iterator[Breaker]:
        for target, key, _ in self._names.find(name):
            guard = self._states.target(target) if key is None else self._states.key_guard(target, key)
            yield guard.breaker

    def _hear(self, name: str, payload: str, until: float, now: float) -> None:
        what, _, rest = payload.partition(" ")
        began = rest.partition(" ")[0]
        breakers = list(self._breakers(name))
        for breaker in breakers:
            if what == "closed":
                breaker.mend(now)
            elif self._doubted.get(name) != began:  # an answer clears it, however often it is told again
                breaker.doubt(until, now, refused=what == "refused")
        if breakers and began:
            self._doubted[name] = began
        else:
            self._doubted.pop(name, None)
        if what == "closed":
            if name in self._pending and self._pending[name].what in ("called", "heard"):
                del self._pending[name]
        elif breakers and name not in self._pending:
            self._say(name, "called" if any(breaker.has_calls(now) for breaker in breakers) else "heard", now)

    def _learn(self, name: str, told: _Pending, outage: Outage, asked_at: float, now: float) -> None:
        """Take over what is known of a breaker everywhere."""
        if name in self._pending:
            return  # something newer is told already
        if outage.again:
            self._say(name, told.what, now + outage.again + _LATER, told.until)
        if not outage.what or not outage.convinces:
            return
        if outage.what != "refused" and outage.age < SETTLED:
            if told.what in ("called", "heard"):
                self._say(name, told.what, now + SETTLED - outage.age + _LATER, told.until)
            return
        for breaker in self._breakers(name):
            if not (breaker.state == "open" and breaker.own and told.what in ("opened", "refused")):
                breaker.open_with(now + outage.left, outage.why, now, refused=outage.what == "refused")

    # --- what the link does

    def tell(self, now: float, *, leaving: bool) -> Iterator[Telling[Any]]:
        """Return what is to be told now."""
        due = {name: told for name, told in self._pending.items() if told.due <= now or leaving}
        for name, told in due.items():
            del self._pending[name]
            make = partial(self._entry, name, told)
            yield Telling(make, Outage.read, partial(self._learn, name, told))
        if self._pending:
            self._link.ask(min(told.due for told in self._pending.values()))
        for name, probes in list(self._probes.items()):
            telling = probes.tell(now, leaving=leaving)
            if telling is not None:
                yield telling
            elif not probes.breakers:
                del self._probes[name]

    def _entry(self, name: str, told: _Pending, now: float) -> OutageEntry:
        seconds = max(0.0, min(told.until - now, 1e6))
        return OutageEntry(name, told.what, seconds, self._machine)

    def void(self, now: float) -> None:
        """Tell again what this process has met: the server has lost its data."""
        for name, probes in self._probes.items():
            for breaker in probes.breakers:
                if breaker.own and breaker.state == "open":
                    self._say(name, "refused" if breaker.refused else "opened", now, breaker.until)

    def look_again(self) -> None:
        """Nobody waits for others' breakers."""


class _Peers:
    """The breakers of other processes for one target or key."""

    __slots__ = ("_name", "_shared")

    def __init__(self, shared: SharedBreakers, name: str) -> None:
        self._shared = shared
        self._name = name

    def changed(self, breaker: Breaker) -> None:
        """Notice a change of state, or that an open one opened again."""
        self._shared.changed(self._name, breaker)

    def places(self, now: float) -> float:
        """Return how many probes this process may have under way; it asks for one where it has none."""
        return self._shared.places(self, self._name, now)

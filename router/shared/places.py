"""The places of calls at the same time (`in_flight`) that processes share: leased like units, and held while used."""

from __future__ import annotations

import asyncio
from functools import partial
from math import ceil, inf
from typing import Protocol
from weakref import WeakSet

from router.shared.place import GATHERING, PlaceEntry, Places
from router.shared.telling import Telling
from router.shared.told import Server
from router.state.any_rate import PATIENCE

_SPARE = 0.5  # of those in use that are had ahead, where there are enough for all
_CALLED = 2.0  # seconds that a request which found none is remembered
_IDLE = 2  # that each has ahead, where those of all are half of them at most
_WARM = 60.0  # seconds after the last call for which it has some
_AGAIN = 0.9  # seconds after which those that are not in use are told again: the server forgets them after some


class User(Protocol):
    """Limits that have places in use; those of one name in a process share them."""

    in_flight: int

    @property
    def waiting(self) -> int:
        """The number of calls in line for a place."""
        ...

    @property
    def places(self) -> int | None:
        """How many there are, by the file; None where that is not limited."""
        ...

    def hand_out(self) -> None:
        """Give the places that are free to those who wait."""
        ...


class SharedPlaces:
    """What a process has of the places of one key or model. No more are in use than it holds, so that all processes
    together keep the limit.

    Args:
        name: of the places at the server.
        link: to the server.
    """

    def __init__(self, name: str, link: Server) -> None:
        self._name = name
        self._link = link
        self._users: WeakSet[User] = WeakSet()
        self._held = 0
        self._is_short = False
        self._asks = False  # for more than there were
        self._since = inf  # when a request began to wait that no reply has answered
        self._is_late = False  # that reply has not come in time
        self._alarm: asyncio.TimerHandle | None = None
        self._missed = False  # a request has found none since
        self._missed_at = -inf
        self._lost_until = -inf  # the server gathers what all hold, and gives nobody any
        self._outages = 0
        self._processes = 1
        self._gathers = False  # the server is back: all tell what they use before anybody gets more
        self._gathers_until = -inf
        self._called_at = inf  # or first told of
        self._is_quiet = False  # nobody has looked since all of it was told
        self._told = 0
        self._tell_at = -inf

    def join(self, user: User) -> None:
        """Use these places from now on."""
        self._users.add(user)

    def most(self, user: User) -> int:
        """Return how many calls one user may have under way now."""
        self._is_quiet = False
        link, most, total = self._link, user.places or 0, self._held
        if link.away:
            total = self._part(most)
        elif self._is_late:
            total = max(total, self._part(most))
        free = min(most, total - sum(other.in_flight for other in self._users if other is not user))
        if not link.away and user.in_flight >= free - (not self._is_short):  # the last one that is had ahead
            if user.in_flight >= free and not self._is_short:
                self._wait_since(asyncio.get_running_loop().time())
            self._missed = self._missed or user.in_flight >= free
            if not (self._is_short and self._asks):  # else it is asked for with every tick
                link.ask(-inf)
        return free

    def _part(self, most: int) -> int:
        """Return how many are this process' own while the server is away."""
        parts = {"share": most // self._processes, "local": most, "refuse": 0}
        return parts[self._link.policy]

    def hurry(self, waited: float) -> None:
        """Count what a request has waited for the server before."""
        if not self._is_short and not self._link.away:
            self._wait_since(asyncio.get_running_loop().time() - waited)

    def _wait_since(self, since: float) -> None:
        """Go on without the server when the reply does not come in time that somebody waits for since then."""
        if since < self._since and not self._is_late:
            self._since = since
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_at(since + PATIENCE, self._late)

    def _late(self) -> None:
        self._processes = max(1, self._link.processes)
        self._is_late = not self._link.away
        self.hand_out()

    def _answered(self, asked_at: float) -> None:
        """Take note of what was answered: those who came later wait still."""
        if asked_at < self._since or self._alarm is None:
            return
        self._since, self._is_late = inf, False
        self._alarm.cancel()
        self._alarm = None

    def freed(self) -> None:
        """Notice that a place is not used any more; another process may wait for it."""
        self._is_quiet = False
        for user in self._users:
            if user.waiting:
                user.hand_out()
        if self._is_short:
            self._link.ask(-inf)

    # --- what the link does

    def tell(self, now: float, *, leaving: bool) -> Telling[Places] | None:
        """Return what is told of the places now; None where they are not limited."""
        if self._is_quiet and now < self._tell_at and not leaving:
            return None
        most = min((user.places for user in self._users if user.places is not None), default=None)
        if most is None:
            return None
        if self._missed:
            self._missed, self._missed_at = False, now
        if self._gathers:
            self._gathers, self._gathers_until = False, now + GATHERING
        used = sum(user.in_flight for user in self._users)
        if used or self._missed_at == now or self._called_at == inf:
            self._called_at = now
        target = 0 if leaving else min(most, used + self._ahead(used, most, now))
        self._held = min(self._held, target) if now >= self._gathers_until else self._held
        told = 0 if leaving else max(used, self._held)
        want = 0 if now < self._gathers_until else max(0, target - told)
        self._asks = target > told
        self._is_quiet = not used and not want
        if self._is_quiet and told == self._told and now < self._tell_at and not leaving:
            return None
        self._told, self._tell_at = told, now + _AGAIN if told else inf
        entry = PlaceEntry(self._name, most, told, want)
        take = partial(self._take, told, self._outages)
        return Telling(lambda _: entry, Places.read, take, is_idle=not self._asks)

    def _ahead(self, used: int, most: int, now: float) -> int:
        """Return how many places to have beyond those in use."""
        needed = sum(user.waiting for user in self._users)
        if not needed and now - self._missed_at < _CALLED:
            needed = 1
        if self._is_short:
            return needed
        processes = max(1, self._link.processes)
        spare = min(_IDLE, most if processes == 1 else most // (2 * processes))
        if now - self._called_at > _WARM:
            spare = 0
        return max(needed, ceil(_SPARE * used), spare)

    def _take(self, told: int, outages: int, places: Places, asked_at: float, now: float) -> None:
        if outages != self._outages:
            return  # it is as old as the outage
        # Where all hold too many, each keeps its part: what is known of the others may be of long ago.
        self._held = max(told + places.got, min(told, self._least() // max(1, self._link.processes)))
        self._told = max(told, self._held)
        self._tell_at = min(self._tell_at, now + _AGAIN) if self._told else inf
        if now >= self._lost_until:
            self._is_short = places.is_short
            self._answered(asked_at)
        if places.got > 0:
            self.hand_out()
        if not self._is_short and any(user.waiting for user in self._users):
            self._wait_since(asked_at)

    def hand_out(self) -> None:
        """Give what is free to those who wait: more is held, or the server has gone, or is back."""
        for user in self._users:
            user.hand_out()

    def void(self, now: float) -> None:
        """Wait no longer than for a reply: the server has lost its data, and gives nobody any for a while."""
        self._is_short, self._lost_until = False, now + GATHERING

    def look_again(self) -> None:
        """Go on with what is used, and this process' part: the server has gone, or is back."""
        self._outages += 1
        self._answered(inf)
        self._tell_at = -inf
        if self._link.away:
            self._processes = max(1, self._link.processes)  # of the first reply after a loss there would be one
        self._gathers = not self._link.away
        self._held = self._part(self._least())
        self.hand_out()

    def _least(self) -> int:
        """Return how many places there are, by who says the least."""
        return min((user.places or 0 for user in self._users), default=0)

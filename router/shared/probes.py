"""The places for probes of one breaker, of which all processes together have as many as its `probes`."""

from __future__ import annotations

import random
from math import inf

from router.shared.place import PlaceEntry, Places
from router.shared.telling import Telling
from router.state.any_rate import PATIENCE
from router.state.breaker import Breaker

_AHEAD = 1.0  # seconds before a breaker is due that a place is asked for
_WISHED = 60.0  # seconds that a place is wished for after a request has asked: others may come
_UNUSED = 2.0  # seconds that one is kept without a probe; then others have their turn
_ROUNDING = 1e-6  # seconds


class Probes:
    """What a process has of them: asked for in the background, so that no request waits.

    Args:
        breaker: all of a name have the same; one is enough to know how many probes there are.
    """

    __slots__ = (
        "_asked_at",
        "_had_at",
        "_name",
        "_resting_until",
        "_rng",
        "_since",
        "_wished_until",
        "breakers",
        "held",
    )

    def __init__(self, name: str, rng: random.Random) -> None:
        self._name = name
        self._rng = rng
        self.held = 0
        self._asked_at = self._had_at = self._wished_until = self._resting_until = -inf
        self._since = inf  # when a request began to wait for a reply
        self.breakers: set[Breaker] = set()  # those that are not closed

    def wish(self, until: float) -> None:
        """Wish for a place until then."""
        self._wished_until = max(self._wished_until, until + _WISHED)

    def ask(self, now: float) -> bool:
        """Notice that a request would probe; says whether a place is to be asked for at once."""
        is_new = self._asked_at < now - _UNUSED
        self._asked_at = now
        self.wish(now)
        if not is_new or self.held:
            return False
        self._since, self._resting_until = min(self._since, now), -inf
        return True

    def is_late(self, now: float) -> bool:
        """Say whether the reply that a request waits for has not come in time."""
        return now >= self._since + PATIENCE - _ROUNDING

    def tell(self, now: float, *, leaving: bool) -> Telling[Places] | None:
        """Return what is told of the places now; None for nothing."""
        used = 0 if leaving else sum(breaker.probing(now) for breaker in self.breakers)
        most = max((breaker.rules.probes for breaker in self.breakers), default=1)
        is_due = self._asked_at > now - _UNUSED or any(
            breaker.state == "half_open" or breaker.until - now < _AHEAD for breaker in self.breakers
        )
        is_due = is_due and bool(self.breakers)
        had = self.held
        if used:
            self._had_at = now
        unused = self.held - used
        if unused > 0 and (not is_due or leaving or now - self._had_at > _UNUSED):
            unused, self._resting_until = 0, now + self._rng.uniform(0.5, 1.5)
        self.held = used + max(0, unused)
        want = 0
        if is_due and not leaving and self.held == used < most and self._resting_until <= now < self._wished_until:
            want = 1
        else:
            self._since = inf  # it is others' turn, whatever the server says
        if not (had or self.held or want):
            return None
        entry = PlaceEntry(self._name, most, self.held, want)
        return Telling(lambda _: entry, Places.read, self._take, is_idle=True)

    def _take(self, places: Places, asked_at: float, now: float) -> None:
        if asked_at >= self._since:
            self._since = inf
        if places.got > 0:
            self.held += places.got
            self._had_at = now

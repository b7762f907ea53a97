"""The limits that processes share: each has a name at the server, and leases of its own."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakValueDictionary

from router.config.units import Allowance
from router.shared.link import Link
from router.shared.place import Places
from router.shared.places import SharedPlaces, User
from router.shared.rate import SharedRate
from router.shared.telling import Telling
from router.shared.told import Told


class SharedLimits:
    """All limits of a process that it shares, over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._held: tuple[SharedRate | SharedPlaces, ...] = ()
        self._rates: WeakValueDictionary[str, SharedRate] = WeakValueDictionary()
        self._places: WeakValueDictionary[str, SharedPlaces] = WeakValueDictionary()

    def hold(self) -> None:
        """Keep all until the end, to give it back though nobody uses it any more."""
        self._held = (*self._rates.values(), *self._places.values())

    def rate(self, share_id: str, kind: str, allowance: Allowance, *, smooth: bool = True) -> SharedRate:
        """Return a limit, made on first use: all targets and keys with this id have the same.

        Args:
            kind: "requests" or "tokens".
            smooth: whether a rate a minute is smoothed.
        """
        name = f"{self._link.name(share_id)}{kind[0]}{allowance.period:g}"
        rate = self._rates.get(name)
        if rate is None:
            rate = self._rates[name] = SharedRate(name, allowance, self._link, smooth=smooth)
        elif allowance.amount < rate.amount:
            rate.change(allowance.amount)  # two say what it is: the lower holds
        return rate

    def places(self, share_id: str, user: User) -> SharedPlaces:
        """Return the places of calls at the same time, made on first use, which this user has in use from now on."""
        name = f"{self._link.name(share_id)}f"
        places = self._places.get(name)
        if places is None:
            places = self._places[name] = SharedPlaces(name, self._link)
        places.join(user)
        return places

    def tell(self, now: float, *, leaving: bool) -> Iterator[Told | Telling[Places]]:
        """Return what is to be told now of each limit."""
        for places in list(self._places.values()):
            if (held := places.tell(now, leaving=leaving)) is not None:
                yield held
        for rate in list(self._rates.values()):
            if (told := rate.tell(now, leaving=leaving)) is not None:
                yield told

    def void(self, now: float) -> None:
        """Forget all leases: the server has lost its data."""
        for rate in list(self._rates.values()):
            rate.void(now)
        for places in list(self._places.values()):
            places.void(now)

    def look_again(self) -> None:
        """Wake those who wait for a lease."""
        for rate in list(self._rates.values()):
            rate.look_again()
        for places in list(self._places.values()):
            places.look_again()

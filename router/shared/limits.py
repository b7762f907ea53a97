"""The limits that processes share: each has a name at the server, and leases of its own."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakValueDictionary

from router.config.units import Allowance
from router.shared.link import Link
from router.shared.rate import SharedRate
from router.shared.told import Told


class SharedLimits:
    """All limits of a process that it shares, over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._rates: WeakValueDictionary[str, SharedRate] = WeakValueDictionary()

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

    def tell(self, now: float, *, leaving: bool) -> Iterator[Told]:
        """Return what is to be told now of each limit."""
        for rate in list(self._rates.values()):
            if (told := rate.tell(now, leaving=leaving)) is not None:
                yield told

    def void(self, now: float) -> None:
        """Forget all leases: the server has lost its data."""
        for rate in list(self._rates.values()):
            rate.void(now)

    def look_again(self) -> None:
        """Wake those who wait for a lease."""
        for rate in list(self._rates.values()):
            rate.look_again()

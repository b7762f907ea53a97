"""What is told in one exchange by those who have no more to say than an entry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from router.shared.exchange import Entry

R = TypeVar("R")


class Telling(Generic[R]):
    """An entry that may have to be repeated.

    Args:
        make: gives it as it is told at this time.
        read: reads the answer; raises ValueError.
        take: takes over what was read, given when it was asked for and answered.
    """

    __slots__ = ("_make", "_read", "_take", "is_idle")

    def __init__(
        self,
        make: Callable[[float], Entry],
        read: Callable[[str], R],
        take: Callable[[R, float, float], None],
        *,
        is_idle: bool = False,
    ) -> None:
        self._make = make
        self._read = read
        self._take = take
        self.is_idle = is_idle

    def entry(self, now: float) -> Entry:
        """Return it as it is told now."""
        return self._make(now)

    def read(self, answer: str) -> Callable[[float, float], None]:
        """Read what the server answered; raises ValueError where it is something else."""
        return partial(self._take, self._read(answer))

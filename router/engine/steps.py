"""What `decide` and those who carry it out say to each other: steps one way, outcomes the other."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias

import msgspec

from providers.errors import ProviderError
from router.plan.target import Key, Target
from router.state.limits import Reserved


class Call(msgspec.Struct, frozen=True, eq=False):
    """Try this target with this key now.

    `reserved`: its tokens are taken from the limits already; `placed`: so is its place. A `hedge` is called beside
    another that is slow.
    """

    target: Target
    tier: int
    key: Key
    reserved: tuple[Reserved, Reserved] | None = None
    placed: bool = False
    hedge: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Wait so many seconds; nothing else could be done meanwhile.

    With `place` it is the longest wait for a place there; `Placed` is sent back when it was had, else a `Failed`.
    With `reserved` it is for the limits there, from which so many tokens were taken already; it may end before its time
    where other processes share them.
    """

    seconds: float
    place: Target | None = None
    reserved: tuple[Target, Key, tuple[Reserved, Reserved]] | None = None


class Stay(msgspec.Struct, frozen=True):
    """Go on waiting for the calls under way."""


class Failed(msgspec.Struct, frozen=True):
    """A call failed; with `others`, more of them are still under way."""

    error: ProviderError
    call: Call | None = None
    others: bool = False


class Placed(msgspec.Struct, frozen=True):
    """The request has a place in line with this key."""

    key: Key


class Slow(msgspec.Struct, frozen=True):
    """The call has not delivered within the time after which the route hedges."""


class End(msgspec.Struct, frozen=True):
    """The walk is over. `note` says why, "" when every target was tried or one delivered.

    `is_callers_fault`: the last error is the caller's own, which no target can mend; it is raised as it is. `tiers` are
    those that served.
    """

    note: str = ""
    is_callers_fault: bool = False
    tiers: frozenset[int] = frozenset()


Step: TypeAlias = Call | Wait | Stay
Outcome: TypeAlias = Failed | Slow | Placed | None  # None: what was asked for was had
Decision: TypeAlias = Generator[Step, Outcome, End]

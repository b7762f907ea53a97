"""Things that are made of keys, each once at a time: whoever asks for one that is being made waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from router.cache.shared_level import SharedAnswers

T = TypeVar("T")
MakeSome: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]  # makes all that it is asked for, or raises

_PAUSE = 0.05  # seconds between two looks for what another machine makes


class _Landed(NamedTuple, Generic[T]):
    made: Mapping[str, T]
    failed: bool


class OnceEach(Generic[T]):
    """What requests of this process make at the same time."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[object, str], asyncio.Future[_Landed[T]]] = {}

    def on_new_loop(self) -> None:
        """Forget what was being made, which went with the old loop."""
        self._under_way.clear()

    async def get(self, keys: Iterable[str], like: object, make: MakeSome[T]) -> tuple[dict[str, T], set[str]]:
        """Return what each key makes, and which of them another request has made.

        When the other one is given up, one of those who wait takes its place; when it fails, each makes its own, since
        that may have been due to what else was in it.

        Args:
            like: those alone wait for each other of whom this is the same.

        Raises:
            Whatever `make` does.
        """
        found: dict[str, T] = {}
        joined: set[str] = set()
        alone = False
        while missing := [key for key in keys if key not in found]:
            begun = {} if alone else {key: self._under_way.get((like, key)) for key in missing}
            others = {key: flight for key, flight in begun.items() if flight is not None}
            if mine := [key for key in missing if key not in others]:
                found |= await self._make(mine, like, make)
            if others:
                await asyncio.wait(set(others.values()))
            for key, flight in others.items():
                made, failed = flight.result()
                alone = alone or failed
                if key in made:
                    found[key] = made[key]
                    joined.add(key)
        return found, joined

    async def _make(self, keys: Sequence[str], like: object, make: MakeSome[T]) -> Mapping[str, T]:
        flight: asyncio.Future[_Landed[T]] = asyncio.get_running_loop().create_future()
        names = [name for key in keys if (name := (like, key)) not in self._under_way]
        self._under_way |= dict.fromkeys(names, flight)
        made, failed = dict[str, T](), False
        try:
            made |= await make(keys)
        except Exception:
            failed = True
            raise
        finally:
            for name in names:
                if self._under_way.get(name) is flight:
                    del self._under_way[name]
            flight.set_result(_Landed(made, failed))
        return made


async def in_turn(
    answers: SharedAnswers, keys: Sequence[str], most: float, look: MakeSome[T], make: MakeSome[T]
) -> set[str]:
    """Have each key's thing made once over all machines; returns those that others have made.

    Nobody waits while others wait for them: what a process has the right to is made before it waits.

    Args:
        most: seconds to wait for other machines; what they have not made by then is made here.
        look: returns what others have stored of some keys, be it nothing.
        make: makes what is missing, and stores it.
    """
    clock = asyncio.get_running_loop().time
    left, until, joined = set(keys), clock() + most, set[str]()
    while left:
        taken = await answers.take(sorted(left)) if clock() < until else None
        mine = left if taken is None else taken
        try:
            if taken is not None:  # whoever had the right has stored what it made before it gave that up
                found = (await look(sorted(left))).keys()
                joined |= found
                left, mine = left - found, mine - found
            if mine:
                await make([key for key in keys if key in mine])
        finally:
            for key in taken or ():
                answers.done(key)
        left = left - mine
        if left and not mine:
            await asyncio.sleep(_PAUSE)
    return joined

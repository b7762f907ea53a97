"""Holds that processes share: what a vendor said to one of them, all follow."""

from __future__ import annotations

from collections.abc import Callable

from providers.errors import ErrorCode
from router.plan.target import Key, Target
from router.shared.names import Names
from router.shared.news import News
from router.state.guard import Guard, Pacing
from router.state.states import States

_CODES = {str(code) for code in ErrorCode}


class SharedHolds:
    """All holds of a process that it shares. They are facts of the kind "hold", with the error's code.

    Args:
        report: told of each that begins here by another process' word: the target, whether the key is held, until when
            and now (the loop's times), the code.
    """

    def __init__(
        self, names: Names, news: News, states: States, report: Callable[[Target, bool, float, float, str], None]
    ) -> None:
        self._names = names
        self._news = news
        self._states = states
        self._report = report
        news.on("hold", self._hear)

    def teller(self, target: Target | None, key: Key | None) -> Teller:
        """Return what tells of a target, or of a key."""
        return Teller(self._names, self._news, target, key)

    def _hear(self, name: str, payload: str, until: float, now: float) -> None:
        for target, key, is_pair in self._names.find(name):
            held: Guard | Pacing
            if key is None:
                held = self._states.target(target)
            elif is_pair:
                held = self._states.target(target).paced(key)
            else:
                held = self._states.key_guard(target, key)
            is_new = held.held_until <= now
            held.hold(until)
            if is_new:
                code = payload if payload in _CODES else str(ErrorCode.RATE_LIMITED)
                self._report(target, key is not None and not is_pair, until, now, code)


class Teller:
    """Tells what a vendor said to one target or key."""

    __slots__ = ("_key", "_names", "_news", "_target")

    def __init__(self, names: Names, news: News, target: Target | None, key: Key | None) -> None:
        self._names = names
        self._news = news
        self._target = target
        self._key = key

    def held(self, until: float, code: str, now: float, key: Key | None = None) -> None:
        """Tell that the vendor asked to wait until then, by its own word."""
        if self._target is None:
            name = "" if self._key is None else self._names.of_key(self._key)
        else:
            name = self._names.of_target(self._target) if key is None else self._names.of_pair(self._target, key)
        if name:
            self._news.publish("hold", name, str(code), until=until, now=now)

"""When a trouble is told: once it has lasted, once it is over, and not twice within a while. Pure: time comes in.

What flaps is one trouble: it is over when it has been away for as long as it has to last (a minute at least).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal, NamedTuple

import msgspec

from router.alerts.conditions import Trouble
from router.plan.alerts import AlertRule

_CALM = 60.0  # seconds, at least, until it is over
_MOST = 1000  # troubles of a rule that are remembered


class Notice(NamedTuple):
    """What is to be told now by one rule: troubles that have begun, or that are over."""

    rule: AlertRule
    state: Literal["firing", "resolved"]
    troubles: tuple[Trouble, ...]


class Known(msgspec.Struct):
    """A trouble, in seconds since 1970: since when it is there, when it was seen last, when it was told last and
    whether that stands still. `says` is as it was told.
    """

    since: float
    seen: float
    told_at: float | None = None
    is_told: bool = False
    says: str = ""


class AlertStates:
    """What is known of the troubles of each rule. `known` can be kept, and handed to another one."""

    def __init__(self, known: dict[str, dict[str, Known]] | None = None) -> None:
        self.known: dict[str, dict[str, Known]] = known or {}

    def keep(self, rules: Iterable[AlertRule]) -> None:
        """Forget the rules that are not among these."""
        names = {name_of(rule) for rule in rules}
        self.known = {name: troubles for name, troubles in self.known.items() if name in names}

    def look(self, rule: AlertRule, troubles: Iterable[Trouble], now: float) -> list[Notice]:
        """Return what is to be told, now that these are wrong."""
        known = self.known.setdefault(name_of(rule), {})
        begun: list[Trouble] = []
        for trouble in troubles:
            if trouble.who not in known and len(known) >= _MOST:
                continue
            state = known.setdefault(trouble.who, Known(now, now))
            if state.seen < state.since:
                state.since = now
            state.seen = now
            is_due = state.told_at is None or now - state.told_at >= rule.every
            if not state.is_told and now - state.since >= rule.lasts and is_due:
                state.told_at, state.is_told, state.says = now, True, trouble.says
                begun.append(trouble)
        over = self._over(rule, known, now)
        notices = [Notice(rule, "firing", tuple(begun))] if begun else []
        return notices + ([Notice(rule, "resolved", tuple(over))] if over else [])

    @staticmethod
    def _over(rule: AlertRule, known: dict[str, Known], now: float) -> list[Trouble]:
        """Return those that were told and are over; what was never told is forgotten when it is away."""
        over: list[Trouble] = []
        for who, state in list(known.items()):
            away = now - state.seen
            if away == 0:
                continue
            if not state.is_told:
                state.since = now + 1  # begins anew when it comes back
                if state.told_at is None or now - state.told_at >= rule.every:
                    del known[who]
            elif away >= max(_CALM, rule.lasts):
                state.is_told, state.since = False, now + 1
                over.append(Trouble(who, state.says))
        return over


def name_of(rule: AlertRule) -> str:
    """Return what tells a rule from others of its file, without its address, which is a secret."""
    digest = blake2b(rule.to.encode(), digest_size=6).hexdigest()
    return f"{rule.terms} every {rule.every:g} to {digest}"

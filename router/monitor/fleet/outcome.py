"""What became of a command to a fleet, by the briefs of its processes, as a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from router.monitor.fleet.brief import Brief
from router.monitor.fleet.orders import ALL
from router.views.commands import Done


class Outcome(NamedTuple):
    """Who takes commands, and what those said of this one."""

    asked: int
    others: int
    said: tuple[tuple[bool, str], ...]

    @property
    def is_whole(self) -> bool:
        """Whether all have said something."""
        return len(self.said) >= self.asked

    def done(self, app: str, unread: str = "") -> Done:
        """Say it in a sentence; `unread` is how many processes could not be read, and why."""
        if not self.asked:
            why = unread if unread and not self.others else "in its file: `shared: {commands: true}`"
            return Done(False, f"no process of {app} takes commands ({why})")
        failed = [message for ok, message in self.said if not ok]
        ((message, _),) = Counter(failed or [message for _, message in self.said] or [""]).most_common(1)
        taken = len(self.said) - len(failed)
        parts = [f"done in {taken:,} of {self.asked:,} process{'' if self.asked == 1 else 'es'}"]
        if message:
            parts.append(message)
        if silent := self.asked - len(self.said):
            parts.append(f"{silent:,} {'has' if silent == 1 else 'have'} not said what became of it")
        if self.others:
            parts.append(f"{self.others:,} take{'s' if self.others == 1 else ''} no commands")
        return Done(taken == self.asked, "; ".join(parts))


def outcome_of(number: str, to: str, briefs: Mapping[str, Brief]) -> Outcome:
    """Return what is known by now of a command to one (by its label) or all."""
    meant = [brief for label, brief in briefs.items() if to in (ALL, label)]
    asked = [brief for brief in meant if brief.obeys]
    said = tuple((ok, message) for brief in asked for known, ok, message in brief.done if known == number)
    return Outcome(len(asked), len(meant) - len(asked), said)

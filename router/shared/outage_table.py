"""Counts which processes have opened a breaker, and which call its target.

The twin of `lua/outage.lua`. Pure: time comes in.
"""

from __future__ import annotations

from router.shared.fact import LONGEST_FACT
from router.shared.news_table import NewsTable
from router.shared.outage import RECENT, OutageEntry
from router.shared.table import Moment

_AGAIN = 1.0  # seconds between two news of one breaker


class OutageTable:
    """All breakers.

    Args:
        news: that tell of them.
    """

    def __init__(self, news: NewsTable) -> None:
        self._news = news
        self._counted: dict[str, dict[str, float]] = {}  # until when each counts

    def answer(self, entry: OutageEntry, moment: Moment) -> str:
        """Take in what a process has met, and tell what all have."""
        now, name = moment.now, entry.name
        opened, machines, called, called_from = (self._counted.setdefault(key, {}) for key in entry.keys()[:4])
        if entry.what == "closed":
            opened.clear()
            machines.clear()
            kept = self._news.find("breaker", name)
            if kept is None or kept.payload != "closed" or kept.ends <= now:
                self._news.publish("breaker", name, "closed", now + RECENT, now)
            return "- 0 0 0 0 0 0 0"
        is_open = entry.what in ("opened", "refused")
        counted = min(max(RECENT, entry.seconds), LONGEST_FACT) if entry.what == "refused" else RECENT
        for members, who, is_counted, seconds in (
            (opened, moment.label, is_open, counted),
            (machines, entry.machine, is_open, counted),
            (called, moment.label, entry.what != "heard", RECENT),
            (called_from, entry.machine, entry.what != "heard", RECENT),
        ):
            if is_counted:
                members[who] = max(members.get(who, 0.0), float(f"{now + seconds:.6f}"))
            for old in [member for member, ends in members.items() if ends <= now]:
                del members[old]
        what, since, told, ends, at = self._known(name, now)
        again = 0.0
        if is_open:
            mine = now + min(entry.seconds, LONGEST_FACT)
            grown = len(opened) > told and told < max(2.0, len(called) / 2)
            if not what or entry.what != what or grown or mine > ends + _AGAIN:
                if what and now < at + _AGAIN:
                    again = at + _AGAIN - now
                else:
                    since, ends = since if what else now, max(ends, mine)
                    what = entry.what
                    self._news.publish("breaker", name, f"{what} {since:.6f} {len(opened)}", ends, now)
        counts = f"{len(opened)} {len(called)} {len(machines)} {len(called_from)}"
        return f"{what or '-'} {counts} {now - since:.6f} {max(0.0, ends - now):.6f} {again:.6f}"

    def _known(self, name: str, now: float) -> tuple[str, float, int, float, float]:
        """Return what was told of it: "opened" or "refused", since when, by how many; its end, and when it was told."""
        kept = self._news.find("breaker", name)
        if kept is None or kept.ends <= now or kept.payload == "closed":
            return "", now, 0, 0.0, 0.0
        what, since, told = kept.payload.split(" ")
        return what, float(since), int(told), kept.ends, kept.at

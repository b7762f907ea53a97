"""The script's twin in Python, on plain data: `lua/exchange.lua` is the same for a server. Pure: time comes in."""

from __future__ import annotations

from typing import Any

from router.shared.budget_table import BudgetTable
from router.shared.exchange import Message, Reply
from router.shared.fleet_table import FleetTable
from router.shared.limit_table import LimitTable
from router.shared.news_table import NewsTable
from router.shared.outage_table import OutageTable
from router.shared.place_table import PlaceTable
from router.shared.table import Moment, Table

_LIVING = 5.0  # seconds after its last exchange that a process counts as living
_REMEMBERED = 3600.0  # seconds that the last reply to a process is kept: it asks again within some


class Allocator:
    """Answers the messages of all processes, each entry by the table of its kind."""

    def __init__(self) -> None:
        self._epoch = ""
        self._living: dict[str, float] = {}
        self._replies: dict[str, tuple[int, Reply, float]] = {}
        news, fleet = NewsTable(), FleetTable(lambda: self._living)
        self._tables: dict[str, Table[Any]] = {
            "budget": BudgetTable(),
            "limit": LimitTable(),
            "news": news,
            "outage": OutageTable(news),
            "place": PlaceTable(),
            **dict.fromkeys(("brief", "snapshot", "watch", "read"), fleet),
        }

    def exchange(self, message: Message, now: float) -> Reply:
        """Answer a message.

        Args:
            now: seconds on a clock that all messages share.
        """
        self._epoch = self._epoch or f"{now:.6f}"
        number, last, _ = self._replies.get(message.label, (None, None, 0.0))
        if last is not None and number == message.number:
            return last
        self._living.pop(message.label, None)
        if not message.leaving:
            self._living[message.label] = now  # the last: they stand in the order of their exchanges
        while self._living and self._living[label := next(iter(self._living))] <= now - _LIVING:
            del self._living[label]
        processes = len(self._living)
        anew = message.seen not in ("", self._epoch)
        moment = Moment(now, message.label, anew, anew or message.lost, message.leaving, processes, float(self._epoch))
        answers = tuple(self._tables[entry.kind].answer(entry, moment) for entry in message.entries)
        tick = round(max(0.1, min(1.0, processes / 10_000)), 4)
        reply = Reply(self._epoch, round(now, 6), processes, tick, answers)
        self._replies.pop(message.label, None)
        if not message.leaving:  # which nobody repeats
            self._replies[message.label] = message.number, reply, now
        while self._replies and self._replies[label := next(iter(self._replies))][2] <= now - _REMEMBERED:
            del self._replies[label]
        return reply

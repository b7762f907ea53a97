"""The strategy `weighted`: every target has its share of the calls, to one call, whatever the number of targets."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from router.balance.balancer import BalanceContext, IsEligible
from router.plan.target import Target

_ROUNDING = 1e-9  # of a call
_LONG = 2.0**20  # calls, after which time begins anew, so that adding to it stays exact


class _Turn:
    """A target's place in line: its next call may begin at `begin` and is due at `due`, in virtual time.

    `part` is its weight over all weights of the tier, `weight` what it has of that at the moment. `credit` is what it
    is owed, in calls, while it stands aside.
    """

    __slots__ = ("aside", "begin", "credit", "part", "place", "target", "weight")

    def __init__(self, target: Target, part: float, place: int) -> None:
        self.target = target
        self.part = self.weight = part
        self.place = place  # in the file: the first of those that are due at once
        self.begin = self.credit = 0.0
        self.aside = False

    @property
    def due(self) -> float:
        """When its next call is due, in virtual time."""
        return self.begin + 1.0 / self.weight


_Line: TypeAlias = list[tuple[float, int, _Turn]]  # a heap; the place before the turn, which can't be compared


class Weighted:
    """At every moment a target has had its share of the calls so far, give or take one.

    Virtual time moves on with each call, by one over the weights of those that share it. A target's next call may begin
    when its last one was due, and of all that may begin the one that is due first is picked: "Earliest Eligible Virtual
    Deadline First" (Stoica and Abdel-Wahab, 1995). Smooth weighted round robin, which takes the one that is owed most,
    strays further with many targets, and has to look at all of them.

    Only who would be next is asked whether it may be called. If not, it stands aside: it is asked each time from then
    on, and what it is owed does not grow until it is back. Those that came back with less weight (`States.share`) stay
    aside until they have all of it, since what is due moves while a weight does.
    """

    __slots__ = ("_aside", "_gone", "_ready", "_targets", "_time", "_waiting", "_weight")

    def __init__(self) -> None:
        self._targets: Sequence[Target] = ()
        self._gone: dict[str, float] = {}  # what is owed, in calls, to those that are not there, by name
        self._time = 0.0
        self._waiting: _Line = []  # by when they may begin
        self._ready: _Line = []  # those that may, by when they are due
        self._aside: list[_Turn] = []
        self._weight = 1.0

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        if targets is not self._targets:
            self._line_up(targets)
        growing = self._ask_again(is_eligible, context) if self._aside else []
        ready, waiting = self._ready, self._waiting
        while growing or ready or waiting:
            weight = self._weight + sum([turn.weight for turn in growing]) if growing else self._weight
            time = self._time + 1.0 / weight
            while waiting and waiting[0][0] < time - _ROUNDING:
                turn = heappop(waiting)[2]
                heappush(ready, (turn.begin + 1.0 / turn.weight, turn.place, turn))
            line = ready or waiting  # where nobody may begin, those who may soonest
            turn = _first(growing, line, time) if growing else line[0][2]
            if turn.aside:
                break
            share = context.states.share(turn.target, context.now) if is_eligible(turn.target) else 0.0
            heappop(line)
            if share >= 1.0:
                turn.begin += 1.0 / turn.weight
                heappush(waiting, (turn.begin, turn.place, turn))
                break
            self._step_aside(turn)
            if share > 0.0:
                growing.append(self._with(turn, share))
        else:
            return None
        if growing:
            self._owe(growing, turn, time)
        self._time = time if time < _LONG else self._anew(time)
        return turn.target

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        weights = [target.weight * context.states.share(target, context.now) for target in eligible]
        total = sum(weights) or 1.0
        shares = [(target, weight / total) for target, weight in zip(eligible, weights, strict=True)]
        return sorted(shares, key=lambda share: -share[1])

    def _line_up(self, targets: Sequence[Target]) -> None:
        """Other targets, or other weights, from now on: who was there before is owed as much as it was, and so is who
        comes back. (Requests on an older plan have their own targets meanwhile.)
        """
        owed = self._gone | self._owed()
        total = sum(target.weight for target in targets if target.weight > 0)
        turns = [_Turn(each, each.weight / total, place) for place, each in enumerate(targets) if each.weight > 0]
        for turn in turns:
            turn.begin = self._time - owed.pop(turn.target.name, 0.0) / turn.part
        self._gone = owed
        self._targets = targets
        self._waiting = [(turn.begin, turn.place, turn) for turn in turns]
        heapify(self._waiting)
        self._ready = []
        self._aside = []
        self._weight = 1.0

    def _owed(self) -> dict[str, float]:
        """What each target is owed, in calls, by its name."""
        in_line = [turn for line in (self._waiting, self._ready) for _, _, turn in line]
        owed = {turn.target.name: (self._time - turn.begin) * turn.part for turn in in_line}
        return owed | {turn.target.name: turn.credit for turn in self._aside}

    def _step_aside(self, turn: _Turn) -> None:
        turn.credit = (self._time - turn.begin) * turn.part
        turn.aside = True
        insort(self._aside, turn, key=lambda waiting: waiting.place)
        self._weight -= turn.part

    def _ask_again(self, is_eligible: IsEligible, context: BalanceContext) -> list[_Turn]:
        """Those that are back get in line again; gives those whose weight is still growing."""
        growing, aside = [], []
        for turn in self._aside:
            if not is_eligible(turn.target):
                aside.append(turn)
                continue
            share = context.states.share(turn.target, context.now)
            self._with(turn, share)
            if share < 1.0:
                growing.append(turn)
                aside.append(turn)
                continue
            turn.aside = False
            heappush(self._waiting, (turn.begin, turn.place, turn))
            self._weight += turn.part
        self._aside = aside
        if not aside:
            self._weight = 1.0  # without what rounding left
        return growing

    def _with(self, turn: _Turn, share: float) -> _Turn:
        """Give a turn this share of its weight; it is owed as much as before."""
        turn.weight = turn.part * share
        turn.begin = self._time - turn.credit / turn.weight
        return turn

    def _owe(self, growing: Iterable[_Turn], picked: _Turn, time: float) -> None:
        for turn in growing:
            turn.credit = (time - turn.begin) * turn.weight
            if turn is picked:
                turn.credit -= 1.0

    def _anew(self, time: float) -> float:
        for line in (self._waiting, self._ready):
            for _, _, turn in line:
                turn.begin -= time
        self._waiting = [(turn.begin, turn.place, turn) for _, _, turn in self._waiting]
        self._ready = [(turn.due, turn.place, turn) for _, _, turn in self._ready]
        heapify(self._waiting)
        heapify(self._ready)
        return 0.0


def _first(growing: list[_Turn], line: _Line, time: float) -> _Turn:
    """Who is due first of those in line and of those whose weight grows."""
    return min([*growing, line[0][2]] if line else growing, key=lambda turn: _order(turn, time))


def _order(turn: _Turn, time: float) -> tuple[bool, float, int]:
    begun = turn.begin < time - _ROUNDING
    return not begun, turn.due if begun else turn.begin, turn.place

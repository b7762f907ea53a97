"""In which order the tiers of a chain serve whose targets are routes: one chain of a draw, and when it is exhausted the
next. Nothing here waits or changes state, but for the place in line that a balancer's pick takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import cast

from msgspec.structs import replace

from router.balance.balancer import BalanceContext
from router.engine.context import RequestContext
from router.engine.eligibility import Progress, enters, note_skip, pick, situation, why_not_now
from router.engine.steps import Call
from router.plan.plan import Branch, Draw, Step, Tier
from router.plan.target import Target
from router.state.states import States


def drawn(context: RequestContext, progress: Progress) -> Iterator[tuple[int, Tier | Draw]]:
    """Yield the tiers in the order in which they serve a request, each with what says whether it is entered. A draw is
    made when its turn comes, and once for a request.
    """
    steps = context.chain.steps
    assert steps is not None, "others serve as they stand"
    yield from _Walk(context, progress).steps(steps, None, is_first=True)


def pick_beside(
    context: RequestContext, progress: Progress, tier_index: int, under_way: Collection[str]
) -> Call | None:
    """Return a call to another chain of the draws that a tier stands in, the innermost first; None when there is none.

    Args:
        under_way: identities of targets that are called already.
    """
    walk = _Walk(context, progress)
    for draw in reversed(_draws_around(context.chain.steps or (), tier_index)):
        for branch in walk.branches(draw):
            lead = walk.lead(branch)
            if lead == tier_index:
                continue
            progress.entered |= {lead}
            if (call := pick(context, progress, lead, under_way)) is not None:
                return call
    return None


class _Walk:
    def __init__(self, context: RequestContext, progress: Progress) -> None:
        self._context = context
        self._progress = progress

    def steps(self, steps: Sequence[Step], entry: Draw | None, *, is_first: bool) -> Iterator[tuple[int, Tier | Draw]]:
        """Yield the tiers of some steps.

        Args:
            entry: the draw of which this is the first branch: what lets that in lets in its first tier.
            is_first: nothing serves before them.
        """
        for place, step in enumerate(steps):
            leads = is_first and place == 0
            if isinstance(step, int):
                if leads:
                    self._progress.entered |= {step}
                yield step, self._context.chain.tiers[step] if entry is None or place else entry
                was_entered = step in self._progress.entered
            else:
                yield from self._draw(step, step if entry is None or place else entry, leads)
                was_entered = step.mark in self._progress.entered
            if place == 0 and not was_entered:
                return  # what else is in this chain serves after its first tier

    def _draw(self, draw: Draw, entry: Draw, leads: bool) -> Iterator[tuple[int, Tier | Draw]]:
        if leads:
            self._progress.entered |= {draw.mark}
        if not enters(draw.mark, entry, self._progress):
            return
        self._progress.entered |= {draw.mark}
        for number, branch in enumerate(self.branches(draw)):
            yield from self.steps(branch.steps, None if number else entry, is_first=leads and number == 0)

    def branches(self, draw: Draw) -> Iterator[Branch]:
        """Yield the chains of a draw, each drawn when its turn comes: those that may be called by their weights, then
        those that have somebody to wait for.
        """
        order = self._progress.drawn.setdefault(draw.mark, [])
        place = 0
        while place < len(order) or self._draw_one(draw, order):
            yield order[place]
            place += 1

    def _draw_one(self, draw: Draw, order: list[Branch]) -> bool:
        """Draw one more; False when all were drawn."""
        context = self._context
        left = {branch.weighed: branch for branch in draw.branches if branch not in order and branch.weight > 0}

        def is_eligible(weighed: Target) -> bool:
            branch = left.get(weighed)
            return branch is not None and self._may_serve(branch)

        if not left:
            return False
        balancer = context.balancers[context.chain.line, draw.mark, draw.balance]
        picked = balancer.pick(draw.weighed, is_eligible, _situation(context, draw))
        order.append(next(iter(left.values())) if picked is None else left[picked])
        return True

    def _may_serve(self, branch: Branch) -> bool:
        """Say whether anybody of a chain could be called now; where nobody could, the trace is told why."""
        context, progress = self._context, self._progress
        skips: list[tuple[int, Target, tuple[str, str]]] = []
        for index in branch.tiers:
            for target in context.chain.tiers[index].targets:
                if target.weight <= 0 or not progress.may_try(target):
                    continue
                why = why_not_now(context, progress, target)
                if why is None:
                    return True
                skips.append((index, target, why))
        for skip in skips:
            note_skip(context, progress, *skip)
        return False

    def lead(self, branch: Branch) -> int:
        """Return the first tier of a branch."""
        step = branch.steps[0]
        while not isinstance(step, int):
            step = next(self.branches(step)).steps[0]
        return step


class _Loads:
    """What balancers ask of a target, for chains: how much of its weight counts, and how many calls are under way.

    A chain is back with its first target. Calls do not count: who is drawn by affinity stays at its chain.
    """

    def __init__(self, states: States, draw: Draw) -> None:
        self._states = states
        self._targets = {branch.weighed: branch.targets for branch in draw.branches}

    def share(self, weighed: Target, now: float) -> float:
        return max(self._states.share(target, now) for target in self._targets[weighed])

    def in_flight(self, weighed: Target) -> int:
        return 0


def _situation(context: RequestContext, draw: Draw) -> BalanceContext:
    loads = _Loads(context.states, draw)
    return replace(
        situation(context, context.clock()), states=cast(States, loads)
    )  # a draw's strategies ask these two alone


def _draws_around(steps: Sequence[Step], tier_index: int) -> list[Draw]:
    """List the draws that a tier stands in, the outermost first."""
    for step in steps:
        if isinstance(step, Draw):
            for branch in step.branches:
                if tier_index in branch.steps or (inner := _draws_around(branch.steps, tier_index)):
                    return [step, *(() if tier_index in branch.steps else inner)]
    return []

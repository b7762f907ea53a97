"""The loop around the decisions: deadline > failover > attempt, for plain calls and streams alike.

A plain attempt delivers the answer; a stream's delivers the stream with its first content at hand, which is
where it commits. What differs is one function, `Attempt`; everything else is shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Generic, TypeAlias, TypeVar

from msgspec.structs import replace

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError, SignalboxError
from providers.types import Usage
from router.cleanup import to_the_end
from router.engine.decide import RAISE, decide, hedge_after, next_try
from router.engine.needs import Requirements
from router.engine.situation import RequestContext
from router.engine.steps import Call, Failed, Placed, Slow, Stay, Wait
from router.errors import RouteExhausted
from router.plan.plan import Chain
from router.plan.pricing import cost
from router.plan.target import Target
from router.state.lease import Lease
from router.views.trace import Attempt, Trace

T = TypeVar("T")
AttemptCall: TypeAlias = Callable[[Target, float, Lease], Awaitable[T]]


class FailOver(Generic[T]):
    """Tries targets in the order of `decide` until one delivers; goes on from there when what it delivered breaks.

    Args:
        attempt: makes one call, bounded by the deadline (the loop's time).
        discard: what becomes of a delivery that came too late, when another target was faster.

    `delivered_at` is the loop's time of the last delivery.
    """

    def __init__(
        self,
        chain: Chain,
        needs: Requirements,
        trace: Trace,
        attempt: AttemptCall[T],
        at: RequestContext,
        discard: Callable[[T], Awaitable[None]] | None = None,
    ) -> None:
        self._chain = chain
        self._needs = needs
        self._trace = trace
        self._attempt = attempt
        self._discard = discard
        self._at = at
        self._start = at.began
        self.delivered_at = 0.0  # the loop's time
        at.budget.request(self._start)
        self._walk = decide(chain, needs, trace, at)
        self._error: ProviderError | None = None
        self._delivered: tuple[Call, float]  # the last call that delivered, and when it began

    async def deliver(self, broken: ProviderError | None = None) -> tuple[T, Lease]:
        """What the next target delivers, and the lease to end.

        Args:
            broken: why the last delivery is of no use; None the first time.

        Raises:
            RouteExhausted: nothing is left to try.
            ProviderError: the caller's own mistake, which no target can mend.
        """
        at = self._at
        self._error = broken
        try:
            step = next(self._walk) if broken is None else self._walk.send(Failed(broken))
            while True:
                if not isinstance(step, Call):
                    step = self._walk.send(await _wait(step, at))
                    continue
                after = None if self._chain.hedge is None else hedge_after(self._chain, step.target, self._needs, at)
                delivered = await (self._try(step) if after is None else self._race(step, after))
                if not isinstance(delivered, Failed):
                    return delivered
                step = self._walk.send(delivered)
        except StopIteration as end:
            raise self._exhausted(end.value) from self._error

    async def _try(self, step: Call) -> tuple[T, Lease] | Failed:
        """One attempt, written into the trace."""
        at = self._at
        began = at.clock()
        lease = _begin(step, self._chain, self._needs, at, began)
        try:
            delivered = await self._attempt(step.target, at.deadline, lease)
        except ProviderError as failure:
            return self._failed(step, lease, failure)
        except BaseException:
            now = at.clock()
            lease.cancelled(now)
            if at.witness is not None:
                at.witness.attempt_cancelled(step.target, now)
            raise
        return self._won(step, lease, delivered)

    async def _race(self, first: Call, after: float) -> tuple[T, Lease] | Failed:
        """One attempt, and others beside it when it is slow; the first to deliver wins, the others are cancelled.

        Args:
            after: seconds without a delivery until the next target is called.
        """
        racing: dict[asyncio.Task[T], tuple[Call, Lease]] = {}
        self._launch(first, racing)
        ended: Failed | tuple[T, Lease] | None = None
        try:
            ended = await self._first(racing, after)
            return ended
        finally:
            # A cancelled request leaves no call behind either, nor a delivery that nobody has seen.
            if racing and await to_the_end(self._lose(racing)):
                if isinstance(ended, tuple):
                    await to_the_end(self._drop(*ended))
                raise asyncio.CancelledError

    async def _first(self, racing: dict[asyncio.Task[T], tuple[Call, Lease]], after: float) -> tuple[T, Lease] | Failed:
        """What the first to deliver delivers, or how the last one failed; it is taken out of the race."""
        patience: float | None = after
        while True:
            done, _ = await asyncio.wait(racing, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                other = self._walk.send(Slow())
                if isinstance(other, Call):
                    self._launch(other, racing)
                else:
                    patience = None  # nobody else is to be had
                continue
            task = next(each for each in racing if each in done)  # the earliest
            call, lease = racing.pop(task)
            try:
                return self._won(call, lease, task.result())
            except ProviderError as failure:
                failed = self._failed(call, lease, failure)
                if not racing or CONSEQUENCES[failure.code].fallback == "no":
                    return failed
                self._walk.send(replace(failed, others=True))

    async def _drop(self, delivered: T, lease: Lease) -> None:
        lease.cancelled(self._at.clock())
        if self._discard is not None:
            await self._discard(delivered)

    def _launch(self, step: Call, racing: dict[asyncio.Task[T], tuple[Call, Lease]]) -> None:
        at = self._at
        lease = _begin(step, self._chain, self._needs, at, at.clock())
        if step.hedge and at.witness is not None:
            at.witness.hedged = True

        async def attempt() -> T:
            return await self._attempt(step.target, at.deadline, lease)

        racing[asyncio.get_running_loop().create_task(attempt())] = step, lease

    async def _lose(self, racing: dict[asyncio.Task[T], tuple[Call, Lease]]) -> None:
        """Cancel those that were not the first, wait until they are gone, and write what they cost."""
        now = self._at.clock()
        for task, (call, lease) in racing.items():
            task.cancel()
            lease.lost(now, streaming=self._needs.streaming)
            wasted = cost(call.target.capabilities.price, Usage(self._needs.prompt_tokens, 0))
            if self._at.witness is not None:
                self._at.witness.attempt_cancelled(call.target, now, wasted)
            self._trace.entries.append(
                Attempt(
                    call.target.name,
                    call.tier,
                    lease.started - self._start,
                    now - lease.started,
                    key=call.key.number,
                    hedge=call.hedge,
                    lost=True,
                    cost=wasted,
                )
            )
        await asyncio.wait(racing)
        for task in racing:
            if not task.cancelled() and task.exception() is None and self._discard is not None:
                await self._discard(task.result())

    def _won(self, step: Call, lease: Lease, delivered: T) -> tuple[T, Lease]:
        began = lease.started
        now = self.delivered_at = self._at.clock()
        self._trace.seconds = now - self._start
        entry = Attempt(
            step.target.name, step.tier, began - self._start, now - began, key=step.key.number, hedge=step.hedge
        )
        self._trace.entries.append(entry)
        self._delivered = step, began
        return delivered, lease

    def _failed(self, step: Call, lease: Lease, failure: ProviderError) -> Failed:
        now = self._at.clock()
        self._error = failure
        lease.failed(failure, now)
        self._trace.entries.append(_entry(step, failure, lease.started - self._start, now - lease.started))
        if self._at.witness is not None:
            self._at.witness.attempt_failed(step.target, failure, now)
        _learn_window(step.target, failure, self._at.windows)
        return Failed(failure, step)

    def _exhausted(self, why: str) -> SignalboxError:
        self._trace.seconds = self._at.clock() - self._start
        if why == RAISE and self._error is not None:
            self._error.trace = self._trace
            return self._error
        soonest = _retry_after(self._error, self._chain, self._needs, self._at)
        return RouteExhausted(self._chain.route, self._trace, note=why, retry_after=soonest)

    def note_break(self, error: ProviderError) -> None:
        """Write into the trace that the stream that was delivered last broke."""
        step, began = self._delivered
        now = self._at.clock()
        self._trace.entries.append(_entry(step, error, began - self._start, now - began))
        if self._at.witness is not None:
            self._at.witness.attempt_failed(step.target, error, now)

    def close(self) -> None:
        """Nothing more will be delivered."""
        self._walk.close()
        self._trace.seconds = self._at.clock() - self._start


def _begin(step: Call, chain: Chain, needs: Requirements, at: RequestContext, now: float) -> Lease:
    reserved = step.reserved
    if reserved is None:
        reserved = at.states.reserve(step.target, step.key, needs.prompt_tokens, needs.max_tokens, now)
    bill = None
    if at.spending is not None:
        budgets = (chain.budget, step.target.budget)
        bill = at.spending.bill(budgets, step.target, needs.prompt_tokens, needs.max_tokens)
    return at.states.begin(step.target, step.key, reserved, now, placed=step.placed, bill=bill)


async def _wait(step: Wait | Stay, at: RequestContext) -> Failed | Placed | None:
    assert isinstance(step, Wait), "there is nothing under way to stay for"
    if step.place is not None:
        key = await at.states.place(step.place, step.seconds)
        if key is not None:
            return Placed(key)
        return Failed(ProviderError(ErrorCode.OVERLOADED, "no place was freed in time"))
    try:
        await asyncio.sleep(step.seconds)
    except BaseException:
        if step.reserved is not None:
            at.states.give_back(*step.reserved, at.clock())
        raise
    return None


def _entry(step: Call, error: ProviderError, at: float, seconds: float) -> Attempt:
    return Attempt(
        step.target.name,
        step.tier,
        at,
        seconds,
        code=error.code,
        message=error.message,
        status=error.status,
        request_id=error.request_id,
        key=step.key.number,
        hedge=step.hedge,
    )


def _learn_window(target: Target, error: ProviderError, windows: MutableMapping[str, int]) -> None:
    if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED and error.context_window:
        windows[target.identity] = error.context_window


def _retry_after(error: ProviderError | None, chain: Chain, needs: Requirements, at: RequestContext) -> float | None:
    """When the next try makes sense: the vendor's last word, else the first target that may be called again."""
    if error is not None and error.retry_after is not None:
        return error.retry_after
    soonest = next_try(chain, needs, at)
    return soonest if soonest else None

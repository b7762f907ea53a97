"""The loop around the decisions: deadline > failover > attempt, for plain calls and streams alike.

A plain attempt delivers the answer; a stream's delivers the stream with its first content at hand, which is where it
commits. What differs is one function, `AttemptCall`; everything else is shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, ParamSpec, Self, TypeAlias, TypeVar

from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.harmless import harmless
from providers.timeouts import NAMES, is_shorter
from providers.types import CompletionResponse
from router.cleanup import to_the_end
from router.engine.attempt import complete_once
from router.engine.context import RequestContext
from router.engine.decide import decide, hedge_after
from router.engine.eligibility import Progress, is_final, next_try, pick
from router.engine.paid import Answer, cost_of, with_routing_info
from router.engine.steps import Call, Decision, End, Failed, Outcome, Slow, Step
from router.engine.waiting import admitted, afford, wait
from router.errors import RouteExhausted, give_trace
from router.plan.target import Target
from router.state.lease import Lease
from router.views.trace import Attempt

T = TypeVar("T")
P = ParamSpec("P")
AttemptCall: TypeAlias = Callable[[RequestContext, Target, Lease], Awaitable[T]]


def _harmlessly(report: Callable[P, object], *args: P.args, **named: P.kwargs) -> None:
    """Call what learns, counts or settles: whatever becomes of that, the request goes on."""
    try:
        report(*args, **named)
    except Exception as error:
        harmless.note(error)


async def complete(context: RequestContext) -> CompletionResponse:
    """Get one whole answer from the vendors of a chain; raises RouteExhausted, ProviderError."""
    with FailOver(context, complete_once) as failover:
        return failover.answered(await failover.deliver())


class FailOver(Generic[T]):
    """Tries targets in the order of `decide` until one delivers; goes on from there when what it delivered breaks.

    A context manager: what leaves it as an exception is how the request ended. What is delivered is the answer, or the
    stream with its first content at hand; what becomes of that is reported once, to lease, trace and figures.

    Args:
        attempt: makes one call, bounded by the context's deadline.
        discard: what becomes of a delivery that came too late, when another target was faster.

    `lease` is that of who delivered last.
    """

    lease: Lease
    _served: Call  # which delivered last
    _delivered: float  # when it did, on the loop's clock
    # Of few requests, so that the others need not set them:
    _opening: Call | None = None  # the call that the request began with
    _walk: Decision | None = None  # made when that came to nothing
    _error: ProviderError | None = None
    _refused: CompletionResponse | None = None  # the last answer that was not taken

    def __init__(
        self,
        context: RequestContext,
        attempt: AttemptCall[T],
        discard: Callable[[T], Awaitable[None]] | None = None,
    ) -> None:
        self._context = context
        self._attempt = attempt
        self._discard = discard
        self._progress = Progress()
        context.retry_budget.request(context.began)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        context = self._context
        if self._walk is not None:
            self._walk.close()
        if context.recorder.number and context.permit is None:
            return  # it was answered, and all is told
        now = context.clock()
        context.trace.seconds = now - context.began
        if context.permit is not None:
            partial = getattr(error, "partial", None)
            ended = context.permit.failed if isinstance(error, SignalboxError) else context.permit.cancelled
            _harmlessly(ended, now, partial)
        if error is not None:
            give_trace(error, context.trace)
            _harmlessly(context.recorder.failed, error, now)

    async def deliver(self, broken: ProviderError | None = None) -> T:
        """Return what the next target delivers.

        Args:
            broken: why the last delivery is of no use; None the first time.

        Raises:
            RouteExhausted: nothing is left to try.
            ProviderError: the caller's own mistake, which no target can mend.
        """
        context = self._context
        if broken is not None:
            self._error = broken
            context.begin_anew()
        elif context.limits is not None:
            context.permit = await admitted(context, context.limits)
        if context.spending is not None:
            await afford(context)
        try:
            if broken is not None:
                step = self._next(Failed(broken, self._served))
            else:
                # Only when this comes to nothing the walk is needed, which would cost each request 5 % of what the
                # engine does.
                self._opening = pick(context, self._progress, 0) if context.chain.steps is None else None
                step = self._opening or self._next(None)
            while True:
                if not isinstance(step, Call):
                    step = self._next(await wait(step, context))
                    continue
                after = None if context.chain.hedge is None else hedge_after(context, step.target)
                if after is not None:
                    ended = await self._race(step, after)
                    if not isinstance(ended, Failed):
                        return ended
                    step = self._next(ended)
                    continue
                lease = _begin(step, context)  # here: one coroutine more would cost each call 1 % of the router's work
                try:
                    return self._won(step, lease, await self._attempt(context, step.target, lease))
                except ProviderError as failure:
                    failed = self._failed(step, lease, failure)
                except BaseException:
                    self._given_up(step, lease)
                    raise
                step = self._next(failed)
        except StopIteration as end:
            raise self._exhausted(end.value) from self._error

    def _next(self, outcome: Outcome) -> Step:
        """Return the next step of the walk after this outcome; raises StopIteration at its end."""
        if self._walk is None:
            self._walk = decide(self._context, self._progress, self._opening)
            step = next(self._walk)
            if self._opening is None:
                return step
        return self._walk.send(outcome)

    def _given_up(self, call: Call, lease: Lease) -> None:
        now = self._context.clock()
        _harmlessly(lease.cancelled, now)
        _harmlessly(self._context.recorder.attempt_cancelled, call.target, now)

    async def _race(self, first: Call, after: float) -> T | Failed:
        """Make one attempt, and others beside it when it is slow; the first to deliver wins, the others are cancelled.

        Args:
            after: seconds without a delivery until the next target is called.
        """
        racing: dict[asyncio.Task[T], tuple[Call, Lease]] = {}
        self._launch(first, racing)
        ended: T | Failed | None = None
        try:
            ended = await self._first(racing, after)
            return ended
        finally:
            # A cancelled request leaves no call behind either, nor a delivery that nobody has seen.
            if racing and await to_the_end(self._lose(racing)):
                if ended is not None and not isinstance(ended, Failed):
                    await to_the_end(self._drop(ended))
                raise asyncio.CancelledError

    async def _first(self, racing: dict[asyncio.Task[T], tuple[Call, Lease]], after: float) -> T | Failed:
        """Return what the first to deliver delivers, or how the last one failed; it is taken out of the race."""
        patience: float | None = after
        while True:
            done, _ = await asyncio.wait(racing, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                step = self._next(Slow())
                if isinstance(step, Call):
                    self._launch(step, racing)
                else:
                    patience = None  # nobody else is to be had
                continue
            task = next(running for running in racing if running in done)  # the earliest
            call, lease = racing.pop(task)
            try:
                return self._won(call, lease, task.result())
            except ProviderError as failure:
                failed = self._failed(call, lease, failure)
                if not racing or (is_final(failure) and not call.hedge):  # one of a hedge does not end the first
                    return failed
                self._next(replace(failed, others=True))
                patience = after  # those that are left may be slow, too
            except Exception:  # of an app's own function that looks at answers
                self._given_up(call, lease)
                raise

    async def _drop(self, delivered: T) -> None:
        self.abandoned()
        if self._discard is not None:
            await self._discard(delivered)

    def _launch(self, call: Call, racing: dict[asyncio.Task[T], tuple[Call, Lease]]) -> None:
        lease = _begin(call, self._context)
        if call.hedge:
            self._context.recorder.hedged = True

        async def attempt() -> T:
            return await self._attempt(self._context, call.target, lease)

        racing[asyncio.get_running_loop().create_task(attempt())] = call, lease

    async def _lose(self, racing: dict[asyncio.Task[T], tuple[Call, Lease]]) -> None:
        """Cancel those that were not the first, wait until they are gone, and write what they cost."""
        context = self._context
        now, needs = context.clock(), context.requirements
        for task, (call, lease) in racing.items():
            task.cancel()
            _harmlessly(lease.lost, now, streaming=needs.streaming)
            wasted = cost_of(call.target, lease.used) if lease.told is None else lease.told
            _harmlessly(context.recorder.attempt_cancelled, call.target, now, wasted)
            context.trace.entries.append(
                Attempt(
                    call.target.name,
                    context.chain.tiers[call.tier].level,
                    lease.started - context.began,
                    now - lease.started,
                    key=call.key.number,
                    own_key=call.target.is_own,
                    hedge=call.hedge,
                    lost=True,
                    cost=wasted,
                    chain=context.chain.tiers[call.tier].chain,
                )
            )
        await asyncio.wait(racing)
        for task in racing:
            if not task.cancelled() and task.exception() is None and self._discard is not None:
                await self._discard(task.result())

    def _won(self, call: Call, lease: Lease, delivered: T) -> T:
        context, target, started = self._context, call.target, lease.started
        now, tier, trace, began = context.clock(), context.chain.tiers[call.tier], context.trace, context.began
        self._served, self.lease, self._delivered = call, lease, now
        trace.seconds = now - began
        trace.entries.append(
            Attempt(
                target.name,
                tier.level,
                started - began,
                now - started,
                key=call.key.number,
                own_key=target.is_own,
                hedge=call.hedge,
                chain=tier.chain,
            )
        )
        return delivered

    # --- what becomes of what was delivered

    def answered(self, response: Answer, now: float | None = None, first: float | None = None) -> Answer:
        """Report that the answer is whole; returns it with what the router knows about it.

        Args:
            now: on the loop's clock; None where it was whole when it was delivered.
            first: of a stream, the seconds from the call to its first content.
        """
        context, lease, target = self._context, self.lease, self._served.target
        if now is None:
            now = self._delivered
        told = response.cost
        response, paid = with_routing_info(response, context, target)
        context.trace.seconds = now - context.began
        try:  # as `_harmlessly` does, without its calls: every answer comes here
            lease.succeeded(now, response, plain=first is None, told=told)
        except Exception as error:
            harmless.note(error)
        try:
            context.token_counts.learn(target, context.request, response.usage)
        except Exception as error:
            harmless.note(error)
        if response.left_out or told is not None:
            context.trace.note(left_out=response.left_out, told_cost=told)
        if context.permit is not None:
            _harmlessly(context.permit.answered, response.usage, now)
        try:
            context.recorder.answered(target, lease.started, now, response, paid, first)
        except Exception as error:
            harmless.note(error)
        return response

    def broke(self, error: ProviderError) -> None:
        """Report that the stream broke after its first content."""
        _report_failure(self._context, self._served, self.lease, error)

    def abandoned(self, partial: CompletionResponse | None = None) -> None:
        """Report that the caller went away after so much of the answer, unless the outcome was reported already."""
        if self.lease.is_open:
            _harmlessly(self.lease.cancelled, self._context.clock(), partial)

    def _failed(self, call: Call, lease: Lease, failure: ProviderError) -> Failed:
        self._error = failure
        self._refused = failure.partial or self._refused
        _report_failure(self._context, call, lease, failure)
        return Failed(failure, call)

    def _exhausted(self, end: End) -> SignalboxError:
        context = self._context
        context.trace.seconds = context.clock() - context.began
        if end.is_callers_fault and self._error is not None:
            return self._error
        after = _retry_after(self._error, context, end.tiers)
        exhausted = RouteExhausted(context.chain.route, context.trace, note=end.note, retry_after=after)
        exhausted.partial = self._refused
        return exhausted


def _report_failure(context: RequestContext, call: Call, lease: Lease, failure: ProviderError) -> None:
    """Report a failure to the lease, the trace and the figures."""
    now = context.clock()
    is_evidence = not _is_no_evidence(context, call.target, failure)
    with harmless:
        hold = lease.failed(failure, now, context.request, is_evidence=is_evidence)
        if hold is not None:
            context.recorder.held(call.target, hold.seconds, failure.code, now, of_key=hold.of_key)
    paid = cost_of(call.target, lease.used) if lease.told is None else lease.told
    tier = context.chain.tiers[call.tier]
    context.trace.entries.append(
        Attempt(
            call.target.name,
            tier.level,
            lease.started - context.began,
            now - lease.started,
            code=failure.code,
            message=failure.message,
            status=failure.status,
            request_id=failure.request_id,
            key=call.key.number,
            own_key=call.target.is_own,
            hedge=call.hedge,
            cost=paid,
            chain=tier.chain,
        )
    )
    _harmlessly(context.recorder.attempt_failed, call.target, failure, now, paid)
    if failure.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED and failure.context_window:
        context.windows[call.target.model_identity] = failure.context_window
    elif failure.code is ErrorCode.INVALID_OUTPUT:
        context.correct(call.target, failure)


def _is_no_evidence(context: RequestContext, target: Target, failure: ProviderError) -> bool:
    """Say whether a failure tells nothing about the target: the caller did not wait as long as is usual with it.

    Its own timeouts are usual, those of its model and provider; a route's or a call's may be shorter. `total` is always
    the caller's: what was left of it when this call began is chance. An old connection that was closed tells of itself,
    and a credential of who issues it.
    """
    phase = failure.phase
    if phase in ("total", "credential") or failure.stale_connection or failure.stale_credential:
        return True
    if failure.code not in (ErrorCode.TIMEOUT, ErrorCode.STREAM_INTERRUPTED) or phase not in NAMES:
        return False
    return is_shorter(context.timeout_of(target), target.usual, phase)


def _begin(call: Call, context: RequestContext) -> Lease:
    now, charge = context.clock(), None
    prompt, most = context.requirements.prompt_tokens, context.requirements.max_tokens
    if context.spending is not None and not call.target.is_own:
        charge = context.spending.begin_charge(context.budgets(call.target), call.target, prompt, most)
    return context.states.begin(
        call.target, call.key, prompt, most, now, reserved=call.reserved, placed=call.placed, charge=charge
    )


def _retry_after(error: ProviderError | None, context: RequestContext, tiers: Collection[int]) -> float | None:
    """Return the seconds until the next try makes sense: the vendor's last word, else the first target that may be
    called again.
    """
    if error is not None and error.retry_after is not None:
        return error.retry_after
    return next_try(context, tiers) or None

"""Records what the engine does while it works: it is cheap to call, and nobody waits for it.

A request has a `RequestRecorder`. The plain case, a request that its first attempt answers, is one write into one
bucket; all else costs a little more. Figures are made from the buckets only when somebody reads them (`windows`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec
from msgspec.structs import replace

from providers.embeddings import AnyRequest, AnyResponse
from providers.errors import ErrorCode, ProviderError
from providers.harmless import harmless
from providers.printable import one_line
from providers.types import Usage
from router.plan.pricing import note_prompt_cache
from router.plan.target import Target, names_of
from router.telemetry.ages import Ages
from router.telemetry.buckets import Bucket, CallCounter
from router.telemetry.capture import Capture, captured
from router.telemetry.events import Change, breaker_changed, held
from router.views.events import Event
from router.views.requests import Captured
from router.views.trace import Attempt, Trace

if TYPE_CHECKING:
    from router.plan.plan import Plan
    from router.state.breaker import Breaker

log = logging.getLogger("signalbox.events")

REQUESTS = 500  # that are remembered with their traces
EVENTS = 500
NEWS = 1.0  # seconds: a shorter hold is no event
_told = attrgetter("tags", "rule", "of_call", "asked")  # of a trace: one question for all, since most have none
_NOTHING = _told(Trace("", ""))
_NAMES = 1024  # of routes that are told apart
_TARGETS = 2048  # of one route that are told apart
_UNSUMMED = 20_000  # buckets that wait for whoever reads the totals; of more, all is summed anew


class Listener(Protocol):
    """An exporter. Its methods are called on the loop, between the steps of a request, and must be quick."""

    def began(self, recorder: RequestRecorder) -> None:
        """Notice that a request begins."""
        ...

    def ended(self, recorder: RequestRecorder, response: AnyResponse | None) -> None:
        """Notice that a request ended; `response` is None when it failed."""
        ...


# How a plain request is remembered: as little as can be, since the rest would stay out of every processor's cache.
# (number, revision, caller, route, target, began, the attempt's start, end, a stream's first token, usage, cost)
Plain: TypeAlias = tuple[int, str, str | None, "Route", Target, float, float, float, float | None, Usage, float | None]


class Route:
    """What is known of a route's requests: how many are under way, and its counters."""

    __slots__ = ("answers", "attempts", "in_flight", "name", "requests", "telemetry")

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self.name = name
        self.telemetry = telemetry
        self.in_flight = 0
        self.answers: dict[str, CallCounter] = {}  # by the target's identity
        self.attempts: dict[str, CallCounter] = {}
        self.requests = CallCounter("requests", name)

    def counter(self, counters: dict[str, CallCounter], kind: str, target: Target) -> CallCounter:
        """Make a counter of this kind for a target, and keep it in `counters`. The oldest of too many go into one."""
        while len(counters) >= _TARGETS:
            oldest = counters.pop(next(iter(counters)))
            rest = f"{oldest.identity.partition('/')[0]}/other"
            if oldest.identity != rest:
                kept = counters.pop(rest, None) or CallCounter(kind, self.name, oldest.provider, rest)
                kept.total.add(oldest.total)
                if not oldest.bucket.closed:
                    oldest.bucket.counter = kept
            else:
                kept = oldest
            counters[kept.identity] = kept
        counter = counters[target.identity] = CallCounter(kind, self.name, target.provider, target.identity)
        return counter


class Telemetry:
    """All that a router remembers of what it did. `offset` turns the loop's time into the time of day."""

    is_of_copies = False  # of requests, which nobody waits for (`router.engine.shadows`)

    def __init__(self, plan: Plan) -> None:
        self.started_at = time.time()
        self.loaded_at = self.started_at
        self.offset = self.started_at - time.monotonic()
        self.virtual = False  # whether time is (see `router.testing`)
        self.label = str(os.getpid())  # tells this router from others of the machine
        self.routes: dict[str, Route] = {}
        self.requests: deque[RequestRecorder | Plain] = deque(maxlen=REQUESTS)  # see `RequestRecorder.remembered`
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.listeners: tuple[Listener, ...] = ()
        self.subscribers: set[Callable[[Event], None]] = set()  # by those who follow the events
        self.ages = Ages(self.close_bucket)
        self.recent = self.ages.recent  # the buckets of each second of the window
        self.unsummed: list[Bucket] | None = None  # closed since the totals were read; None while nobody reads them
        self.capture: Capture = "off"  # whether prompts and answers are kept with the recent requests
        self.adopt(plan)
        self._codes: dict[str, str] = {}  # of the last failure of targets and provider keys
        self.ended = 0  # requests that were remembered so far

    def adopt(self, plan: Plan) -> None:
        """Follow a new plan, which runs from now on."""
        self.plan = plan
        self._names: dict[str, str] | None = None  # of targets by identity, where somebody needs them
        settings = plan.file.telemetry
        self.capture = "off" if settings is None or settings.capture is None else settings.capture
        self._captures = self.capture != "off"

    def bind_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Follow the clock of the loop that the router runs on now."""
        self.label = f"{os.getpid()}.{secrets.token_hex(2)}"
        self.offset = time.time() - loop.time()
        self.virtual = abs(time.monotonic() - loop.time()) > 1

    def resync_clock(self, now: float) -> None:
        """Follow the wall clock after the machine slept, which a loop's clock does not see."""
        drift = time.time() - self.offset - now
        if abs(drift) > 1 and not self.virtual:
            self.offset += drift

    def recorder(self, trace: Trace, request: AnyRequest, now: float) -> RequestRecorder:
        """Make the recorder of a request that begins. Nothing of the request is kept, unless the file says so."""
        try:
            route = self.routes[trace.route]
        except KeyError:
            name = trace.route if len(self.routes) < _NAMES else "other"  # `provider/model-id` can be anything
            route = self.routes.setdefault(name, Route(name, self))
        route.in_flight += 1
        recorder = RequestRecorder(route, trace, request if self._captures else None, now)
        if self.listeners:
            for listener in self.listeners:
                with harmless:
                    listener.began(recorder)
        return recorder

    def without(self, listener: Listener | None) -> tuple[Listener, ...]:
        """Return the listeners but this one."""
        return tuple(other for other in self.listeners if other is not listener)

    def changed(self, identity: str, breaker: Breaker) -> None:
        """Publish that a breaker took another state, a little later, when the failure that did it is known."""
        change = Change(breaker.state, breaker.manual, breaker.why, breaker.until)
        asyncio.get_running_loop().call_soon(self._publish_change, identity, change)

    def _publish_change(self, identity: str, change: Change) -> None:
        now = asyncio.get_running_loop().time()
        if self._names is None:
            self._names = {target.identity: target.name for target in reversed(self.plan.targets)}  # the first counts
        provider, name = names_of(identity)
        self.publish(
            breaker_changed(
                change,
                provider=provider,
                target=self._names.get(identity, name),
                code=self._codes.get(identity),
                now=now,
                time=now + self.offset,
            )
        )

    def note_failure(self, target: Target, code: str) -> None:
        """Remember the code of the last failure of this target and its provider's key; callers' own are theirs."""
        if target.is_own:
            return
        if len(self._codes) >= _TARGETS:
            del self._codes[next(iter(self._codes))]
        self._codes[target.identity] = code
        for key in target.keys:
            self._codes[key.identity] = code

    def note_held(
        self, target: Target, seconds: float, code: str, now: float, *, of_key: bool, told: bool = False
    ) -> None:
        """Publish that a vendor asked to wait, with a target or with all that a provider's key is for. Short waits are
        no event.

        Args:
            told: it was said to another process.
        """
        if seconds >= NEWS and not target.is_own:
            name = target.provider if of_key else target.name
            whose = None if of_key else name
            wall = now + self.offset
            self.publish(held(name, seconds, code, provider=target.provider, target=whose, time=wall, told=told))

    def publish(self, event: Event) -> None:
        """Remember an event, log its sentence, and hand it to those who follow. The names in it stay on their line."""
        event = replace(event, sentence=one_line(event.sentence))
        self.events.append(event)
        # Not as warnings, which Python prints where an app has set up no logging: a command's own output stays clean.
        log.info("%s", event.sentence)
        for on_event in tuple(self.subscribers):
            with harmless:
                on_event(event)

    # --- buckets

    def bucket(self, counter: CallCounter, now: float) -> Bucket:
        """Return the bucket that a counter writes into now."""
        return self.next_bucket(counter, now) if now >= counter.bucket.ends else counter.bucket

    def next_bucket(self, counter: CallCounter, now: float) -> Bucket:
        """Make a new bucket for a counter whose last one is over."""
        self.close_bucket(counter.bucket)
        second = int(now + self.offset)
        buckets = self.ages.begin(second)
        bucket = counter.bucket = Bucket(counter, self.recent[-1][0], second + 1 - self.offset)
        buckets.append(bucket)
        if self.unsummed is not None and len(self.unsummed) > _UNSUMMED:
            self.unsummed = None
        return bucket

    def counters(self) -> Iterator[CallCounter]:
        """Yield all that count."""
        for route in self.routes.values():
            yield route.requests
            yield from route.answers.values()
            yield from route.attempts.values()

    def close_bucket(self, bucket: Bucket) -> None:
        """Close one bucket, and add it to what its counter counted."""
        if not bucket.closed:
            bucket.close()
            bucket.counter.total.add(bucket)
            if self.unsummed is not None:
                self.unsummed.append(bucket)


class Outcome(msgspec.Struct, frozen=True):
    """How a request ended; the fields are those of `RequestRecord`."""

    seconds: float = 0.0
    usage: Usage | None = None
    cost: float | None = None
    first_token: float | None = None
    code: str | None = None
    cached: bool = False
    captured: Captured | None = None


class RequestRecorder(msgspec.Struct, eq=False, weakref=True):
    """Records one request: each attempt that comes to nothing, and once how the request ended. The request is
    remembered.

    Args:
        _request: kept for `captured`; None where the file says nothing of capture.
        began: on the loop's clock.

    `target` is the one that is answering, `number` counts the requests that ended, from 1; until then it is 0.
    """

    route: Route
    trace: Trace
    _request: AnyRequest | None
    began: float
    number: int = 0
    target: Target | None = None
    hedged: bool = False
    outcome: Outcome = Outcome()  # in one: each field costs each request something
    _tried: tuple[str, ...] = ()

    def answered(
        self,
        target: Target,
        started: float,
        now: float,
        response: AnyResponse,
        cost: float | None,
        first: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Record that the answer is whole.

        Args:
            started: when the attempt that gave it began; `now` and this on the loop's clock.
            response: with its usage, and the cost of all that was paid for it.
            cost: of the attempt that gave it, in USD.
            first: of a stream, the seconds from `started` to its first content.
            usage: of that attempt; None where it is the answer's.
        """
        if self.number:
            return
        trace = self.trace
        if self._request is not None or response.left_out or _tells_more(trace):
            self._answered_after_retry(target, started, now, first, response, cost, usage or response.usage)
            return
        route, usage = self.route, response.usage
        try:
            bucket = route.answers[target.identity].bucket
        except KeyError:
            bucket = route.counter(route.answers, "answers", target).bucket
        telemetry = route.telemetry
        if now >= bucket.ends:
            bucket = telemetry.next_bucket(bucket.counter, now)
        if first is None:
            bucket.plain.append(now - started)  # as `Bucket.add_answer` does, without its call
        else:
            bucket.add_stream(now - started, first, usage)
        bucket.input_tokens += usage.input_tokens or 0
        bucket.output_tokens += usage.output_tokens or 0
        if cost is None:
            bucket.unpriced += 1
        else:
            bucket.cost += cost
        if trace.prompt_cache is not None:
            bucket.add_prompt_cache(trace.prompt_cache)
        route.in_flight -= 1
        self.number = number = telemetry.ended = telemetry.ended + 1
        telemetry.requests.append(
            (number, trace.revision, trace.caller, route, target, self.began, started, now, first, usage, cost)
        )
        if telemetry.listeners:
            self.target = target
            self.outcome = Outcome(
                now - self.began, usage, cost, self._since_begin(first, started), None, response.cached
            )
            self._notify_ended(response)

    def _since_begin(self, first: float | None, started: float) -> float | None:
        return None if first is None else first + started - self.began

    def _end(self, response: AnyResponse | None) -> None:
        telemetry = self.route.telemetry
        self.route.in_flight -= 1
        self.number = telemetry.ended = telemetry.ended + 1
        if self._request is not None:
            self.outcome = replace(self.outcome, captured=captured(telemetry.capture, self._request, response))
            self._request = None
        telemetry.requests.append(self)
        self._notify_ended(response)

    def _notify_ended(self, response: AnyResponse | None) -> None:
        for listener in self.route.telemetry.listeners:
            with harmless:
                listener.ended(self, response)

    @classmethod
    def remembered(cls, telemetry: Telemetry, row: RequestRecorder | Plain) -> RequestRecorder:
        """Return what became of a request, however it is remembered."""
        if isinstance(row, RequestRecorder):
            return row
        number, revision, caller, route, target, began, started, now, first, usage, cost = row
        trace = Trace(route.name, revision, seconds=now - began, caller=caller)
        note_prompt_cache(trace, target.capabilities.price, usage)
        took = now - started if first is None else first
        trace.entries.append(Attempt(target.name, 0, started - began, took, own_key=target.is_own))
        recorder = cls(Route(route.name, telemetry), trace, None, began)
        recorder.number, recorder.target = number, target
        recorder.outcome = Outcome(now - began, usage, cost, recorder._since_begin(first, started))
        return recorder

    def answered_from_cache(self, response: AnyResponse, now: float, *, after_failure: bool = False) -> None:
        """Record an answer without a call: from the cache, or by the call of another request that asked the same.

        Args:
            after_failure: the request's own call failed, and was counted so; the answer is a stale one.
        """
        if self.number:
            return
        bucket = self.route.telemetry.bucket(self.route.requests, now)
        bucket.cache_hits += 1
        if after_failure:
            bucket.failed -= 1
        bucket.plain.append(now - self.began)
        self.target, self.outcome = None, Outcome(now - self.began, response.usage, response.cost, cached=True)
        self._end(response)

    def failed(self, error: BaseException, now: float) -> None:
        """Record that the request ended without an answer: by an error, or because its caller went away."""
        if self.number:
            return
        bucket = self.route.telemetry.bucket(self.route.requests, now)
        attempts, code = self.trace.attempts, _code(error)
        if code == ErrorCode.CANCELLED:
            bucket.cancelled += 1
        else:
            bucket.failed += 1
            if not attempts:
                bucket.errors[code] = bucket.errors.get(code, 0) + 1
        if self.target is not None:
            self._abandoned(self.target, now)
        self.outcome = Outcome(now - self.began, cost=self.trace.wasted or None, code=code)
        self._end(None)

    def attempt_failed(self, target: Target, error: ProviderError, now: float, cost: float | None = None) -> None:
        """Record that one attempt failed, which cost USD all the same; another may follow. A stream that breaks is one
        as well.
        """
        for bucket in self._attempt(target, now):
            bucket.cost += cost or 0.0
            bucket.errors[error.code] = bucket.errors.get(error.code, 0) + 1
            if bucket.counter.kind == "attempts":
                bucket.failed += 1
        self.target = None
        self.route.telemetry.note_failure(target, error.code)

    def held(self, target: Target, seconds: float, code: str, now: float, *, of_key: bool) -> None:
        """Record that a vendor asked to wait: see `Telemetry.note_held`."""
        self.route.telemetry.note_held(target, seconds, code, now, of_key=of_key)

    def attempt_cancelled(self, target: Target, now: float, cost: float | None = 0.0) -> None:
        """Record that one attempt was given up: its caller went away, or another one was faster and this cost USD
        for nothing (None: nobody knows how much).
        """
        self._abandoned(target, now, cost)

    def _abandoned(self, target: Target, now: float, cost: float | None = 0.0) -> None:
        for bucket in self._attempt(target, now):
            bucket.cost += cost or 0.0
            bucket.unpriced += cost is None
            if bucket.counter.kind == "attempts":
                bucket.cancelled += 1

    def _answered_after_retry(
        self,
        target: Target,
        started: float,
        now: float,
        first: float | None,
        response: AnyResponse,
        cost: float | None,
        usage: Usage,
    ) -> None:
        """Record an answer that did not come at the first attempt: the attempt's figures and the request's differ."""
        before = started - self.began
        self.target, first_token = target, self._since_begin(first, started)
        self.outcome = Outcome(now - self.began, response.usage, response.cost, first_token, None, response.cached)
        answer = self.trace.answer
        fallback = answer is not None and answer.tier > 0
        for bucket in self._attempt(target, now):
            wait = before if bucket.counter.kind == "requests" else 0.0
            bucket.add_answer(now - started + wait, None if first is None else first + wait, usage, cost)
            bucket.add_prompt_cache(self.trace.prompt_cache)
            bucket.fallbacks += fallback
            bucket.hedges += self.hedged
        self._end(response)

    def _attempt(self, target: Target, now: float) -> tuple[Bucket, Bucket]:
        """Count one more attempt; returns the buckets of the target's and the route's part in it."""
        route, telemetry = self.route, self.route.telemetry
        counter = route.attempts.get(target.identity) or route.counter(route.attempts, "attempts", target)
        buckets = telemetry.bucket(counter, now), telemetry.bucket(route.requests, now)
        again = target.identity in self._tried
        self._tried += (target.identity,)
        for bucket in buckets:
            bucket.attempts += 1
            bucket.retries += again
        return buckets


def _code(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return ErrorCode.CANCELLED
    return str(getattr(error, "code", type(error).__name__))


def _tells_more(trace: Trace) -> bool:
    """Say whether a trace has more than that of one plain attempt: what the call said, its chain, its told cost."""
    entries = trace.entries
    if len(entries) > 1 or _told(trace) != _NOTHING:
        return True
    entry = entries[0] if entries else None
    return type(entry) is Attempt and (entry.told_cost is not None or entry.chain != "")

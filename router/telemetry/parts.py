"""Requests that are made of several calls, or share one: what the calls cost is counted, and each request once."""

from __future__ import annotations

from typing import NamedTuple

from providers.embeddings import AnyResponse
from providers.errors import ProviderError
from providers.types import Usage
from router.plan.target import Target
from router.telemetry.recorder import RequestRecorder


class Answered(NamedTuple):
    """A call that delivered: when it was made and ended (the loop's time), and what it cost in USD."""

    target: Target
    started: float
    now: float
    usage: Usage
    cost: float | None


class PartRecorder(RequestRecorder):
    """Records one call of a request: what comes to nothing is the request's, how it ended is told here alone."""

    whole: RequestRecorder | None = None
    done: Answered | None = None

    @classmethod
    def of(cls, whole: RequestRecorder) -> PartRecorder:
        """Make one for a call of this request."""
        return cls(whole.route, whole.trace, None, whole.began, whole=whole)

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
        """Note who delivered, and at what cost."""
        if self.hedged and self.whole is not None:
            self.whole.hedged = True
        self.done = Answered(target, started, now, response.usage, cost)

    def failed(self, error: BaseException, now: float) -> None:
        """Leave it to the request to tell that it failed."""

    def attempt_failed(self, target: Target, error: ProviderError, now: float, cost: float | None = None) -> None:
        """Record that one attempt failed."""
        if self.whole is not None:
            self.whole.attempt_failed(target, error, now, cost)

    def attempt_cancelled(self, target: Target, now: float, cost: float | None = 0.0) -> None:
        """Record that one attempt was given up."""
        if self.whole is not None:
            self.whole.attempt_cancelled(target, now, cost)

    def held(self, target: Target, seconds: float, code: str, now: float, *, of_key: bool) -> None:
        """Record that a vendor asked to wait."""
        if self.whole is not None:
            self.whole.held(target, seconds, code, now, of_key=of_key)


def answered_in_parts(recorder: RequestRecorder, parts: list[Answered], response: AnyResponse) -> None:
    """Record a request whose answer is that of all its calls, of which each counts at its own target."""
    route = recorder.route
    parts = sorted(parts, key=lambda part: part.now)
    for part in parts[:-1]:
        identity = part.target.identity
        counter = route.attempts.get(identity) or route.counter(route.attempts, "attempts", part.target)
        bucket = route.telemetry.bucket(counter, part.now)
        bucket.add_answer(part.now - part.started, None, part.usage, part.cost)
        of_route = route.telemetry.bucket(route.requests, part.now)
        of_route.input_tokens += part.usage.input_tokens or 0
        of_route.cost += part.cost or 0.0
        of_route.unpriced += part.cost is None
        for each in (bucket, of_route):
            each.attempts += 1
    last = parts[-1]
    recorder.answered(last.target, last.started, last.now, response, last.cost, usage=last.usage)

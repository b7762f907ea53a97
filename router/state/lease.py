"""One call under way: it says what its outcome means for its target and key. `States.begin` makes it."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from msgspec.structs import replace

from providers.errors import CONSEQUENCES, Consequence, ErrorCode, ProviderError
from providers.evidence import Concern
from providers.types import CompletionRequest, RemainingQuota, Usage
from router.plan.target import Key
from router.state.evidence import concern_for, marks
from router.state.guard import _FAILURE_COUNTS_AS, Guard, Pacing, TargetState
from router.state.limits import Reserved
from router.state.spending import Charge

QUOTA_HOLD = 300.0  # seconds, where a vendor does not say how long


RATE_HOLD, LONGEST_RATE_HOLD = 0.25, 8.0  # the same for 429: doubling


_CHARGED = frozenset({ErrorCode.TIMEOUT, ErrorCode.STREAM_INTERRUPTED, ErrorCode.PROTOCOL_ERROR})  # by vendors, likely


class Hold(NamedTuple):
    """A vendor's wish to wait for so many seconds: with one target, or with all that a provider's key is for."""

    seconds: float
    of_key: bool


class Lease:
    """One call under way. Its outcome ends it, exactly once."""

    __slots__ = ("_charge", "_ended", "_guards", "_permits", "_reserved", "_state", "key", "started")

    def __init__(
        self,
        guards: tuple[TargetState, Guard],
        key: Key,
        reserved: tuple[Reserved, Reserved],
        now: float,
        charge: Charge | None = None,
    ) -> None:
        self._guards = guards
        state, guard = guards
        self._state = state
        self._permits = state.breaker.acquire(now), guard.breaker.acquire(now)
        self._reserved = reserved
        self._charge = charge
        self._ended = False
        self.key = key
        self.started = now

    def succeeded(self, now: float, usage: Usage | None = None) -> None:
        """Report that the answer is whole."""
        if self._end():
            (state, guard), (permit, shared) = self._guards, self._permits
            seconds = now - self.started
            state.breaker.success(permit, now, seconds)
            guard.breaker.success(shared, now, seconds)
            guard.limited = None
            if state.pacing:
                paced = state.paced(self.key)
                paced.hits = 0
                paced.doubt.clear()
            self._settle(now, usage, 0)

    def first_token(self, seconds: float, now: float, *, streaming: bool) -> None:
        """Report that the answer began after so many seconds."""
        self._state.latency.add(seconds, now)
        (self._state.firsts if streaming else self._state.answers).add(seconds)

    def apply_remaining(self, left: RemainingQuota, now: float) -> None:
        """Take over what the headers of an answer say is left of the vendor's limits."""
        if left.wait is not None:
            self._state.paced(self.key).hold(now + left.wait)
        for guard in self._guards:
            if guard.limits.tighten(left.requests, left.tokens, now):
                return  # the headers are about the narrower of the two

    def failed(self, error: ProviderError, now: float, request: CompletionRequest) -> Hold | None:
        """Report that the call failed; the error's code, and the vendor's words, say what that means for target and
        key.

        Gives the hold that begins with it; None where none does, or one was running already.
        """
        if not self._end():
            return None
        meant = CONSEQUENCES[error.code]
        about = concern_for(error, request)
        if about == "request":
            meant = replace(meant, breaker="none", hold="none")
        state, key = self._guards
        if meant.breaker == "failure":
            state.breaker.failure(self._permits[0], now)
            self._state.latency.add(max(_FAILURE_COUNTS_AS, now - self.started), now)
        else:
            state.breaker.forget(self._permits[0])
        # A connection that can't be made tells of the host, which all targets of the key share.
        if meant.breaker == "failure" and error.phase == "connect":
            key.breaker.failure(self._permits[1], now)
        else:
            key.breaker.forget(self._permits[1])
        if meant.breaker in ("open_target", "open_key"):
            self._refused(meant, about, now, request)
        hold = self._hold(error, meant, about, now)
        partial = error.partial
        begun = error.code in _CHARGED and error.phase != "connect"
        self._settle(now, None, -1 if not begun else 0 if partial is None else rough_tokens(partial.text))
        return hold

    @property
    def is_open(self) -> bool:
        """Whether its outcome is not known yet."""
        return not self._ended

    def cancelled(self, now: float, answered: int = 0) -> None:
        """Report that the caller went away after so many tokens of the answer; that says nothing about the target."""
        if self._end():
            for guard, permit in zip(self._guards, self._permits, strict=True):
                guard.breaker.forget(permit)
            self._settle(now, None, answered)

    def lost(self, now: float, *, streaming: bool) -> None:
        """Report that another target was faster; that counts as nothing, but the call took at least so long."""
        if not self._ended:
            self.first_token(now - self.started, now, streaming=streaming)
            self.cancelled(now)

    def _end(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        for guard in self._guards:
            guard.limits.release_slot()
        return True

    def _refused(self, meant: Consequence, about: Concern | None, now: float, request: CompletionRequest) -> None:
        state, guard = self._guards
        seen = marks(request) if about is None else None
        if about == "key" or (about is None and meant.breaker == "open_key"):
            guard.breaker.refusal(self._permits[1], now, seen)
        elif meant.other_key and self.key.number:  # the other keys may be let in
            paced, seconds = state.paced(self.key), state.breaker.rules.max_open_for
            if seen is None or paced.doubt.confirmed_by(seen, now, seconds):
                paced.hold(now + seconds)
        else:
            state.breaker.refusal(self._permits[0], now, seen)

    def _hold(self, error: ProviderError, meant: Consequence, about: Concern | None, now: float) -> Hold | None:
        state, (_, key) = self._state, self._guards
        asked = error.retry_after
        held: Guard | Pacing
        if meant.hold == "quota":
            held, seconds = state.paced(self.key), QUOTA_HOLD if asked is None else asked
        elif meant.hold == "retry_after" and asked is not None:
            held, seconds = state, asked
        elif meant.hold == "rate":
            held = pacing = state.paced(self.key)
            wait = min(LONGEST_RATE_HOLD, RATE_HOLD * 2.0 ** min(pacing.hits, 10))
            pacing.hits += 1
            seconds = wait if asked is None else asked
        else:
            return None
        if about == "key":
            held = key
        elif about is None and meant.hold != "retry_after":
            both = self._both_limited(now + seconds)
            if both > key.held_until:
                held.hold(now + seconds)
                held, seconds = key, both - now
        is_new = held.held_until <= now
        held.hold(now + seconds)
        return Hold(seconds, of_key=held is key) if is_new else None

    def _both_limited(self, until: float) -> float:
        """Return until when this target and another one of the key are held by limits of which nobody said whose they
        are: so long they are taken for the key's. Minus infinity where no other is.
        """
        state, key = self._guards
        before, key.limited = key.limited, (state, until)
        return -inf if before is None or before[0] is state else min(before[1], until)

    def _settle(self, now: float, usage: Usage | None, answered: int) -> None:
        if self._charge is not None:
            self._charge.settle(usage, answered)
        state, guard = self._guards
        if state.limits.is_unlimited and guard.limits.is_unlimited:
            return
        input_tokens, output_tokens = (None, None) if usage is None else (usage.input_tokens, usage.output_tokens)
        used = None if input_tokens is None or output_tokens is None else input_tokens + output_tokens
        for guard, reserved in zip(self._guards, self._reserved, strict=True):
            guard.limits.settle(reserved, used, output_tokens, now)


def rough_tokens(text: str) -> int:
    """Estimate the tokens of a text, for what no vendor counted."""
    return len(text) // 4

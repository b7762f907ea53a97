"""One call under way: it says what its outcome means for its target and key. `States.begin` makes it."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from providers.embeddings import AnyRequest, AnyResponse
from providers.errors import CONSEQUENCES, Consequence, ErrorCode, ProviderError
from providers.evidence import Concern
from providers.harmless import harmless
from providers.types import CompletionResponse, RemainingQuota, Usage
from router.plan.pricing import plausible
from router.plan.target import Key
from router.state.breaker import Permit
from router.state.evidence import concern_for, marks
from router.state.guard import _FAILURE_COUNTS_AS, Guard, Pacing, TargetState
from router.state.limits import Reserved
from router.state.spending import Charge

QUOTA_HOLD = 300.0  # seconds, where a vendor does not say how long
_MORE = 1.0  # seconds that a hold has to grow by to be told again

RATE_HOLD, LONGEST_RATE_HOLD = 0.25, 8.0  # the same for 429: doubling


class Hold(NamedTuple):
    """A vendor's wish to wait for so many seconds: with one target, or with all that a provider's key is for."""

    seconds: float
    of_key: bool


class Lease(msgspec.Struct, eq=False):
    """One call under way. Its outcome ends it, exactly once.

    What was reserved for it, of limits and budgets, is settled by what happened: nothing for a call that its vendor
    never got or refused unread (`Consequence.read`), the prompt and what came of the answer for one that was read,
    what the vendor counted where it says so.

    Args:
        _prompt: its tokens, about.
        started: on the loop's clock.

    `seen` is an answer that was had but is not to be given out. `used` is there once it has ended: what was counted, or
    else estimated. `told` are the USD that the vendor itself says the call costs.
    """

    _guards: tuple[TargetState, Guard]
    _permits: tuple[Permit, Permit]
    _reserved: tuple[Reserved, Reserved]
    _prompt: float
    _charge: Charge | None
    key: Key
    started: float
    seen: AnyResponse | None = None
    used: Usage | None = None
    told: float | None = None
    _ended: bool = False

    def succeeded(
        self, now: float, response: AnyResponse | None = None, *, plain: bool = False, told: float | None = None
    ) -> None:
        """Report that the answer is whole, with plausible counts; a `plain` one began with it (of a stream
        `first_token` tells that). `told` is what the vendor itself says that it costs, in USD.
        """
        if not self._end():
            return
        self.told = told
        (state, guard), (permit, shared) = self._guards, self._permits
        seconds = now - self.started
        state.breaker.success(permit, now, seconds)
        guard.breaker.success(shared, now, seconds)
        guard.limited = None
        if state.pacing:
            paced = state.paced(self.key)
            paced.hits = 0
            paced.doubt.clear()
        usage = None if response is None else response.usage
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            self._settle(now, response, whole=True)
        elif self._charge is None and state.limits.is_unlimited and guard.limits.is_unlimited:
            self.used = usage
        else:
            self._settle_as(now, usage, estimated=False)
        if plain:
            state.latency.add(seconds, now)
            state.answers.append(seconds)

    def first_token(self, seconds: float, now: float) -> None:
        """Report that the answer of a stream began after so many seconds."""
        state, _ = self._guards
        state.latency.add(seconds, now)
        state.firsts.append(seconds)

    def apply_remaining(self, left: RemainingQuota, now: float) -> None:
        """Take over what the headers of an answer say is left of the vendor's limits."""
        if left.wait is not None:
            state, _ = self._guards
            paced, until = state.paced(self.key), now + left.wait
            if state.teller is not None and until > paced.held_until + _MORE:
                state.teller.held(until, ErrorCode.RATE_LIMITED, now, self.key)
            paced.hold(until)
        for guard in self._guards:
            if not guard.limits.is_unlimited and guard.limits.tighten(left.requests, left.tokens, now):
                return  # the headers are about the narrower of the two

    def failed(self, error: ProviderError, now: float, request: AnyRequest, *, is_evidence: bool = True) -> Hold | None:
        """Report that the call failed; the error's code, and the vendor's words, say what that means for target and
        key, unless the failure is no evidence about them.

        Gives the hold that begins with it; None where none does, or one was running already.
        """
        if not self._end():
            return None
        meant = CONSEQUENCES[error.code]
        about = concern_for(error, request)
        if about == "request":
            meant = replace(meant, breaker="none", hold="none")
        if not is_evidence:
            meant = replace(meant, breaker="none")
        state, key = self._guards
        if meant.breaker == "failure":
            state.breaker.failure(self._permits[0], now)
            state.latency.add(max(_FAILURE_COUNTS_AS, now - self.started), now)
            if error.phase == "connect":  # that tells of the host, which all targets of the key share
                key.breaker.failure(self._permits[1], now)
        elif meant.breaker in ("open_target", "open_key"):
            self._refused(meant, about, now, request)
        for guard, permit in zip(self._guards, self._permits, strict=True):
            guard.breaker.forget(permit, now)  # where it was no evidence
        hold = self._hold(error, meant, about, now)
        if error.phase == "connect":
            self._settle_unsent(now)
        elif meant.read:
            self._settle(now, self.seen or error.partial, whole=self.seen is not None)
        else:
            self._settle_as(now, Usage(0, 0), estimated=False)
        return hold

    @property
    def is_open(self) -> bool:
        """Whether its outcome is not known yet."""
        return not self._ended

    def cancelled(self, now: float, partial: CompletionResponse | None = None) -> None:
        """Report that the caller went away after so much of the answer; that says nothing about the target."""
        if self._end():
            for guard, permit in zip(self._guards, self._permits, strict=True):
                guard.breaker.forget(permit, now)
            self._settle(now, partial or self.seen, whole=self.seen is not None)

    def lost(self, now: float, *, streaming: bool) -> None:
        """Report that another target was faster; that counts as nothing, but that the call would have taken longer than
        this: it can make a target slower, never faster.
        """
        if not self._ended:
            (state, _), seconds = self._guards, now - self.started
            if seconds > state.latency.value(now):
                state.latency.add(seconds, now)
            times = state.firsts if streaming else state.answers
            usual = times.quantile(0.95)
            if usual is not None and seconds >= usual:
                times.append(seconds)
            self.cancelled(now)

    def _end(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        state, guard = self._guards
        state.limits.release_slot()
        guard.limits.release_slot()
        return True

    def _refused(self, meant: Consequence, about: Concern | None, now: float, request: AnyRequest) -> None:
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
        state, key = self._guards
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
        if asked is not None or (meant.hold == "quota" and about is not None):
            self._tell(key if about == "key" else held, now + seconds, error.code, now)
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

    def _tell(self, held: Guard | Pacing, until: float, code: ErrorCode, now: float) -> None:
        """Tell other processes what the vendor said: not what was guessed."""
        state, key = self._guards
        teller = key.teller if held is key else state.teller
        if teller is not None:
            teller.held(until, code, now, self.key if isinstance(held, Pacing) else None)

    def _both_limited(self, until: float) -> float:
        """Return until when this target and another one of the key are held by limits of which nobody said whose they
        are: so long they are taken for the key's. Minus infinity where no other is.
        """
        state, key = self._guards
        before, key.limited = key.limited, (state, until)
        return -inf if before is None or before[0] is state else min(before[1], until)

    def _settle_unsent(self, now: float) -> None:
        """Give everything back: the vendor never got the call."""
        self.used = Usage(0, 0)
        if self._charge is not None:
            with harmless:
                self._charge.settle(self.used, estimated=False)
        for guard, reserved in zip(self._guards, self._reserved, strict=True):
            guard.limits.give_back(reserved, now)

    def _settle(self, now: float, response: AnyResponse | None, *, whole: bool = False) -> None:
        """Settle for a prompt that was read and so much of an answer; what the vendor did not count is estimated."""
        counted = Usage() if response is None else plausible(response.usage)
        prompt, answer = counted.input_tokens, counted.output_tokens
        if whole and self.told is None and response is not None:
            self.told = response.cost
        if whole and prompt is not None and answer is not None:
            self._settle_as(now, counted, estimated=False)
            return
        # What a broken answer's count says is that of an earlier moment.
        answer = max(answer or 0, 0 if response is None else rough_tokens(response))
        prompt = round(self._prompt) if prompt is None else prompt
        self._settle_as(now, replace(counted, input_tokens=prompt, output_tokens=answer), estimated=True)

    def _settle_as(self, now: float, usage: Usage, *, estimated: bool) -> None:
        self.used = usage
        if self._charge is not None:
            with harmless:
                self._charge.settle(usage, estimated=estimated, told=self.told)
        prompt, answer = usage.input_tokens or 0, usage.output_tokens or 0
        for guard, reserved in zip(self._guards, self._reserved, strict=True):
            guard.limits.settle(reserved, prompt + answer, now)
            if not estimated and answer:
                guard.limits.learn(answer)


def rough_tokens(response: AnyResponse) -> int:
    """Estimate the tokens of an answer, or of as much as came of it, where no vendor counted them."""
    if not isinstance(response, CompletionResponse):
        return 0  # vectors and ranks are none
    size = len(response.text) + sum(len(part.text) for part in response.thinking)
    size += sum(len(call.name) + len(call.raw_arguments or str(call.arguments)) for call in response.tool_calls)
    return -(-size // 4)

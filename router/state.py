"""What the router remembers of targets and provider keys: breakers, holds, limits, calls under way, latency.

State belongs to an identity and outlives the plan; policies (breaker numbers, limits) change in place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from math import exp, inf

from providers.errors import CONSEQUENCES, ProviderError
from providers.types import Usage
from router.breaker import Breaker, BreakerRules, Permit
from router.limits import Allowance, Limits
from router.target import Target

QUOTA_HOLD = 300.0  # seconds, where a vendor does not say how long
RATE_HOLD, LONGEST_RATE_HOLD = 0.25, 8.0  # the same for 429: doubling
LATENCY_DECAY = 10.0  # seconds
_FAILURE_COUNTS_AS = 5.0  # seconds of latency, so that a target that fails fast does not look fast


class PeakEwma:
    """A latency that jumps up at once and comes down slowly; it fades while nothing is seen."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._at = -inf

    @property
    def known(self) -> bool:
        return self._at > -inf

    def add(self, seconds: float, now: float) -> None:
        past = self.value(now)
        weight = exp(-(now - self._at) / LATENCY_DECAY) if self.known else 0.0
        self._value = max(seconds, past * weight + seconds * (1 - weight))
        self._at = now

    def value(self, now: float) -> float:
        return self._value * exp(-(now - self._at) / LATENCY_DECAY) if self.known else 0.0


class Guard:
    """Breaker, hold and limits of one target, or of one provider key."""

    __slots__ = ("allowance", "breaker", "held_until", "rate_hits")

    def __init__(self, rules: BreakerRules, limits: Limits, chance: random.Random) -> None:
        self.breaker = Breaker(rules, chance)
        self.allowance = Allowance(limits)
        self.held_until = -inf
        self.rate_hits = 0

    def hold(self, until: float) -> None:
        self.held_until = max(self.held_until, until)


class TargetState(Guard):
    """One model at one provider."""

    __slots__ = ("draining", "explored", "latency")

    def __init__(self, rules: BreakerRules, limits: Limits, chance: random.Random) -> None:
        super().__init__(rules, limits, chance)
        self.latency = PeakEwma()
        self.explored = False
        self.draining = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target gets no call now, and when that ends (the loop's time; infinity: nobody knows)."""

    reason: str
    message: str
    until: float = inf


class Lease:
    """One call under way. It is ended exactly once, by its outcome."""

    __slots__ = ("_ended", "_guards", "_permits", "_reserved", "_states", "_target", "started")

    def __init__(self, states: States, target: Target, reserved: tuple[float, float], now: float) -> None:
        self._states = states
        self._target = target
        self._guards = states.guards(target)
        self._permits: list[Permit] = [guard.breaker.acquire(now) for guard in self._guards]
        self._reserved = reserved
        self._ended = False
        self.started = now

    def succeeded(self, now: float, usage: Usage | None = None) -> None:
        """The answer is whole."""
        if self._end():
            for guard, permit in zip(self._guards, self._permits, strict=True):
                guard.breaker.success(permit, now, now - self.started)
                guard.rate_hits = 0
            self._settle(now, usage)

    def first_token(self, seconds: float, now: float) -> None:
        """The answer began after so many seconds."""
        self._states.of(self._target).latency.add(seconds, now)

    def failed(self, error: ProviderError, now: float) -> None:
        """The call failed; the error's code says what that means for target and key."""
        if not self._end():
            return
        meant = CONSEQUENCES[error.code]
        state, key = self._guards
        if meant.breaker == "failure":
            state.breaker.failure(self._permits[0], now)
            self._states.of(self._target).latency.add(max(_FAILURE_COUNTS_AS, now - self.started), now)
        else:
            state.breaker.forget(self._permits[0])
        # A connection that can't be made tells of the host, which all targets of the key share.
        if meant.breaker == "failure" and error.phase == "connect":
            key.breaker.failure(self._permits[1], now)
        else:
            key.breaker.forget(self._permits[1])
        if meant.breaker == "open_target":
            state.breaker.trip(now)
        elif meant.breaker == "open_key":
            key.breaker.trip(now)
        _hold(state, key, error, now)
        self._settle(now, None)

    def cancelled(self, now: float) -> None:
        """The caller went away: that tells nothing."""
        if self._end():
            for guard, permit in zip(self._guards, self._permits, strict=True):
                guard.breaker.forget(permit)
            self._settle(now, None)

    def _end(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        for guard in self._guards:
            guard.allowance.leave()
        return True

    def _settle(self, now: float, usage: Usage | None) -> None:
        given, made = (None, None) if usage is None else (usage.input_tokens, usage.output_tokens)
        used = None if given is None or made is None else given + made
        for guard, reserved in zip(self._guards, self._reserved, strict=True):
            guard.allowance.settle(reserved, used, made, now)


def _hold(state: TargetState, key: Guard, error: ProviderError, now: float) -> None:
    meant = CONSEQUENCES[error.code].hold
    if meant == "quota":
        key.hold(now + (QUOTA_HOLD if error.retry_after is None else error.retry_after))
    elif meant == "retry_after" and error.retry_after is not None:
        state.hold(now + error.retry_after)
    elif meant == "rate":
        wait = min(LONGEST_RATE_HOLD, RATE_HOLD * 2.0 ** min(state.rate_hits, 10))
        state.rate_hits += 1
        state.hold(now + (wait if error.retry_after is None else error.retry_after))


def _nobody(identity: str, breaker: Breaker) -> None:
    """Nobody wants to know of changes."""


class States:
    """All that is remembered, by identity.

    Args:
        changed: called with the identity of a target or key and its breaker when that has changed its state.
    """

    def __init__(self, chance: random.Random, changed: Callable[[str, Breaker], None] | None = None) -> None:
        self._chance = chance
        self._changed = changed or _nobody
        self._targets: dict[str, TargetState] = {}
        self._keys: dict[str, Guard] = {}

    def of(self, target: Target) -> TargetState:
        found = self._targets.get(target.identity)
        if found is None:
            found = self._targets[target.identity] = TargetState(target.breaker, target.limits, self._chance)
            found.breaker.on_change = partial(self._changed, target.identity)
        return found

    def key_of(self, target: Target) -> Guard:
        """Of the provider key."""
        found = self._keys.get(target.account)
        if found is None:
            found = self._keys[target.account] = Guard(target.breaker, target.key_limits, self._chance)
            found.breaker.on_change = partial(self._changed, target.account)
        return found

    def guards(self, target: Target) -> tuple[TargetState, Guard]:
        return self.of(target), self.key_of(target)

    def adopt(self, targets: Iterable[Target], accounts: set[str]) -> None:
        """Take over the policies of a new plan and forget what it no longer has. State stays by identity.

        Args:
            accounts: of all providers of the plan, those that no target uses included.
        """
        kept = set(accounts)
        for target in targets:
            kept.add(target.identity)
            if target.identity in self._targets:
                state = self._targets[target.identity]
                state.breaker.rules = target.breaker
                state.allowance.change(target.limits)
            if target.account in self._keys:
                self._keys[target.account].breaker.rules = target.breaker
                self._keys[target.account].allowance.change(target.key_limits)
        # A call under way holds its own reference: what goes here ends with the last of them.
        for remembered in (self._targets, self._keys):
            for identity in [name for name in remembered if name not in kept]:
                del remembered[identity]

    def refusal(self, target: Target, prompt: float, max_tokens: int | None, now: float) -> Refusal | None:
        """Why the target gets no call now; None when it may."""
        state, key = self.of(target), self.key_of(target)
        if state.draining:
            return Refusal("draining", "it is being drained")
        for guard, whose in ((state, ""), (key, " of its provider")):
            if not guard.breaker.admits(now):
                until = guard.breaker.until if guard.breaker.state == "open" else now
                when = f"tried again in {until - now:.3g} s" if until > now else "a probe is under way"
                return Refusal("circuit_open", f"the breaker{whose} is open; {when}", until)
        held = max(state.held_until, key.held_until)
        if held > now:
            return Refusal("held", f"the vendor asked to wait; {held - now:.3g} s are left", held)
        if state.allowance.full or key.allowance.full:
            return Refusal("saturated", "as many calls as allowed are under way (limits.in_flight)")
        wait = max(guard.allowance.wait(guard.allowance.expected(prompt, max_tokens), now) for guard in (state, key))
        if wait > 0:
            return Refusal("limited", f"the limit allows the next call in {wait:.3g} s", now + wait)
        return None

    def held(self, target: Target) -> float:
        """Until when the vendor asked to wait."""
        return max(guard.held_until for guard in self.guards(target))

    async def place(self, target: Target, seconds: float) -> bool:
        """Wait in line for a place at the target and its key; True when it is had, to be handed to `begin`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        had: list[Allowance] = []
        try:
            for guard in self.guards(target):
                allowance = guard.allowance
                if not allowance.full:
                    allowance.enter()
                elif not await allowance.place(max(0.0, end - loop.time())):
                    break
                had.append(allowance)
            else:
                return True
        except BaseException:
            for allowance in had:
                allowance.leave()
            raise
        for allowance in had:
            allowance.leave()
        return False

    def reserve(self, target: Target, prompt: float, max_tokens: int | None, now: float) -> tuple[float, float]:
        """Take a call's worth from the limits; gives the tokens reserved of target and key."""
        state, key = self.guards(target)
        reserved = (state.allowance.expected(prompt, max_tokens), key.allowance.expected(prompt, max_tokens))
        for guard, tokens in zip((state, key), reserved, strict=True):
            guard.allowance.take(tokens, now)
        return reserved

    def give_back(self, target: Target, reserved: tuple[float, float], now: float) -> None:
        """A reserved call was not made."""
        for guard, tokens in zip(self.guards(target), reserved, strict=True):
            guard.allowance.give_back(tokens, now)

    def begin(self, target: Target, reserved: tuple[float, float], now: float, *, placed: bool = False) -> Lease:
        """A call is made now. `placed`: its place was waited for and is had already."""
        if not placed:
            for guard in self.guards(target):
                guard.allowance.enter()
        return Lease(self, target, reserved, now)

    def known(self, identity: str) -> TargetState | None:
        """Of a target by its identity; None when it has not been used."""
        return self._targets.get(identity)

    def key(self, account: str) -> Guard | None:
        """Of a provider key by its identity; None when it has not been used."""
        return self._keys.get(account)

    def share(self, target: Target, now: float) -> float:
        """The part of its weight that a target gets."""
        return self.of(target).breaker.share(now)

    def in_flight(self, target: Target) -> int:
        return self.of(target).allowance.in_flight

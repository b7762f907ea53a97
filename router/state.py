"""What the router remembers of targets and provider keys: breakers, holds, limits, calls under way, latency.

State belongs to an identity and outlives the plan; policies (breaker numbers, limits) change in place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from functools import partial
from math import inf

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.transport.headers import Left
from providers.types import Usage
from router.breaker import Breaker, BreakerRules
from router.latency import PeakEwma, Recent
from router.limits import NOTHING, Allowance, Limits, Reserved
from router.spending import Bill
from router.target import Key, Target
from router.tasks import to_the_end

QUOTA_HOLD = 300.0  # seconds, where a vendor does not say how long
RATE_HOLD, LONGEST_RATE_HOLD = 0.25, 8.0  # the same for 429: doubling
_CHARGED = frozenset({ErrorCode.TIMEOUT, ErrorCode.STREAM_INTERRUPTED, ErrorCode.PROTOCOL_ERROR})  # by vendors, likely
UNLIMITED = NOTHING, NOTHING  # what a call reserves of a target and a key without limits
_FAILURE_COUNTS_AS = 5.0  # seconds of latency, so that a target that fails fast does not look fast


class Guard:
    """Breaker, hold and limits of one target, or of one provider key. A draining one gets no new call."""

    __slots__ = ("allowance", "breaker", "draining", "held_until")

    def __init__(self, rules: BreakerRules, limits: Limits, chance: random.Random) -> None:
        self.breaker = Breaker(rules, chance)
        self.allowance = Allowance(limits)
        self.held_until = -inf
        self.draining = False

    def hold(self, until: float) -> None:
        self.held_until = max(self.held_until, until)

    def is_clear(self, now: float) -> bool:
        """Whether nothing at all stands against a call: the usual case, which has to be fast."""
        return (
            self.breaker.state == "closed"
            and self.held_until <= now
            and self.allowance.is_unlimited
            and not self.draining
        )


class Pacing:
    """What one key was told of one target: vendors limit a key's calls of each model."""

    __slots__ = ("held_until", "hits")

    def __init__(self) -> None:
        self.held_until = -inf
        self.hits = 0  # 429s in a row

    def hold(self, until: float) -> None:
        self.held_until = max(self.held_until, until)


class TargetState(Guard):
    """One model at one provider. `pacing` is by the identity of the key that was told to slow down."""

    __slots__ = ("answers", "explored", "firsts", "latency", "pacing", "turn", "turns")

    def __init__(self, rules: BreakerRules, limits: Limits, chance: random.Random) -> None:
        super().__init__(rules, limits, chance)
        self.latency = PeakEwma()
        self.firsts = Recent()  # times to first content of streams
        self.answers = Recent()  # times of plain calls
        self.explored = False
        self.turn = 0
        self.turns: dict[str, int] = {}  # by the identity of the key: when it was used last
        self.pacing: dict[str, Pacing] = {}

    def paced(self, key: Key) -> Pacing:
        return self.pacing.setdefault(key.identity, Pacing())

    def held(self, key: Key) -> float:
        """Until when the vendor asked to wait, as far as this target and key are concerned alone."""
        told = self.pacing.get(key.identity) if self.pacing else None
        return self.held_until if told is None else max(self.held_until, told.held_until)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target gets no call now, and when that ends (the loop's time; infinity: nobody knows)."""

    reason: str
    message: str
    until: float = inf


class Lease:
    """One call under way. It is ended exactly once, by its outcome."""

    __slots__ = ("_bill", "_ended", "_guards", "_permits", "_reserved", "_state", "key", "started")

    def __init__(
        self,
        guards: tuple[TargetState, Guard],
        key: Key,
        reserved: tuple[Reserved, Reserved],
        now: float,
        bill: Bill | None = None,
    ) -> None:
        self._guards = guards
        state, guard = guards
        self._state = state
        self._permits = state.breaker.acquire(now), guard.breaker.acquire(now)
        self._reserved = reserved
        self._bill = bill
        self._ended = False
        self.key = key
        self.started = now

    def succeeded(self, now: float, usage: Usage | None = None) -> None:
        """The answer is whole."""
        if self._end():
            (state, guard), (permit, shared) = self._guards, self._permits
            seconds = now - self.started
            state.breaker.success(permit, now, seconds)
            guard.breaker.success(shared, now, seconds)
            if state.pacing:
                state.paced(self.key).hits = 0
            self._settle(now, usage, 0)

    def first_token(self, seconds: float, now: float, *, streaming: bool) -> None:
        """The answer began after so many seconds."""
        self._state.latency.add(seconds, now)
        (self._state.firsts if streaming else self._state.answers).add(seconds)

    def heard(self, left: Left, now: float) -> None:
        """What the headers of an answer say is left of the vendor's limits."""
        if left.wait is not None:
            self._state.paced(self.key).hold(now + left.wait)
        for guard in self._guards:
            if guard.allowance.tighten(left.requests, left.tokens, now):
                return  # the headers are about the narrower of the two

    def failed(self, error: ProviderError, now: float) -> None:
        """The call failed; the error's code says what that means for target and key."""
        if not self._end():
            return
        meant = CONSEQUENCES[error.code]
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
        if meant.breaker == "open_key":
            key.breaker.trip(now)
        elif meant.breaker == "open_target" and meant.other_key and self.key.number:
            self._state.paced(self.key).hold(now + state.breaker.rules.max_open_for)  # the other keys may be let in
        elif meant.breaker == "open_target":
            state.breaker.trip(now)
        self._hold(error, now)
        partial = error.partial
        begun = error.code in _CHARGED and error.phase != "connect"
        self._settle(now, None, -1 if not begun else 0 if partial is None else rough_tokens(partial.text))

    @property
    def is_open(self) -> bool:
        """Whether its outcome is not known yet."""
        return not self._ended

    def cancelled(self, now: float, answered: int = 0) -> None:
        """The caller went away, after so many tokens of the answer: that tells nothing."""
        if self._end():
            for guard, permit in zip(self._guards, self._permits, strict=True):
                guard.breaker.forget(permit)
            self._settle(now, None, answered)

    def lost(self, now: float, *, streaming: bool) -> None:
        """Another target was faster: that counts as nothing, but it took at least so long."""
        if not self._ended:
            self.first_token(now - self.started, now, streaming=streaming)
            self.cancelled(now)

    def _end(self) -> bool:
        if self._ended:
            return False
        self._ended = True
        for guard in self._guards:
            guard.allowance.leave()
        return True

    def _hold(self, error: ProviderError, now: float) -> None:
        state, (_, key) = self._state, self._guards
        meant, asked = CONSEQUENCES[error.code].hold, error.retry_after
        if meant == "quota":
            key.hold(now + (QUOTA_HOLD if asked is None else asked))
        elif meant == "retry_after" and asked is not None:
            state.hold(now + asked)
        elif meant == "rate":
            pacing = state.paced(self.key)
            wait = min(LONGEST_RATE_HOLD, RATE_HOLD * 2.0 ** min(pacing.hits, 10))
            pacing.hits += 1
            pacing.hold(now + (wait if asked is None else asked))

    def _settle(self, now: float, usage: Usage | None, answered: int) -> None:
        if self._bill is not None:
            self._bill.settle(usage, answered)
        state, guard = self._guards
        if state.allowance.is_unlimited and guard.allowance.is_unlimited:
            return
        given, made = (None, None) if usage is None else (usage.input_tokens, usage.output_tokens)
        used = None if given is None or made is None else given + made
        for guard, reserved in zip(self._guards, self._reserved, strict=True):
            guard.allowance.settle(reserved, used, made, now)


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

    def key_of(self, target: Target, key: Key) -> Guard:
        """Of a provider key, which the targets of the provider share."""
        found = self._keys.get(key.identity)
        if found is None:
            found = self._keys[key.identity] = Guard(target.breaker, target.key_limits, self._chance)
            found.breaker.on_change = partial(self._changed, key.identity)
        return found

    def guards(self, target: Target, key: Key) -> tuple[TargetState, Guard]:
        return self.of(target), self.key_of(target, key)

    def adopt(self, targets: Iterable[Target], keys: set[str]) -> tuple[str, ...]:
        """Take over the policies of a new plan and forget what it no longer has. State stays by identity.

        What was opened, closed or drained by hand is so no longer, and is told.

        Args:
            keys: the identities of all keys of the plan, those that no target uses included.
        """
        targets = list(targets)
        kept = set(keys)
        for target in targets:
            kept.add(target.identity)
            if target.identity in self._targets:
                state = self._targets[target.identity]
                state.breaker.rules = target.breaker
                state.allowance.change(target.limits)
                state.pacing = {key: paced for key, paced in state.pacing.items() if key in keys}
                state.turns = {key: turn for key, turn in state.turns.items() if key in keys}
            for key in target.keys:
                if key.identity in self._keys:
                    self._keys[key.identity].breaker.rules = target.breaker
                    self._keys[key.identity].allowance.change(target.key_limits)
        names = {target.identity: target.name for target in reversed(targets)}
        names |= {key.identity: f"provider {target.provider}" for target in targets for key in target.keys}
        ended: list[str] = []
        # What has calls under way is kept to the next time: it knows when their provider can be closed.
        remembered: dict[str, Guard]
        for remembered in (self._targets, self._keys):  # type: ignore[assignment]  # a dict of a subclass, only read
            gone = [name for name, guard in remembered.items() if name not in kept and not guard.allowance.in_flight]
            for identity in gone:
                del remembered[identity]
            for identity, guard in remembered.items():
                if guard.draining or guard.breaker.manual:
                    done = "draining" if guard.draining else "opened by hand"
                    if not guard.draining and guard.breaker.state == "closed":
                        done = "closed by hand"
                    ended.append(f"{names.get(identity, identity)} was {done}")
                    guard.draining = False
                    if guard.breaker.manual:
                        guard.breaker.reset()
        return tuple(dict.fromkeys(ended))

    def refusal(
        self, target: Target, prompt: float, max_tokens: int | None, now: float, without: Container[str] = ()
    ) -> Refusal | None:
        """Why the target gets no call now; None when it may.

        Args:
            without: the identities of keys that are not to be used.
        """
        keys = target.keys
        if len(keys) == 1:
            return self.why(target, keys[0], prompt, max_tokens, now)
        soonest: Refusal | None = None
        for key in keys:
            if key.identity in without:
                continue
            found = self.why(target, key, prompt, max_tokens, now)
            if found is None:
                return None
            if soonest is None or found.until < soonest.until:
                soonest = found
        return soonest

    def why(self, target: Target, key: Key, prompt: float, max_tokens: int | None, now: float) -> Refusal | None:
        """Why the target gets no call with this key now; None when it may."""
        state, guard = self.of(target), self.key_of(target, key)
        if state.is_clear(now) and guard.is_clear(now) and not state.pacing:
            return None
        if state.draining or guard.draining:
            return Refusal("draining", "it is being drained")
        for each, whose in ((state, ""), (guard, _whose(key))):
            if not each.breaker.admits(now):
                until = each.breaker.until if each.breaker.state == "open" else now
                if each.breaker.manual:
                    when = "opened by hand"
                else:
                    when = f"tried again in {until - now:.3g} s" if until > now else "a probe is under way"
                return Refusal("circuit_open", f"the breaker{whose} is open; {when}", until)
        held = max(state.held(key), guard.held_until)
        if held > now:
            return Refusal("held", f"the vendor asked to wait; {held - now:.3g} s are left", held)
        if state.allowance.full or guard.allowance.full:
            return Refusal("saturated", "as many calls as allowed are under way (limits.in_flight)")
        wait = max(each.allowance.wait(each.allowance.expected(prompt, max_tokens), now) for each in (state, guard))
        if wait > 0:
            return Refusal("limited", f"the limit allows the next call in {wait:.3g} s", now + wait)
        return None

    def best_key(
        self, target: Target, prompt: float, max_tokens: int | None, now: float, without: Container[str] = ()
    ) -> Key:
        """Of the keys that may be used, the one with the fewest calls under way; else the one that may be soonest."""
        keys = target.keys
        if len(keys) == 1:
            return keys[0]
        state = self.of(target)

        def order(key: Key) -> tuple[float, int, int]:
            found = self.why(target, key, prompt, max_tokens, now)
            busy = self.key_of(target, key).allowance.in_flight
            return (-inf if found is None else found.until), busy, state.turns.get(key.identity, 0)

        best = min([key for key in keys if key.identity not in without] or keys, key=order)
        state.turn += 1  # among equals the one that was idle longest
        state.turns[best.identity] = state.turn
        return best

    def held(self, target: Target, key: Key) -> float:
        """Until when the vendor asked to wait."""
        state, guard = self.guards(target, key)
        return max(state.held(key), guard.held_until)

    async def place(self, target: Target, seconds: float) -> Key | None:
        """Wait in line for a place at the target and at one of its keys; gives the key, to be handed to `begin`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        own = self.of(target).allowance
        if not own.full:
            own.enter()
        elif not await own.place(seconds):
            return None
        key = None
        try:
            key = await self._place_at_key(target, max(0.0, end - loop.time()))
        finally:
            if key is None:
                own.leave()
        return key

    async def _place_at_key(self, target: Target, seconds: float) -> Key | None:
        """At whichever key has one first."""
        allowances = {key: self.key_of(target, key).allowance for key in target.keys}
        free = [key for key, allowance in allowances.items() if not allowance.full]
        if free:
            key = min(free, key=lambda each: allowances[each].in_flight)
            allowances[key].enter()
            return key
        loop = asyncio.get_running_loop()
        lines = {loop.create_task(allowance.place(seconds)): key for key, allowance in allowances.items()}
        waiting, had = set(lines), None
        try:
            while waiting and had is None:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                had = next((line for line in done if line.result()), None)
        finally:
            for line in waiting:
                line.cancel()  # gives back the place that it may just have got
            cancelled = await to_the_end(asyncio.wait(lines))
            had = None if cancelled else had
            for line, key in lines.items():
                if line is not had and not line.cancelled() and line.result():
                    allowances[key].leave()
        if cancelled:
            raise asyncio.CancelledError
        return None if had is None else lines[had]

    def reserve(
        self, target: Target, key: Key, prompt: float, max_tokens: int | None, now: float
    ) -> tuple[Reserved, Reserved]:
        """Take a call's worth from the limits of target and key."""
        own, shared = self.of(target).allowance, self.key_of(target, key).allowance
        if own.is_unlimited and shared.is_unlimited:
            return UNLIMITED
        return own.take(own.expected(prompt, max_tokens), now), shared.take(shared.expected(prompt, max_tokens), now)

    def early(self, target: Target, key: Key, reserved: tuple[Reserved, Reserved], now: float) -> float:
        """Seconds that a reserved call has to wait still, when those before it used more than was expected."""
        pairs = zip(self.guards(target, key), reserved, strict=True)
        return max(guard.allowance.early(taken, now) for guard, taken in pairs)

    def give_back(self, target: Target, key: Key, reserved: tuple[Reserved, Reserved], now: float) -> None:
        """A reserved call was not made."""
        for guard, taken in zip(self.guards(target, key), reserved, strict=True):
            guard.allowance.give_back(taken, now)

    def begin(
        self,
        target: Target,
        key: Key,
        reserved: tuple[Reserved, Reserved],
        now: float,
        *,
        placed: bool = False,
        bill: Bill | None = None,
    ) -> Lease:
        """A call is made now. `placed`: its place was waited for and is had already."""
        guards = state, guard = self.of(target), self.key_of(target, key)
        if not placed:
            state.allowance.enter()
            guard.allowance.enter()
        return Lease(guards, key, reserved, now, bill)

    def known(self, identity: str) -> TargetState | None:
        """Of a target by its identity; None when it has not been used."""
        return self._targets.get(identity)

    def key(self, identity: str) -> Guard | None:
        """Of a provider key; None when it has not been used."""
        return self._keys.get(identity)

    def share(self, target: Target, now: float) -> float:
        """The part of its weight that a target gets."""
        return self.of(target).breaker.share(now)

    def in_flight(self, target: Target) -> int:
        return self.of(target).allowance.in_flight


def rough_tokens(text: str) -> int:
    """About how many tokens a text has, for what no vendor counted."""
    return len(text) // 4


def _whose(key: Key) -> str:
    return f" of its key {key.number}" if key.number else " of its provider"

"""What the router remembers of targets and provider keys: breakers, holds, limits, calls under way, latency.

State belongs to an identity and outlives the plan; policies (breaker numbers, limits) change in place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Container, Iterable
from functools import partial
from math import inf
from weakref import WeakValueDictionary

from router.cleanup import to_the_end
from router.plan.target import Key, Target
from router.state.any_rate import Sharer
from router.state.breaker import Breaker
from router.state.guard import Guard, Refusal, TargetState, why_limited
from router.state.lease import Lease
from router.state.limits import NOTHING, RateLimits, Reserved
from router.state.peers import Facts
from router.state.spending import Charge
from router.views import spans

UNLIMITED = NOTHING, NOTHING  # what a call reserves of a target and a key without limits


class States:
    """Keeps all that is remembered of targets and keys, by identity.

    Args:
        changed: called with the identity of a target or key and its breaker when that has changed its state.
    """

    def __init__(self, rng: random.Random, changed: Callable[[str, Breaker], None] | None = None) -> None:
        self._rng = rng
        self._changed = changed or (lambda identity, breaker: None)
        self._targets: dict[str, TargetState] = {}
        self._keys: dict[str, Guard] = {}
        # By what the model is, without params; they go with the last target that has them.
        self._limits: WeakValueDictionary[str, RateLimits] = WeakValueDictionary()
        self._sharer: Sharer | None = None
        self._facts: Facts | None = None

    def share_with(self, sharer: Sharer | None, facts: Facts | None, targets: Iterable[Target]) -> None:
        """Have limits, and holds and breakers, in common with other processes from now on; None: for this one alone.

        Args:
            targets: those of the plan.
        """
        self._sharer, self._facts = sharer, facts
        for guard in (*self._targets.values(), *self._keys.values()):
            guard.teller = guard.breaker.peers = None
        for target in targets:
            self._share(target)

    def _share(self, target: Target) -> None:
        state = self._targets.get(target.identity)
        if state is not None:
            self._join_target(target, state)
        for key in target.keys:
            if (guard := self._keys.get(key.identity)) is not None:
                self._join_key(key, guard)

    def _join_target(self, target: Target, state: TargetState) -> None:
        state.limits.share(self._sharer, target.share_id)
        if self._facts is not None:
            self._facts.join_target(target, state)

    def _join_key(self, key: Key, guard: Guard) -> None:
        guard.limits.share(self._sharer, key.share_id)
        if self._facts is not None:
            self._facts.join_key(key, guard)

    def target(self, target: Target) -> TargetState:
        """Return the state of a target, made on first use."""
        state = self._targets.get(target.state_id)
        if state is None:
            state = self._targets[target.state_id] = TargetState(target.breaker, target.limits, self._rng)
            # A vendor limits its model, whatever the params; how well it serves is a matter of both.
            state.limits = self._limits.setdefault(target.limits_id, state.limits)
            if not target.is_own:  # a caller's own key is nobody else's business
                state.breaker.on_change = partial(self._changed, target.identity)
                self._join_target(target, state)
        return state

    def key_guard(self, target: Target, key: Key) -> Guard:
        """Return the guard of a provider key, which all targets of the provider share; it is made on first use."""
        guard = self._keys.get(key.identity)
        if guard is None:
            guard = self._keys[key.identity] = Guard(target.breaker_of_keys, target.key_limits, self._rng)
            if not target.is_own:
                guard.breaker.on_change = partial(self._changed, key.identity)
                self._join_key(key, guard)
        return guard

    def forget_own(self, key: Key, targets: Iterable[str]) -> bool:
        """Forget a caller's own key that has no call under way, and its targets by `state_id`; True when it is gone."""
        guard = self._keys.get(key.identity)
        if guard is not None and (guard.limits.in_flight or guard.limits.waiting):
            return False
        self._keys.pop(key.identity, None)
        for state_id in targets:
            self._targets.pop(state_id, None)
        return True

    def forget(self, target: Target, now: float) -> bool:
        """Forget a target that nothing stands against, and that has no call under way; True when it is gone."""
        state = self._targets.get(target.identity)
        if state is not None and not state.is_idle(now):
            return False
        self._targets.pop(target.identity, None)
        if self._facts is not None:
            self._facts.leave(target)
        return True

    def guards(self, target: Target, key: Key) -> tuple[TargetState, Guard]:
        """Return the state of the target and the guard of the key."""
        state, guard = self._targets.get(target.state_id), self._keys.get(key.identity)
        return state or self.target(target), guard or self.key_guard(target, key)

    def adopt(self, targets: Iterable[Target], keys: frozenset[str]) -> tuple[str, ...]:
        """Take over the policies of a new plan and forget what it no longer has. State stays by identity.

        What was opened, closed or drained by hand is so no longer, and is told.

        Args:
            keys: the identities of all keys of the plan, those that no target uses included, and what else is kept.
        """
        targets = list(targets)
        kept = set(keys)
        # A file has most targets and keys many times, on which nothing differs: once is enough, and quick.
        for target in {target.identity: target for target in targets}.values():
            kept.add(target.identity)
            self._share(target)
            state = self._targets.get(target.identity)
            if state is not None:
                state.follow(target.breaker, target.limits)
                if state.pacing or state.turns:
                    state.pacing = {key: paced for key, paced in state.pacing.items() if key in keys}
                    state.turns = {key: turn for key, turn in state.turns.items() if key in keys}
        owners = {key.identity: target for target in targets for key in target.keys}
        for identity in owners.keys() & self._keys.keys():
            self._keys[identity].follow(owners[identity].breaker_of_keys, owners[identity].key_limits)
        names = {target.identity: target.name for target in reversed(targets)}
        names |= {key.identity: f"provider {target.provider}" for target in targets for key in target.keys}
        ended: list[str] = []
        # What has calls under way is kept to the next time: it knows when their provider can be closed.
        remembered: dict[str, Guard]
        for remembered in (self._targets, self._keys):  # type: ignore[assignment]  # a dict of a subclass, only read
            gone = [name for name, guard in remembered.items() if name not in kept and not guard.limits.in_flight]
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

    def refusal_for_target(
        self, target: Target, prompt: float, max_tokens: int | None, now: float, without: Container[str] = ()
    ) -> Refusal | None:
        """Say why the target gets no call now; None when it may.

        Args:
            without: the identities of keys that are not to be used.
        """
        keys = target.keys
        if len(keys) == 1:
            return self.refusal_for_key(target, keys[0], prompt, max_tokens, now)
        soonest: Refusal | None = None
        for key in keys:
            if key.identity in without:
                continue
            refusal = self.refusal_for_key(target, key, prompt, max_tokens, now)
            if refusal is None:
                return None
            if soonest is None or refusal.until < soonest.until:
                soonest = refusal
        return soonest

    def refusal_for_key(
        self, target: Target, key: Key, prompt: float, max_tokens: int | None, now: float, *, placed: bool = False
    ) -> Refusal | None:
        """Say why the target gets no call with this key now; None when it may.

        Args:
            placed: its place is had already.
        """
        state = self._targets.get(target.state_id) or self.target(target)  # as `guards` does, without its call
        guard = self._keys.get(key.identity) or self.key_guard(target, key)
        if (  # nothing at all stands against a call: the usual case, which has to be fast
            state.breaker.state == guard.breaker.state == "closed"
            and state.held_until <= now >= guard.held_until
            and state.limits.is_unlimited
            and guard.limits.is_unlimited
            and not (state.draining or guard.draining or state.pacing)
        ):
            return None
        if state.draining or guard.draining:
            return Refusal("draining", "it is being drained")
        for guarded, whose in ((state, ""), (guard, _whose(key))):
            if not guarded.breaker.admits(now):
                until = max(now, guarded.breaker.until)
                if guarded.breaker.manual:
                    when = "opened by hand"
                else:
                    when = f"tried again in {spans.wait(until - now)}" if until > now else "a probe is under way"
                    when = f"{when} ({guarded.breaker.why})" if guarded.breaker.is_told else when
                return Refusal("circuit_open", f"the breaker{whose} is open; {when}", until)
        held = max(state.held(key), guard.held_until)
        if held > now:
            return Refusal("held", f"the vendor asked to wait; {spans.wait(held - now)} are left", held)
        if not placed and (state.limits.full or guard.limits.full):
            return Refusal("saturated", "as many calls as allowed are under way (limits.in_flight)")
        bound = target.bound(max_tokens)
        wait = max(guarded.limits.wait(guarded.limits.expected(prompt, bound), now) for guarded in (state, guard))
        if wait > 0:
            return Refusal("limited", why_limited(wait), now + wait)
        return None

    def best_key(
        self, target: Target, prompt: float, max_tokens: int | None, now: float, without: Container[str] = ()
    ) -> Key:
        """Return the usable key with the fewest calls under way; when none is usable, the one that may be soonest."""
        keys = target.keys
        state = self.target(target)

        def order(key: Key) -> tuple[float, int, int]:
            refusal = self.refusal_for_key(target, key, prompt, max_tokens, now)
            busy = self.key_guard(target, key).limits.in_flight
            return (-inf if refusal is None else refusal.until), busy, state.turns.get(key.identity, 0)

        best = min([key for key in keys if key.identity not in without] or keys, key=order)
        state.turn += 1  # among equals the one that was idle longest
        state.turns[best.identity] = state.turn
        return best

    def held(self, target: Target, key: Key) -> float:
        """Return until when the vendor asked to wait."""
        state, guard = self.guards(target, key)
        return max(state.held(key), guard.held_until)

    async def wait_for_slot(self, target: Target, seconds: float, waited: float = 0.0) -> Key | None:
        """Wait in line for a place at the target and at one of its keys; gives the key, to be handed to `begin`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        own = self.target(target).limits
        if not own.full:
            own.in_flight += 1
        elif not await own.wait_for_slot(seconds, waited):
            return None
        key = None
        try:
            key = await self._place_at_key(target, max(0.0, end - loop.time()), waited)
        finally:
            if key is None:
                own.release_slot()
        return key

    def give_up_slot(self, target: Target, key: Key) -> None:
        """Free the place of a call that is not made; the next in line gets it."""
        for guard in self.guards(target, key):
            guard.limits.release_slot()

    async def _place_at_key(self, target: Target, seconds: float, waited: float) -> Key | None:
        """Wait at all keys, and take the place of whichever has one first."""
        limits_by_key = {key: self.key_guard(target, key).limits for key in target.keys}
        free = [key for key, allowance in limits_by_key.items() if not allowance.full]
        if free:
            key = min(free, key=lambda candidate: limits_by_key[candidate].in_flight)
            limits_by_key[key].in_flight += 1
            return key
        loop = asyncio.get_running_loop()
        lines = {loop.create_task(limits.wait_for_slot(seconds, waited)): key for key, limits in limits_by_key.items()}
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
                    limits_by_key[key].release_slot()
        if cancelled:
            raise asyncio.CancelledError
        return None if had is None else lines[had]

    def reserve(
        self, target: Target, key: Key, prompt: float, max_tokens: int | None, now: float, waited: float = 0.0
    ) -> tuple[Reserved, Reserved]:
        """Take a call's worth from the limits of target and key, to be waited for, by who has `waited` for the server
        of what is shared for so many seconds; `begin` does so for a call now.
        """
        own, shared, bound = self.target(target).limits, self.key_guard(target, key).limits, target.bound(max_tokens)
        wait = max(limits.wait(limits.expected(prompt, bound), now) for limits in (own, shared))
        reserved = _reserve(own, shared, prompt, bound, now, now + wait)
        if waited:
            for limits, taken in zip((own, shared), reserved, strict=True):
                limits.hurry(taken, waited)
        return reserved

    def early(self, target: Target, key: Key, reserved: tuple[Reserved, Reserved], now: float) -> float:
        """Return the seconds that a reserved call has to wait still, when those before it used more than was
        expected.
        """
        pairs = zip(self.guards(target, key), reserved, strict=True)
        return max(guard.limits.early(taken, now) for guard, taken in pairs)

    async def wait_for_limits(
        self, target: Target, key: Key, reserved: tuple[Reserved, Reserved], seconds: float
    ) -> None:
        """Wait so many seconds for what is reserved, or until it may be looked at again; given up, it is given back."""
        pairs = zip(self.guards(target, key), reserved, strict=True)
        coming = [future for guard, taken in pairs for future in guard.limits.coming(taken)]
        try:
            if coming:
                await asyncio.wait(coming, timeout=seconds)
            else:
                await asyncio.sleep(seconds)
        except BaseException:
            self.give_back(target, key, reserved, asyncio.get_running_loop().time())
            raise

    def give_back(self, target: Target, key: Key, reserved: tuple[Reserved, Reserved], now: float) -> None:
        """Give back the reservations of a call that was not made."""
        for guard, taken in zip(self.guards(target, key), reserved, strict=True):
            guard.limits.give_back(taken, now)

    def begin(
        self,
        target: Target,
        key: Key,
        prompt: float,
        max_tokens: int | None,
        now: float,
        *,
        reserved: tuple[Reserved, Reserved] | None = None,
        placed: bool = False,
        charge: Charge | None = None,
    ) -> Lease:
        """Begin a call now, and return its lease.

        Args:
            reserved: what was taken from the limits for it already; None takes it now.
            placed: its place was waited for and is had already.
            charge: what it costs budgets.
        """
        state = self._targets.get(target.state_id) or self.target(target)  # as `guards` does, without its call
        guard = self._keys.get(key.identity) or self.key_guard(target, key)
        own, shared = state.limits, guard.limits
        if reserved is None:
            reserved = UNLIMITED
            if not (own.is_unlimited and shared.is_unlimited):
                reserved = _reserve(own, shared, prompt, target.bound(max_tokens), now, now)
        if not placed:
            own.in_flight += 1
            shared.in_flight += 1
        permits = state.breaker.acquire(now), guard.breaker.acquire(now)
        return Lease((state, guard), permits, reserved, prompt, charge, key, now)

    def find_target(self, identity: str) -> TargetState | None:
        """Return the state of a target by its identity; None when it has not been used."""
        return self._targets.get(identity)

    def find_key(self, identity: str) -> Guard | None:
        """Return the guard of a provider key; None when it has not been used."""
        return self._keys.get(identity)

    def share(self, target: Target, now: float) -> float:
        """Return the part of its weight that a target gets."""
        breaker = (self._targets.get(target.state_id) or self.target(target)).breaker
        return 1.0 if breaker.closed_at == -inf else breaker.share(now)

    def in_flight(self, target: Target) -> int:
        """Count the calls of a target that are under way."""
        return self.target(target).limits.in_flight


def _reserve(
    own: RateLimits, shared: RateLimits, prompt: float, max_tokens: int | None, now: float, at: float
) -> tuple[Reserved, Reserved]:
    return (
        own.take(own.expected(prompt, max_tokens), now, at),
        shared.take(shared.expected(prompt, max_tokens), now, at),
    )


def _whose(key: Key) -> str:
    return f" of its key {key.number}" if key.number else " of its provider"

"""The health of targets and provider keys: the state of their breakers, holds and limits, as data for `report`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from providers.sources import CredentialState
from router.plan.target import Key, Target
from router.state.guard import Guard
from router.state.limits import RateLimits
from router.state.states import States
from router.views.figures import Health, KeyFigures, LimitUse


def target_health(states: States, target: Target, now: float, offset: float) -> Health:
    """Return the health of one target; its provider's key has a health of its own.

    Args:
        now: the loop's time; with `offset` it is the time of day.
    """
    if target.disabled:
        return Health("disabled", why="a variable of its provider is not set")
    state = states.find_target(target.identity)
    if state is None:
        return Health()
    if state.draining:
        return Health("drained", by_hand=True, why="by hand")
    # A vendor's 429 holds a target for the key that was told: it is held while all its keys are.
    return _health(state, min(state.held(key) for key in target.keys), now, offset)


def key_figures(
    states: States, target: Target, now: float, offset: float, credential: Callable[[Key], CredentialState | None]
) -> tuple[KeyFigures, ...]:
    """Return the figures of each key of a target's provider."""
    figures = []
    for index, key in enumerate(target.keys, 1):
        guard = states.find_key(key.identity)
        if guard is None:
            figures.append(KeyFigures(f"key {index}", credential=credential(key)))
            continue
        health = key_health(states, key, now, offset)
        limits = tuple(limit_uses(guard.limits, now))
        figures.append(KeyFigures(f"key {index}", health, guard.limits.in_flight, limits, credential(key)))
    return tuple(figures)


def key_health(states: States, key: Key, now: float, offset: float) -> Health:
    """Return the health of one key of a provider; the arguments are those of `target_health`."""
    guard = states.find_key(key.identity)
    if guard is None:
        return Health()
    if guard.draining:
        return Health("drained", by_hand=True, why="by hand")
    return _health(guard, guard.held_until, now, offset)


def _health(guard: Guard, held_until: float, now: float, offset: float) -> Health:
    breaker = guard.breaker
    state = "half_open" if breaker.state == "open" and not breaker.manual and breaker.until <= now else breaker.state
    if state == "closed" and held_until > now:
        return Health("held", held_until + offset, why="the vendor asked to wait")
    until = breaker.until + offset if state == "open" and breaker.until < inf else None
    return Health(state, until, breaker.manual, breaker.why if state != "closed" or breaker.manual else "")


def limit_uses(limits: RateLimits, now: float) -> Iterator[LimitUse]:
    """Yield the limits of a target or key, and how far each is used up."""
    rules = limits.rules
    for rate in limits.requests:
        yield LimitUse("requests", rate.per_second, _share(rate.used(now)), period=rate.period)
    for rate in limits.tokens:
        yield LimitUse("tokens", rate.per_second, _share(rate.used(now)), period=rate.period)
    if rules.in_flight is not None:
        pressure = _share(limits.in_flight / rules.in_flight)
        yield LimitUse("in_flight", rules.in_flight, pressure, limits.waiting)


def _share(used: float) -> float:
    return min(1.0, max(0.0, used))


def pressure(limits: tuple[LimitUse, ...]) -> float | None:
    """Return how far the tightest limit is used up, 0 to 1; None where there is none."""
    return max((limit.pressure for limit in limits), default=None)

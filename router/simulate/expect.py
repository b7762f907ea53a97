"""Whether what a scenario expects holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from router.config.units import format_duration
from router.simulate.counters import PromptCount, Quantiles, RouteCount, TargetCount
from router.simulate.run import Outcome
from router.simulate.schema import Bound, Expect
from router.views.money import dollars


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation: of whom, of what, what was written, what came of it, and whether it holds."""

    who: str
    metric: str
    expected: str
    value: float | None
    shown: str
    holds: bool


def judge(outcome: Outcome) -> list[Verdict]:
    """A verdict on every expectation, in the order of the file."""
    return [
        _verdict(outcome, who, metric, bound)
        for who, expect in outcome.scenario.expect.items()
        for metric in Expect.model_fields
        if (bound := getattr(expect, metric)) is not None
    ]


def _verdict(outcome: Outcome, who: str, metric: str, bound: Bound) -> Verdict:
    if who in outcome.routes:
        value = _of_route(outcome.routes[who], metric)
    else:
        value = _of_target(target_of(outcome, who), metric, outcome)
    shown = "nothing to measure" if value is None else _SHOWN.get(metric, seconds)(value)
    return Verdict(who, metric, bound.written, value, shown, value is not None and bound.holds(value))


def target_of(outcome: Outcome, who: str) -> TargetCount:
    """The counts of a target, or of all targets of a provider added up, the breakers of its keys among them."""
    sums = TargetCount()
    for name, count in outcome.targets.items():
        if who in outcome.names[name]:
            sums.add(count)
    sums.opened += sum(history.opened for history in outcome.breakers if history.key_of == who)
    return sums


def _of_route(count: RouteCount, metric: str) -> float | None:
    asked = count.requests
    parts = {
        "errors": count.failed,
        "retries": count.retries,
        "hedges": count.hedges,
        "hits": count.hits,
    }
    if metric in parts:
        return parts[metric] / asked if asked else None
    if metric == "fallbacks":
        return count.fallbacks / count.called if count.called else None
    if metric == "prompt_cache":
        return _cached(count.prompts)
    if metric in ("requests", "cost"):
        return count.requests if metric == "requests" else count.usd
    return _quantile(count.first_token if metric.startswith("first_token") else count.whole, metric)


def _of_target(count: TargetCount, metric: str, outcome: Outcome) -> float | None:
    if metric == "errors":
        return count.failed / count.calls if count.calls else None
    if metric == "share":
        answers = sum(route.called for route in outcome.routes.values())
        return count.answers / answers if answers else None
    if metric == "requests":
        return count.calls
    if metric == "opened":
        return count.opened
    if metric == "cost":
        return count.usd
    if metric == "prompt_cache":
        return _cached(count.prompts)
    return _quantile(count.first_token, metric)


def _cached(prompts: PromptCount) -> float | None:
    return prompts.read / prompts.tokens if prompts.tokens else None


def _quantile(of: Quantiles, metric: str) -> float | None:
    return of.quantile(float(metric.rpartition("p")[2]) / 100)


def percent(value: float) -> str:
    """Rounded so that a little is never shown as nothing, nor almost all as all."""
    if 0 < value < 0.0001:
        return "<0.01%"
    if 0.9999 < value < 1:
        return ">99.99%"
    return f"{value:.2%}"


def usd(value: float | None) -> str:
    """US dollars to the cent, so that they can be added up, and a part of one to four places."""
    if value is None or 0 < value < 0.0001:
        return dollars(value)
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def seconds(value: float) -> str:
    """Three digits, in the unit that fits."""
    if value >= 99.95:
        return format_duration(round(value))
    return f"{value:.3g}s" if value >= 0.9995 else f"{value * 1000:.3g}ms"


_SHOWN: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("errors", "retries", "fallbacks", "hedges", "hits", "share", "prompt_cache"), percent),
    **dict.fromkeys(("requests", "opened"), lambda value: f"{value:,.0f}"),
    "cost": usd,
}

"""What is wrong at a moment, by the rules of a file. Pure: it reads a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from router.config.alert_schema import On
from router.plan.alerts import AlertRule
from router.views.figures import Figures, Health, Snapshot
from router.views.money import exact_dollars
from router.views.spans import span

LEAST = 10  # requests of the last minute, below which their error rate and times say nothing


class Trouble(NamedTuple):
    """Something that is wrong: who has it, what it is in words, and the number that is too high, where it is one."""

    who: str
    says: str
    value: float | None = None


def troubles(rule: AlertRule, snapshot: Snapshot, away: str = "") -> Iterator[Trouble]:
    """Yield what a rule finds wrong.

    Args:
        away: why the server of what is shared does not answer; "" while it does.
    """
    if rule.on == "shared_away":
        if away:
            yield Trouble("shared", f"the shared state is away: {away}")
        return
    yield from _LOOKS[rule.on](rule, snapshot)


def _health(rule: AlertRule, snapshot: Snapshot) -> Iterator[Trouble]:
    states = ("open", "half_open") if rule.on == "breaker_open" else ("held",)
    word = "the breaker is open" if rule.on == "breaker_open" else "held"
    for provider in snapshot.providers:
        if rule.provider not in (None, provider.name):
            continue
        named: list[tuple[str, Health]] = [(f"provider {provider.name}", provider.health)]
        named += [(target.name, target.health) for target in provider.targets]
        for who, health in named:
            if health.state in states and not health.by_hand:
                yield Trouble(who, f"{who}: {word}" + (f" ({health.why})" if health.why else ""))


def _figures(rule: AlertRule, snapshot: Snapshot) -> Iterator[tuple[str, Figures]]:
    if rule.provider is not None:
        yield from (
            (f"provider {each.name}", each.figures) for each in snapshot.providers if each.name == rule.provider
        )
    elif rule.route is not None:
        yield from ((f"route {each.name}", each.figures) for each in snapshot.routes if each.name == rule.route)
    else:
        yield "all requests", snapshot.figures


def _errors(rule: AlertRule, snapshot: Snapshot) -> Iterator[Trouble]:
    for who, figures in _figures(rule, snapshot):
        rate, window = figures.error_rate, figures.window
        if rate is not None and rate > rule.above and window.succeeded + window.failed >= LEAST:
            code = f", most of them {figures.leading_code}" if figures.leading_code else ""
            yield Trouble(who, f"{who}: {rate:.0%} failed in the last minute{code}", rate)


def _times(rule: AlertRule, snapshot: Snapshot) -> Iterator[Trouble]:
    for who, figures in _figures(rule, snapshot):
        times = figures.first_token if rule.on == "first_token" else figures.latency
        what = "to the first content" if rule.on == "first_token" else "to the whole answer"
        if times.p95 is not None and times.p95 > rule.above and figures.window.succeeded >= LEAST:
            yield Trouble(who, f"{who}: p95 {what} is {span(times.p95)} in the last minute", times.p95)


def _budgets(rule: AlertRule, snapshot: Snapshot) -> Iterator[Trouble]:
    shown = {budget.owner for budget in snapshot.spending}
    for budget in (*snapshot.spending, *(budget for budget in snapshot.high if budget.owner not in shown)):
        for scope, name in (("route", rule.route), ("provider", rule.provider)):
            if name is not None and (budget.scope, budget.name) != (scope, name):
                break
        else:
            part = (budget.used or 0.0) / budget.limit if budget.limit else 1.0
            if part > rule.above or part >= 1:
                used = f"{exact_dollars(float(f'{budget.used or 0.0:.3g}'))} of {exact_dollars(budget.limit)}"
                left = "" if budget.resets_at is None else span(max(0.0, budget.resets_at - snapshot.time))
                anew = f", it begins anew in {left}" if left else ""
                who = f"the budget of {budget.owner}"
                yield Trouble(who, f"{who}: {used} spent ({part:.0%}){anew}", part)


def _reload(rule: AlertRule, snapshot: Snapshot) -> Iterator[Trouble]:
    reload = snapshot.last_reload
    if reload is not None and not reload.accepted:
        why = reload.problem or "; ".join(
            f"line {each.line}: {each.message}" for each in reload.diagnostics if each.severity == "error"
        )
        yield Trouble("the file", f"the file as saved was rejected, the last good one runs: {why[:500]}")


_LOOKS: Mapping[On, Callable[[AlertRule, Snapshot], Iterator[Trouble]]] = {
    "breaker_open": _health,
    "held": _health,
    "error_rate": _errors,
    "p95": _times,
    "first_token": _times,
    "budget": _budgets,
    "reload_rejected": _reload,
}

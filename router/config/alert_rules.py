"""What `alerts` may name, and those that could never be told."""

from __future__ import annotations

from collections.abc import Mapping

from providers.spelling import did_you_mean
from router.config.alert_schema import AlertConfig
from router.config.diagnostics import Findings, Path_
from router.config.policies import effective
from router.config.schema import RoutesFile
from router.config.sections import BudgetPolicy
from router.config.units import format_duration
from router.config.yaml_reader import Place


def check_alerts(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each alert of something that the file has not got, and a warning for one that is there twice."""
    seen: dict[AlertConfig, int] = {}
    for number, alert in enumerate(file.alerts):
        path: Path_ = ("alerts", number)
        for at, text in (
            ((*path, "route"), _unknown(alert.route, file.routes, "route")),
            (
                (*path, "provider"),
                _unknown(alert.provider, file.providers, "provider"),
            ),
        ):
            if text:
                findings.add(origins.get(at, (1, 1)), at, text)
        is_of_others = alert.route not in (None, *file.routes) or alert.provider not in (None, *file.providers)
        text = "" if is_of_others else _never(file, alert)
        if text:
            findings.add(origins.get(path, (1, 1)), path, text)
        first = seen.setdefault(alert, number)
        if first != number:
            line = findings.line(origins.get(("alerts", first), (1, 1)))
            findings.add(origins.get(path, (1, 1)), path, f"this alert is there already ({line})", severity="warning")


def _unknown(name: str | None, known: Mapping[str, object], what: str) -> str:
    return "" if name is None or name in known else f'no {what} is named "{name}"{did_you_mean(name, known)}'


def _never(file: RoutesFile, alert: AlertConfig) -> str:
    """Say why an alert could never be told; "" where it could."""
    if alert.on == "shared_away" and file.shared is None:
        return "nothing is shared (shared: {url: …}), so that nothing can be away"
    if alert.on == "first_token":
        return _never_so_late(file, alert)
    return _no_budget(file, alert) if alert.on == "budget" else ""


def _never_so_late(file: RoutesFile, alert: AlertConfig) -> str:
    """A request that has no content by its deadline fails: it has no time to the first content."""
    routes = [alert.route] if alert.route in file.routes else list(file.routes)
    totals = [effective(file, "timeout", route=route)["total"].value for route in routes]
    if alert.provider is not None or not all(isinstance(total, float | int) for total in totals):
        return ""
    if alert.limit >= max(totals):
        longest = format_duration(max(totals))
        return f"no answer begins so late: timeout.total ends each request at {longest}; write less"
    return ""


def _no_budget(file: RoutesFile, alert: AlertConfig) -> str:
    budgets: dict[tuple[str, str], BudgetPolicy | None] = {}
    budgets |= {("route", name): route.budget for name, route in file.routes.items()}
    budgets |= {("provider", name): provider.budget for name, provider in file.providers.items()}
    for scope, name in (("route", alert.route), ("provider", alert.provider)):
        if (scope, name or "") in budgets:
            budgets = {(scope, name or ""): budgets[scope, name or ""]}
            break
    else:
        budgets |= {("shadow", name): route.shadow.budget for name, route in file.routes.items() if route.shadow}
        budgets |= {("key", name): client.budget for name, client in (file.serve.keys if file.serve else {}).items()}
    periods = [budget.usd[1] for budget in budgets.values() if budget is not None]
    if not periods:
        if alert.route or alert.provider:
            whose = f"route {alert.route}" if alert.route else f"provider {alert.provider}"
            return f"{whose} has no budget: write one there, such as budget: $20/d"
        return "no route, provider or client of this file has a budget: write one, such as budget: $20/d"
    if alert.lasts >= max(periods):
        return f"no period of a budget is longer than {format_duration(alert.lasts)} (for): the next one begins before"
    return ""

"""What `alerts` may name, and those that could never be told."""

from __future__ import annotations

from collections.abc import Mapping

from providers.spelling import did_you_mean
from router.config.alert_schema import AlertConfig
from router.config.diagnostics import Findings, Path_
from router.config.schema import RoutesFile
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
        text = _never(file, alert)
        if text:
            findings.add(origins.get(path, (1, 1)), path, text)
        first = seen.setdefault(alert, number)
        if first != number:
            line = origins.get(("alerts", first), (1, 1))[0]
            findings.add(
                origins.get(path, (1, 1)), path, f"this alert is there already (line {line})", severity="warning"
            )


def _unknown(name: str | None, known: Mapping[str, object], what: str) -> str:
    return "" if name is None or name in known else f'no {what} is named "{name}"{did_you_mean(name, known)}'


def _never(file: RoutesFile, alert: AlertConfig) -> str:
    """Say why an alert could never be told; "" where it could."""
    if alert.on == "shared_away" and file.shared is None:
        return "nothing is shared (shared: {url: …}), so that nothing can be away"
    if alert.on != "budget":
        return ""
    budgets = {("route", name) for name, route in file.routes.items() if route.budget is not None}
    budgets |= {("provider", name) for name, provider in file.providers.items() if provider.budget is not None}
    others = [route.shadow.budget for route in file.routes.values() if route.shadow is not None]
    others += [] if file.serve is None else [client.budget for client in file.serve.keys.values()]
    for scope, name in (("route", alert.route), ("provider", alert.provider)):
        known = file.routes if scope == "route" else file.providers
        if name is not None and name in known:
            return "" if (scope, name) in budgets else f"{scope} {name} has no budget: write budget: $20/d there"
    if not budgets and not any(others):
        return "no route, provider or client of this file has a budget: write budget: $20/d where it is meant"
    return ""

"""Timeouts that can never run out, since another one ends the request before: a warning, where they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from router.config.diagnostics import Findings, Path_
from router.config.policies import Effective, effective
from router.config.schema import RoutesFile
from router.config.units import format_duration
from router.config.yaml_reader import Place

_WITHIN_TOTAL = ("connect", "first_token", "answer")


def check_timeouts(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add a warning for every timeout that `total` of a route makes void; each is told once, for its first route."""
    told: set[Path_] = set()
    for route in file.routes:
        total = effective(file, "timeout", route=route)["total"]
        places = dict.fromkeys((provider, model) for provider, model in _places(file, route, set()))
        for provider, model in places:
            values = effective(file, "timeout", provider=provider, model=model, route=route)
            for name in _WITHIN_TOTAL:
                told |= _check(name, values[name], total, len(places), origins, findings, told)


def _check(
    name: str,
    limit: Effective,
    total: Effective,
    places: int,
    origins: Mapping[Path_, Place],
    findings: Findings,
    told: set[Path_],
) -> set[Path_]:
    if not isinstance(limit.value, float) or not isinstance(total.value, float) or limit.value <= total.value:
        return set()
    written = isinstance(limit.origin, tuple)
    if not written and (name != "first_token" or places < 2):
        return set()  # it is as it is by default, and nobody else would be tried
    path = limit.origin if isinstance(limit.origin, tuple) else total.origin
    if not isinstance(path, tuple) or path in told:
        return set()
    much, most = format_duration(limit.value), format_duration(total.value)
    text = f"timeout.{name} ({much}) is longer than timeout.total ({most}), which ends the whole request before"
    if places > 1:
        text += ": when a target hangs, no other is tried"
    findings.add(origins.get(path, (1, 1)), path, text, severity="warning")
    return {path}


def _places(file: RoutesFile, route: str, seen: set[str]) -> Iterator[tuple[str, str | None]]:
    """Provider and model of all targets of a route's chain."""
    seen.add(route)
    config = file.routes[route]
    names = [target.model for target in config.targets]
    routes: list[str] = []
    for fallback in config.fallbacks:
        names += [target.model for target in fallback.tier]
        if fallback.to is not None:
            (routes if fallback.to in file.routes else names).append(fallback.to)
    for rule in config.when:
        (routes if rule.to in file.routes else names).append(rule.to)
    routes += filter(file.is_route, names)
    for name in routes:
        if name not in seen:
            yield from _places(file, name, seen)
    for name in names:
        resolved = file.resolve_target(name)
        if resolved is not None:
            yield resolved[0], name if resolved[2] is not None else None

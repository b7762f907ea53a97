"""Which route says of a target when it is left alone: a target has one breaker, whatever routes call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.config.diagnostics import Findings, Path_
from router.config.names import target_name
from router.config.schema import RoutesFile
from router.config.yaml_reader import Place


def own_targets(file: RoutesFile, route: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the targets that a route names itself, with the params that they get there; not those of routes that it
    leads or falls back to.
    """
    config = file.routes[route]
    refs = [*config.targets, *(ref for fallback in config.fallbacks for ref in fallback.tier)]
    yield from ((ref.model, {**config.params, **ref.params}) for ref in refs if not file.is_route(ref.model))
    for fallback in config.fallbacks:
        if fallback.to is not None and fallback.to not in file.routes:
            yield fallback.to, config.params


def breaker_routes(file: RoutesFile) -> Mapping[str, list[str]]:
    """The routes whose `breaker` is about a target, by the target's name; they all say the same."""
    found: dict[str, list[str]] = {}
    for route, config in file.routes.items():
        if config.breaker.model_fields_set:
            for name in dict.fromkeys(target_name(*target) for target in own_targets(file, route)):
                found.setdefault(name, []).append(route)
    return found


def check_breakers(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each target of which two routes say different things, and a warning for each route that says
    something of nobody.
    """
    for route, config in file.routes.items():
        if config.breaker.model_fields_set and next(own_targets(file, route), None) is None:
            path: Path_ = ("routes", route, "breaker")
            text = "this is of nobody, since the route names other routes alone: write it there, or under models"
            findings.add(origins.get(path, (1, 1)), path, text, severity="warning")
    for target, routes in breaker_routes(file).items():
        first = routes[0]
        for route in routes[1:]:
            if file.routes[route].breaker != file.routes[first].breaker:
                where = findings.line(origins["routes", first, "breaker"])
                text = (
                    f'"{target}" has one breaker, and the route "{first}" ({where}) says something else of it: '
                    "write it under models"
                )
                path = ("routes", route, "breaker")
                findings.add(origins[path], path, text)

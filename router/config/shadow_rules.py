"""What a route's `shadow` may be: somebody else, who answers the same kind of request."""

from __future__ import annotations

from collections.abc import Mapping

from providers.spelling import did_you_mean
from router.config.diagnostics import Findings, Path_, shown_way
from router.config.embed_rules import makes_of
from router.config.schema import RoutesFile
from router.config.yaml_reader import Place


def check_shadows(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each shadow that nobody is, that is the route itself or leads back to it, or that answers
    nothing of the kind.
    """
    told: set[str] = set()
    for name, route in file.routes.items():
        if route.shadow is None:
            continue
        path: Path_ = ("routes", name, "shadow", "to")
        text = _wrong(file, name, route.shadow.to) or _circle(file, name, told)
        if text:
            findings.add(origins.get(path, (1, 1)), path, text)
        elif _is_the_same(file, name, route.shadow.to):
            text = f"{route.shadow.to} is the only target of this route too: there is nothing to compare"
            findings.add(origins.get(path, (1, 1)), path, text, severity="warning")


def _wrong(file: RoutesFile, name: str, to: str) -> str:
    if to == name:
        return "a route is no shadow of itself: name another model or route"
    if makes_of(file.routes[name]) != "answers":
        return f"only answers are copied, and this route makes {makes_of(file.routes[name])}: take shadow out"
    if to in file.routes:
        made = makes_of(file.routes[to])
    else:
        resolved = file.resolve_target(to)
        if resolved is None:
            known = [*file.routes, *file.models]
            return f'no model or route is named "{to}"{did_you_mean(to, known)}'
        made = "answers" if resolved[2] is None else makes_of(resolved[2])
    return f"{to} makes {made}, and this route makes answers" if made != "answers" else ""


def _circle(file: RoutesFile, name: str, told: set[str]) -> str:
    """Say which way shadows lead back to a route; a circle is told once."""
    way = [name]
    while (shadow := file.routes[way[-1]].shadow) is not None and shadow.to in file.routes:
        if shadow.to == name:
            if told.intersection(way):
                return ""
            told.update(way)
            return f"these routes are shadows of each other in a circle: {shown_way([*way, name])}"
        if shadow.to in way:
            return ""  # a circle that this one only leads to
        way.append(shadow.to)
    return ""


def _is_the_same(file: RoutesFile, name: str, to: str) -> bool:
    """Say whether the shadow has the route's only target."""
    targets = [ref for ref in file.routes[name].targets if ref.weight > 0]
    others = [ref.model for ref in file.routes[to].targets if ref.weight > 0] if to in file.routes else [to]
    return len(targets) == 1 and others == [targets[0].model] and not targets[0].params and to not in file.routes

"""What is required and nobody can meet: labels that nobody has, and requirements that leave nobody to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from providers.types import Requirement
from router.config.diagnostics import Findings, Path_
from router.config.labels import Labels, requirement, why_not_met
from router.config.names import target_places
from router.config.schema import RoutesFile, TargetRef
from router.config.spelling import Spelling
from router.config.yaml_reader import Place

_Lines: TypeAlias = Callable[[Path_], str]  # where a key stands, for a message

_SHOWN = 3  # targets, or routes, in a message
_KNOWN = 9  # texts of a label in a message
_MAX_LOOKS = 200_000  # at targets, for the keys of clients: some tenths of a second


class _Place(NamedTuple):
    """A target where it stands in a route's chain, and what the routes on the way require. `route` has it in a tier
    of its own.
    """

    target: str
    route: str
    required: tuple[Requirement, ...]


def check_labels(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each requirement that nothing in the file has the label for."""
    known = file.labels
    spelling = Spelling()
    for path, required in _requirements(file):
        for name, texts in required.items():
            place = (*path, name)
            found = known.get(name)
            if found is None:
                like = f"write labels: {{{name}: {texts[0]}}} under those that have it"
                text = f'no provider or model has a label "{name}"{spelling.near(name, known)}: {like}'
                _add(findings, origins, place, text)
                continue
            lacking = [text for text in texts if text not in found]
            if not lacking:
                continue
            near = spelling.near(lacking[0], found)
            few = ", ".join(sorted(found)[:_KNOWN])
            text = f'no provider or model has {name} "{lacking[0]}"{near}; what they have: {few}'
            _add(findings, origins, place, text, "error" if len(lacking) == len(texts) else "warning")


def check_requirements(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each requirement that leaves a route empty, of the route itself or of a client's key, and a
    warning for what else it makes void. The routes fall back in no circle.
    """
    if any(route.require for route in file.routes.values()):
        for name in file.routes:
            _check_route(file, name, origins, findings)
    looks = 0
    keys = {} if file.serve is None else file.serve.keys
    for client, config in keys.items():
        if config.require and looks <= _MAX_LOOKS:
            looks += _check_key(file, client, origins, findings)


def _check_route(file: RoutesFile, name: str, origins: Mapping[Path_, Place], findings: Findings) -> None:
    path = ("routes", name)
    places = list(_places(file, name, _lines(origins, findings)))
    led = list(_led(file, name, _lines(origins, findings)))
    for number, inner in led if file.routes[name].require else ():
        if all(_why(file, place) for place in inner):
            text = f"nobody is left where this rule leads: {_told(file, inner)}"
            _add(findings, origins, (*path, "when", number), text)
    if all(_why(file, place) for place in (*places, *(place for _, inner in led for place in inner))):
        text = f"nobody is left on this route: {_told(file, places)}; label one of them, or require less"
        _add(findings, origins, (*path, "require"), text)
        return
    for place in places:
        why = _why(file, place)
        if why and place.route == name:
            text = f'"{place.target}" is never asked here: {why}'
            _add(findings, origins, (*path, "require"), text, "warning")
    shadow, own = file.routes[name].shadow, file.routes[name].require
    line = findings.line(origins.get((*path, "require"), (1, 1)))
    required = (requirement(f"route {name} ({line})", own),) if own else ()
    if shadow is not None and own:
        copied = list(_places(file, shadow.to, _lines(origins, findings), required)) if shadow.to in file.routes else []
        copied = copied or [_Place(shadow.to, name, required)]
        if all(_why(file, place) for place in copied):
            text = f"it would get no copies, since what the route requires holds for them too: {_told(file, copied)}"
            _add(findings, origins, (*path, "shadow", "to"), text)
    for inner_route, keys in _inner_routes(file, name):
        inner = list(_places(file, inner_route, _lines(origins, findings), required))
        if all(_why(file, place) for place in inner):
            text = f'nobody of the route "{inner_route}" is left here: {_told(file, inner)}'
            _add(findings, origins, next((at for at in keys if at in origins), path), text, "warning")


def _check_key(file: RoutesFile, client: str, origins: Mapping[Path_, Place], findings: Findings) -> int:
    """Check what one client's key requires on all that it may ask for; returns at how many targets was looked."""
    assert file.serve is not None, "there are keys"
    config = file.serve.keys[client]
    path = ("serve", "keys", client, "require")
    own = (requirement("the key", config.require),)
    names = tuple(file.routes) if config.routes is None else config.routes
    looks, empty = 0, {}
    for name in names:
        places = (
            list(_all_places(file, name, _lines(origins, findings), own))
            if name in file.routes
            else [_Place(name, name, own)]
        )
        looks += len(places)
        is_empty = all(_why(file, place._replace(required=place.required[1:])) for place in places)
        if not is_empty and all(_why(file, place) for place in places):
            empty[name] = _told(file, places)
        if looks > _MAX_LOOKS:
            break
    if not empty:
        return looks
    shown = ", ".join(f'"{name}"' for name in list(empty)[:_SHOWN]) + (", …" if len(empty) > _SHOWN else "")
    is_error = config.routes is not None or len(empty) == len(names)
    advice = "take it out of routes, or require less" if config.routes is not None else "no call there can be answered"
    text = f"nobody is left for this key on {shown}: {next(iter(empty.values()))}; {advice}"
    _add(findings, origins, path, text, "error" if is_error else "warning")
    return looks


def _inner_routes(file: RoutesFile, name: str) -> Iterator[tuple[str, tuple[Path_, ...]]]:
    """Yield the routes whose chains a route has, with the keys where it may name them."""
    route, path = file.routes[name], ("routes", name)
    tiers = [(path, route.targets), *(((*path, "fallbacks", i), each.tier) for i, each in enumerate(route.fallbacks))]
    for owner, refs in tiers:
        for number, ref in enumerate(refs):
            if ref.weight > 0 and file.is_route(ref.model):
                yield ref.model, target_places(owner, number, ref.model)
    for number, fallback in enumerate(route.fallbacks):
        if fallback.to in file.routes:
            yield fallback.to, ((*path, "fallbacks", number), (*path, "fallbacks"))


def _requirements(file: RoutesFile) -> Iterator[tuple[Path_, Labels]]:
    for name, route in file.routes.items():
        yield ("routes", name, "require"), route.require
    for name, client in ({} if file.serve is None else file.serve.keys).items():
        yield ("serve", "keys", name, "require"), client.require


def _lines(origins: Mapping[Path_, Place], findings: Findings) -> _Lines:
    return lambda path: findings.line(origins.get(path, (1, 1)))


def _places(file: RoutesFile, name: str, lines: _Lines, required: tuple[Requirement, ...] = ()) -> Iterator[_Place]:
    """Yield the targets of a route's whole chain that are given calls."""
    route = file.routes[name]
    if route.require:
        line = lines(("routes", name, "require"))
        required = (*required, requirement(f"route {name} ({line})", route.require))
    yield from _of_tier(file, name, route.targets, lines, required)
    for fallback in route.fallbacks:
        if fallback.to in file.routes:
            yield from _places(file, str(fallback.to), lines, required)
        elif fallback.to is not None:
            yield _Place(fallback.to, name, required)
        yield from _of_tier(file, name, fallback.tier, lines, required)


def _led(
    file: RoutesFile, name: str, lines: _Lines, required: tuple[Requirement, ...] = ()
) -> Iterator[tuple[int, list[_Place]]]:
    """Yield where each rule of a route leads, with the rule's number; what the route requires holds there too."""
    route = file.routes[name]
    if route.require:
        line = lines(("routes", name, "require"))
        required = (*required, requirement(f"route {name} ({line})", route.require))
    for number, rule in enumerate(route.when):
        if rule.to in file.routes and rule.to != name:
            yield number, list(_places(file, rule.to, lines, required))
        elif rule.to != name:
            yield number, [_Place(rule.to, "", required)]


def _all_places(file: RoutesFile, name: str, lines: _Lines, required: tuple[Requirement, ...]) -> Iterator[_Place]:
    """Yield the targets of a route, those of its rules included."""
    yield from _places(file, name, lines, required)
    for _, places in _led(file, name, lines, required):
        yield from places


def _of_tier(
    file: RoutesFile,
    name: str,
    refs: tuple[TargetRef, ...],
    lines: _Lines,
    required: tuple[Requirement, ...],
) -> Iterator[_Place]:
    for ref in (ref for ref in refs if ref.weight > 0):
        if file.is_route(ref.model):
            yield from _places(file, ref.model, lines, required)
        else:
            yield _Place(ref.model, name, required)


def _why(file: RoutesFile, place: _Place) -> str:
    return why_not_met(file.labels_of(place.target), place.required)


def _told(file: RoutesFile, places: list[_Place]) -> str:
    told = list(dict.fromkeys(f"of {place.target} {_why(file, place)}" for place in places))
    return "; ".join(told[:_SHOWN]) + (f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else "")


def _add(
    findings: Findings,
    origins: Mapping[Path_, Place],
    path: Path_,
    text: str,
    severity: Literal["error", "warning"] = "error",
) -> None:
    findings.add(origins.get(path, (1, 1)), path, text, severity=severity)

"""What holds of a route's rules: each can be reached, and somebody where it leads can do what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from providers import catalog
from router.config.diagnostics import Findings, Path_
from router.config.names import target_places
from router.config.schema import RouteConfig, RoutesFile
from router.config.when_schema import DAY, ENDLESS, Condition, RuleConfig, TokenBounds
from router.config.yaml_reader import Place

_WEEK = (1 << (7 * DAY)) - 1
_ANY = TokenBounds(0, ENDLESS)


def check_when(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each rule that no request can reach, and a warning for what a rule asks for in vain."""
    for name, route in file.routes.items():
        for number, rule in enumerate(route.when):
            path: Path_ = ("routes", name, "when", number)
            places = [origins.get(("routes", name, "when", before), (1, 1)) for before in range(number)]
            text = _hidden(route.when, number, [findings.line(at) for at in places])
            if text:
                findings.add(origins.get(path, (1, 1)), path, text)
            for key, said in _in_vain(file, rule):
                place = (*path, "if", key)
                findings.add(origins.get(place, origins.get(path, (1, 1))), place, said, severity="warning")
        last = route.when[-1].condition if route.when else Condition.model_construct()
        if last is None and route.when[-1].to != name:
            path = ("routes", name, "when", len(route.when) - 1)
            text = "this rule always holds, so that the route's own targets are never asked: give it an if, or write"
            text += " its route as the targets"
            findings.add(origins.get(path, (1, 1)), path, text, severity="warning")
    for name, inner, keys in served(file):
        if file.routes[inner].when:
            text = f'the rules of "{inner}" hold for those who ask for it, not where it serves "{name}"'
            path = next((key for key in keys if key in origins), ("routes", name))
            findings.add(origins.get(path, (1, 1)), path, text, severity="warning")


def _hidden(rules: Sequence[RuleConfig], number: int, told: Sequence[str]) -> str:
    """Say which rules before it leave nothing to a rule; "" where it can be reached.

    Args:
        told: where those before it stand, in words.
    """
    mine = rules[number].condition
    before = [(place, rule.condition) for place, rule in enumerate(rules[:number])]

    def lines(places: Sequence[int]) -> str:
        return " and ".join(told[place] for place in places)

    for place, other in before:
        if other is None:
            return f"the rule of {told[place]} always holds, so that none after it is reached: write it last"
        if mine is not None and _covers(other, mine) and _spans(other, mine) and _minutes_within(other, mine):
            return f"the rule of {told[place]} holds whenever this one does: write this one before it"
    if mine is None:
        return ""
    alike = [(place, other) for place, other in before if other is not None and _covers(other, mine)]
    by_tokens = [(place, other) for place, other in alike if _minutes_within(other, mine)]
    if _union_spans([other for _, other in by_tokens], mine):
        return f"the rules of {lines([place for place, _ in by_tokens])} leave it no prompt: write it before them"
    by_time = [(place, other) for place, other in alike if _spans(other, mine) and _zone(other) in (None, _zone(mine))]
    left = mine.minutes if _zone(mine) is not None else _WEEK
    for _, other in by_time:
        left &= ~(other.minutes if _zone(other) is not None else _WEEK)
    zones = {_zone(other) for _, other in by_time} | {_zone(mine)}
    if by_time and not left and len(zones - {None}) <= 1:
        return f"the rules of {lines([place for place, _ in by_time])} leave it no hour: write it before them"
    return ""


def _covers(other: Condition, mine: Condition) -> bool:
    """Say whether a rule's tags and needs hold whenever those of another do."""
    tags = mine.tags or {}
    if not all(name in tags and set(tags[name]) <= set(values) for name, values in (other.tags or {}).items()):
        return False
    return set(other.needs or ()) <= set(mine.needs or ())


def _spans(other: Condition, mine: Condition) -> bool:
    theirs, own = other.prompt_tokens or _ANY, mine.prompt_tokens or _ANY
    return theirs.least <= max(own.least, 1) and own.most <= theirs.most


def _union_spans(others: Sequence[Condition], mine: Condition) -> bool:
    own = mine.prompt_tokens or _ANY
    reached = max(own.least, 1)  # the first number of tokens that is left
    for bounds in sorted(other.prompt_tokens or _ANY for other in others):
        if bounds.least <= reached:
            reached = max(reached, bounds.most + 1)
    return reached > own.most


def _zone(condition: Condition) -> str | None:
    """Its time zone; None where it asks for no time."""
    return None if condition.hours is None and condition.days is None else condition.timezone or "UTC"


def _minutes_within(other: Condition, mine: Condition) -> bool:
    if _zone(other) is None or other.minutes == _WEEK:
        return True
    if _zone(other) != _zone(mine):
        return False
    return not mine.minutes & ~other.minutes


def _in_vain(file: RoutesFile, rule: RuleConfig) -> Iterator[tuple[str, str]]:
    """Yield what a rule asks for that nobody where it leads can do, with the key that says it."""
    asked = rule.condition
    names = list(_targets(file, rule.to, set()))
    if asked is None or not names:
        return
    for need in asked.needs or ():
        if all(_can(file, name, need) is False for name in names):
            whose = f"no target of {rule.to} can" if len(names) > 1 else f"{rule.to} can't"
            yield "needs", f"{whose}: {need}; lead it to one that can, or say capabilities: {{{need}: true}}"
    least = 0 if asked.prompt_tokens is None else asked.prompt_tokens.least
    windows = [_window(file, name) for name in names]
    known = [window for window in windows if window is not None]
    if len(known) == len(windows) and max(known) < least:
        text = f"no target of {rule.to} takes more than {max(known):,} tokens: lead it to one with a larger window"
        yield "prompt_tokens", text


def _targets(file: RoutesFile, name: str, seen: set[str]) -> Iterator[str]:
    """Yield the models of a route's whole chain, or the one that a name is."""
    if name not in file.routes or (seen and not file.is_route(name)):
        yield name
        return
    if name in seen:
        return
    seen.add(name)
    route = file.routes[name]
    for ref in (*route.targets, *(ref for fallback in route.fallbacks for ref in fallback.tier)):
        yield from _targets(file, ref.model, seen)
    for fallback in route.fallbacks:
        if fallback.to is not None:
            yield from _targets(file, fallback.to, seen if fallback.to in file.routes else {name})


def _can(file: RoutesFile, name: str, need: str) -> bool | None:
    resolved = file.resolve_target(name)
    model = None if resolved is None else resolved[2]
    said = None if model is None else getattr(model.capabilities, need)
    return None if said is None else bool(said)


def _window(file: RoutesFile, name: str) -> int | None:
    resolved = file.resolve_target(name)
    if resolved is None:
        return None
    provider, model_id, model = resolved
    if model is not None and model.context_window is not None:
        return model.context_window
    config = file.providers[provider]
    return catalog.named(config.kind, model_id).context_window if config.base_url is None else None


def served(file: RoutesFile) -> Iterator[tuple[str, str, tuple[Path_, ...]]]:
    """Yield the routes that others serve: the other's name, theirs, and the keys where that may name them."""
    for name, route in file.routes.items():
        yield from ((name, inner, keys) for inner, keys in _served_by(file, name, route) if inner != name)


def _served_by(file: RoutesFile, name: str, route: RouteConfig) -> Iterator[tuple[str, tuple[Path_, ...]]]:
    path = ("routes", name)
    for index, ref in enumerate(route.targets):
        if file.is_route(ref.model):
            yield ref.model, target_places(path, index, ref.model)
    for number, fallback in enumerate(route.fallbacks):
        owner = (*path, "fallbacks", number)
        if fallback.to in file.routes:
            yield str(fallback.to), (owner, (*path, "fallbacks"))
        for index, ref in enumerate(fallback.tier):
            if file.is_route(ref.model):
                yield ref.model, target_places(owner, index, ref.model)
    for number, rule in enumerate(route.when):
        if rule.to in file.routes:
            yield rule.to, ((*path, "when", number),)

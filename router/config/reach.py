"""Finds the targets that `retry.max_attempts` keeps a request from ever reaching."""

from __future__ import annotations

from providers.errors import CONSEQUENCES, ErrorCode
from providers.types import Requirement
from router.config.diagnostics import Findings
from router.config.labels import requirement, why_not_met
from router.config.names import target_name
from router.config.policies import effective
from router.config.schema import RoutesFile, TargetRef
from router.config.yaml_reader import Node

_SHOWN = 3  # names in a message


def unreached(file: RoutesFile, route: str, max_attempts: int) -> dict[int, tuple[str, ...]]:
    """Return the targets that get no request of a route while those before them can be called, by the number of their
    tier, from 0.

    Where targets share load each of them may be the first, and so may each chain; a tier whose `on` names an error that
    ends a tier at once needs only one attempt before it.
    """
    reach = _Reach(file, max_attempts)
    reach.route(route, frozenset(), None)
    return reach.found


class _Reach:
    """Goes along a chain as `router.plan.tiers` makes it; what was tried before goes in, what was after comes out."""

    def __init__(self, file: RoutesFile, max_attempts: int) -> None:
        self._file = file
        self._most = max_attempts
        self._number = 0  # of the next tier
        self._required: tuple[Requirement, ...] = ()  # by the routes on the way
        self.found: dict[int, tuple[str, ...]] = {}

    def route(self, name: str, tried: frozenset[str], on: tuple[str, ...] | None) -> frozenset[str]:
        config = self._file.routes[name]
        balance = config.balance or self._file.defaults.balance or "weighted"
        before = self._required
        if config.require:
            self._required = (*before, requirement(f"route {name}", config.require))
        tried = self._tier(config.targets, balance, tried, on)
        for fallback in config.fallbacks:
            codes = None if fallback.on is None or "any" in fallback.on else fallback.on
            if fallback.to in self._file.routes:
                tried = self.route(str(fallback.to), tried, codes)
            elif fallback.to is not None:
                tried = self._tier((TargetRef(model=fallback.to),), "ordered", tried, codes)
            else:
                tried = self._tier(fallback.tier, fallback.balance or balance, tried, codes)
        self._required = before
        return tried

    def _tier(
        self, refs: tuple[TargetRef, ...], balance: str, tried: frozenset[str], on: tuple[str, ...] | None
    ) -> frozenset[str]:
        if any(self._file.is_route(ref.model) for ref in refs):
            after = tried
            for ref in refs:
                start = after if balance == "ordered" else tried
                is_route = self._file.is_route(ref.model)
                after |= self.route(ref.model, start, on) if is_route else self._tier((ref,), "ordered", start, on)
            return after
        before = len(tried)
        if on is not None and any(CONSEQUENCES[ErrorCode(code)].fallback != "yes" for code in on):
            before = min(before, 1)
        usable = [
            ref for ref in refs if ref.weight > 0 and self._is_usable(ref) and _what(self._file, ref) not in tried
        ]
        left = max(0, self._most - before)
        reached = left if balance == "ordered" or not left else len(usable)
        if usable[reached:]:
            self.found[self._number] = tuple(target_name(ref.model, ref.params) for ref in usable[reached:])
        self._number += 1
        return tried.union(_what(self._file, ref) for ref in usable) if on is None else tried

    def _is_usable(self, ref: TargetRef) -> bool:
        resolved = self._file.resolve_target(ref.model)
        if resolved is None or self._file.providers[resolved[0]].disabled:
            return False
        return not why_not_met(self._file.labels_of(ref.model), self._required)


def warn_of_unreached(file: RoutesFile, root: Node, findings: Findings) -> None:
    """Add a warning for each route whose `max_attempts`, as it is written, is too low for its chain."""
    for route in file.routes:
        most = effective(file, "retry", route=route)["max_attempts"]
        if most.value is None or not isinstance(most.origin, tuple):
            continue
        led = [route, *(rule.to for rule in file.routes[route].when if rule.to in file.routes and rule.to != route)]
        tiers = [tier for each in led for tier in unreached(file, each, most.value).values()]
        names = list(dict.fromkeys(name for tier in tiers for name in tier))
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            shown = f"{', '.join(names[:_SHOWN])}{more}"
            text = f'{most.value} attempts end a request of route "{route}" before it reaches {shown}'
            node = _node(root, most.origin)
            findings.add(node.place, node.path, text, severity="warning")


def _node(root: Node, path: tuple[str | int, ...]) -> Node:
    node = root
    for part in path:
        node = node.get(str(part)) or node
    return node


def _what(file: RoutesFile, ref: TargetRef) -> str:
    """Say what a target is: the same model with the same params is tried once."""
    provider, model_id, model = file.resolve_target(ref.model) or ("", "", None)
    params = {**(model.params if model else {}), **ref.params}
    return f"{provider}/{model_id} {sorted(params.items(), key=str)}"

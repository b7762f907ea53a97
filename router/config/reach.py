"""Finds the targets that `retry.max_attempts` keeps a request from ever reaching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from providers.errors import CONSEQUENCES, ErrorCode
from providers.types import Requirement
from router.config.diagnostics import Findings
from router.config.labels import requirement, why_not_met
from router.config.names import target_name
from router.config.policies import effective
from router.config.schema import RoutesFile, TargetRef
from router.config.yaml_reader import Node

_SHOWN = 3  # names in a message


class _Tier(NamedTuple):
    targets: tuple[TargetRef, ...]
    is_ordered: bool
    on: tuple[str, ...] | None


def unreached(file: RoutesFile, route: str, max_attempts: int) -> dict[int, tuple[str, ...]]:
    """Return the targets that get no request of a route while those before them can be called, by the number of their
    tier, from 0.

    Where targets share load each of them may be the first; a tier whose `on` names an error that ends a tier at once
    needs only one attempt before it.
    """
    found: dict[int, tuple[str, ...]] = {}
    seen: set[str] = set()
    for number, tier in enumerate(_tiers(file, route)):
        before = len(seen)
        if tier.on is not None and any(CONSEQUENCES[ErrorCode(code)].fallback != "yes" for code in tier.on):
            before = min(before, 1)
        usable = [
            ref for ref in tier.targets if ref.weight > 0 and _is_usable(file, ref) and _what(file, ref) not in seen
        ]
        left = max(0, max_attempts - before)
        reached = left if tier.is_ordered or not left else len(usable)
        if usable[reached:]:
            found[number] = tuple(target_name(ref.model, ref.params) for ref in usable[reached:])
        if tier.on is None:
            seen |= {_what(file, ref) for ref in usable}
    return found


def warn_of_unreached(file: RoutesFile, root: Node, findings: Findings) -> None:
    """Add a warning for each route whose `max_attempts`, as it is written, is too low for its chain."""
    for route in file.routes:
        most = effective(file, "retry", route=route)["max_attempts"]
        if most.value is None or not isinstance(most.origin, tuple):
            continue
        names = [name for tier in unreached(file, route, most.value).values() for name in tier]
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


def _tiers(
    file: RoutesFile, route: str, on: tuple[str, ...] | None = None, required: tuple[Requirement, ...] = ()
) -> Iterator[_Tier]:
    """Yield the tiers of a route's whole chain, in the order in which `router.plan.compile` makes them, with those
    targets that meet what their routes require.
    """
    config = file.routes[route]
    balance = config.balance or file.defaults.balance or "weighted"
    if config.require:
        required = (*required, requirement(f"route {route}", config.require))

    def allowed(refs: Iterable[TargetRef]) -> tuple[TargetRef, ...]:
        return tuple(ref for ref in refs if not why_not_met(file.labels_of(ref.model), required))

    yield _Tier(allowed(config.targets), balance == "ordered", on)
    for fallback in config.fallbacks:
        codes = None if fallback.on is None or "any" in fallback.on else fallback.on
        if fallback.to in file.routes:
            yield from _tiers(file, str(fallback.to), codes, required)
        elif fallback.to is not None:
            yield _Tier(allowed([TargetRef(model=fallback.to)]), True, codes)
        else:
            yield _Tier(allowed(fallback.tier), (fallback.balance or balance) == "ordered", codes)


def _is_usable(file: RoutesFile, ref: TargetRef) -> bool:
    resolved = file.resolve_target(ref.model)
    return resolved is not None and not file.providers[resolved[0]].disabled


def _what(file: RoutesFile, ref: TargetRef) -> str:
    """Say what a target is: the same model with the same params is tried once."""
    provider, model_id, model = file.resolve_target(ref.model) or ("", "", None)
    params = {**(model.params if model else {}), **ref.params}
    return f"{provider}/{model_id} {sorted(params.items(), key=str)}"

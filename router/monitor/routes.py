"""What the routes compiled to, as people read it: tiers, targets, weights, every effective value with its origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from providers.timeouts import NAMES
from router.config.labels import shown_labels, shown_texts
from router.config.policies import Effective, Origin, effective
from router.config.units import format_allowance, format_duration, format_percent, format_size
from router.plan.plan import Chain, Draw, Plan, Tier
from router.plan.target import Target
from router.views.routes import BranchView, Chains, ChainView, PolicyValue, TierView

_DURATIONS = frozenset(
    {
        *(*NAMES, "backoff", "max_backoff", "max_wait"),
        *("window", "open_for", "max_open_for", "ramp", "after", "ttl", "fallback_ttl", "stale_if_error"),
    }
)
_PERCENTAGES = frozenset({"budget", "failure_rate"})
_RATES = frozenset({"requests", "tokens"})
_SIZES = frozenset({"max_entry"})
_OF_ROUTES = ("timeout", "retry", "hedge", "cache", "balance", "on_stream_break")
_ROUTES_OWN = ("params", "breaker", "limits")
_OF_TARGETS = ("timeout", "breaker", "limits", "prompt_cache")


def chains(plan: Plan) -> Chains:
    """Return all routes of the file, as people read them."""
    return Chains(plan.revision, tuple(chain_view(plan, plan.chains[name]) for name in plan.file.routes))


def chain_view(plan: Plan, chain: Chain) -> ChainView:
    """Return one chain, of a route or of a target that is called by its name, as people read it."""
    route = chain.route if chain.route in plan.file.routes else None
    names = [*_OF_ROUTES, *([] if chain.accept is None else ["accept"]), *own_policies(plan, chain)]
    policies = tuple(value for policy in names for value in _values(plan, policy, route_values(plan, chain, policy)))
    return ChainView(
        chain.route,
        tuple(_tier(plan, route, chain, tier, share) for tier, share in _with_shares(chain)),
        chain.total,
        chain.on_stream_break,
        _cache(plan, route),
        policies,
        tuple(rule.line for rule, _ in chain.rules),
    )


def _with_shares(chain: Chain) -> Iterator[tuple[Tier, float]]:
    shares = chain.shares
    return ((tier, shares[index]) for index, tier in enumerate(chain.tiers))


def _tier(plan: Plan, route: str | None, chain: Chain, tier: Tier, share: float) -> TierView:
    total = sum(target.weight for target in tier.targets) or 1.0
    branches = tuple(
        BranchView(
            target.name,
            target.provider,
            target.model,
            target.weight,
            target.weight / total * share,
            place,
            target.disabled,
            tuple(_of_target(plan, route, target, tier)),
            shown_labels(target.labels),
            target.barred,
            tuple(key.settings.credential.name for key in target.keys if key.settings and key.settings.credential),
        )
        for place, target in enumerate(tier.targets, 1)
    )
    gate = next((_first(draw) for draw in chain.draws if draw.mark == tier.gate), tier.gate)
    on = None if tier.on is None else tuple(sorted(tier.on))
    required = tuple(f"{shown_labels(dict(each.labels), 'or')}: {each.origin}" for each in tier.required)
    return TierView(tier.balance, branches, on, gate, tier.chain, tier.level, required)


def _first(draw: Draw) -> int:
    """The first tier of a draw, in the file's order."""
    step = draw.branches[0].steps[0]
    return step if isinstance(step, int) else _first(step)


def _of_target(plan: Plan, route: str | None, target: Target, tier: Tier) -> Iterator[PolicyValue]:
    model = target.ref if target.ref in plan.file.models else None
    for policy in _OF_TARGETS:
        # A connection's limits are its provider's; what else a target has may come from its route as well.
        is_of_routes = policy in ("timeout", "prompt_cache")
        level, chains = (route, tier.chains) if is_of_routes else (None, ())
        if policy == "breaker" and target.name in plan.catalogue.breaker_routes:
            level = plan.catalogue.breaker_routes[target.name][0]
        where: dict[str, Any] = {"provider": target.provider, "model": model, "route": level, "chains": chains}
        yield from _values(plan, policy, effective(plan.file, policy, **where))
    yield from _values(plan, "labels", label_values(plan, target))


def label_values(plan: Plan, target: Target) -> dict[str, Effective]:
    """Return the labels of a target by name, each with where it is written."""
    found: dict[str, Effective] = {}
    for name, texts in target.labels.items():
        model = plan.file.models.get(target.ref)
        owner = ("models", target.ref) if model is not None and name in model.labels else ("providers", target.provider)
        found[name] = Effective(shown_texts(texts, "and"), (*owner, "labels", name))
    return found


def own_policies(plan: Plan, chain: Chain) -> list[str]:
    """List what the file says of a route that no other level has, or that is about its targets: where it is written."""
    config = plan.file.routes.get(chain.route)
    if config is None:
        return []
    return [
        policy
        for policy, written in zip(_ROUTES_OWN, (config.params, config.breaker, config.limits), strict=True)
        if written != type(written)()
    ]


def route_values(plan: Plan, chain: Chain, policy: str) -> dict[str, Effective]:
    """Return the values of a policy that hold for a chain, of a route or of a target that is called by its name."""
    if policy in _ROUTES_OWN:
        written = getattr(plan.file.routes[chain.route], policy)
        entries = written.items() if isinstance(written, dict) else written
        path = ("routes", chain.route, policy)
        return {key: Effective(value, (*path, key)) for key, value in entries if value is not None}
    values = effective(plan.file, policy, route=chain.route if chain.route in plan.file.routes else None)
    if policy == "retry" and values["max_attempts"].value is None:
        values["max_attempts"] = replace(values["max_attempts"], value=chain.max_attempts)
    return values


def _values(plan: Plan, policy: str, values: dict[str, Effective]) -> Iterator[PolicyValue]:
    for key, value in values.items():
        name = policy if key == policy else f"{policy}.{key}"
        yield PolicyValue(name, written(key, value.value), *_origin(plan, value.origin))


def _origin(plan: Plan, origin: Origin) -> tuple[str, int | None, str]:
    if not isinstance(origin, tuple):
        return str(origin), None, ""
    loaded = plan.loaded
    file, line = (None if loaded is None else loaded.where(origin)) or ("", None)
    return ".".join(str(part) for part in origin), line, "" if loaded is None or file == loaded.name else file


def written(key: str, value: Any) -> str:
    """Write a value as a routes.yaml would say it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if key in _DURATIONS and isinstance(value, float):
        return format_duration(value)
    if key in _PERCENTAGES and isinstance(value, float):
        return format_percent(value)
    if key in _RATES:
        return ", ".join(map(format_allowance, value))
    return format_size(value) if key in _SIZES and isinstance(value, int) else f"{value}"


def _cache(plan: Plan, route: str | None) -> str | None:
    """Say the cache policy in words; None when nothing is cached."""
    values = effective(plan.file, "cache", route=route)
    if values["ttl"].value is None:
        return None
    stale = values["stale_if_error"].value
    words = f"for {written('ttl', values['ttl'].value)}"
    if stale:
        words += (
            ", stale when all is down" if stale is True else f", stale for {written('ttl', stale)} when all is down"
        )
    return words + (", shared" if plan.shares_answers else "")

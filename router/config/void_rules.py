"""Limits, lifetimes and rules that another value makes void: a warning, where they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from providers.prompt_cache import is_on
from router.config.diagnostics import Findings, Path_
from router.config.policies import effective
from router.config.schema import ErrorRule, RoutesFile, TargetRef
from router.config.sections import LimitsPolicy
from router.config.units import Allowance, format_allowance, format_duration
from router.config.yaml_reader import Place

_WITH_KEYS = ("openai", "anthropic")  # kinds whose vendor tells nothing to who has no key


def check_void(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add a warning for each rate beside a smaller one of its period, each `fallback_ttl` above its `ttl`, each client
    that gets cached answers alone where there are none, and what a provider's errors and health say in vain.
    """
    for name, provider in file.providers.items():
        rules = provider.errors
        for number, rule in enumerate(rules):
            first = next((before for before in range(number) if _takes_all(rules[before], rule)), None)
            if first is not None:
                line = findings.line(origins.get(("providers", name, "errors", first), (1, 1)))
                text = f"the rule of {line} takes every error that this one does: write this one before it"
                _warn(("providers", name, "errors", number), text, origins, findings)
        is_keyless = not (provider.api_key or provider.api_keys or provider.base_url or provider.headers)
        if provider.health is not None and is_keyless and provider.kind in _WITH_KEYS:
            text = "it would be asked without a key, and every check fails: take it out where only callers have keys"
            _warn(("providers", name, "health"), text, origins, findings)
    for path, limits in _limits(file):
        for name in ("requests", "tokens"):
            for text in _void_rates(getattr(limits, name) or ()):
                _warn((*path, name), text, origins, findings)
    for route in file.routes:
        cache = effective(file, "cache", route=route)
        ttl, fallback_ttl = cache["ttl"], cache["fallback_ttl"]
        if isinstance(fallback_ttl.origin, tuple) and ttl.value is not None and fallback_ttl.value > ttl.value:
            much, most = format_duration(fallback_ttl.value), format_duration(ttl.value)
            text = f"fallback_ttl ({much}) is longer than ttl ({most}), which ends every answer before"
            _warn(fallback_ttl.origin, text, origins, findings)
    for name, client in ({} if file.serve is None else file.serve.keys).items():
        routes = file.routes if client.routes is None else [route for route in client.routes if route in file.routes]
        if client.cache == "only" and all(
            effective(file, "cache", route=route)["ttl"].value is None for route in routes
        ):
            text = "none of its routes keeps answers (cache.ttl), so that none of its requests would get one"
            _warn(("serve", "keys", name, "cache"), text, origins, findings)


def _takes_all(first: ErrorRule, other: ErrorRule) -> bool:
    """Say whether a rule about errors fits whenever another one does."""
    if first.status is not None and first.status != other.status:
        return False
    return first.text is None or (other.text is not None and str(first.text).lower() in str(other.text).lower())


def check_spread(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add a warning for each route that asks vendors to keep its prompts, and has the next turn go to another one."""
    written = [file.defaults.prompt_cache, *(provider.prompt_cache for provider in file.providers.values())]
    written += [each.prompt_cache for each in file.models.values()] + [
        each.prompt_cache for each in file.routes.values()
    ]
    if not any(map(is_on, written)):
        return
    for name, route in file.routes.items():
        balance = effective(file, "balance", route=name)["balance"].value
        kept = [ref.model for ref in route.targets if ref.weight > 0 and _keeps(file, name, ref)]
        if len(kept) > 1 and balance not in ("affinity", "ordered"):
            text = (
                f"prompt_cache has {kept[0]} keep a conversation's prompts, but balance: {balance} has its turns go to "
                "several targets; balance: affinity keeps it at one"
            )
            _warn(("routes", name, "targets"), text, origins, findings)


def _keeps(file: RoutesFile, route: str, ref: TargetRef, chains: tuple[str, ...] = ()) -> bool:
    """Say whether a target keeps prompts; of a route among the targets, whether one of its own does."""
    if file.is_route(ref.model):
        inner = (each for each in file.routes[ref.model].targets if each.weight > 0)
        return any(_keeps(file, route, each, (*chains, ref.model)) for each in inner)
    resolved = file.resolve_target(ref.model)
    if resolved is None or file.providers[resolved[0]].disabled:
        return False
    model = ref.model if resolved[2] is not None else None
    values = effective(file, "prompt_cache", provider=resolved[0], model=model, route=route, chains=chains)
    return is_on(values["prompt_cache"].value)


def _limits(file: RoutesFile) -> Iterator[tuple[Path_, LimitsPolicy]]:
    yield ("defaults", "limits"), file.defaults.limits
    for name, provider in file.providers.items():
        yield ("providers", name, "limits"), provider.limits
    for name, model in file.models.items():
        yield ("models", name, "limits"), model.limits
    for name, route in file.routes.items():
        yield ("routes", name, "limits"), route.limits
    for name, client in ({} if file.serve is None else file.serve.keys).items():
        yield ("serve", "keys", name, "limits"), client.limits


def _void_rates(rates: tuple[Allowance, ...]) -> Iterator[str]:
    least: dict[float, Allowance] = {}
    for rate in sorted(rates):
        kept = least.setdefault(rate.period, rate)
        if kept is not rate:
            void, holds = format_allowance(rate), format_allowance(kept)
            yield f"{void} has no effect beside {holds}: of one period the smallest holds"


def _warn(path: Path_, text: str, origins: Mapping[Path_, Place], findings: Findings) -> None:
    findings.add(origins.get(path, (1, 1)), path, text, severity="warning")

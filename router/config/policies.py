"""Which value of a policy holds where, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from providers.timeouts import NAMES
from providers.types import Timeout
from router.config.schema import RoutesFile

Origin = Literal["built in"] | tuple[str | int, ...]

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "timeout": {name: getattr(Timeout(), name) for name in NAMES},
    "retry": {
        "first": "next_target",
        "max_attempts": None,  # as many as the chain can use
        "same_target": 1,
        "backoff": 0.25,
        "max_backoff": 8.0,
        "max_wait": 10.0,
        "budget": 0.2,
    },
    "breaker": {
        "window": 30.0,
        "min_calls": 10,
        "failure_rate": 0.5,
        "consecutive": 5,
        "open_for": 10.0,
        "max_open_for": 300.0,
        "probes": 1,
        "ramp": 10.0,
        "slow_call": None,
    },
    "limits": {"requests": None, "tokens": None, "in_flight": None},
    "hedge": {"after": None, "max": 1, "budget": 0.05},
    "cache": {
        "ttl": None,
        "fallback_ttl": 300.0,
        "stale_if_error": None,
        "store_tool_calls": True,
        "max_entry": 1_000_000,
        "namespace": None,
        "own_keys": "apart",
    },
    "accept": {"not_empty": False, "not_refused": False, "valid_json": False},
    "balance": {"balance": "weighted"},
    "on_stream_break": {"on_stream_break": "error"},
    "prompt_cache": {"prompt_cache": "off"},
}


OF_REQUESTS = frozenset({("timeout", "total"), ("retry", "max_attempts"), ("retry", "budget")})  # not of one attempt


class Effective(msgspec.Struct, frozen=True):
    """A value and its origin: "built in", or the path of the key in the file."""

    value: Any
    origin: Origin


_BUILT_IN = {
    policy: {name: Effective(value, "built in") for name, value in values.items()}
    for policy, values in BUILT_IN.items()
}


def effective(
    file: RoutesFile,
    policy: str,
    *,
    provider: str | None = None,
    model: str | None = None,
    route: str | None = None,
    chains: tuple[str, ...] = (),
) -> dict[str, Effective]:
    """Every key of a policy; built in, defaults, provider, model, chains, route: the later wins, key by key.

    Args:
        policy: a key of `BUILT_IN`. Single-valued ones (`balance`, `on_stream_break`, `prompt_cache`) have their name
            as their one key.
        provider: a provider of the file; None leaves its level out. Likewise `model` and `route`.
        chains: the routes among the targets of `route` that lead to the model, the outermost first; what they say of a
            whole request does not count.

    Raises:
        KeyError: an unknown policy, or a name that the file does not have.
    """
    values = dict(_BUILT_IN[policy])
    levels: list[tuple[Any, tuple[str, ...]]] = [(file.defaults, ("defaults",))]
    if provider is not None:
        levels.append((file.providers[provider], ("providers", provider)))
    if model is not None:
        levels.append((file.models[model], ("models", model)))
    of_chains: list[tuple[str, ...]] = [("routes", chain) for chain in reversed(chains)]
    levels += [(file.routes[path[1]], path) for path in of_chains]
    if route is not None:
        levels.append((file.routes[route], ("routes", route)))
    for section, path in levels:
        written = getattr(section, policy, None)
        if written is None:
            continue
        if policy in values:
            values[policy] = Effective(written, (*path, policy))
            continue
        for name in written.model_fields_set:
            value = getattr(written, name)
            if value is not None and not (path in of_chains and (policy, name) in OF_REQUESTS):
                values[name] = Effective(value, (*path, policy, name))
    return values

"""What one call says over its route: who may be asked, how often, and what becomes of a stream that breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from providers.coerce import invalid
from providers.spelling import did_you_mean
from providers.types import Routing
from router.config.schema import OnStreamBreak
from router.plan.plan import Chain, Plan
from router.plan.target import Target

ROUTING = frozenset(Routing.__struct_fields__)
_BREAKS = get_args(OnStreamBreak)


def coerce_routing(params: Mapping[str, Any]) -> Routing | None:
    """Make what the parameters of a call say of its routing; None where they say nothing.

    Raises:
        ProviderError: INVALID_REQUEST, one is nothing of the kind.
    """
    most, on_break = params.get("max_attempts"), params.get("on_stream_break")
    if most is not None and (type(most) is not int or most < 1):
        invalid("max_attempts: a whole number of at least 1 is expected")
    if on_break is not None and on_break not in _BREAKS:
        invalid(f"on_stream_break: one of {', '.join(_BREAKS)} is expected")
    routing = Routing(_names("only", params.get("only")), _names("avoid", params.get("avoid")), most, on_break)
    return None if routing == Routing() else routing


def _names(param: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple | set) else None
    if names is None or not all(isinstance(name, str) and name for name in names):
        invalid(f"{param}: a name, or a list of names, of providers, models or targets is expected")
    if not names:
        invalid(f"{param}: the list is empty; leave it out, or name somebody")
    return names


def as_asked(plan: Plan, chain: Chain, routing: Routing) -> Chain:
    """Return a route's chain as one call wants it.

    Raises:
        ProviderError: INVALID_REQUEST, nobody has a name that it says.
    """
    for param, names in (("only", routing.only), ("avoid", routing.avoid)):
        for name in names:
            if not any(_is_meant(target, name) for target in chain.targets) and not _is_known(plan, name):
                near = did_you_mean(name, {*plan.file.providers, *plan.file.models, *(t.name for t in chain.targets)})
                invalid(f'{param}: no provider, model or target is named "{name}"{near}')
    retry = chain.retry if routing.max_attempts is None else replace(chain.retry, max_attempts=routing.max_attempts)
    return replace(chain, retry=retry, on_stream_break=routing.on_stream_break or chain.on_stream_break)


def left_out(chain: Chain, routing: Routing) -> dict[str, tuple[str, str]]:
    """Return the targets that a call leaves out, by identity, each with reason and message for its skip."""
    found: dict[str, tuple[str, str]] = {}
    for target in chain.targets:
        if routing.only and not any(_is_meant(target, name) for name in routing.only):
            found[target.identity] = "excluded", "the call asks others only (only)"
        elif any(_is_meant(target, name) for name in routing.avoid):
            found[target.identity] = "excluded", "the call avoids it (avoid)"
    return found


def _is_meant(target: Target, name: str) -> bool:
    return name in (target.provider, target.ref, target.name, f"{target.provider}/{target.model}")


def _is_known(plan: Plan, name: str) -> bool:
    """Say whether the file has the name, if not on this route: what is avoided everywhere may be named on each."""
    return name in plan.file.providers or plan.file.resolve_target(name) is not None or name in plan.chains

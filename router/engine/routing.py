"""What one call says over its route: who may be asked, how often, and what becomes of a stream that breaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from msgspec.structs import replace

from providers.coerce import invalid
from providers.embeddings import AnyRequest
from providers.spelling import did_you_mean
from providers.types import Requirement, Routing
from router.config.labels import label_name, label_texts, requirement, shown_labels
from router.config.schema import OnStreamBreak
from router.engine.own_keys import coerce_credentials
from router.plan.plan import Chain, Plan
from router.plan.target import Target

ROUTING = frozenset(Routing.__struct_fields__)
_BREAKS = get_args(OnStreamBreak)
_SHOWN = 4  # names in a message
_CALL = "the call"  # who requires what a call does


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
    required = coerce_require(params.get("require"))
    only, avoid = _names("only", params.get("only")), _names("avoid", params.get("avoid"))
    routing = Routing(only, avoid, most, on_break, required, coerce_credentials(params.get("credentials")))
    return None if routing == Routing() else routing


def coerce_require(value: Any) -> tuple[Requirement, ...]:
    """Make what a call requires of whom it asks.

    Raises:
        ProviderError: INVALID_REQUEST, it is nothing of the kind.
    """
    if value is None:
        return ()
    if isinstance(value, tuple) and all(isinstance(each, Requirement) for each in value):
        return value
    if not isinstance(value, Mapping):
        invalid(f'require: labels with their texts are expected, such as {{"region": "eu"}}, not {_kind(value)}')
    labels = {}
    for name, texts in value.items():
        try:
            labels[label_name(name)] = label_texts(
                sorted(texts, key=str) if isinstance(texts, set | frozenset) else texts
            )
        except ValueError as error:
            invalid(f"require[{name!r}]: {error}" if isinstance(name, str) else f"require: {error}")
    return (requirement(_CALL, labels),) if labels else ()


def check_labels_known(plan: Plan, required: tuple[Requirement, ...]) -> None:
    """Refuse what a call requires by names that no label has: they are misspelled.

    Raises:
        ProviderError: INVALID_REQUEST.
    """
    known = plan.file.labels
    for name in (name for each in required if each.origin == _CALL for name, _ in each.labels):
        if name not in known:
            invalid(f'require: no provider or model has a label "{name}"{did_you_mean(name, known)}')


def _kind(value: Any) -> str:
    return type(value).__name__


def _names(param: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple | set) else None
    if names is None or not all(isinstance(name, str) and name for name in names):
        invalid(f"{param}: a name, or a list of names, of providers, models or targets is expected")
    if not names:
        invalid(f"{param}: the list is empty; leave it out, or name somebody")
    return names


def required_by(plan: Plan, routing: Routing | None, caller: str | None) -> tuple[Requirement, ...]:
    """Return what a call requires, and the key of the client whose name `caller` is."""
    of_key = () if caller is None else plan.serving.required.get(caller, ())
    return of_key if routing is None else tuple(dict.fromkeys((*of_key, *routing.require)))


def said_by_call(request: AnyRequest) -> dict[str, str]:
    """Return what a call says over its route, by the names of its parameters, for people."""
    said: dict[str, str] = {}
    if request.timeout is not None:
        limits = request.timeout.items()
        said["timeout"] = ", ".join(f"{name} {each if each == 'off' else f'{each:g} s'}" for name, each in limits)
    routing = request.routing
    if routing is not None:
        said["only"], said["avoid"] = ", ".join(routing.only), ", ".join(routing.avoid)
        said["max_attempts"] = str(routing.max_attempts or "")
        said["on_stream_break"] = routing.on_stream_break or ""
        own = (each for each in routing.require if each.origin == _CALL)
        said["credentials"] = ", ".join(own.provider for own in routing.credentials)
        said["require"] = ", ".join(shown_labels(dict(each.labels), "or") for each in own)
    return {name: text for name, text in said.items() if text}


def as_asked(plan: Plan, chain: Chain, routing: Routing) -> Chain:
    """Return a route's chain as one call wants it.

    Raises:
        ProviderError: INVALID_REQUEST, nobody has a name that it says.
    """
    for param, names in (("only", routing.only), ("avoid", routing.avoid)):
        for name in names:
            if not any(_is_meant(target, name) for target in chain.targets) and not _is_known(plan, name):
                known = {*plan.file.providers, *plan.file.models, *(target.name for target in chain.targets)}
                if name in plan.file.routes or name in plan.names.aliases:
                    few = ", ".join(list(dict.fromkeys(target.name for target in chain.targets))[:_SHOWN])
                    invalid(f'{param}: "{name}" is a route: name providers, models or targets, such as {few}')
                invalid(f'{param}: no provider, model or target is named "{name}"{did_you_mean(name, known)}')
    if routing == Routing(require=routing.require, credentials=routing.credentials):
        return chain  # the same for all such calls
    retry = chain.retry if routing.max_attempts is None else replace(chain.retry, max_attempts=routing.max_attempts)
    on_break = routing.on_stream_break or chain.on_stream_break
    return replace(
        chain, retry=retry, on_stream_break=on_break, excluded={**_left_out(chain, routing), **chain.excluded}
    )


def _left_out(chain: Chain, routing: Routing) -> dict[str, tuple[str, str]]:
    """Return the targets that a call leaves out, by name, each with reason and message for its skip."""
    found: dict[str, tuple[str, str]] = {}
    for target in chain.targets:
        if routing.only and not any(_is_meant(target, name) for name in routing.only):
            found[target.name] = "excluded", "the call asks others only (only)"
        elif any(_is_meant(target, name) for name in routing.avoid):
            found[target.name] = "excluded", "the call avoids it (avoid)"
    return found


def _is_meant(target: Target, name: str) -> bool:
    return name in (target.provider, target.ref, target.name, f"{target.provider}/{target.model}")


def _is_known(plan: Plan, name: str) -> bool:
    """Say whether the file has the name, if not on this route: what is avoided everywhere may be named on each."""
    is_target = name in plan.chains and name not in plan.file.routes  # a model with params that a route gives it
    return is_target or name in plan.file.providers or plan.file.resolve_target(name) is not None

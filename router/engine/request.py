"""Makes one checked request of what an app hands in, and says what that request asks of a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from providers.base import Provider, SpeaksProtocol
from providers.coerce import (
    MessagesLike,
    coerce_messages,
    coerce_more,
    coerce_response_format,
    coerce_tool_choice,
    coerce_tools,
    invalid,
    type_wanted,
)
from providers.embeddings import AnyRequest, EmbeddingRequest, RerankRequest
from providers.parts import is_text
from providers.spelling import did_you_mean
from providers.types import AudioPart, CompletionRequest, FilePart, ImagePart, ServerTool
from providers.validation import validate, validate_prompt
from router.config.units import limit
from router.engine.needs import Requirements
from router.engine.routing import ROUTING, coerce_routing
from router.plan.target import Target

Messages = MessagesLike
Ready = TypeVar("Ready", CompletionRequest, EmbeddingRequest, RerankRequest)

# What asks more of a target than words.
_asked = attrgetter("tools", "response_format", "server_tools", "modalities", "logprobs", "top_logprobs", "audio")
_NOTHING = _asked(CompletionRequest(model="", messages=()))
_NO_KINDS: frozenset[type] = frozenset()  # of parts
_OF_ROUTER = {"model", "messages", "native", "answer_type", "routing"}
_REQUEST_FIELDS = frozenset(CompletionRequest.__struct_fields__) - _OF_ROUTER
_PARAMS = _REQUEST_FIELDS | ROUTING

_TUPLES = frozenset({"modalities", "server_tools", "allowed_tools"})
_LISTS = _TUPLES | {"stop"}
# Those that have more than one form; all else is as it has to be, or refused by validation.
_FORMS = ROUTING | _LISTS | {"tools", "tool_choice", "response_format", "timeout"}
# What the file's params can add to a client's own body; how its prompt is cached that says itself.
_ADDED = _REQUEST_FIELDS - {"timeout", "extra_body", "extra_headers", "prompt_cache"}


def build_request(route: str, messages: Messages, params: Mapping[str, Any]) -> CompletionRequest:
    """Make a checked request of what an app hands in.

    Raises:
        TypeError: a parameter that no request has.
        ProviderError: INVALID_REQUEST, what no vendor accepts.
    """
    if not params:  # to look at what nobody has set would cost 3 % of a call
        request = CompletionRequest(model=route, messages=coerce_messages(messages))
        validate_prompt(request)
        return request
    request = CompletionRequest(model=route, messages=coerce_messages(messages), **_coerced(params))
    validate(request)
    return request


def as_it_is(request: Ready) -> Ready:
    """Return a request that is ready: it was coerced and checked by whoever made it."""
    return request


def route_of(request: CompletionRequest, route: str | None) -> str:
    """Return the route of a request that is ready: the one that is named, else what its `model` names."""
    if not isinstance(request, CompletionRequest):
        raise TypeError(f"a CompletionRequest is expected, not {type(request).__name__}: use complete() or stream()")
    return request.model if route is None else route


def _coerced(params: Mapping[str, Any]) -> Mapping[str, Any]:
    if not params.keys() <= _PARAMS:
        name = next(name for name in params if name not in _PARAMS)
        hint = did_you_mean(name, sorted(_PARAMS))
        raise TypeError(f'no parameter is named "{name}"{hint}; vendor-only ones go into extra_body')
    if params.keys().isdisjoint(_FORMS):  # numbers and words, as in most calls
        return params
    values = {name: value for name, value in params.items() if name not in ROUTING}
    if len(values) < len(params):
        values["routing"] = coerce_routing(params)
    if values.get("tools"):
        values["tools"] = coerce_tools(values["tools"])
    if values.get("tool_choice") is not None:
        values["tool_choice"] = coerce_tool_choice(values["tool_choice"])
    if values.get("response_format") is not None:
        values["response_format"], values["answer_type"] = _answer_wanted(values["response_format"])
    if values.get("timeout") is not None:
        values["timeout"] = coerce_timeout(values["timeout"])
    if values.get("stop") is not None:
        values["stop"] = _stops(values["stop"])
    for name in ("tools", "stop", *_TUPLES):
        if name in values and not values[name]:
            values[name] = ()
    if not _TUPLES.isdisjoint(values):
        values.update(coerce_more({name: values[name] for name in _TUPLES if name in values}))
    return values


def _several(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """Return a list of the file's params as requests have it."""
    if name == "server_tools":
        values = [one if isinstance(one, str) else msgspec.convert(one, ServerTool) for one in values]
    return tuple(coerce_more({name: values})[name])


def _stops(stop: Any) -> tuple[str, ...]:
    if not isinstance(stop, str | list | tuple):
        invalid("stop: a string or a list of strings is expected")
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _answer_wanted(wanted: Any) -> tuple[str | dict[str, Any] | None, Any]:
    """Return what vendors are asked for, and what the answer has to be."""
    if not isinstance(wanted, str | Mapping):
        made = type_wanted(wanted)
        return made.response_format, made
    asked = coerce_response_format(wanted)
    if asked is None:
        return None, None
    from providers.answer_types import type_of_format  # here: only those who ask for JSON need it
    from providers.schemas.check import unreadable

    if isinstance(asked, dict) and (what := unreadable(asked.get("schema"))):
        invalid(f"response_format: the pattern {what} can't be checked here; say it in another way, or leave it out")
    return asked, type_of_format(asked)


def coerce_timeout(timeout: Any) -> Any:
    """Return the limits of a call in seconds; one alone is that of the whole request, as in the file. What is none,
    validation tells.

    Raises:
        ProviderError: INVALID_REQUEST, a text that is no duration.
    """
    if isinstance(timeout, Mapping):
        return {name: _limit(limit, f"timeout[{name!r}]") for name, limit in timeout.items()}
    is_one = isinstance(timeout, str | int | float) and not isinstance(timeout, bool)
    return {"total": _limit(timeout, "timeout")} if is_one else timeout


def _limit(value: Any, place: str) -> Any:
    """Return the seconds of a text such as `5s`, as the file has them; whatever else it is, validation judges."""
    if not isinstance(value, str):
        return value
    try:
        return limit(value)
    except ValueError as error:
        invalid(f"{place}: {error}; seconds are a number")


def requirements_of(request: CompletionRequest, *, streaming: bool) -> Requirements:
    """Say what the request asks of a target."""
    size, kinds = 0, _NO_KINDS
    for message in request.messages:
        content = message.content
        if isinstance(content, str):
            size += len(content) if content.isascii() else len(content.encode())
        else:
            size += len(message.text.encode())
            kinds = kinds.union(map(type, content))
    needs = Requirements(
        streaming=streaming,
        # No tokeniser in use makes tokens of more than some 6 bytes on average in running text.
        least_tokens=size // 8,
        prompt_tokens=size // 4 + 4,
        max_tokens=request.max_tokens,
        request=request,
    )
    if _asked(request) == _NOTHING and not kinds:  # as most are: one question for all
        return needs
    return replace(
        needs,
        tools=bool(request.tools),
        vision=ImagePart in kinds,
        files=FilePart in kinds and _reads_files(request),
        audio=AudioPart in kinds or request.audio is not None or "audio" in request.modalities,
        server_tools=bool(request.server_tools) and not all(tool.optional for tool in request.server_tools),
        logprobs=bool(request.logprobs or request.top_logprobs),
        json_schema=isinstance(request.response_format, dict),
    )


def _reads_files(request: CompletionRequest) -> bool:
    """Say whether a document is no text, which any model can read."""
    parts = (part for message in request.messages if not isinstance(message.content, str) for part in message.content)
    return any(isinstance(part, FilePart) and not is_text(part) for part in parts)


def speaks(provider: Provider, target: Target, request: CompletionRequest, protocol: str) -> bool:
    """Say whether a target takes its client's own body, in this protocol."""
    return isinstance(provider, SpeaksProtocol) and provider.wire(replace(request, model=target.model)) == protocol


def connecting(request: AnyRequest, target: Target) -> dict[str, float | Literal["off"]] | None:
    """Return how long a connection may take, where it is not as long as the provider has it."""
    own = None if request.timeout is None else request.timeout.get("connect")
    limit = target.connect if own is None else own
    return None if limit is None else {"connect": limit}


def for_target(request: CompletionRequest, target: Target) -> CompletionRequest:
    """Return the request as this target gets it: with its model id, and its params where the caller said nothing.

    Raises:
        ProviderError: INVALID_REQUEST, where the file's params make it one that no vendor accepts.
    """
    if not target.adds and request.timeout is None:
        return replace(request, model=target.model)
    timeout = connecting(request, target)  # all that a provider sees to itself
    changes: dict[str, Any] = {"model": target.model, "timeout": timeout}
    extra: dict[str, Any] = {}
    for key, value in target.params.items():
        if key not in _REQUEST_FIELDS:
            extra[key] = value
        elif not getattr(request, key) and getattr(request, key) != 0:
            changes[key] = _several(key, value) if key in _LISTS and not isinstance(value, str) else value
    if request.prompt_cache is None:
        changes["prompt_cache"] = target.prompt_cache
    if request.native is not None:
        # What it holds is the client's own: the provider says in its protocol's words what has been added.
        added = tuple(name for name in changes if name in _ADDED)
        changes["native"] = replace(request.native, added=added)
    if extra:
        changes["extra_body"] = {**extra, **(request.extra_body or {})}
    changed = replace(request, **changes)
    if target.params and not (changed.native and changed.native.only_there):
        validate(changed)  # what the file adds was not in the request that was checked
    return changed

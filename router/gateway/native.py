"""Clients' own bodies, for vendors that speak the client's protocol: those go through unread.

What such a body has that no other protocol can say (a vendor's own blocks, tools and fields, or words that are newer
than this gateway) is left out of what is read of it: limits, windows and the cache go by the rest, and targets of other
protocols are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from providers.types import CompletionRequest
from providers.wire.reading import BadRequest, Body
from router.engine.request import speaks as is_spoken
from router.gateway.faces.face import Face
from router.plan.plan import Chain

if TYPE_CHECKING:
    from router.router import Router

_MOST_LEFT_OUT = 64  # places of a body
# Messages and their parts, of which each takes some microseconds in which nobody else has a turn. With a sentence in
# each they are more than any model reads.
_PARTS = 20_000
# What the tools and schemas of all protocols hold in all: as many times more than any model reads.
_VALUES = 50_000
_SCHEMAS = frozenset({"tools", "functions", "response_format", "format", "text", "output_config", "output_format"})
# What tells which user asks, in one protocol or another; servers that speak one take fields of others as well.
_USER = (("user",), ("safety_identifier",), ("metadata", "user_id"))
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read_body(
    face: Face, body: Body, read: Callable[[Body], CompletionRequest] | None = None
) -> tuple[CompletionRequest, Body, BadRequest | None]:
    """Read a request; with it come as much of the body as can be read, and what is wrong with the rest.

    Args:
        read: reads it; by itself as a question to a model.

    Raises:
        BadRequest: it is no request of this protocol, or nobody else speaks it; or it has too many parts, or too large
            schemas.
    """
    _check_parts(body)
    _check_schemas(body)
    first: BadRequest | None = None
    read = read or face.read
    for _ in range(_MOST_LEFT_OUT):
        try:
            return read(body), body, first
        except BadRequest as error:
            first = first or error
            if face.protocol is None or error.missing or not error.param:
                raise first from None
            shorter = _without(body, [name or int(place) for name, place in _STEP.findall(error.param)])
            if shorter is None:
                raise first from None
            body = shorter
    assert first is not None, "each round but the last has returned, or found something"
    raise first


def without_user(body: dict[str, Any]) -> dict[str, Any]:
    """The body without what tells a vendor which user asks."""
    for path in _USER:
        if path[0] in body:
            body = _cut(body, path) or body
    return body


def _check_parts(body: Body) -> None:
    count = 0
    lists = [value for name, value in body.items() if name != "tools" and type(value) is list]
    while lists:
        parts = lists.pop()
        count += len(parts)
        if count > _PARTS:
            raise BadRequest(f"at most {_PARTS:,} messages and parts of messages are taken in a request")
        for part in parts:
            if type(part) is dict:
                lists += [value for value in part.values() if type(value) is list]


def _check_schemas(body: Body) -> None:
    if _SCHEMAS.isdisjoint(body):
        return
    count = 0
    left = [value for name in _SCHEMAS if type(value := body.get(name)) is dict or type(value) is list]
    while left:
        value = left.pop()
        count += len(value)
        if count > _VALUES:
            raise BadRequest(f"at most {_VALUES:,} values are taken in the tools and schemas of a request")
        inner = value.values() if type(value) is dict else value
        left += [each for each in inner if type(each) is dict or type(each) is list]


def _without(value: Any, steps: list[str | int]) -> Any:
    """A copy without what a path leads to: the innermost element of a list on it, else its first field."""
    lists = [place for place, step in enumerate(steps) if isinstance(step, int)]
    return _cut(value, steps[: lists[-1] + 1] if lists else steps[:1])


def _cut(value: Any, steps: Sequence[str | int]) -> Any:
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if not isinstance(value, list) or step >= len(value):
            return None
        if not rest:
            return [*value[:step], *value[step + 1 :]]
        inner = _cut(value[step], rest)
        return None if inner is None else [*value[:step], inner, *value[step + 1 :]]
    if not isinstance(value, Mapping) or step not in value:
        return None
    if not rest:
        return {key: each for key, each in value.items() if key != step}
    inner = _cut(value[step], rest)
    return None if inner is None else {**value, step: inner}


def speaks(router: Router, chain: Chain, face: Face, request: CompletionRequest) -> bool:
    """Say whether a target of the chain takes the client's own body."""
    protocol = face.protocol
    if protocol is None:
        return False
    return any(is_spoken(router.provider_of(target), target, request, protocol) for target in chain.everybody)

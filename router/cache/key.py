"""What two requests must have in common to share an answer, as one hash.

Everything that can change the answer is in it; what cannot (whether it is streamed, timeouts, weights, affinity,
caller, tags, metadata) is not. Two namespaces never share. What a client wrote for vendors of its own protocol is
taken as it stands, since any of it may change the answer.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from providers.embeddings import EmbeddingRequest
from providers.types import CompletionRequest, Message
from router.plan.plan import Chain

LEFT_OUT = frozenset(
    {"model", "messages", "affinity", "caller", "namespace", "timeout", "metadata", "prompt_cache", "native"}
    | {"answer_type", "routing", "tags", "end_user"}
)
# Of a client's own body.
NATIVE_LEFT_OUT = frozenset(
    {"model", "stream", "stream_options", "metadata", "client_metadata", "prompt_cache_key", "user"}
)
_PARTS = tuple(name for name in CompletionRequest.__struct_fields__ if name not in LEFT_OUT)


class CacheKey(NamedTuple):
    """Where an answer is kept: route and namespaces in the clear, so that they can be cleared; the rest as a hash."""

    route: str
    namespace: str
    digest: str

    def text(self) -> str:
        """Return the key as a store knows it."""
        return msgspec.json.encode(self).decode()


class NotCacheable(ValueError):
    """The request holds something that has no canonical form, such as a set or a not-a-number."""


def cache_key(request: CompletionRequest, route: str, targets: str, namespace: str | None) -> CacheKey:
    """Make the key of a request.

    Args:
        targets: what the route's targets are, as far as it can change the answer (`Chain.answers`).
        namespace: of the route's policy; the request's own comes on top.

    Raises:
        NotCacheable: it has no canonical form.
    """
    digest = sha256(_encoded(parts(request, targets))).hexdigest()
    return CacheKey(route, _encoded([namespace, request.namespace]).decode(), digest)


def parts(request: CompletionRequest, targets: str) -> dict[str, Any]:
    """Return what goes into the hash, by name; what is not set is left out."""
    native = request.native
    if native is not None:
        body = {name: value for name, value in native.body.items() if name not in NATIVE_LEFT_OUT}
        asked = {"protocol": native.protocol, "headers": native.headers, "body": body}
        return {"targets": targets, "native": asked, "extra": [request.extra_body, request.extra_headers]}
    values: dict[str, Any] = {"targets": targets, "messages": [_message(message) for message in request.messages]}
    for name in _PARTS:
        value = getattr(request, name)
        if value is not None and value != ():
            values[name] = value
    if request.routing is not None and (request.routing.only or request.routing.avoid):  # others would answer
        values["asked of"] = [sorted(request.routing.only), sorted(request.routing.avoid)]
    return values


def _message(message: Message) -> dict[str, Any]:
    """Return a message's fields; a string and one part of text become the same."""
    content = message.content
    fields = msgspec.to_builtins(message)
    if isinstance(content, str):
        fields["content"] = [{"text": content, "cache": False, "citations": ()}]
    return {name: value for name, value in fields.items() if value not in (None, [], False)}


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(_canonical(msgspec.to_builtins(value)), order="sorted")
    except (TypeError, ValueError, UnicodeError, OverflowError, RecursionError) as error:
        raise NotCacheable(str(error)) from None


def _canonical(value: Any) -> Any:
    """Return a value in the form that is hashed: 1 and 1.0 are one number, and what JSON would turn into something
    else is refused.
    """
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise NotCacheable("a number that is none, or without end, has no canonical form")
        return int(value) if value == int(value) else value
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise NotCacheable("a mapping has names that are no text")
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value


def vector_keys(request: EmbeddingRequest, chain: Chain, namespace: str | None) -> list[str]:
    """Make the text of the key of each input: what the vector is of, and whose model makes it (`Chain.answers`).

    Raises:
        NotCacheable: the request has no canonical form.
    """
    rules = chain.targets[0].embeds
    native = None if rules is None else rules.dimensions
    dimensions = None if request.dimensions == native else request.dimensions
    beside = [request.input_type, request.truncate, request.extra_body, request.extra_headers]
    begun = sha256(_encoded(["vector", chain.answers, dimensions, *beside]))
    place = _encoded([namespace, request.namespace]).decode()
    keys = []
    for each in request.inputs:
        own = begun.copy()
        own.update(each.encode("utf-8", "surrogatepass") if isinstance(each, str) else _encoded([each]))
        own.update(b"text" if isinstance(each, str) else b"tokens")
        keys.append(CacheKey(chain.route, place, own.hexdigest()).text())
    return keys


def is_within(text: str, route: str | None, namespace: str | None) -> bool:
    """Say whether a key's text is of this route and namespace; None is any."""
    try:
        key = msgspec.json.decode(text, type=CacheKey)
        namespaces = msgspec.json.decode(key.namespace, type=list[str | None])
    except (msgspec.DecodeError, UnicodeError):
        return route is None and namespace is None
    return (route is None or key.route == route) and (namespace is None or namespace in namespaces)

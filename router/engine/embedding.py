"""One call that makes embeddings, or ranks documents: as a target gets it, and what its answer has to be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, cast

from msgspec.structs import replace

from providers.base import Embeds, Provider, Reranks
from providers.embedding_requests import Inputs, check, coerce_documents, coerce_inputs
from providers.embeddings import (
    FLOAT,
    AnyRequest,
    EmbeddingRequest,
    EmbeddingResponse,
    Input,
    RerankRequest,
    RerankResponse,
)
from providers.errors import ErrorCode, ProviderError
from providers.foreign import failure_of
from providers.spelling import did_you_mean
from providers.timeouts import Bounds
from providers.vectors import is_finite
from router.engine.attempt import apply_quota
from router.engine.context import RequestContext
from router.engine.needs import Requirements
from router.engine.request import coerce_timeout, connecting, requirements_of
from router.engine.routing import ROUTING, coerce_routing
from router.plan.target import Target
from router.state.lease import Lease

Asked = TypeVar("Asked", EmbeddingRequest, RerankRequest)
Answer = TypeVar("Answer", EmbeddingResponse, RerankResponse)
Widths: TypeAlias = MutableMapping[tuple[str, int | None], int]  # of vectors, by their space and the dimensions asked

_ROUTING = ROUTING - {"on_stream_break"}
_FIELDS = (frozenset(EmbeddingRequest.__struct_fields__) | _ROUTING) - {"model", "inputs", "width", "routing"}
_OF_RANKS = (frozenset(RerankRequest.__struct_fields__) | _ROUTING) - {"model", "query", "documents", "routing"}


# --- requests


def build_embedding(route: str, inputs: Inputs, params: Mapping[str, Any]) -> EmbeddingRequest:
    """Make a checked request of what an app hands in.

    Raises:
        TypeError: a parameter that no such request has.
        ProviderError: INVALID_REQUEST, what no vendor accepts.
    """
    values = _coerced(params, _FIELDS)
    request = EmbeddingRequest(model=route, inputs=coerce_inputs(inputs), **values)
    check(request)
    return request


def build_rerank(route: str, query: str, documents: Sequence[Any], params: Mapping[str, Any]) -> RerankRequest:
    """Make a checked request of what an app hands in; raises as `build_embedding`."""
    values = _coerced(params, _OF_RANKS)
    request = RerankRequest(model=route, query=query, documents=coerce_documents(documents), **values)
    check(request)
    return request


def _coerced(params: Mapping[str, Any], known: frozenset[str]) -> Mapping[str, Any]:
    if not params:
        return params
    for name in params:
        if name not in known:
            hint = did_you_mean(name, sorted(known))
            raise TypeError(f'no parameter is named "{name}"{hint}; vendor-only ones go into extra_body')
    values = {name: value for name, value in params.items() if name not in ROUTING}
    if len(values) < len(params):
        values["routing"] = coerce_routing(params)
    if values.get("timeout") is not None:
        values["timeout"] = coerce_timeout(values["timeout"])
    return values


def needs_of(request: AnyRequest) -> Requirements:
    """Say what a plain request of any kind asks of a target."""
    if isinstance(request, EmbeddingRequest):
        return needs_of_inputs(request)
    if isinstance(request, RerankRequest):
        return needs_of_documents(request)
    return requirements_of(request, streaming=False)


def needs_of_inputs(request: EmbeddingRequest) -> Requirements:
    """Say what a request asks of a target: each input has to fit, and all are paid for."""
    sizes = [_bytes(each) for each in request.inputs]
    return Requirements(
        least_tokens=max(sizes) // 8 if not request.truncate else 0,
        prompt_tokens=sum(sizes) // 4 + len(sizes),
        max_tokens=0,
        request=request,
    )


def needs_of_documents(request: RerankRequest) -> Requirements:
    """Say what a request asks of a target: the query is read with each document."""
    query = _bytes(request.query)
    sizes = [query + _bytes(document) for document in request.documents]
    return Requirements(
        prompt_tokens=sum(sizes) // 4 + len(sizes),
        max_tokens=0,
        request=request,
    )


def _bytes(text: Input) -> int:
    if not isinstance(text, str):
        return 4 * len(text)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


# --- calls


async def embed_once(context: RequestContext, target: Target, lease: Lease, *, widths: Widths) -> EmbeddingResponse:
    """Make a call to one target, within its timeouts and the request's deadline; raises ProviderError.

    Args:
        widths: how many numbers vectors have had so far, where the file does not say it.
    """
    request = context.request
    assert isinstance(request, EmbeddingRequest), "only those are answered so"
    rules = target.embeds
    place = (target.identity if rules is None else rules.space, request.dimensions)
    known = None if rules is None else rules.dimensions
    width = request.dimensions or known or widths.get(place)
    takes = rules is None or rules.shortens or (rules.shortens is None and known != request.dimensions)
    asked = _for_target(request, target, width=width, dimensions=request.dimensions if takes else None)

    def call(provider: Provider) -> Awaitable[EmbeddingResponse]:
        if not _embeds(type(provider)):
            raise _unsupported("makes no embeddings", target, lease)
        return cast(Embeds, provider).embed(asked)

    def checked(response: EmbeddingResponse, provider: Provider) -> EmbeddingResponse:
        if not isinstance(response, EmbeddingResponse):
            raise TypeError(f"embed() gave {type(response).__name__} in place of an EmbeddingResponse")
        size, count = response.dimensions, len(asked.inputs)
        if size < 1 or len(response.data) != count * size * FLOAT:
            raise _wrong(f"{count} embeddings were asked for, and others came", target)
        if not (getattr(provider, "checks_vectors", False) or is_finite(response.data)):
            raise _wrong("embeddings came with numbers that are none (NaN or infinity)", target)
        if width is not None and size != width:
            whose = "asked for" if request.dimensions else "expected, by the file or by the first answer,"
            raise _wrong(f"embeddings of {size} numbers came, where {width} were {whose}", target)
        widths.setdefault(place, size)
        return response

    return await _attempt(context, target, lease, call, checked)


async def rerank_once(context: RequestContext, target: Target, lease: Lease) -> RerankResponse:
    """Make a call to one target, within its timeouts and the request's deadline; raises ProviderError."""
    request = context.request
    assert isinstance(request, RerankRequest), "only those are answered so"
    asked = _for_target(request, target)

    def call(provider: Provider) -> Awaitable[RerankResponse]:
        if not _reranks(type(provider)):
            raise _unsupported("ranks no documents", target, lease)
        return cast(Reranks, provider).rerank(asked)

    def checked(response: RerankResponse, provider: Provider) -> RerankResponse:
        if not isinstance(response, RerankResponse):
            raise TypeError(f"rerank() gave {type(response).__name__} in place of a RerankResponse")
        count = len(asked.documents)
        indexes = {each.index for each in response.results}
        if len(indexes) != len(response.results) or not indexes <= set(range(count)):
            raise _wrong("documents were ranked twice, or others than were sent", target)
        return response

    return await _attempt(context, target, lease, call, checked)


async def _attempt(
    context: RequestContext,
    target: Target,
    lease: Lease,
    call: Callable[[Provider], Awaitable[Answer]],
    checked: Callable[[Answer, Provider], Answer],
) -> Answer:
    failed: ProviderError | None = None
    try:
        provider = context.providers.of(target, lease.key)
        timeout = target.timeout if context.request.timeout is None else context.timeout_of(target)
        with Bounds(timeout, provider=target.provider, model=target.model, deadline=context.deadline):
            response = await call(provider)
        response = checked(response, provider)
    except Exception as error:
        failed = failure_of(error, lease.key.settings, provider=target.provider, model=target.model)
    if failed is not None:  # outside, so that what it came of does not hang on it
        raise failed
    apply_quota(provider, target, lease, context)
    lease.seen = response  # paid for, also where another was as fast and is given out
    return response


def _for_target(request: Asked, target: Target, **changes: Any) -> Asked:
    """Return the request as this target gets it: with its model id, and its params where the caller said nothing."""
    changes |= {"model": target.model, "timeout": connecting(request, target)}
    params = target.params
    for name in ("extra_body", "extra_headers"):
        if params.get(name):
            changes[name] = {**params[name], **(getattr(request, name) or {})}
    if request.user is None and params.get("user") is not None:
        changes["user"] = params["user"]
    return replace(request, **changes)


def _unsupported(what: str, target: Target, lease: Lease) -> ProviderError:
    kind = "" if lease.key.settings is None else f" of kind {lease.key.settings.kind}"
    return ProviderError(ErrorCode.UNSUPPORTED, f"the provider {target.provider}{kind} {what}", model=target.model)


def _wrong(message: str, target: Target) -> ProviderError:
    return ProviderError(ErrorCode.PROTOCOL_ERROR, message, provider=target.provider, model=target.model)


@lru_cache(maxsize=64)
def _embeds(kind: type[Provider]) -> bool:
    """Say whether a class of providers makes embeddings. Asked once for each: looking into a protocol is slow."""
    return issubclass(kind, Embeds)


@lru_cache(maxsize=64)
def _reranks(kind: type[Provider]) -> bool:
    return issubclass(kind, Reranks)

"""Embeddings and reranking as simulated vendors make them: out of a hash of the text, so that order, parts and what was
kept can be checked to the last bit. The knob `embeddings` has them fail.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from providers import made_up
from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankResponse, little_endian, numbers_of
from providers.errors import ErrorCode, ProviderError
from providers.simulator.vendor import Protocol, VendorKnobs
from providers.types import Usage
from providers.wire import embeddings as wire
from providers.wire.reading import BadRequest

RERANKS = ("/rerank", "/v1/rerank", "/v2/rerank")
PATHS: Mapping[Protocol, tuple[str, ...]] = {
    "openai": ("/v1/embeddings", *RERANKS),
    "ollama": ("/api/embed", "/api/embeddings"),
    "anthropic": (),
}
_INFINITE = b"\0\0\x80\x7f"  # as float32
_TOO_LONG = {
    "openai": "This model's maximum context length is {most} tokens, however you requested {tokens} tokens.",
    "ollama": "the input length exceeds the context length",
}


def made(protocol: Protocol, path: str, body: dict[str, Any], knobs: VendorKnobs) -> Any:
    """Answer one of `PATHS`; raises ProviderError where the vendor would refuse it."""
    if path in RERANKS:
        return _ranked({"model": "tei", **body}, knobs)
    if protocol == "openai":
        request = wire.read_openai(body)
        told = wire.render_openai(_response(request, protocol, knobs), request.model, wire.form(body))
        return {**told, "data": _faulty(told["data"], knobs)} if knobs.embeddings else told
    old = path == "/api/embeddings"
    asked = wire.read_ollama(body, old=old)
    response = None if asked is None else _response(asked, protocol, knobs, cut=body.get("truncate") is not False)
    told = wire.render_ollama(response, str(body["model"]), 0.05, old=old)
    return {**told, "embeddings": _faulty(told["embeddings"], knobs)} if knobs.embeddings and not old else told


def _response(
    request: EmbeddingRequest, protocol: Protocol, knobs: VendorKnobs, *, cut: bool = False
) -> EmbeddingResponse:
    if len(request.inputs) > knobs.max_inputs:
        text = f"'$.input' is invalid: array too long. Expected an array with maximum length {knobs.max_inputs}"
        raise BadRequest(text, "input")
    tokens = [made_up.tokens_of(each) for each in request.inputs]
    most = knobs.max_input_tokens
    if max(tokens) > most and not cut:
        text = _TOO_LONG[protocol].format(most=most, tokens=max(tokens))
        raise ProviderError(ErrorCode.CONTEXT_LENGTH_EXCEEDED, text)
    dimensions = request.dimensions or knobs.dimensions
    data = b"".join(made_up.vector_of(each, dimensions) for each in request.inputs)
    return EmbeddingResponse(data=data, dimensions=dimensions, usage=Usage(sum(tokens), 0))


def _ranked(body: dict[str, Any], knobs: VendorKnobs) -> Any:
    request = wire.read_rerank(body)
    results = made_up.rank(request.query, request.documents, request.top_n)
    tokens = sum(map(made_up.tokens_of, (request.query, *request.documents)))
    response = RerankResponse(results=results, usage=Usage(tokens, 0))
    told = wire.render_rerank(response, request, body, model=request.model, ident="rank-1")
    if knobs.embeddings and isinstance(told, dict):
        return {**told, "results": _faulty(told["results"], knobs)}
    return told


def _faulty(entries: list[Any], knobs: VendorKnobs) -> list[Any]:
    """The entries of an answer as the knob wants them wrong."""
    match knobs.embeddings:
        case "shuffled":
            return entries[::-1]
        case "missing":
            return entries[:-1]
        case "extra":
            return [*entries, entries[-1]]
        case "doubled":
            return [entries[0], *entries[:-1]]
        case "unnumbered":
            return [{name: value for name, value in each.items() if name != "index"} for each in entries]
        case "shorter":
            return [*entries[:-1], _changed(entries[-1], lambda vector: vector[: len(vector) // 8 * 4])]
        case "no_numbers":
            return [_changed(each, lambda vector: _INFINITE + vector[4:]) for each in entries]
        case _:
            return entries


def _changed(entry: Any, change: Callable[[bytes], bytes]) -> Any:
    """An entry with another vector, in the form that it has; what JSON has no number for is null."""
    if isinstance(entry, list):
        return numbers_of(change(little_endian(array("f", entry)))).tolist()
    if "embedding" not in entry:
        return entry
    vector = entry["embedding"]
    if isinstance(vector, str):
        return {**entry, "embedding": b64encode(change(b64decode(vector))).decode()}
    return {**entry, "embedding": _changed(vector, change)}

"""A question for vectors or ranks: from the client's body to the answer in the client's protocol."""

from __future__ import annotations

import asyncio
from functools import partial

from msgspec.structs import replace

from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest
from providers.threads import in_thread
from providers.types import Routing
from providers.wire import embeddings as wire
from providers.wire.reading import BadRequest, Body, decode_body
from providers.wire.writing import encode
from router.gateway.admission import admit
from router.gateway.completion import Call
from router.gateway.exchange import JSON, Answered, Asked, json_answer
from router.gateway.faces.embeddings import OllamaEmbed

_INPUTS = 4096  # of a request: a short one of many would have an answer of any size
_MANY = 64 * 1024  # numbers of an answer, or bytes of a question, that are read and written in a thread


async def answer_embeddings(call: Call, asked: Asked) -> Answered:
    """Make the vectors that a body asks for.

    Raises:
        SignalboxError: what the client is to be told.
    """
    raw = await asked.read(call.serving.max_body)
    face, began = call.face, asyncio.get_running_loop().time()
    ollama = face if isinstance(face, OllamaEmbed) else None
    read = partial(_read, raw, ollama)
    body, request = await in_thread(read) if len(raw) > _MANY else read()
    name = str(body["model"])
    call.record.asks(name)
    route = call.record.route = call.route_of(name)
    if request is None:  # it only loads the model, and a router has none
        assert ollama is not None, "others ask for something"
        headers = face.id_headers(call.ident)
        return json_answer(wire.render_ollama(None, name, 0.0, old=ollama.old), headers=headers)
    if len(request.inputs) > _INPUTS:
        raise BadRequest(f"input: at most {_INPUTS:,} are taken in a request", "input")
    request = _of_client(call, request, call.routing(asked.headers))
    request = replace(request, tags=call.tags_of(asked.headers, body))
    admitted = await admit(call.router.clients, call.client, request)
    with admitted:
        response = await call.router.ask_embed(request, route=route, cache=call.client.cache)
        call.record.take(response)
        admitted.answered(response.usage)
        seconds = asyncio.get_running_loop().time() - began
        if len(response.data) // 4 > _MANY:
            data = await in_thread(_written, call, body, response, seconds)
        else:
            data = _written(call, body, response, seconds)
        return Answered(200, data, {"content-type": JSON, **call.headers_of(response, whole=True)})


def _read(raw: bytes, ollama: OllamaEmbed | None) -> tuple[Body, EmbeddingRequest | None]:
    body = decode_body(raw)
    return body, wire.read_openai(body) if ollama is None else wire.read_ollama(body, old=ollama.old)


def _written(call: Call, body: Body, response: EmbeddingResponse, seconds: float) -> bytes:
    model = call.face.model_told(body, response.model)
    if isinstance(call.face, OllamaEmbed):
        return encode(wire.render_ollama(response, model, seconds, old=call.face.old))
    return encode(wire.render_openai(response, model, wire.form(body)))


def _of_client(call: Call, request: EmbeddingRequest, routing: Routing | None) -> EmbeddingRequest:
    """The request with whose it is; nothing of that goes to a vendor."""
    return replace(
        request,
        caller=call.client.name,
        namespace=call.client.namespace,
        user=request.user if call.serving.forward_user else None,
        routing=routing,
        end_user=request.user,
    )


def _read_rerank(raw: bytes) -> tuple[Body, RerankRequest]:
    body = decode_body(raw)
    return body, wire.read_rerank(body)


async def answer_rerank(call: Call, asked: Asked) -> Answered:
    """Rank the documents of a body; raises as `answer_embeddings`."""
    raw = await asked.read(call.serving.max_body)
    body, request = await in_thread(_read_rerank, raw) if len(raw) > _MANY else _read_rerank(raw)
    call.record.asks(request.model)
    route = call.record.route = call.route_of(request.model)
    routing = call.routing(asked.headers)
    request = replace(request, caller=call.client.name, namespace=call.client.namespace, routing=routing)
    request = replace(request, tags=call.tags_of(asked.headers, body))
    admitted = await admit(call.router.clients, call.client, request)
    with admitted:
        response = await call.router.ask_rerank(request, route=route)
        call.record.take(response)
        admitted.answered(response.usage)
        model = call.face.model_told(body, response.model)
        told = wire.render_rerank(response, request, body, model=model, ident=call.ident)
        return Answered(200, encode(told), {"content-type": JSON, **call.headers_of(response, whole=True)})

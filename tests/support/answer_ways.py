"""The four protocols, there and back: what the servers' side writes of an answer, and what our clients read of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest

from providers.anthropic import decode as anthropic
from providers.ollama import chat as ollama
from providers.openai import chat_decode as chat
from providers.openai import responses_decode as responses
from providers.transport.lines import NDJSONDecoder, SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, Message, StreamChunk
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from providers.wire.writing import Head, StreamWriter

HEAD = Head("0123abcd", "m", 1_750_000_000.0)
REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))


class Way(NamedTuple):
    """There and back by one protocol."""

    render: Callable[[CompletionResponse], dict[str, Any]]
    writer: Callable[[CompletionResponse], StreamWriter]
    decode: Callable[[Any], CompletionResponse]
    decoder: Callable[[], Any]
    lines: Callable[[], Any] = SSEDecoder


WAYS = {
    "chat": Way(
        lambda answer: openai_chat.render_response(answer, HEAD),
        lambda answer: openai_chat.ChatStreamWriter(HEAD, usage=True),
        lambda body: chat.decode(body, provider="p", model="m", request_id=None),
        lambda: chat.ChatStreamDecoder("p", "m", None),
    ),
    "responses": Way(
        lambda answer: openai_responses.render_response(answer, HEAD),
        lambda answer: openai_responses.ResponsesStreamWriter(HEAD, lambda: answer.thinking),
        lambda body: responses.decode(body, provider="p", model="m", request_id=None),
        lambda: responses.ResponsesStreamDecoder("p", "m", None),
    ),
    "anthropic": Way(
        lambda answer: anthropic_messages.render_response(answer, HEAD),
        lambda answer: anthropic_messages.MessagesStreamWriter(HEAD, lambda: answer.thinking),
        lambda body: anthropic.decode(body, provider="p", model="m", request_id=None),
        lambda: anthropic.MessagesStreamDecoder("p", "m", None),
    ),
    "ollama": Way(
        lambda answer: ollama_chat.render_response(answer, HEAD, seconds=1.5),
        lambda answer: ollama_chat.OllamaStreamWriter(HEAD),
        lambda body: ollama.decode(body, REQUEST, provider="p", request_id=None),
        lambda: ollama.ChatStreamDecoder("p", REQUEST, None),
        NDJSONDecoder,
    ),
}
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in product(WAYS, repeat=2)]


def streamed(way: Way, answer: CompletionResponse, chunks: Iterator[StreamChunk]) -> CompletionResponse:
    """Through the writer, cut into lines, and through the decoder."""
    writer = way.writer(answer)
    data = writer.start() + b"".join(writer.chunk(chunk) for chunk in chunks) + writer.end()
    decoder, lines = way.decoder(), way.lines()
    for event in [*lines.feed(data), *lines.flush()]:
        decoder.feed(event)
    last = decoder.finish()
    response: CompletionResponse = decoder.response()
    assert (last.finish_reason, last.usage) == (response.finish_reason, response.usage)
    return response

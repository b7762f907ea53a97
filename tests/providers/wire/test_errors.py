"""Errors in each protocol's own shape and status, which our clients read as what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from providers.anthropic.decode import MessagesStreamDecoder
from providers.classify import classify
from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.ollama.chat import ChatStreamDecoder as OllamaStreamDecoder
from providers.openai.chat_decode import ChatStreamDecoder
from providers.openai.responses_decode import ResponsesStreamDecoder
from providers.transport.lines import NDJSONDecoder, SSEDecoder
from providers.types import CompletionRequest, Message, StreamChunk
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from providers.wire.reading import BadRequest, missing, unsupported
from providers.wire.writing import Head

SERVERS: dict[str, Any] = {
    "chat": openai_chat,
    "responses": openai_responses,
    "anthropic": anthropic_messages,
    "ollama": ollama_chat,
}
HEAD = Head("0123abcd", "m", 1_750_000_000.0)
# What a failure is in the eyes of who asked: whoever stood in between failed.
SEEN = {
    ErrorCode.TIMEOUT: ErrorCode.SERVER_ERROR,
    ErrorCode.CONNECTION_FAILED: ErrorCode.SERVER_ERROR,
    ErrorCode.PROTOCOL_ERROR: ErrorCode.SERVER_ERROR,
    ErrorCode.INVALID_OUTPUT: ErrorCode.SERVER_ERROR,
    ErrorCode.REQUIREMENT_NOT_MET: ErrorCode.INVALID_REQUEST,
    ErrorCode.STREAM_INTERRUPTED: ErrorCode.SERVER_ERROR,
}
# Only a text tells these in some protocols.
TEXTS = {
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: "the input length exceeds the context length",
    ErrorCode.CONTENT_FILTERED: "this violates usage guidelines",
    ErrorCode.UNSUPPORTED: "tools are not supported by this model",
}


def told(name: str, error: ProviderError) -> tuple[int, dict[str, str], dict[str, Any]]:
    status, headers, body = SERVERS[name].render_error(error)
    return status, headers, json.loads(msgspec.json.encode(body))


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("code", ErrorCode)
def test_a_client_reads_the_same_error(name: str, code: ErrorCode) -> None:
    """Status and body together stand for the code that they were made of."""
    status, headers, body = told(name, ProviderError(code, TEXTS.get(code, "it went wrong"), retry_after=2.5))
    found = classify(status, msgspec.json.encode(body), headers, provider="p", model="m")
    assert found.code is SEEN.get(code, code)
    assert found.message.endswith(TEXTS.get(code, "it went wrong"))
    assert found.retry_after == 2.5


@pytest.mark.parametrize("code", ErrorCode)
def test_statuses_are_those_of_the_table(code: ErrorCode) -> None:
    """Two differ: OpenAI's used-up quota is a 429, Anthropic's overload a 529."""
    own = {("chat", ErrorCode.QUOTA_EXHAUSTED): 429, ("anthropic", ErrorCode.OVERLOADED): 529}
    own["responses", ErrorCode.QUOTA_EXHAUSTED] = 429
    for name in SERVERS:
        status, _, _ = told(name, ProviderError(code, "x"))
        assert status == own.get((name, code), CONSEQUENCES[code].http_status)


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_of_the_vendor_behind_leaks(name: str) -> None:
    """Names, codes, ids and bodies of who answered are not told; waits are, in whole seconds and in milliseconds."""
    error = ProviderError(
        ErrorCode.RATE_LIMITED,
        "slow down",
        provider="behind",
        model="behind-model",
        status=418,
        request_id="behind-id",
        vendor_type="behind-type",
        vendor_code="behind-code",
        body_excerpt="behind-body",
        retry_after=0.2,
    )
    status, headers, body = told(name, error)
    assert status == 429
    assert "behind" not in str(body)
    assert headers == {"retry-after": "1", "retry-after-ms": "200"}
    assert told(name, ProviderError(ErrorCode.RATE_LIMITED, "slow down"))[1] == {}


def test_each_shape() -> None:
    """OpenAI's object with `param`, Anthropic's with the request's id, Ollama's string."""
    wrong = BadRequest("temperature: a number is expected", "temperature")
    assert told("chat", wrong) == (
        400,
        {},
        {
            "error": {
                "message": "temperature: a number is expected",
                "type": "invalid_request_error",
                "param": "temperature",
                "code": None,
            }
        },
    )
    assert told("responses", wrong) == told("chat", wrong)
    status, _, body = anthropic_messages.render_error(wrong, "req_1")
    assert status == 400
    assert body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "temperature: a number is expected"},
        "request_id": "req_1",
    }
    assert told("ollama", wrong)[2] == {"error": "temperature: a number is expected"}


def test_a_missing_field_in_each_ones_words() -> None:
    """What the vendors themselves say."""
    error = missing("model")
    assert told("chat", error)[2]["error"]["message"] == "Missing required parameter: 'model'."
    assert told("chat", error)[2]["error"]["code"] == "missing_required_parameter"
    assert told("anthropic", error)[2]["error"]["message"] == "model: Field required"
    assert told("ollama", error)[2] == {"error": "model is required"}
    assert told("chat", unsupported("only text", "audio"))[2]["error"]["code"] == "unsupported_parameter"


def test_anthropics_clients_see_how_much_is_too_much() -> None:
    """They look for these words, and make the conversation shorter."""
    error = ProviderError(ErrorCode.CONTEXT_LENGTH_EXCEEDED, "too long", prompt_tokens=210, context_window=200)
    assert told("anthropic", error)[2]["error"]["message"] == "prompt is too long: 210 tokens > 200 maximum"
    for words, message in (
        ("too long", "prompt is too long: too long"),
        ("Prompt is too long.", "Prompt is too long."),
    ):
        error = ProviderError(ErrorCode.CONTEXT_LENGTH_EXCEEDED, words, context_window=200)
        assert told("anthropic", error)[2]["error"]["message"] == message


REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))
STREAMS: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "chat": lambda: (openai_chat.ChatStreamWriter, ChatStreamDecoder("p", "m", None), SSEDecoder()),
    "responses": lambda: (openai_responses.ResponsesStreamWriter, ResponsesStreamDecoder("p", "m", None), SSEDecoder()),
    "anthropic": lambda: (anthropic_messages.MessagesStreamWriter, MessagesStreamDecoder("p", "m", None), SSEDecoder()),
    "ollama": lambda: (ollama_chat.OllamaStreamWriter, OllamaStreamDecoder("p", REQUEST, None), NDJSONDecoder()),
}


@pytest.mark.parametrize("name", STREAMS)
def test_an_error_within_a_stream(name: str) -> None:
    """It is read as the same error, after the text that came before it; nothing says that the answer is whole."""
    make, decoder, lines = STREAMS[name]()
    writer = make(HEAD)
    error = ProviderError(ErrorCode.OVERLOADED, "server busy")
    data = writer.start() + writer.chunk(StreamChunk("so far")) + writer.error(error)
    assert b"[DONE]" not in data
    with pytest.raises(ProviderError) as caught:
        for event in [*lines.feed(data), *lines.flush()]:
            decoder.feed(event)
    assert caught.value.code is ErrorCode.OVERLOADED
    assert decoder.response().text == "so far"


def test_codex_reads_the_wait_from_the_text() -> None:
    """In a failed response there is no header for it."""
    writer = openai_responses.ResponsesStreamWriter(HEAD)
    data = writer.error(ProviderError(ErrorCode.RATE_LIMITED, "Slow down.", retry_after=1.5))
    told = json.loads(data.partition(b"data: ")[2])
    assert told["response"]["error"]["code"] == "rate_limit_exceeded"
    assert "try again in 1.5s" in told["response"]["error"]["message"]

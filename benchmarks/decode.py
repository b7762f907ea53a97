"""What one streamed chunk costs: bytes to events to `StreamChunk`, for each protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from providers import CompletionRequest, Message
from providers.anthropic.decode import MessagesStreamDecoder
from providers.ollama.chat import ChatStreamDecoder as OllamaDecoder
from providers.openai.chat_decode import ChatStreamDecoder
from providers.openai.responses_decode import ResponsesStreamDecoder
from providers.transport.lines import NDJSONDecoder, SSEDecoder

ROUNDS, CHUNKS, AT_ONCE = 9, 4_000, 10
_REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))

CASES: dict[str, tuple[bytes, Callable[[], Any], Callable[[], Any]]] = {
    "openai chat": (
        b'data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06",'
        b'"service_tier":"default","system_fingerprint":"fp_abc","choices":[{"index":0,"delta":{"content":" word"},'
        b'"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abc"}\n\n',
        SSEDecoder,
        lambda: ChatStreamDecoder("p", "m", None),
    ),
    "openai responses": (
        b"event: response.output_text.delta\n"
        b'data: {"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_1","output_index":0,'
        b'"content_index":0,"delta":" word","logprobs":[]}\n\n',
        SSEDecoder,
        lambda: ResponsesStreamDecoder("p", "m", None),
    ),
    "anthropic": (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}\n\n',
        SSEDecoder,
        lambda: MessagesStreamDecoder("p", "m", None),
    ),
    "ollama": (
        b'{"model":"m","created_at":"2026-11-23T11:56:16.919831Z","message":{"role":"assistant","content":" word"},'
        b'"done":false}\n',
        NDJSONDecoder,
        lambda: OllamaDecoder("p", _REQUEST, None),
    ),
}


def cost(chunk: bytes, lines: Callable[[], Any], decoder: Callable[[], Any]) -> float:
    """Seconds of CPU per chunk, the best of some rounds; ten chunks come in one read."""
    best = float("inf")
    for _ in range(ROUNDS):
        cutter, reader = lines(), decoder()
        data = chunk * AT_ONCE
        started = time.process_time()
        for _ in range(CHUNKS // AT_ONCE):
            for event in cutter.feed(data):
                reader.feed(event)
        best = min(best, (time.process_time() - started) / CHUNKS)
    return best


def loads_cost(chunk: bytes) -> float:
    """Seconds of CPU that the standard library's JSON alone needs for the same chunk."""
    payload = chunk[chunk.index(b"{") :]
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CHUNKS):
            json.loads(payload)
        best = min(best, (time.process_time() - started) / CHUNKS)
    return best


def main() -> None:
    for name, (chunk, lines, decoder) in CASES.items():
        ours, floor = cost(chunk, lines, decoder), loads_cost(chunk)
        print(f"one chunk, {name:<17} {ours * 1e6:5.2f} µs CPU  (json.loads alone: {floor * 1e6:.2f} µs)")

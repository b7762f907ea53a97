"""What the benchmarks' upstream answers, in each vendor's words: a short plain answer and a stream of 200 chunks, or in
OpenAI's more of them."""

from __future__ import annotations

import json
from typing import Any

CHUNKS = 200
WORDS = [f" word{number}" for number in range(CHUNKS)]  # all different: LiteLLM takes one that repeats for a fault
TEXT = "The sky is blue because air scatters blue light more than red light."
STREAMED = "".join(WORDS)
MANY = [f" word{number}" for number in range(10 * CHUNKS)]
LARGE = f"{TEXT} " * 15_000  # of 1 MB
ARGUMENTS = ['{"text": "', *WORDS, '"}']  # of a call of a tool, as they come
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
MODEL = "gpt-4o"

_HEAD = {"id": "chatcmpl-123", "created": 1700000000, "model": "gpt-4o-2024-08-06"}
_USAGE = {"prompt_tokens": 12, "completion_tokens": 17, "total_tokens": 29}


def wanted(mode: str, kind: str) -> str:
    """What a peer has to give of a `plain` call, a `stream` or `tools` in a mode of the upstream."""
    if kind == "tools":
        return "".join(ARGUMENTS)
    if kind == "plain":
        return LARGE if mode == "large" else TEXT
    return "".join(MANY) if mode == "many" else STREAMED


def plain(vendor: str, text: str = TEXT) -> bytes:
    """The body of a plain answer."""
    if vendor == "openai":
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return _json({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})
    if vendor == "anthropic":
        return _json({**_message(), "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})
    return _json({**_line(text), "done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 17})


def events(vendor: str, words: list[str] = WORDS) -> list[bytes]:
    """The events of a stream: what opens it, one for each word, and what ends it."""
    if vendor == "openai":
        return [
            _openai({"role": "assistant", "content": ""}),
            *(_openai({"content": word}) for word in words),
            *_openai_end("stop"),
        ]
    if vendor == "anthropic":
        return [
            _anthropic("message_start", message=_message()),
            _anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *(_anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words),
            _anthropic("content_block_stop", index=0),
            _anthropic("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": CHUNKS}),
            _anthropic("message_stop"),
        ]
    last = {**_line(""), "done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": CHUNKS}
    return [*(_json({**_line(word), "done": False}) + b"\n" for word in words), _json(last) + b"\n"]


def tool_events() -> list[bytes]:
    """A stream with one call of a tool in OpenAI's protocol, whose arguments come in pieces."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "say", "arguments": ""}}
    return [
        _openai({"role": "assistant", "content": None, "tool_calls": [call]}),
        *(_openai({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in ARGUMENTS),
        *_openai_end("tool_calls"),
    ]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _openai_end(reason: str) -> list[bytes]:
    usage = {**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}
    return [_openai({}, finish_reason=reason), b"data: " + _json(usage) + b"\n\n", b"data: [DONE]\n\n"]


def _openai(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return b"data: " + _json({**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"


def _anthropic(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _json({"type": kind, **fields}) + b"\n\n"


def _message() -> dict[str, Any]:
    return {
        "id": "msg_123",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 17},
    }


def _line(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": "qwen3:4b", "created_at": "2026-11-23T11:56:16.919831Z", "message": message}

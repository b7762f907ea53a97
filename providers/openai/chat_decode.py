"""OpenAI's chat completions protocol: requests out, answers and streams in. No input or output happens here.

Protocol: the types of the openai package 3.54, the sources of vLLM, llama.cpp and Ollama, and what compatible
servers were recorded to send, which is read leniently.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import parse_arguments
from providers.classify import classify, classify_payload, error_in, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import as_dict, as_list, as_str
from providers.openai.chat_encode import encode
from providers.openai.chat_pieces import ToolCallAssembler, finish_reason, read_usage, text_and_thinking
from providers.openai.think_tags import ThinkSplitter
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    StreamChunk,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)

__all__ = ["ChatStreamDecoder", "decode", "encode"]

_PLAIN_DELTA = frozenset({"content", "role"})
_decode_json = msgspec.json.Decoder().decode


def decode(
    body: Any, *, provider: str, model: str, request_id: str | None, think_tags: bool = False
) -> CompletionResponse:
    """A plain answer; `think_tags` takes `<think>…</think>` out of its text.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no chat completion.
    """
    if error_in(body):
        raise classify_payload(body, provider=provider, model=model)
    choices = body.get("choices") if isinstance(body, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no choices, so it is no chat completion",
            provider=provider,
            model=model,
            request_id=request_id,
        )
    message = as_dict(choice.get("message"))  # Azure leaves it out when its filter struck
    text, thinking = text_and_thinking(message)
    if think_tags:
        splitter = ThinkSplitter()
        (text, thought), (said, more) = splitter.feed(text), splitter.flush()
        text, thinking = text + said, thinking + thought + more
    refusal = as_str(message.get("refusal"))
    origin = f"{provider}/{model}"
    calls = ToolCallAssembler()
    calls.sign_beside(as_dict(message.get("extra_content")))
    for entry in _whole_calls(message):
        calls.add(entry)
    raw_finish = as_str(choice.get("finish_reason"))
    return CompletionResponse(
        text=text or refusal or "",
        thinking=_thinking(thinking, {**_opaque(message), **_came_in(message), **calls.signatures()}, origin),
        tool_calls=_tool_calls(calls),
        finish_reason=finish_reason(raw_finish, has_calls=bool(calls.slots), refused=refusal is not None),
        raw_finish_reason=raw_finish,
        usage=_usage_of(body) or Usage(),
        model=as_str(body.get("model")) or model,
        provider=provider,
        id=as_str(body.get("id")),
        request_id=request_id,
        raw=body,
    )


def _whole_calls(message: dict[str, Any]) -> list[Any]:
    """The calls of a plain message. They are whole, so the places in the list are their indexes."""
    entries = [
        {**entry, "index": place}
        for place, entry in enumerate(as_list(message.get("tool_calls")))
        if isinstance(entry, dict)
    ]
    legacy = message.get("function_call")
    if not entries and isinstance(legacy, dict):
        return [{"index": 0, "function": legacy}]
    return entries


def _usage_of(body: dict[str, Any]) -> Usage | None:
    return read_usage(body.get("usage")) or read_usage(as_dict(body.get("x_groq")).get("usage"))


def _tool_calls(calls: ToolCallAssembler) -> tuple[ToolCall, ...]:
    found = []
    for slot in calls.slots:
        raw = "".join(slot.args)
        found.append(ToolCall(slot.sent_id, slot.name, parse_arguments(raw), raw))
    return tuple(found)


def _thinking(text: str, opaque: dict[str, Any], origin: str) -> tuple[ThinkingPart, ...]:
    if not text and not opaque:
        return ()
    return (ThinkingPart(text, opaque=opaque or None, origin=origin),)


# OpenRouter's, MiniMax's and Vercel's reasoning, and Claude's behind LiteLLM: to be sent back unread.
_UNREAD = ("reasoning_details", "thinking_blocks")


def _opaque(message: dict[str, Any]) -> dict[str, Any]:
    """What of a message or a delta has to go back unread."""
    return {key: message[key] for key in _UNREAD if as_list(message.get(key))}


def _came_in(message: dict[str, Any]) -> dict[str, Any]:
    """The field in which reasoning came, where it is not the common `reasoning_content`."""
    is_other = as_str(message.get("reasoning")) and not as_str(message.get("reasoning_content"))
    return {"field": "reasoning"} if is_other else {}


class ChatStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None, *, think_tags: bool = False) -> None:
        self._provider = provider
        self._model = model
        self._splitter = ThinkSplitter() if think_tags else None
        self._request_id = request_id
        self._id: str | None = None
        self._reported: str | None = None
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._refused = False
        self._calls = ToolCallAssembler()
        self._opaque: dict[str, Any] = {}
        self._finish: str | None = None
        self._said_done = False
        self._usage: Usage | None = None

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        data = event.data
        try:
            payload = _decode_json(data)
            choice = payload["choices"][0]
            delta = choice["delta"]
            text = delta["content"]
        except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
            return self._feed_rare(event)
        # The common chunk carries a piece of text and nothing else; all others take the long way.
        if (
            type(text) is str
            and text
            and (len(delta) == 1 or delta.keys() <= _PLAIN_DELTA)
            and not choice.get("finish_reason")
            and not choice.get("index")
            and not payload.get("usage")
            and "error" not in payload
            and "x_groq" not in payload
            and event.event != "error"
            and self._splitter is None
        ):
            self._text.append(text)
            return StreamChunk(text)
        return self._take(payload)

    def _feed_rare(self, event: SSEEvent) -> StreamChunk | None:
        data = event.data.strip()
        if event.event == "error" and data:
            raise self.error(data)
        if data == b"[DONE]":
            self._said_done = True
            return None
        if not data:
            return None  # a keep-alive
        try:
            payload = parse_json(data)
        except ValueError:
            raise self._fault(ErrorCode.PROTOCOL_ERROR, "an event of the stream is no JSON") from None
        if isinstance(payload, dict) or error_in(payload):
            return self._take(payload)
        raise self._fault(ErrorCode.PROTOCOL_ERROR, "an event of the stream is no JSON object")

    def _take(self, payload: Any) -> StreamChunk | None:
        if error_in(payload):
            raise self._named(classify_payload(payload, provider=self._provider, model=self._model))
        self._id = self._id or as_str(payload.get("id"))
        self._reported = self._reported or as_str(payload.get("model"))
        self._usage = _usage_of(payload) or self._usage
        text = thinking = ""
        deltas: list[ToolCallDelta] = []
        for choice in as_list(payload.get("choices")):
            if not isinstance(choice, dict) or choice.get("index"):
                continue  # asked for several answers, the first is given
            self._finish = as_str(choice.get("finish_reason")) or self._finish
            # Some servers close with a whole `message` in place of a delta.
            delta = choice.get("delta")
            if isinstance(delta, dict):
                more_text, more_thinking = self._take_delta(delta, deltas)
                text += more_text
                thinking += more_thinking
        if self._splitter is not None:
            text, thought = self._splitter.feed(text)
            thinking += thought
        return self._kept(text, thinking, deltas)

    def _kept(self, text: str, thinking: str, deltas: list[ToolCallDelta]) -> StreamChunk | None:
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        if not (text or thinking or deltas):
            return None
        return StreamChunk(text, thinking, tuple(deltas))

    def _take_delta(self, delta: dict[str, Any], deltas: list[ToolCallDelta]) -> tuple[str, str]:
        text, thinking = text_and_thinking(delta)
        refusal = as_str(delta.get("refusal"))
        if refusal:
            self._refused = True
            text += refusal
        entries = as_list(delta.get("tool_calls"))
        legacy = delta.get("function_call")
        if not entries and isinstance(legacy, dict):
            entries = [{"index": 0, "function": legacy}]
        for entry in entries:
            part = self._calls.add(entry)
            if part is not None:
                deltas.append(part)
        if "extra_content" in delta:
            self._calls.sign_beside(as_dict(delta["extra_content"]))
        for key, value in _opaque(delta).items():
            _join_details(self._opaque.setdefault(key, []), value)
        if thinking and not self._thinking:
            self._opaque.update(_came_in(delta))
        return text, thinking

    def error(self, data: bytes) -> ProviderError:
        """The error that an error event stands for."""
        return self._named(classify(None, data, provider=self._provider, model=self._model))

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when neither a finish reason nor `[DONE]` was seen.
        """
        if self._finish is None and not self._said_done:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        said, thought = ("", "") if self._splitter is None else self._splitter.flush()
        self._kept(said, thought, [])
        return StreamChunk(said, thought, finish_reason=self._unified(), usage=self._usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        ended = self._finish is not None or self._said_done
        return CompletionResponse(
            text="".join(self._text),
            thinking=_thinking(
                "".join(self._thinking), {**self._opaque, **self._calls.signatures()}, f"{self._provider}/{self._model}"
            ),
            tool_calls=_tool_calls(self._calls),
            finish_reason=self._unified() if ended else "unknown",
            raw_finish_reason=self._finish,
            usage=self._usage or Usage(),
            model=self._reported or self._model,
            provider=self._provider,
            id=self._id,
            request_id=self._request_id,
        )

    def _unified(self) -> Any:
        return finish_reason(self._finish, has_calls=bool(self._calls.slots), refused=self._refused)

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._provider, model=self._model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._request_id
        return error


def _join_details(kept: list[Any], new: list[Any]) -> None:
    """OpenRouter streams reasoning_details in pieces; pieces of one index and type make one entry."""
    for entry in new:
        last = kept[-1] if kept else None
        if not isinstance(entry, dict) or not isinstance(last, dict) or not _continues(entry, last):
            kept.append(dict(entry) if isinstance(entry, dict) else entry)
            continue
        for key, value in entry.items():
            if key in _PIECES and isinstance(value, str) and isinstance(last.get(key), str):
                last[key] = value if _is_whole(entry, value, last[key]) else last[key] + value
            elif value is not None:
                last[key] = value


_PIECES = frozenset({"text", "summary", "data", "thinking"})


def _is_whole(entry: dict[str, Any], value: str, before: str) -> bool:
    """MiniMax sends with each piece all that came before."""
    return bool(before) and value.startswith(before) and str(entry.get("format")).startswith("MiniMax")


def _continues(entry: dict[str, Any], last: dict[str, Any]) -> bool:
    index, kind = entry.get("index"), entry.get("type")
    if index is None:  # Claude's blocks behind LiteLLM: a signature ends one
        return kind == "thinking" == last.get("type") and not last.get("signature")
    return bool((index, kind) == (last.get("index"), last.get("type")))

"""OpenAI's chat completions protocol: requests out, answers and streams in. No input or output happens here.

Protocol: the types of the openai package 3.54, the sources of vLLM, llama.cpp and Ollama, and what compatible
servers were recorded to send, which is read leniently.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import newer_usage
from providers.classify import classify, classify_payload, error_in, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.events import is_keep_alive
from providers.finish_reasons import finish_reason
from providers.lenient_json import as_dict, as_list, as_str, as_word
from providers.openai.chat_encode import encode
from providers.openai.chat_pieces import add_call, read_usage, text_and_thinking
from providers.think_tags import ThinkSplitter
from providers.tool_calls import ToolCallAssembler
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    StreamChunk,
    ThinkingPart,
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
        text, thought = ThinkSplitter().whole(text)
        thinking += thought
    refusal = as_str(message.get("refusal"))
    calls = ToolCallAssembler()
    if not _OF_CALLS.isdisjoint(message):
        calls.attach_beside(message)
        for place, entry in enumerate(_calls_in(message)):  # whole, so that the places in the list are their indexes
            add_call(calls, place, entry)
    raw_finish = as_word(choice.get("finish_reason"))
    origin = f"{provider}/{model}"
    return CompletionResponse(
        text=text or refusal or "",
        thinking=_thinking(thinking, {**_opaque(message), **_came_in(message)}, origin),
        tool_calls=calls.calls(origin),
        finish_reason=finish_reason(raw_finish, has_calls=bool(calls), refused=refusal is not None),
        raw_finish_reason=raw_finish,
        usage=_usage_of(body, choice) or Usage(),
        model=as_str(body.get("model")) or model,
        provider=provider,
        id=as_str(body.get("id")),
        request_id=request_id,
        raw=body,
    )


_OF_CALLS = frozenset({"tool_calls", "function_call", "extra_content"})


def _calls_in(message: dict[str, Any]) -> list[Any]:
    """The entries of a message or a delta that speak of calls; the old `function_call` is one."""
    entries = as_list(message.get("tool_calls"))
    legacy = message.get("function_call")
    return [{"index": 0, "function": legacy}] if not entries and isinstance(legacy, dict) else entries


def _usage_of(body: dict[str, Any], choice: object = None) -> Usage | None:
    """The counts where they belong, or where Groq and Moonshot put them."""
    places = (body, as_dict(body.get("x_groq")), as_dict(choice))
    return next((usage for place in places if (usage := read_usage(place.get("usage"))) is not None), None)


def _thinking(text: str, opaque: dict[str, Any], origin: str) -> tuple[ThinkingPart, ...]:
    if not text and not opaque:
        return ()
    return (ThinkingPart(text, opaque=opaque or None, origin=origin),)


# OpenRouter's, MiniMax's and Vercel's reasoning, and Claude's behind LiteLLM: to be sent back unread.
_UNREAD = ("reasoning_details", "thinking_blocks")
SEALED = "reasoning_opaque"  # Copilot's, a string


def _opaque(message: dict[str, Any]) -> dict[str, Any]:
    """What of a message or a delta has to go back unread."""
    found: dict[str, Any] = {key: message[key] for key in _UNREAD if as_list(message.get(key))}
    if sealed := as_str(message.get(SEALED)):
        found[SEALED] = sealed
    return found


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
        self.ended = False  # `[DONE]` came: what follows is no part of the answer
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
            self.ended = True
            return None
        if not data:
            return None  # a keep-alive
        try:
            payload = parse_json(data)
        except ValueError:
            if is_keep_alive(data):
                return None
            raise self._fault(ErrorCode.PROTOCOL_ERROR, "an event of the stream is no JSON") from None
        if isinstance(payload, dict) or error_in(payload):
            return self._take(payload)
        if payload is None:
            return None
        raise self._fault(ErrorCode.PROTOCOL_ERROR, "an event of the stream is no JSON object")

    def _take(self, payload: Any) -> StreamChunk | None:
        if error_in(payload):
            raise self._named(classify_payload(payload, provider=self._provider, model=self._model))
        self._id = self._id or as_str(payload.get("id"))
        self._reported = self._reported or as_str(payload.get("model"))
        self._usage = newer_usage(self._usage, _usage_of(payload))
        text = thinking = ""
        deltas: list[ToolCallDelta] = []
        for choice in as_list(payload.get("choices")):
            if not isinstance(choice, dict) or choice.get("index"):
                continue  # asked for several answers, the first is given
            self._finish = as_word(choice.get("finish_reason")) or self._finish
            self._usage = newer_usage(self._usage, read_usage(choice.get("usage")))
            delta = choice.get("delta")
            if delta is None and not (self._text or self._thinking or self._calls):
                delta = choice.get("message")  # the answer came whole; some servers also close with it
            if isinstance(delta, dict):
                more_text, more_thinking = self._take_delta(delta, deltas)
                text += more_text
                thinking += more_thinking
        if self._splitter is not None:
            text, thought = self._splitter.feed(text)
            thinking += thought
            self._move_text(self._splitter)
        return self._kept(text, thinking, deltas)

    def _move_text(self, splitter: ThinkSplitter) -> None:
        if splitter.text_was_thinking:
            self._thinking += self._text
            self._text.clear()
            splitter.text_was_thinking = False

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
        for entry in _calls_in(delta):
            part = add_call(self._calls, as_dict(entry).get("index"), entry)
            if part is not None:
                deltas.append(part)
        if "extra_content" in delta:
            self._calls.attach_beside(delta)
        for key, value in _opaque(delta).items():
            if key == SEALED:
                self._opaque[key] = value
            else:
                _join_details(self._opaque.setdefault(key, []), value)
        if thinking and not self._thinking:
            self._opaque.update(_came_in(delta))
        return text, thinking

    def error(self, data: bytes) -> ProviderError:
        """The error that an error event stands for."""
        return self._named(classify(None, data, provider=self._provider, model=self._model))

    @property
    def may_end(self) -> bool:
        """Whether a finish reason came: only counts and the end itself are still due."""
        return self._finish is not None

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when neither a finish reason nor `[DONE]` was seen.
        """
        if self._finish is None and not self.ended:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        said = thought = ""
        if self._splitter is not None:
            said, thought = self._splitter.flush()
            self._move_text(self._splitter)
        self._kept(said, thought, [])
        rest = self._calls.finish()
        return StreamChunk(said, thought, rest, finish_reason=self._unified(), usage=self._usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        ended = self._finish is not None or self.ended
        origin = f"{self._provider}/{self._model}"
        return CompletionResponse(
            text="".join(self._text),
            thinking=_thinking("".join(self._thinking), self._opaque, origin),
            tool_calls=self._calls.calls(origin),
            finish_reason=self._unified() if ended else "unknown",
            raw_finish_reason=self._finish,
            usage=self._usage or Usage(),
            model=self._reported or self._model,
            provider=self._provider,
            id=self._id,
            request_id=self._request_id,
        )

    def _unified(self) -> Any:
        return finish_reason(self._finish, has_calls=bool(self._calls), refused=self._refused)

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

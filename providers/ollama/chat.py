"""Ollama's chat protocol: requests out, answers and streams in. No input or output happens here.

Protocol: ollama/ollama, docs/api.md, api/types.go and server/routes.go (August 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.accumulate import newer_usage
from providers.answer_parts import Others, as_bytes, read_logprobs
from providers.base64_text import encoded
from providers.classify import classify_payload, error_in, parse_json
from providers.content import nearest_effort
from providers.errors import ErrorCode, ProviderError
from providers.events import is_keep_alive
from providers.finish_reasons import finish_reason
from providers.lenient_json import arguments_text, as_count, as_dict, as_list, as_str, as_word
from providers.ollama.plain import PlainAnswer
from providers.parts import as_text, is_text
from providers.think_tags import ThinkSplitter
from providers.tool_calls import ToolCallAssembler
from providers.turns import as_object, made_by_family, thoughts_of
from providers.types import (
    AudioPart,
    CompletionRequest,
    CompletionResponse,
    FilePart,
    FinishReason,
    ImagePart,
    Message,
    StreamChunk,
    ThinkingPart,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
    effort_of,
)

_decode_json = msgspec.json.Decoder().decode


# --- the request


def encode(request: CompletionRequest, *, stream: bool, provider: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /api/chat. `extra_body` is merged last and wins.

    `truncate: false` is always sent: without it the server drops old messages of a long prompt and says nothing.

    Args:
        provider: whose thinking is sent back.
        options: the provider's own: `num_ctx`, `keep_alive`, and `options` with any of the server's.

    Raises:
        ProviderError: UNSUPPORTED when the protocol cannot carry the request.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _messages(request, provider),
        "stream": stream,
        "truncate": False,
        "tools": _tools(request),
        "format": _format(request),
        "think": _think(request),
        "options": _options(request, options) or None,
        "keep_alive": options.get("keep_alive"),
        "logprobs": request.logprobs or (True if request.top_logprobs else None),
        "top_logprobs": request.top_logprobs,
    }
    if request.server_tools:
        raise _unsupported(request, f'runs no tools itself (server_tools "{request.server_tools[0].name}")')
    if request.audio is not None or set(request.modalities) - {"text"}:
        raise _unsupported(request, "answers with text only (modalities)")
    kept = {key: value for key, value in body.items() if value is not None}
    return {**kept, **(request.extra_body or {})}


def _unsupported(request: CompletionRequest, what: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"Ollama {what}", model=request.model)


def _messages(request: CompletionRequest, provider: str) -> list[dict[str, Any]]:
    names: dict[str, str] = {}  # results are matched by the tool's name
    messages = []
    for message in request.messages:
        names.update((call.id, call.name) for call in message.tool_calls)
        messages.append(_message(message, request, provider, names))
    return messages


def _message(message: Message, request: CompletionRequest, provider: str, names: dict[str, str]) -> dict[str, Any]:
    role = "system" if message.role == "developer" else message.role
    out: dict[str, Any] = {"role": role, "content": message.text}
    if not isinstance(message.content, str):
        images = [_image(part, request) for part in message.content if isinstance(part, ImagePart)]
        if images:
            out["images"] = images
        for part in message.content:
            if isinstance(part, AudioPart):
                if message.role != "assistant":
                    raise _unsupported(request, "takes no audio")
                out["content"] += part.transcript or ""
            if isinstance(part, FilePart):
                if not is_text(part):
                    what = (
                        f"documents of {part.media_type}" if part.data else "documents by URL or id, only text as data"
                    )
                    raise _unsupported(request, f"takes no {what}")
                out["content"] += ("\n" if out["content"] else "") + as_text(part)
    if message.role == "tool":
        call_id = message.tool_call_id or ""
        return {**out, "tool_name": names.get(call_id, ""), "tool_call_id": call_id}
    if message.role != "assistant":
        return out
    own = (part.text for part in thoughts_of(message) if made_by_family(part.origin, provider, request.model))
    thinking = "".join(own)
    if thinking:
        out["thinking"] = thinking
    if message.tool_calls:
        out["tool_calls"] = [_call(index, call) for index, call in enumerate(message.tool_calls)]
    return out


def _image(part: ImagePart, request: CompletionRequest) -> str:
    if part.data is None:
        raise _unsupported(request, f"takes images as data only, not by {'id' if part.id else 'URL'}")
    return encoded(part.data)


def _call(index: int, call: ToolCall) -> dict[str, Any]:
    function = {"index": index, "name": call.name, "arguments": as_object(call)}
    return {"id": call.id, "function": function}


def _tools(request: CompletionRequest) -> list[dict[str, Any]] | None:
    choice = request.tool_choice
    if not request.tools or choice == "none":  # there is no tool_choice: not to offer them is the same
        return None
    if choice not in (None, "auto"):
        raise _unsupported(request, f'cannot force a tool (tool_choice "{choice}")')
    may = request.allowed_tools
    return [_tool(tool) for tool in request.tools if may is None or tool.name in may] or None


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _format(request: CompletionRequest) -> Any:
    wanted = request.response_format
    return wanted["schema"] if isinstance(wanted, dict) else wanted


def _think(request: CompletionRequest) -> bool | str | None:
    if request.thinking is None:
        return None
    if request.thinking != "off":
        return nearest_effort(effort_of(request.thinking), ("low", "medium", "high"))
    if "gpt-oss" in request.model:
        raise _unsupported(request, "cannot stop gpt-oss from thinking")
    return False


def _options(request: CompletionRequest, options: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "num_ctx": options.get("num_ctx"),
    }
    return {**as_dict(options.get("options")), **{key: value for key, value in wanted.items() if value is not None}}


# --- the answer


def decode(
    body: Any, request: CompletionRequest, *, provider: str, request_id: str | None, think_tags: bool = False
) -> CompletionResponse:
    """A plain answer; `think_tags` takes `<think>…</think>` out of its text.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no chat answer.
    """
    try:
        answer = msgspec.convert(body, PlainAnswer)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        answer = None
    if answer is None or not answer.done or think_tags:
        return decode_leniently(body, request, provider=provider, request_id=request_id, think_tags=think_tags)
    thinking = answer.message.thinking
    return CompletionResponse(
        text=answer.message.content,
        thinking=(ThinkingPart(thinking, origin=f"{provider}/{request.model}"),) if thinking else (),
        finish_reason=answer.done_reason,
        raw_finish_reason=answer.done_reason,
        usage=Usage(answer.prompt_eval_count, answer.eval_count),
        model=answer.model,
        provider=provider,
        request_id=request_id,
        raw=body,
    )


def decode_leniently(
    body: Any, request: CompletionRequest, *, provider: str, request_id: str | None, think_tags: bool = False
) -> CompletionResponse:
    """As `decode`, which it does all for but the usual answer: whatever is of use is taken."""
    if error_in(body):
        raise classify_payload(body, provider=provider, model=request.model)
    if not isinstance(body, dict) or not isinstance(body.get("message"), dict):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no message, so it is no chat answer",
            provider=provider,
            model=request.model,
            request_id=request_id,
        )
    decoder = ChatStreamDecoder(provider, request, request_id, think_tags=think_tags)
    decoder.take(body)
    decoder.close()
    return msgspec.structs.replace(decoder.response(), raw=body)


def read_usage(body: dict[str, Any]) -> Usage:
    """The counts. The server leaves a count out when it is 0 or not known, so an absent one is unknown."""
    return Usage(as_count(body.get("prompt_eval_count")), as_count(body.get("eval_count")))


class ChatStreamDecoder:
    """Lines in, chunks out; one per stream."""

    def __init__(
        self, provider: str, request: CompletionRequest, request_id: str | None, *, think_tags: bool = False
    ) -> None:
        self._provider = provider
        self._model = request.model
        # The protocol cannot ask for one call at a time: the first is kept.
        self._single_call = request.parallel_tool_calls is False
        self._splitter = ThinkSplitter() if think_tags else None
        self._reported: str | None = None
        self._request_id = request_id
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls = ToolCallAssembler()
        self._entries = 0  # of calls
        self.ended = False  # `done: true` came: what follows is no part of the answer
        self._done_reason: str | None = None
        self._usage = Usage()
        self._others = Others()

    def feed(self, line: bytes) -> StreamChunk | None:
        """Take one line; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the line carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        try:
            payload = _decode_json(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            line = line.strip().removeprefix(b"data:").lstrip()  # a gateway that speaks in server-sent events
            if is_keep_alive(line):
                return None
            try:
                payload = parse_json(line)
            except ValueError:
                raise self._fault(ErrorCode.PROTOCOL_ERROR, "a line of the stream is no JSON") from None
        if payload is None:
            return None
        if error_in(payload):
            error = classify_payload(payload, provider=self._provider, model=self._model)
            error.request_id = error.request_id or self._request_id
            raise error
        if not isinstance(payload, dict):
            raise self._fault(ErrorCode.PROTOCOL_ERROR, "a line of the stream is no JSON object")
        return self.take(payload)

    def take(self, payload: dict[str, Any]) -> StreamChunk | None:
        """One decoded object: a line of a stream, or a plain answer as a whole."""
        message = as_dict(payload.get("message"))
        text = as_str(message.get("content")) or ""
        thinking = as_str(message.get("thinking")) or ""
        if self._splitter is not None and text:
            text, thought = self._splitter.feed(text)
            thinking += thought
        deltas = self._take_calls(message["tool_calls"]) if message.get("tool_calls") else ()
        if payload.get("done") is True:
            self.ended = True
            self._done_reason = as_word(payload.get("done_reason"))
            self._usage = newer_usage(self._usage, read_usage(payload)) or self._usage
        self._reported = self._reported or as_str(payload.get("model"))
        chunk = self._kept(text, thinking, deltas)
        if "logprobs" in payload or "images" in message:
            return self._with_others(chunk, message, read_logprobs(payload.get("logprobs")))
        return chunk

    def _with_others(
        self, chunk: StreamChunk | None, message: dict[str, Any], logprobs: tuple[TokenLogprob, ...]
    ) -> StreamChunk | None:
        data = [read for image in as_list(message.get("images")) if (read := as_bytes(image))]
        images = tuple(ImagePart(data=read, media_type="image/png") for read in data)
        for image in images:
            self._others.add(image, sum(map(len, self._text)), 0, 1 if self._thinking else 0)
        self._others.logprobs += logprobs
        if not (images or logprobs):
            return chunk
        return msgspec.structs.replace(chunk or StreamChunk(), others=images, logprobs=logprobs)

    def _kept(self, text: str, thinking: str, deltas: tuple[ToolCallDelta, ...]) -> StreamChunk | None:
        if self._splitter is not None and self._splitter.text_was_thinking:
            self._thinking += self._text
            self._text.clear()
            self._splitter.text_was_thinking = False
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        if not (text or thinking or deltas):
            return None
        return StreamChunk(text, thinking, deltas)

    def _take_calls(self, entries: object) -> tuple[ToolCallDelta, ...]:
        """Take calls, each of which comes whole."""
        found = []
        for entry in map(as_dict, as_list(entries)):
            function = as_dict(entry.get("function"))
            name = as_word(function.get("name"))
            if name is None or (self._single_call and self._calls):
                continue
            self._entries += 1
            arguments = arguments_text(function.get("arguments"))
            found.append(self._calls.add(self._entries, as_word(entry.get("id")), name, arguments))
        return tuple(delta for delta in found if delta is not None)

    def close(self) -> StreamChunk:
        """What was held back, at the end."""
        text = thinking = ""
        if self._splitter is not None:
            text, thinking = self._splitter.flush()
        deltas = self._calls.finish()
        self._kept(text, thinking, deltas)
        return StreamChunk(text, thinking, deltas)

    @property
    def may_end(self) -> bool:
        """Whether a finish reason came: only counts and the end itself are still due."""
        return self.ended

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when no line with `done: true` was seen.
        """
        if not self.ended:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        rest = self.close()
        return msgspec.structs.replace(rest, finish_reason=self._unified(), usage=self._usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        thinking = "".join(self._thinking)
        return CompletionResponse(
            text="".join(self._text),
            thinking=(ThinkingPart(thinking, origin=f"{self._provider}/{self._model}"),) if thinking else (),
            tool_calls=self._calls.calls(),
            finish_reason=self._unified() if self.ended else "unknown",
            raw_finish_reason=self._done_reason,
            usage=self._usage,
            model=self._reported or self._model,
            provider=self._provider,
            request_id=self._request_id,
            **self._others.fields(),
        )

    def _unified(self) -> FinishReason:
        return finish_reason(self._done_reason, has_calls=bool(self._calls))  # servers of 2024 leave the reason out

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return ProviderError(code, message, provider=self._provider, model=self._model, request_id=self._request_id)

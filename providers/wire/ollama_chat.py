"""Ollama's chat and its older sister, generate: the server's side.

Protocol: https://github.com/ollama/ollama/blob/main/docs/api.md, api/types.go and the server's routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from providers.accumulate import parse_arguments
from providers.errors import ProviderError
from providers.lenient_json import as_json, synthetic_id
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    ImagePart,
    Message,
    Part,
    TextPart,
    Thinking,
    ThinkingPart,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.wire.answer_parts import logprobs, spoken
from providers.wire.reading import (
    BadRequest,
    Body,
    base64_data,
    count,
    effort,
    flag,
    integer,
    mapping,
    number,
    read_each,
    required_text,
    strings,
    text,
    unsupported,
    within,
)
from providers.wire.writing import Block, Head, StreamWriter, encode, filled, retry_headers, status_of, template

_DONE: dict[FinishReason, str] = {"length": "length", "content_filter": "content_filter", "error": "error"}
# The first bytes of the picture formats that models read: the protocol names none.
_PICTURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"RIFF", "image/webp"))
_ROLES = ("system", "user", "assistant", "tool")
_SILENT = {"role": "assistant", "content": ""}
# Ends of a line to Python's readers of text, the official client's among them, though JSON may hold them as they are.
_LINE_ENDS = tuple((end.encode(), f"\\u{ord(end):04x}".encode()) for end in "\x85\u2028\u2029")
_OF_ZERO = "0.nusmh"  # what a duration of nothing is made of, such as 0, 0.0s or 0m0s
TAG = ":latest"  # what the server adds to a name without one


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """A request to /api/chat; without messages it only loads the model (`is_load`).

    Raises:
        BadRequest: what makes no sense.
    """
    tools = tuple(read_each(body, "tools", _tool))
    return _request(body, _answering(read_each(body, "messages", _message)), tools)


def read_generate_request(body: Body) -> CompletionRequest:
    """A request to /api/generate; without a prompt it only loads the model.

    Raises:
        BadRequest: what makes no sense, and what only a server with the model itself could answer.
    """
    for name in ("suffix", "raw", "context", "template"):
        if body.get(name):
            raise unsupported("this means nothing elsewhere; use /api/chat", name)
    prompt, system = text(body, "prompt"), text(body, "system")
    asked = Message("user", _content(prompt or "", body))
    if not prompt:
        return _request(body, (), ())
    return _request(body, (Message("system", system), asked) if system else (asked,), ())


def is_load(body: Body, *, generate: bool = False) -> bool:
    """Whether a request only loads the model, or lets go of it: no model answers it, but `render_load` does.

    Args:
        generate: it is one to /api/generate.
    """
    return not body.get("prompt" if generate else "messages")


def _request(body: Body, messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> CompletionRequest:
    flag(body, "stream")
    options = mapping(body, "options")
    with within("options"):
        sampling = _options(options)
    return CompletionRequest(
        model=plain_name(required_text(body, "model")),
        messages=messages,
        tools=tools,
        response_format=_format(body.get("format")),
        thinking=_think(body.get("think")),
        logprobs=flag(body, "logprobs"),
        top_logprobs=count(body, "top_logprobs") if body.get("top_logprobs") else None,
        **sampling,
    )


def plain_name(model: str) -> str:
    """The name of a model without the tag that every name without one has."""
    return model.removesuffix(TAG) or model


def _options(options: Body) -> dict[str, Any]:
    limit = _whole(options, "num_predict")
    return {
        "temperature": number(options, "temperature"),
        "top_p": number(options, "top_p"),
        "max_tokens": limit if limit is not None and limit > 0 else None,  # -1 and -2 are no limits
        "stop": strings(options, "stop"),
        "seed": _whole(options, "seed"),
        "presence_penalty": number(options, "presence_penalty"),
        "frequency_penalty": number(options, "frequency_penalty"),
    }


def _whole(options: Body, name: str) -> int | None:
    """The server reads numbers as floats, and takes 42.0 for 42."""
    value = number(options, name)
    return int(value) if isinstance(value, float) and value.is_integer() else integer(options, name)


def wants_stream(body: Body) -> bool:
    """A request that says nothing is streamed."""
    return flag(body, "stream") is not False


def _message(source: Body) -> Message:
    role = source.get("role")
    if role not in _ROLES:
        raise BadRequest(f"role: one of {', '.join(_ROLES)} is expected", "role")
    content = _content(text(source, "content") or "", source)
    if role == "tool":
        name = text(source, "tool_name") or text(source, "name")
        return Message("tool", content, tool_call_id=text(source, "tool_call_id"), name=name)
    thought = text(source, "thinking")
    calls = tuple(read_each(source, "tool_calls", _call))
    named = tuple(replace(call, id=call.id or synthetic_id(place, call.name)) for place, call in enumerate(calls))
    return Message(role, content, named, (ThinkingPart(thought),) if thought else ())


def _content(said: str, source: Body) -> str | tuple[Part, ...]:
    images = strings(source, "images")
    if not images:
        return said
    return (*((TextPart(said),) if said else ()), *map(_image, images))


def _image(data: str) -> ImagePart:
    """A picture in base64; some clients break it into lines, or put it into a data URL."""
    if data.startswith("data:"):
        data = data.partition(",")[2]
    picture = base64_data({"images": "".join(data.split())}, "images")
    kind = next((kind for start, kind in _PICTURES if picture.startswith(start)), "image/png")
    return ImagePart(data=picture, media_type=kind)


def _tool(source: Body) -> Tool:
    function = mapping(source, "function")
    with within("function"):
        described = text(function, "description") or ""
        return Tool(required_text(function, "name"), described, mapping(function, "parameters"))


def _call(source: Body) -> ToolCall:
    function = mapping(source, "function")
    with within("function"):
        name = required_text(function, "name")
        told = function.get("arguments")
        if isinstance(told, str):  # as other protocols have it
            given = parse_arguments(told)
            if given is None:
                raise BadRequest("arguments: an object is expected", "arguments")
        else:
            given = mapping(function, "arguments")
    raw = as_json(given) if given else ""
    return ToolCall(text(source, "id") or "", name, given, raw)


def _answering(messages: list[Message]) -> tuple[Message, ...]:
    """The messages, with each result bound to its call: by the id, else by the tool's name, else by the order."""
    answering = []
    waiting: list[ToolCall] = []
    for message in messages:
        if message.role != "tool":
            waiting = list(message.tool_calls)
            answering.append(message)
            continue
        told, name = message.tool_call_id, message.name
        same = [call for call in waiting if call.id == told] or [call for call in waiting if call.name == name]
        call = next(iter(same or waiting), None)
        if call is not None:
            waiting.remove(call)
        answering.append(replace(message, tool_call_id=call.id if call else told, name=None))
    return tuple(answering)


def _format(wanted: object) -> str | dict[str, Any] | None:
    if not wanted:
        return None
    if wanted == "json":
        return "json"
    if not isinstance(wanted, dict):
        raise BadRequest('format: "json" or a JSON Schema is expected', "format")
    return {"schema": wanted}


def _think(wanted: object) -> Thinking | None:
    if isinstance(wanted, bool):
        return "medium" if wanted else "off"
    return effort(wanted, "think")


# --- the answer


def render_response(
    response: CompletionResponse, head: Head, *, seconds: float | None = None, generate: bool = False
) -> dict[str, Any]:
    """A plain answer.

    Args:
        seconds: how long it took.
        generate: in the shape of /api/generate.
    """
    message: dict[str, Any] = {"role": "assistant", "content": response.text + spoken(response.others)}
    thinking = "".join(part.text for part in response.thinking)
    if thinking:
        message["thinking"] = thinking
    if response.tool_calls:
        message["tool_calls"] = [
            _tool_call(index, call.id, call.name, call.arguments or {})
            for index, call in enumerate(response.tool_calls)
        ]
    likely = {} if response.logprobs is None else {"logprobs": logprobs(response.logprobs)}
    return {**_line(head, message, generate), **likely, **_end(response.finish_reason, response.usage, seconds)}


def render_load(head: Head, *, generate: bool = False, asked: Body | None = None) -> dict[str, Any]:
    """The answer to a request without messages, one line where a stream was asked for: the model is loaded.

    Args:
        asked: the body of the request: with a `keep_alive` of 0 the model is let go.
    """
    kept = str((asked or {}).get("keep_alive"))
    lets_go = kept.startswith("0") and not kept.strip(_OF_ZERO)
    return {**_line(head, _SILENT, generate), "done": True, "done_reason": "unload" if lets_go else "load"}


def _line(head: Head, message: dict[str, Any], generate: bool) -> dict[str, Any]:
    created = datetime.fromtimestamp(head.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    said: dict[str, Any] = {"message": message}
    if generate:
        said = {key: value for key, value in message.items() if key == "thinking"} | {"response": message["content"]}
    return {"model": head.model, "created_at": created, **said, "done": False}


def _tool_call(index: int, call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": call_id, "function": {"index": index, "name": name, "arguments": arguments}}


def _end(reason: FinishReason, usage: Usage, seconds: float | None) -> dict[str, Any]:
    """The fields of the last line. Durations, in nanoseconds, are always there: clients take them for given."""
    whole = int((seconds or 0) * 1e9)
    counts = {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
    return {
        "done": True,
        "done_reason": _DONE.get(reason, "stop"),
        "total_duration": whole,
        "load_duration": 0,
        "prompt_eval_duration": 0,
        "eval_duration": whole,
        **{key: value for key, value in counts.items() if value is not None},
    }


def _ndjson(line: dict[str, Any]) -> bytes:
    """A line of a stream, which nobody takes for several."""
    data = encode(line)
    return (data if data.isascii() else _on_one_line(data)) + b"\n"


def _on_one_line(data: bytes) -> bytes:
    for end, escaped in _LINE_ENDS:
        data = data.replace(end, escaped)
    return data


class OllamaStreamWriter(StreamWriter):
    """Lines of JSON; calls come whole.

    Args:
        generate: in the shape of /api/generate.
    """

    content_type = "application/x-ndjson"

    def __init__(self, head: Head, *, generate: bool = False) -> None:
        super().__init__(head)
        self._generate = generate
        self._text = template(lambda mark: self._said({"role": "assistant", "content": mark}))
        self._thought = template(lambda mark: self._said({"role": "assistant", "thinking": mark, "content": ""}))
        self._calls: dict[int, Block] = {}  # those that are not whole yet
        self._ended: set[int] = set()

    def _said(self, message: dict[str, Any]) -> bytes:
        return _ndjson(_line(self.head, message, self._generate))

    def start(self) -> bytes:
        return b""

    def _say(self, text: str) -> bytes:
        return self._filled(self._text, text)

    def _think(self, text: str) -> bytes:
        return self._filled(self._thought, text)

    def _likely(self, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        line = _line(self.head, {"role": "assistant", "content": text}, self._generate)
        return _ndjson({**line, "logprobs": logprobs(tokens)})

    def _filled(self, template: tuple[bytes, bytes], text: str) -> bytes:
        line = filled(template, text)
        return line if text.isascii() else _on_one_line(line)

    def _call(self, delta: ToolCallDelta) -> bytes:
        if delta.index in self._ended:
            return b""  # white space after a call that is whole
        block = self._calls.get(delta.index)
        if block is None:
            block = self._calls[delta.index] = Block(delta.index, len(self._ended) + len(self._calls), delta)
        if delta.arguments:
            block.pieces.append(delta.arguments)
        return self._whole_calls()

    def _whole_calls(self, *, at_end: bool = False) -> bytes:
        """The lines of the calls that are whole, in order."""
        out = b""
        for index, block in list(self._calls.items()):
            if not (at_end or block.is_whole):
                break
            del self._calls[index]
            self._ended.add(index)
            call = _tool_call(block.place, block.call_id, block.name, parse_arguments(block.text) or {})
            out += self._said({"role": "assistant", "content": "", "tool_calls": [call]})
        return out

    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        last = _line(self.head, _SILENT, self._generate)
        return self._whole_calls(at_end=True) + _ndjson(last | _end(self._finish, self._usage, seconds))

    def error(self, error: ProviderError) -> bytes:
        return _ndjson(error_body(error))


# --- the error


def render_error(error: ProviderError) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and body of an error answer."""
    return status_of(error, {}), retry_headers(error), error_body(error)


def error_body(error: ProviderError) -> dict[str, Any]:
    if isinstance(error, BadRequest) and error.missing:
        return {"error": f"{error.param} is required"}
    return {"error": error.message}

"""What apps hold already (strings, dicts in the OpenAI shape) into our types; every fault is told with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from providers.accumulate import parse_arguments
from providers.base64_text import decoded
from providers.content import EFFORTS
from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import opaque_of_call
from providers.surrogates import without_halves
from providers.types import (
    AudioPart,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ServerTool,
    ServerToolPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
)

if TYPE_CHECKING:
    from providers.answer_types import AnswerType

MessagesLike: TypeAlias = str | Message | Sequence[Message | Mapping[str, Any]]

_PARTS = (TextPart, ImagePart, FilePart, AudioPart, ServerToolPart, ThinkingPart)


def invalid(message: str) -> NoReturn:
    """Raise the error of a request that no vendor would accept."""
    raise ProviderError(ErrorCode.INVALID_REQUEST, message)


def coerce_messages(messages: MessagesLike) -> tuple[Message, ...]:
    """A conversation from a string (one user message), messages, or dicts in the shape of OpenAI's chat API.

    Halves of characters (lone surrogates) in its texts are replaced by U+FFFD.

    Raises:
        ProviderError: INVALID_REQUEST; the message names the place, such as `messages[2].content[0]`.
    """
    if isinstance(messages, str):
        message = Message("user", messages)
        return (message if messages.isascii() else without_halves(message),)
    if isinstance(messages, Message):
        return (without_halves(_sound(messages, "messages")),)
    if type(messages) is not list and (not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray)):
        invalid(f"messages: a string or a list of messages is expected, not {_kind(messages)}")
    return tuple([_each(message, place) for place, message in enumerate(messages)])


def _each(source: Any, place: int) -> Message:
    """One message of a conversation; the usual dict is read without what only the others need."""
    if type(source) is dict and len(source) == 2:
        role, content = source.get("role"), source.get("content")
        if type(role) is str and type(content) is str:
            message = Message(role, content)  # type: ignore[arg-type]  # any string: `validate` tells the roles
            return message if content.isascii() else without_halves(message)
    where = f"messages[{place}]"
    return without_halves(_sound(source, where) if type(source) is Message else _message(source, where))


def _sound(message: Message, where: str) -> Message:
    """The message, whose fields have their types: Python lets anything be put into them."""
    if not isinstance(message.role, str):
        invalid(f"{where}.role: a word is expected, not {_kind(message.role)}")
    if not isinstance(message.content, (str, tuple)):
        invalid(f"{where}.content: a string or a tuple of parts is expected, not {_kind(message.content)}")
    calls = message.tool_calls
    if calls and not (isinstance(calls, tuple) and all(isinstance(call, ToolCall) for call in calls)):
        invalid(f"{where}.tool_calls: a tuple of ToolCalls is expected")
    return message


def coerce_tools(tools: Sequence[Tool | Mapping[str, Any] | Callable[..., Any]]) -> tuple[Tool, ...]:
    """Tools from tools, from Python's functions, or from dicts: OpenAI's (nested or flat), or Anthropic's with
    `input_schema`.

    Raises:
        ProviderError: INVALID_REQUEST, or UNSUPPORTED for a vendor's own tool type.
    """
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Sequence):
        invalid(f"tools: a list is expected, not {_kind(tools)}")
    return tuple(tool if isinstance(tool, Tool) else _tool(tool, f"tools[{place}]") for place, tool in enumerate(tools))


def coerce_more(values: Mapping[str, Any]) -> dict[str, Any]:
    """`server_tools` (also names of them), `modalities` and `allowed_tools` as tuples; validation judges the rest."""
    found = {name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in values.items()}
    tools = found.get("server_tools")
    if isinstance(tools, tuple):
        found["server_tools"] = tuple(ServerTool(tool) if isinstance(tool, str) else tool for tool in tools)
    return found


def coerce_tool_choice(choice: str | Mapping[str, Any] | None) -> str | None:
    """A tool choice from our words ("auto", "none", "required", a tool's name) or OpenAI's or Anthropic's dict."""
    if choice is None or isinstance(choice, str):
        return "required" if choice == "any" else choice
    if isinstance(choice, Mapping):
        kind = choice.get("type")
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        if kind in ("function", "tool") and isinstance(name, str) and name:
            return name
        if kind in ("auto", "none", "required", "any"):
            return "required" if kind == "any" else kind
    invalid('tool_choice: "auto", "none", "required" or the name of a tool is expected')


def coerce_response_format(wanted: Any) -> str | dict[str, Any] | None:
    """A response format: "json", a dict with `schema`, OpenAI's dict, or a type that pydantic knows."""
    if wanted is None:
        return None
    if isinstance(wanted, str) and wanted == "json":
        return wanted
    if not isinstance(wanted, str | Mapping):
        made = type_wanted(wanted)
        return {"name": made.name, "schema": made.schema}
    if isinstance(wanted, str) and wanted in ("text", "json_object"):
        return None if wanted == "text" else "json"
    if isinstance(wanted, Mapping):
        kind = wanted.get("type")
        if kind == "text":
            return None
        if kind == "json_object" and "schema" not in wanted:
            return "json"
        inner = wanted.get("json_schema", wanted) if kind == "json_schema" else wanted
        if isinstance(inner, Mapping) and isinstance(inner.get("schema"), Mapping):
            return {key: inner[key] for key in ("name", "description", "schema", "strict") if key in inner}
        if kind not in (None, "json_schema", "json_object"):
            raise ProviderError(
                ErrorCode.UNSUPPORTED, f'response_format: the type "{kind}" has no meaning across vendors'
            )
    return _no_format()


def type_wanted(wanted: Any) -> AnswerType:
    """What an answer has to be by a type of Python.

    Raises:
        ProviderError: INVALID_REQUEST, it is none.
    """
    from providers.answer_types import answer_type  # here: only those who ask for a type need it

    try:
        return answer_type(wanted)
    except TypeError as error:
        _no_format(f": {error}")


def _no_format(why: str = "") -> NoReturn:
    invalid(
        'response_format: "json", or a dict with "name" and "schema" (a JSON Schema), or a type (a pydantic model, a '
        f"dataclass, a TypedDict) is expected{why}"
    )


_EFFORTS: Mapping[str, Any] = {"none": "off", **{effort: effort for effort in EFFORTS}}
_SAME_NAME = (
    *("parallel_tool_calls", "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "user"),
    "metadata",
)
_OF_TRANSPORT = frozenset({"stream", "stream_options"})


def coerce_request(body: Mapping[str, Any]) -> CompletionRequest:
    """A whole request from a body of OpenAI's chat completions API; what is the vendor's own goes into `extra_body`.

    Raises:
        ProviderError: INVALID_REQUEST, or UNSUPPORTED for what has no meaning across vendors (audio, several answers).
    """
    left = {key: value for key, value in body.items() if value is not None and key not in _OF_TRANSPORT}
    if left.pop("n", 1) != 1:
        raise ProviderError(ErrorCode.UNSUPPORTED, "n: one answer a request is given; ask several times")
    messages = left.pop("messages", None)
    if messages is None:
        invalid('the request has no "messages"')
    limits = (left.pop("max_completion_tokens", None), left.pop("max_tokens", None))
    stop = left.pop("stop", None)
    fields = {name: left.pop(name) for name in _SAME_NAME if name in left}
    if left.get("reasoning_effort") in _EFFORTS:
        fields["thinking"] = _EFFORTS[left.pop("reasoning_effort")]
    tools = left.pop("tools", None) or [
        {"type": "function", "function": function} for function in left.pop("functions", None) or ()
    ]
    choice = left.pop("tool_choice", None) or left.pop("function_call", None)
    if isinstance(choice, Mapping) and set(choice) == {"name"}:
        choice = choice["name"]
    return CompletionRequest(
        model=str(left.pop("model", "")),
        messages=coerce_messages(messages),
        tools=coerce_tools(tools),
        tool_choice=coerce_tool_choice(choice),
        response_format=coerce_response_format(left.pop("response_format", None)),
        max_tokens=next((limit for limit in limits if limit is not None), None),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        extra_body=left or None,
        **fields,
    )


def _message(source: Any, where: str) -> Message:
    if isinstance(source, Message):
        return source
    if not isinstance(source, Mapping):
        invalid(f"{where}: a Message or a dict is expected, not {_kind(source)}")
    role = source.get("role")
    if not isinstance(role, str):
        invalid(f'{where}: "role" is missing')
    calls = source.get("tool_calls") or ()
    if isinstance(calls, str | Mapping) or not isinstance(calls, Sequence):
        invalid(f"{where}.tool_calls: a list is expected, not {_kind(calls)}")
    name = source.get("name")
    tool_call_id = source.get("tool_call_id")
    return Message(
        role=role,  # type: ignore[arg-type]  # any string: `validate` tells the roles
        content=_said(source, f"{where}.content"),
        tool_calls=tuple(_tool_call(call, f"{where}.tool_calls[{i}]") for i, call in enumerate(calls)),
        thinking=_reasoning(source),
        tool_call_id=tool_call_id if isinstance(tool_call_id, str) else None,
        is_error=source.get("is_error") is True,
        name=name if isinstance(name, str) else None,
    )


def _reasoning(source: Mapping[str, Any]) -> tuple[ThinkingPart, ...]:
    """What a chat server's answer held beside its text, kept as an app kept it; whose it is, is not told."""
    text = source.get("reasoning_content") or source.get("reasoning")
    unread = ("reasoning_details", "thinking_blocks", "reasoning_opaque")
    opaque: dict[str, Any] = {key: source[key] for key in unread if source.get(key)}
    if text and not source.get("reasoning_content"):
        opaque["field"] = "reasoning"
    found = text if isinstance(text, str) else ""
    return (ThinkingPart(found, opaque=opaque or None),) if found or opaque else ()


def _said(source: Mapping[str, Any], where: str) -> str | tuple[Part, ...]:
    """The content, or the refusal in its place; a mark for the cache beside it is meant for its last text."""
    content = _content(source.get("content"), where)
    refusal = source.get("refusal")
    if not content and isinstance(refusal, str):
        content = refusal
    return marked(content, cache_mark(source.get("cache_control")))


def marked(content: str | tuple[Part, ...], mark: Any) -> str | tuple[Part, ...]:
    """The content with a mark for the cache at its end, where that is a text."""
    if not mark or not content:
        return content
    parts = (TextPart(content),) if isinstance(content, str) else content
    last = parts[-1]
    return (*parts[:-1], TextPart(last.text, cache=mark)) if isinstance(last, TextPart) else parts


def _content(content: Any, where: str) -> str | tuple[Part, ...]:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping) or not isinstance(content, Sequence):
        invalid(f"{where}: a string or a list of parts is expected, not {_kind(content)}")
    return tuple(_part(part, f"{where}[{place}]") for place, part in enumerate(content))


def _part(part: Any, where: str) -> Part:
    if isinstance(part, _PARTS):
        return part
    if isinstance(part, str):
        return TextPart(part)
    if not isinstance(part, Mapping):
        invalid(f"{where}: a part or a dict is expected, not {_kind(part)}")
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text", "refusal"):
        text = part.get("refusal") if kind == "refusal" else part.get("text")
        if not isinstance(text, str):
            invalid(f'{where}: "text" is missing')
        return TextPart(text, cache=cache_mark(part.get("cache_control") or part.get("prompt_cache_breakpoint")))
    if kind in ("image_url", "input_image"):
        image = part.get("image_url")
        if image is None and isinstance(part.get("file_id"), str):
            return ImagePart(id=part["file_id"], detail=_detail(part.get("detail"), where))
        detail = image.get("detail") if isinstance(image, Mapping) else part.get("detail")
        return _image(image, detail, where)
    if kind == "thinking":
        return ThinkingPart(_thought(part.get("thinking")))
    if kind in ("file", "input_file"):
        return _file(part.get("file", part), where)
    if kind == "input_audio":
        return _audio(part.get("input_audio"), where)
    raise ProviderError(ErrorCode.UNSUPPORTED, f'{where}: a part of type "{kind}" has no meaning across vendors')


def _thought(source: Any) -> str:
    """Mistral's thinking, a string or a list of parts. Without an origin it goes back to nobody."""
    if isinstance(source, str):
        return source
    parts = source if isinstance(source, Sequence) else ()
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def cache_mark(mark: Any) -> Any:
    """Anthropic's cache_control, or OpenAI's breakpoint: for how long, or just that it is there."""
    asked = mark.get("ttl") if isinstance(mark, Mapping) else None
    return asked if asked in ("5m", "1h") else bool(mark)


def _image(source: Any, detail: Any, where: str) -> ImagePart:
    url = source.get("url") if isinstance(source, Mapping) else source
    if not isinstance(url, str) or not url:
        invalid(f'{where}: "image_url" needs a "url"')
    _detail(detail, where)
    if not url.startswith("data:"):
        return ImagePart(url=url, detail=detail)
    media_type, data = _data_url(url, where)
    return ImagePart(data=data, media_type=media_type, detail=detail)


def _detail(detail: Any, where: str) -> Any:
    if detail not in (None, "auto", "low", "high", "original"):
        invalid(f'{where}: the "detail" of an image is auto, low, high or original, not {detail!r}')
    return detail


def _file(source: Any, where: str) -> FilePart:
    """A document as data, by URL (Responses; OpenRouter has it in the place of the data), or by the id of a file."""
    held = source if isinstance(source, Mapping) else {}
    data, url, name = (held.get(field) for field in ("file_data", "file_url", "filename"))
    filename = name if isinstance(name, str) else None
    if isinstance(data, str) and data.startswith(("https://", "http://")):
        url = data
    if isinstance(url, str) and url:
        return FilePart(filename=filename, url=url)
    if isinstance(data, str):
        media_type, content = _data_url(data, where)
        return FilePart(content, media_type, filename)
    if isinstance(held.get("file_id"), str) and held["file_id"]:
        return FilePart(filename=filename, id=held["file_id"])
    invalid(f'{where}: a file needs "file_data", "file_url" or "file_id"')


_AUDIO = {"mp3": "audio/mpeg", "m4a": "audio/mp4"}


def _audio(source: Any, where: str) -> AudioPart:
    """OpenAI's audio, with its format; Mistral's is the data alone."""
    data = source.get("data") if isinstance(source, Mapping) else source
    form = source.get("format") if isinstance(source, Mapping) else None
    if not isinstance(data, str):
        invalid(f'{where}: "input_audio" needs "data"')
    if data.startswith("data:"):
        data = data.partition(",")[2]
    form = form if isinstance(form, str) else "wav"
    try:
        return AudioPart(decoded(data), _AUDIO.get(form, f"audio/{form}"))
    except ValueError:
        invalid(f"{where}: the audio is no valid base64")


def _data_url(url: str, where: str) -> tuple[str, bytes]:
    """Media type and bytes of a `data:` URL (RFC 2397)."""
    head, comma, payload = url.partition(",")
    media_type = head.removeprefix("data:").partition(";")[0]
    if not comma or not media_type or not head.endswith(";base64"):
        invalid(f"{where}: a data URL looks like data:image/png;base64,…")
    if media_type == "image/jpg":  # a usual slip, which vendors refuse
        media_type = "image/jpeg"
    try:
        return media_type, decoded(payload)
    except ValueError:
        invalid(f"{where}: the data URL is no valid base64")


def _tool_call(call: Any, where: str) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        invalid(f'{where}: a dict with "id" and "function" is expected')
    name, arguments, call_id = function.get("name"), function.get("arguments"), call.get("id")
    if not isinstance(name, str):
        invalid(f'{where}.function: "name" is missing')
    if isinstance(arguments, Mapping):
        return ToolCall(str(call_id or ""), name, dict(arguments), opaque=opaque_of_call(call))
    raw = arguments if isinstance(arguments, str) else ""
    return ToolCall(str(call_id or ""), name, parse_arguments(raw), raw, opaque_of_call(call))


def _tool(tool: Any, where: str) -> Tool:
    if callable(tool) and not isinstance(tool, Mapping):
        from providers.function_tools import tool_of  # here: only those who have functions for tools need it

        try:
            return tool_of(tool)
        except TypeError as error:
            invalid(f"{where}: {error}")
    if not isinstance(tool, Mapping):
        invalid(f"{where}: a function, a Tool or a dict is expected, not {_kind(tool)}")
    kind = tool.get("type", "function")
    if kind not in ("function", "custom") or (kind == "custom" and "input_schema" not in tool):
        raise ProviderError(ErrorCode.UNSUPPORTED, f'{where}: a tool of type "{kind}" has no meaning across vendors')
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        invalid(f'{where}: "name" is missing')
    parameters = function.get("parameters", function.get("input_schema"))
    if parameters is not None and not isinstance(parameters, Mapping):
        invalid(f"{where}.parameters: a JSON Schema (a dict) is expected, not {_kind(parameters)}")
    strict = function.get("strict")
    return Tool(
        name,
        str(function.get("description") or ""),
        dict(parameters or {}),
        strict if isinstance(strict, bool) else None,
    )


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"

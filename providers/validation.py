"""What no vendor accepts, caught before it costs a call or sets off a row of fallbacks.

Rules: OpenAI's and Anthropic's references on tool use (every call is answered by exactly one result, directly after the
turn that made it) and the ranges that all vendors share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.coerce import invalid
from providers.content import EFFORTS
from providers.embeddings import AnyRequest
from providers.header_names import authenticates, belongs_to_connection
from providers.parts import asks_more
from providers.surrogates import is_whole
from providers.tags import why_no_tags
from providers.types import (
    AudioPart,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    ServerTool,
    ServerToolPart,
    TextPart,
    ThinkingPart,
    Timeout,
    Tool,
)

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_THINKING = frozenset({"off", *EFFORTS})
_MODALITIES = frozenset({"text", "audio", "image"})
_PROMPT_CACHE = ("auto", "1h", "off")
_MAPPINGS = ("extra_body", "extra_headers", "metadata")
_MOST = 2**63 - 1  # larger numbers are none in JSON, to most servers
_TIMEOUTS = Timeout.__struct_fields__
_CHOICES = frozenset({"auto", "none", "required"})
_NUMBERS = int, float  # `int | float` would be made anew for each question
# parameter: least, greatest
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("presence_penalty", -2, 2),
    ("frequency_penalty", -2, 2),
)


def validate(request: CompletionRequest) -> None:
    """Check a request.

    Raises:
        ProviderError: INVALID_REQUEST; the message says what, where, and what is expected instead.
    """
    validate_prompt(request)
    if request.tools or request.tool_choice is not None:
        _check_tools(request.tools, request.tool_choice)
    if not (
        request.temperature is request.top_p is request.presence_penalty is request.frequency_penalty is None
        and request.max_tokens is request.seed is None
    ):
        _check_numbers(request)
    if not (
        request.extra_body is request.extra_headers is request.metadata is None
        and request.affinity is request.namespace is request.caller is request.end_user is None
        and request.tags is None
    ):
        _check_more(request)
    if request.stop and not all(isinstance(text, str) and text for text in request.stop):
        invalid("stop: every stop sequence has to be a string with at least one character")
    thinking = request.thinking
    named = isinstance(thinking, str) and thinking in _THINKING
    if thinking is not None and not named and not (type(thinking) is int and thinking > 0):
        invalid(f"thinking: one of {', '.join(('off', *EFFORTS))}, or a number of tokens above 0, is expected")
    if asks_more(request):
        _check_asked(request)
    if request.prompt_cache is not None and request.prompt_cache not in _PROMPT_CACHE:
        invalid(f'prompt_cache: "auto", "1h" or "off" is expected, not {_shown(request.prompt_cache)}')
    if request.timeout is not None:
        _check_timeout(request.timeout)
    wanted = request.response_format
    if (
        wanted is not None
        and wanted != "json"
        and not (isinstance(wanted, dict) and isinstance(wanted.get("schema"), dict))
    ):
        invalid('response_format: "json", or a dict with "name" and "schema" (a JSON Schema) is expected')


def validate_prompt(request: CompletionRequest) -> None:
    """Check what every request has, of one with nothing else set; raises as `validate`."""
    if not request.model:
        invalid("model: a name is missing")
    if not request.messages:
        invalid("messages: the list is empty")
    _check_messages(request.messages)


def check_beside(request: AnyRequest) -> None:
    """Check what goes beside that which is asked; raises as `validate`."""
    _check_more(request)
    if request.timeout is not None:
        _check_timeout(request.timeout)


def _check_more(request: AnyRequest) -> None:
    """Check what goes beside the messages."""
    for name in _MAPPINGS:
        value = getattr(request, name, None)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            invalid(f"{name}: a dict is expected, not {type(value).__name__}")
        if value and not all(isinstance(key, str) for key in value):
            invalid(f"{name}: its keys have to be strings")
    if request.extra_headers:
        _check_headers(request.extra_headers)
    if request.tags is not None and (why := why_no_tags(request.tags)):
        invalid(f"tags: {why}")
    for name in ("affinity", "namespace", "caller", "end_user"):
        value = getattr(request, name)
        if value is not None and not (isinstance(value, str) and is_whole(value)):
            invalid(f"{name}: a string of whole characters is expected (it may hold no lone surrogate)")


# What few requests ask for: the field, what it may be (null as well), and how that is said.
_MORE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("logprobs", lambda value: isinstance(value, bool), "true or false is"),
    ("top_logprobs", lambda value: type(value) is int and 0 <= value <= 20, "a whole number from 0 to 20 is"),
    ("service_tier", lambda value: isinstance(value, str), "a string is"),
    ("prediction", lambda value: isinstance(value, str), "a string is"),
    ("thinking_display", lambda value: value in ("summarized", "omitted"), '"summarized" or "omitted" is'),
    ("audio", lambda value: isinstance(value, dict), 'a dict such as {"voice": "alloy", "format": "wav"} is'),
    (
        "modalities",
        lambda value: isinstance(value, tuple) and all(isinstance(one, str) and one in _MODALITIES for one in value),
        "some of text, audio and image are",
    ),
    (
        "server_tools",
        lambda value: isinstance(value, tuple) and all(isinstance(one, ServerTool) and one.name for one in value),
        "ServerTools with names are",
    ),
    (
        "allowed_tools",
        lambda value: isinstance(value, tuple) and all(isinstance(one, str) for one in value),
        "names of tools are",
    ),
)


def _check_asked(request: CompletionRequest) -> None:
    for name, admits, expected in _MORE:
        value = getattr(request, name)
        if value is not None and not admits(value):
            invalid(f"{name}: {expected} expected, not {_shown(value)}")
    if request.allowed_tools is None:
        return
    known = {tool.name for tool in request.tools}
    for name in request.allowed_tools:
        if name not in known:
            invalid(f'allowed_tools: no tool is named "{name}"')
    if request.tool_choice not in (None, "auto", "none", "required", *request.allowed_tools):
        invalid(f'tool_choice: the tool "{request.tool_choice}" is none of allowed_tools')


def _check_timeout(timeout: object) -> None:
    if not isinstance(timeout, dict):
        invalid(f'timeout: a dict such as {{"total": 30}} is expected, with some of {", ".join(_TIMEOUTS)}')
    for name, limit in timeout.items():
        if name not in _TIMEOUTS:
            invalid(f"timeout: {_shown(name)} is none of {', '.join(_TIMEOUTS)}")
        is_number = isinstance(limit, _NUMBERS) and not isinstance(limit, bool)
        if limit != "off" and not (is_number and 0 < limit <= _MOST):
            invalid(f'timeout[{name!r}]: seconds above 0, or "off", are expected, not {_shown(limit)}')


def _check_numbers(request: CompletionRequest) -> None:
    for name, least, greatest in _RANGES:
        value = getattr(request, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not least <= value <= greatest:
            invalid(f"{name}: a number from {least} to {greatest} is expected, not {_shown(value)}")
    limit = request.max_tokens
    if limit is not None and (type(limit) is not int or not 0 <= limit <= _MOST):
        invalid(f"max_tokens: a whole number of at least 0 is expected, not {_shown(limit)}")
    if request.seed is not None and not (type(request.seed) is int and -_MOST <= request.seed <= _MOST):
        invalid(f"seed: a whole number is expected, not {_shown(request.seed)}")


def _check_headers(headers: Mapping[str, str]) -> None:
    """No value is shown: it may be a key."""
    if not isinstance(headers, Mapping):
        invalid(f"extra_headers: names and values are expected, not {type(headers).__name__}")
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            invalid(f"extra_headers: the name and the value of {_shown(name)} have to be strings")
        if belongs_to_connection(name):
            invalid(f"extra_headers: {name!r} cannot be set: it belongs to the connection")
        if authenticates(name):
            invalid(
                f"extra_headers: {name!r} is a credential, and a request may go to several vendors; "
                "a key belongs to one provider, as its api_key (or under its headers)"
            )


def _check_messages(messages: tuple[Message, ...]) -> None:
    """Every message by itself, and the order of tool calls and results."""
    open_calls: set[str] = set()  # of the last assistant turn, not answered yet
    known: set[str] = set()  # of the last assistant turn
    for place, message in enumerate(messages):
        role = message.role
        if role not in _ROLES:
            invalid(f'messages[{place}].role: "{role}" is none of {", ".join(sorted(_ROLES))}')
        if type(message.content) is not str:
            _check_parts(message.content, place, role)  # type: ignore[arg-type]  # no string, as just asked
        if role == "tool":
            _check_result(message, place, open_calls, known)
            continue
        if open_calls:
            invalid(f"messages[{place}]: the tool calls {_names(open_calls)} have to be answered first")
        if message.tool_calls:
            known = _check_calls(message, place)
            open_calls = set(known)
        elif known:
            known = set()
    if open_calls:
        invalid(f"messages: the tool calls {_names(open_calls)} are not answered; append their results")


def _check_result(message: Message, place: int, open_calls: set[str], known: set[str]) -> None:
    call_id = message.tool_call_id
    if not call_id:
        invalid(f"messages[{place}]: a tool message needs the tool_call_id that it answers")
    if call_id not in open_calls:
        if call_id in known:
            invalid(f'messages[{place}]: the tool call "{call_id}" is answered twice')
        invalid(f'messages[{place}]: no tool call "{call_id}" is in the assistant message before it')
    open_calls.discard(call_id)


def _check_calls(message: Message, place: int) -> set[str]:
    if message.role != "assistant":
        invalid(f"messages[{place}]: only an assistant message can have tool calls")
    ids: set[str] = set()
    for number, call in enumerate(message.tool_calls):
        where = f"messages[{place}].tool_calls[{number}]"
        if not call.id:
            invalid(f"{where}: its id is missing")
        if call.id in ids:
            invalid(f'{where}: the id "{call.id}" is there twice')
        if not call.name:
            invalid(f"{where}: its name is missing")
        ids.add(call.id)
    return ids


def _check_parts(parts: tuple[object, ...], place: int, role: str) -> None:
    where = f"messages[{place}].content"
    if not isinstance(parts, tuple):
        invalid(f"{where}: a string or a tuple of parts is expected")
    for number, part in enumerate(parts):
        if isinstance(part, (TextPart, ThinkingPart, ServerToolPart)):
            continue
        if isinstance(part, (ImagePart, FilePart)):
            _check_held(part, f"{where}[{number}]")
        elif not isinstance(part, AudioPart):
            invalid(f"{where}[{number}]: no part of a message, but a {type(part).__name__}")
        elif role != "assistant" and not (part.data and part.media_type):
            invalid(f"{where}[{number}]: audio needs data and its media_type, such as audio/wav")


def _check_held(part: ImagePart | FilePart, where: str) -> None:
    """Whether it is told in one way where an image or a document is; an image that a model made has data and an id."""
    what, kind = ("an image", "image/png") if isinstance(part, ImagePart) else ("a document", "application/pdf")
    if part.origin is None and [part.url, part.data, part.id].count(None) != 2:
        invalid(f"{where}: {what} has either a url or data, or the id of a file")
    if part.data is not None and not part.media_type:
        invalid(f"{where}: {what} given as data needs its media_type, such as {kind}")


def _check_tools(tools: tuple[Tool, ...], choice: str | None) -> None:
    names: set[str] = set()
    for number, tool in enumerate(tools):
        if not tool.name:
            invalid(f"tools[{number}]: its name is missing")
        if tool.name in names:
            invalid(f'tools[{number}]: the name "{tool.name}" is there twice')
        names.add(tool.name)
    if choice is None or choice in ("auto", "none"):
        return
    if choice == "required" and not tools:
        invalid('tool_choice: "required" needs tools')
    if choice not in _CHOICES and choice not in names:
        invalid(f'tool_choice: no tool is named "{choice}"')


def _names(ids: set[str]) -> str:
    return ", ".join(sorted(ids))


def _shown(value: object) -> str:
    """A value that was given by mistake; some have no text, such as a number of 5,000 digits or a dict in itself."""
    try:
        text = repr(value)
    except Exception:  # also that of somebody's own `__repr__`
        return f"this {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:100]}…"

"""The tools of a chat: functions, custom tools as functions that take a text, and `functions` of before there were any.

Tools that a vendor itself runs (`web_search`, …) are `server_tools`: beside tools of the client's own a model answers
without them.
"""

from __future__ import annotations

from typing import Any

from providers import coerce
from providers.server_tools import read_tool
from providers.types import ServerTool, Tool
from providers.wire.reading import (
    BadRequest,
    Body,
    about,
    flag,
    mapping,
    objects,
    read_each,
    required_text,
    strings,
    text,
    unsupported,
    within,
)
from providers.wire.responses_tools import text_tool
from providers.wire.writing import encode

_HOSTED = Tool("", "", {})  # in the place of one, so that the others have theirs
_GOOGLES = ("google_search", "googleSearch", "url_context", "urlContext", "code_execution", "codeExecution")


def read_tools(body: Body) -> dict[str, Any]:
    """The fields of a request that are about tools.

    Raises:
        BadRequest: they make no sense, or a tool is chosen that the vendor hosts.
    """
    given = read_each(body, "tools", _tool) or [
        {"type": "function", "function": _function(function)} for function in objects(body, "functions")
    ]
    choice = body.get("tool_choice")
    legacy = body.get("function_call")
    if choice is None and legacy is not None:
        choice = legacy.get("name") if isinstance(legacy, dict) else legacy
    with about("tools"):
        tools = tuple(tool for tool in coerce.coerce_tools(given) if tool is not _HOSTED)
    hosted = _server_tools(body, optional=bool(tools) and choice not in ("required", "any"))
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        with within("tool_choice"):
            allowed = mapping(choice, "allowed_tools")
            with within("allowed_tools"):
                names = set(read_each(allowed, "tools", _named))
        tools = tuple(tool for tool in tools if tool.name in names)
        choice = allowed.get("mode")
    if given and not tools and isinstance(choice, str):
        choice = None
    parallel = False if wants_function_call(body) else flag(body, "parallel_tool_calls")
    found = {"tools": tools, "tool_choice": _choice(choice, body), "parallel_tool_calls": parallel}
    return {**found, "server_tools": hosted} if hosted else found


def _server_tools(body: Body, *, optional: bool) -> tuple[ServerTool, ...]:
    found = [
        read_tool(kind, tool if "type" in tool else mapping(tool, kind), optional=optional)
        for tool in objects(body, "tools")
        if (kind := _hosted_kind(tool)) is not None
    ]
    options = body.get("web_search_options")
    if isinstance(options, dict):
        found.append(read_tool("web_search", options, optional=False))
    return tuple(found)


def _hosted_kind(tool: Body) -> str | None:
    """What a vendor calls a tool that it runs itself: the type, or in Gemini's words the only field."""
    kind = text(tool, "type")
    if kind is None:
        return next((name for name in _GOOGLES if name in tool), None)
    return kind if kind not in ("function", "custom") else None


def wants_function_call(body: Body) -> bool:
    """Whether the client knows no tools yet, but `functions`: then one call is answered as `function_call`."""
    return bool(body.get("functions")) and not body.get("tools")


def custom_tools(body: Body) -> frozenset[str]:
    """The names of the tools that are called with a text: calls of these are told in their own shape."""
    return frozenset(name for tool in objects(body, "tools") if _is_custom(tool) and (name := _named(tool)))


def as_function_call(call: dict[str, Any]) -> dict[str, Any]:
    """A call of a conversation; one of a custom tool as models saw it."""
    text(call, "id")
    custom = mapping(call, "custom")
    if custom:
        with within("custom"):
            arguments = encode({"input": text(custom, "input") or ""}).decode()
            return {**call, "type": "function", "function": {"name": text(custom, "name"), "arguments": arguments}}
    function = mapping(call, "function")
    with within("function"):
        text(function, "name")
        if not isinstance(function.get("arguments"), str | dict | None):
            raise BadRequest("arguments: a string is expected", "arguments")
    return call


def _choice(choice: object, body: Body) -> str | None:
    kind = choice.get("type") if isinstance(choice, dict) else None
    if isinstance(choice, dict) and kind == "custom" and (name := _named(choice)) in custom_tools(body):
        return name
    if kind not in (None, "function", "custom") and any(tool.get("type") == kind for tool in objects(body, "tools")):
        raise unsupported("the tool is hosted by the vendor", "tool_choice")
    with about("tool_choice"):
        return coerce.coerce_tool_choice(choice)  # type: ignore[arg-type]  # whatever it is, it is looked at there


def _is_custom(tool: Body) -> bool:
    """Anthropic's tools have this type as well, and a schema."""
    return tool.get("type") == "custom" and "input_schema" not in tool


def _named(tool: Body) -> str | None:
    """The name, which stands in an object of the tool's type, or beside it."""
    kind = tool.get("type")
    return text(mapping(tool, kind) or tool, "name") if kind in ("function", "custom") else None


def _tool(tool: dict[str, Any]) -> Any:
    if _is_custom(tool):
        source = mapping(tool, "custom") or tool
        form = mapping(source, "format")
        grammar = mapping(form, "grammar") or form
        return text_tool(required_text(source, "name"), text(source, "description"), text(grammar, "definition"))
    if _hosted_kind(tool) is not None:
        return _HOSTED
    function = mapping(tool, "function")
    with within("function"):
        _function(function)
    return tool


def _function(function: dict[str, Any]) -> dict[str, Any]:
    """The function, whose fields have their types."""
    text(function, "name")
    text(function, "description")
    mapping(function, "parameters")
    flag(function, "strict")
    return function


def prediction(body: Body, name: str) -> str | None:
    """The text that is foreseen, in one piece or in parts."""
    content = mapping(body, name).get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict)) or None
    return content if isinstance(content, str) else None


def modalities(body: Body) -> tuple[str, ...]:
    """What the answer may be made of, where that is more than text."""
    wanted = strings(body, "modalities")
    if set(wanted) - {"text", "audio", "image"}:
        raise unsupported("answers are text, audio and images", "modalities")
    return wanted if set(wanted) - {"text"} else ()

"""The tools that vendors run themselves, such as web search: one name for each, as each place says it and back.

A place is a protocol (`anthropic.messages`, `openai.responses`) or a dialect of OpenAI's chat protocol. What is common
to several vendors has one name as well: `allowed_domains`, `blocked_domains`, `user_location`, `max_uses`,
`search_context_size`. All other options are a vendor's own, and mean nothing elsewhere.

Sources: the types of the openai 3.57 and anthropic 2.14 packages; the pages of OpenRouter on server tools, Groq on
built-in tools, Z.ai and LiteLLM on web search in chat, Alibaba Model Studio on `enable_search`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import as_dict, as_list
from providers.types import CompletionRequest, ServerTool

_COMMON = ("allowed_domains", "blocked_domains", "user_location", "max_uses", "search_context_size")
_BOUNDS = frozenset({"allowed_domains", "blocked_domains"})  # are kept, or nothing is asked; the others are hints
_VERSION = re.compile(r"_(?:preview|\d{8}|\d{4}_\d\d_\d\d)(?=_|$)")
_CLAUDES = re.compile(r"_\d{8}$")
# By what other name vendors know a tool that several have.
_SAME = {
    "browser_search": "web_search",
    "google_search": "web_search",
    "googleSearch": "web_search",
    "url_context": "web_fetch",
    "urlContext": "web_fetch",
    "code_interpreter": "code_execution",
    "codeExecution": "code_execution",
}
_SHARED = frozenset({"web_search", "web_fetch", "code_execution", "image_generation"})


class Row(msgspec.Struct, frozen=True):
    """How a place says one tool. `fields` makes the fields of its body. `words` has the path of each common option that
    it knows.
    """

    fields: Callable[[dict[str, Any]], dict[str, Any]]
    words: Mapping[str, str] = {}


def _tool(kind: str, within: str | None = None, **always: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An entry of the list of tools; its options stand beside its type, or in a field of this name."""

    def fields(options: dict[str, Any]) -> dict[str, Any]:
        if within is not None:
            return {"tools": [{"type": kind, **always, **({within: options} if options else {})}]}
        return {"tools": [{"type": kind, **always, **options}]}

    return fields


def _claudes(name: str, version: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return _tool(f"{name}_{version}", name=name)


def _same(*names: str, **others: str) -> dict[str, str]:
    return {**{name: name for name in names}, **others}


_CHAT_SEARCH = Row(
    lambda options: {"web_search_options": options},
    _same("search_context_size", user_location="user_location.approximate"),
)
_FILTERED = _same("allowed_domains", "blocked_domains", "max_uses")
_ROWS: Mapping[str, Mapping[str, Row]] = {
    # The oldest version of each that is generally available, which the most models take.
    "anthropic.messages": {
        "web_search": Row(_claudes("web_search", "20250305"), {**_FILTERED, "user_location": "user_location"}),
        "web_fetch": Row(_claudes("web_fetch", "20250910"), _FILTERED),
        "code_execution": Row(_claudes("code_execution", "20250825")),
        "tool_search": Row(_tool("tool_search_tool_bm25_20251119", name="tool_search_tool_bm25")),
    },
    "openai.responses": {
        "web_search": Row(
            _tool("web_search"),
            _same("user_location", "search_context_size", allowed_domains="filters.allowed_domains"),
        ),
        "code_execution": Row(lambda options: _tool("code_interpreter")({"container": {"type": "auto"}, **options})),
        "image_generation": Row(_tool("image_generation")),
        **{
            kind: Row(_tool(kind))
            for kind in (
                *("file_search", "mcp", "computer", "computer_use_preview", "shell", "local_shell", "apply_patch"),
                *("tool_search", "programmatic_tool_calling"),
            )
        },
    },
    "openai": {"web_search": _CHAT_SEARCH},  # of its models for search alone
    "litellm": {"web_search": _CHAT_SEARCH},
    "openrouter": {
        "web_search": Row(
            _tool("openrouter:web_search", "parameters"),
            _same(
                *("allowed_domains", "user_location", "max_uses", "search_context_size"),
                blocked_domains="excluded_domains",
            ),
        ),
        "web_fetch": Row(_tool("openrouter:web_fetch", "parameters"), _FILTERED),
        "image_generation": Row(_tool("openrouter:image_generation", "parameters")),
    },
    "groq": {"web_search": Row(_tool("browser_search")), "code_execution": Row(_tool("code_interpreter"))},
    "zai": {"web_search": Row(lambda options: _tool("web_search")({"web_search": {"enable": True, **options}}))},
    "dashscope": {
        "web_search": Row(
            lambda options: {"enable_search": True, **({"search_options": options} if options else {})},
        )
    },
}


def shared_name(kind: str) -> str:
    """The name of a tool that several vendors have, in whatever words and version; all others keep their own."""
    plain = _VERSION.sub("", kind.removeprefix("openrouter:"))
    name = _SAME.get(plain, plain)
    return name if name in _SHARED else kind


def fields_of(tool: ServerTool, place: str, model: str) -> dict[str, Any]:
    """The fields of a body by which a place is asked for a tool; `add_tools` puts those of several together.

    Raises:
        ProviderError: UNSUPPORTED where it has none of this name, or can't keep it to what it is bound to.
    """
    rows = _ROWS.get(place, {})
    row = rows.get(shared_name(tool.name)) or rows.get(tool.name)
    own = _OWN.get(place)
    is_own = own is not None and own.search(tool.name) is not None
    if row is None and not is_own:
        raise _unsupported(model, f'{place} has no "{tool.name}"')
    if _is_bound(tool.options) and place != "openai.responses":
        raise _unsupported(model, f'{place} cannot take over a "{tool.name}" that is bound to its vendor')
    options = dict(tool.options) if row is None else _options(tool, row.words, place, model)
    return row.fields(options) if row is not None and not is_own else by_type(tool.name, options, place)


def by_type(kind: str, options: Mapping[str, Any], place: str = "generic") -> dict[str, Any]:
    """The same for a tool that goes by the vendor's own word for it."""
    if place == "anthropic.messages":
        return _tool(kind, name=_CLAUDES.sub("", kind))(dict(options))
    return _tool(kind, "parameters" if place == "openrouter" else None)(dict(options))


def in_own_words(tool: ServerTool, place: str, model: str, body: Mapping[str, Any]) -> bool:
    """Whether a client's body asks a place for a tool in that place's words, or in words that nobody here knows."""
    try:
        fields = dict(fields_of(tool, place, model))
    except ProviderError:
        return True
    given = {as_dict(each).get("type") for each in as_list(body.get("tools"))}
    said = {each["type"] for each in fields.pop("tools", ())}
    return said <= given and fields.keys() <= body.keys()


def has(tool: ServerTool, place: str, model: str) -> bool:
    """Whether a place is known to have a tool, and can keep it to what it is bound to."""
    try:
        fields_of(tool, place, model)
    except ProviderError:
        return False
    return True


def without_optional(
    request: CompletionRequest, runs: Callable[[ServerTool, CompletionRequest], bool]
) -> tuple[CompletionRequest, tuple[str, ...]]:
    """The request without the tools that it can do without, where nobody `runs` them, and their names."""
    dropped = [tool for tool in request.server_tools if tool.optional and not runs(tool, request)]
    if not dropped:
        return request, ()
    kept = tuple(tool for tool in request.server_tools if tool not in dropped)
    return replace(request, server_tools=kept), tuple(dict.fromkeys(tool.name for tool in dropped))


# A vendor's own words: Claude's and OpenAI's for a version, OpenRouter's for all its tools.
_OWN = {
    "anthropic.messages": _CLAUDES,
    "openai.responses": re.compile(r"^web_search_(?:preview|\d{4}_)"),
    "openrouter": re.compile("^openrouter:"),
}


def _options(tool: ServerTool, words: Mapping[str, str], place: str, model: str) -> dict[str, Any]:
    """The options as a place says them: what it has no word for is left out, or refused where it is a bound."""
    said = {name: value for name, value in tool.options.items() if name not in _COMMON}
    for name in _COMMON:
        value = tool.options.get(name)
        if value is None:
            continue
        if name not in words:
            if name in _BOUNDS and value:
                raise _unsupported(model, f'{place} cannot keep "{tool.name}" to {name}')
            continue
        *outer, last = words[name].split(".")
        holder = said
        for step in outer:
            holder[step] = holder = dict(as_dict(holder.get(step)))
        holder[last] = {**value, "type": "approximate"} if name == "user_location" and not outer else value
    if "user_location.approximate" in words.values() and "user_location" in said:
        place_of = {key: value for key, value in said["user_location"]["approximate"].items() if key != "type"}
        said["user_location"] = {"type": "approximate", "approximate": place_of}
    return said


def add_tools(body: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Put the fields of a tool into a body, beside the tools that it has."""
    more = dict(fields)
    tools = more.pop("tools", None)
    if tools:
        body["tools"] = [*(body.get("tools") or ()), *tools]
    body.update(more)


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{model}: server_tools: {message}", model=model)


# --- what clients write

# Where the common options stand in the tools of all vendors.
_PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("allowed_domains", ("allowed_domains", "filters.allowed_domains", "parameters.allowed_domains")),
    (
        "blocked_domains",
        (
            *("blocked_domains", "filters.blocked_domains", "excluded_domains", "exclude_domains"),
            *("parameters.excluded_domains", "parameters.blocked_domains"),
        ),
    ),
    ("user_location", ("user_location.approximate", "user_location", "parameters.user_location")),
    ("max_uses", ("max_uses", "parameters.max_uses")),
    ("search_context_size", ("search_context_size", "parameters.search_context_size")),
)


def read_tool(kind: str, source: Mapping[str, Any], *, optional: bool) -> ServerTool:
    """A tool as a client wrote it. One that is bound to its vendor keeps all that it is bound to.

    Args:
        optional: whether a vendor without it may answer.
    """
    name = shared_name(kind)
    if name not in _SHARED or _is_bound(source):
        return ServerTool(kind, {key: value for key, value in source.items() if key != "type"}, optional)
    options = {}
    for option, paths in _PLACES:
        value = next((found for path in paths if (found := _at(source, path)) is not None), None)
        if value is not None:
            options[option] = value
    return ServerTool(name, options, optional)


def _is_bound(source: Mapping[str, Any]) -> bool:
    """Whether it names what is kept at the vendor, or asks it to stay away from the web."""
    return isinstance(source.get("container"), str) or source.get("external_web_access") is False


def _at(source: Mapping[str, Any], path: str) -> Any:
    value: Any = source
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value

"""The tools of the Responses API: several kinds, which models see as plain functions.

A tool of a namespace is called `namespace__name`, one of kind `custom` takes its text as `input`. Those that a vendor
itself runs are `server_tools`. Answers give each its own kind, name and namespace back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

from providers.server_tools import read_tool
from providers.types import ServerTool, Struct, Tool
from providers.wire.reading import BadRequest, Body, flag, mapping, objects, required_text, text, unsupported

Kind: TypeAlias = Literal["function", "custom", "local_shell"]
_KINDS: frozenset[str] = frozenset(get_args(Kind))
_MODES = frozenset({"auto", "none", "required"})
_NAME_LENGTH = 64
_INPUT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
_SHELL = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}},
        "working_directory": {"type": "string"},
        "timeout_ms": {"type": "integer"},
    },
    "required": ["command"],
}


class ClientTool(Struct, frozen=True):
    """What the client calls a tool that models see as a plain function."""

    kind: Kind
    name: str
    namespace: str | None = None


Offered: TypeAlias = Mapping[str, tuple[ClientTool, Tool]]
# Items of the conversation that bring more tools: Codex's own, and what a search for tools found.
_BRINGING = frozenset({"additional_tools", "tool_search_output"})


def client_tools(body: Body) -> dict[str, ClientTool]:
    """What the client calls the tools of its request, by the names that models see; answers are written with it.

    Raises:
        BadRequest: a tool cannot be read.
    """
    return {name: tool for name, (tool, _) in offered_tools(body).items()}


def server_tools(body: Body, offered: Offered) -> tuple[ServerTool, ...]:
    """The tools that a vendor itself runs, such as `web_search`: beside tools of the client's own a model answers
    without them.

    Raises:
        BadRequest: the tools cannot be read.
    """
    optional = bool(offered) and body.get("tool_choice") != "required"
    found: dict[str, ServerTool] = {}
    for _, source, _ in _sources(body):
        kind = required_text(source, "type")
        if kind not in _KINDS and kind not in found:
            found[kind] = read_tool(kind, source, optional=optional)
    return tuple(found.values())


def offered_tools(body: Body) -> dict[str, tuple[ClientTool, Tool]]:
    """The tools by the names that models see, each as the client calls it and as models see it.

    A tool that is told twice is the one that was told last.
    """
    offered: dict[str, tuple[ClientTool, Tool]] = {}
    names: dict[ClientTool, str] = {}
    for where, source, namespace in _sources(body):
        try:
            _offer(offered, names, source, namespace)
        except BadRequest as error:
            raise error.inside(where) from None
    return offered


def _sources(body: Body) -> Iterator[tuple[str, Body, str | None]]:
    """All tools of a request: where each stands, and its namespace."""
    yield from _listed(body, "", None)
    items = body.get("input")
    if isinstance(items, list):
        for place, item in enumerate(items):
            kind = item.get("type") if isinstance(item, dict) else None
            if isinstance(kind, str) and kind in _BRINGING:
                yield from _listed(item, f"input[{place}].", None)


def _listed(holder: Body, where: str, namespace: str | None) -> Iterator[tuple[str, Body, str | None]]:
    try:
        sources = objects(holder, "tools")
    except BadRequest as error:
        raise (error.inside(where.rstrip(".")) if where else error) from None
    for place, source in enumerate(sources):
        here = f"{where}tools[{place}]"
        try:
            kind = required_text(source, "type")
            inner = required_text(source, "name") if kind == "namespace" and namespace is None else None
        except BadRequest as error:
            raise error.inside(here) from None
        if inner is None:
            yield here, source, namespace
        else:
            yield from _listed(source, f"{here}.", inner)


def _offer(
    offered: dict[str, tuple[ClientTool, Tool]], names: dict[ClientTool, str], source: Body, namespace: str | None
) -> None:
    kind = source["type"]
    if kind not in _KINDS:
        return  # hosted
    tool = ClientTool(kind, "local_shell" if kind == "local_shell" else required_text(source, "name"), namespace)
    name = names.get(tool) or _unique(joined_name(tool.name, namespace), offered)
    described = text(source, "description") or ""
    parameters, strict = mapping(source, "parameters"), flag(source, "strict")
    names[tool] = name
    if kind == "custom":
        offered[name] = (tool, text_tool(name, described, mapping(source, "format").get("definition")))
        return
    if kind == "local_shell":
        described, parameters = "Run a command in a shell, and get its output.", _SHELL
    offered[name] = (tool, Tool(name, described, parameters, strict))


def text_tool(name: str, described: str | None, grammar: object) -> Tool:
    """What models see of a tool that is called with a text."""
    rule = f"\n\nThe input follows this grammar:\n{grammar}" if grammar else ""
    return Tool(name, (described or "") + rule, _INPUT)


def joined_name(name: str, namespace: str | None) -> str:
    """What models see of a name in a namespace."""
    return (f"{namespace}__{name}" if namespace else name)[:_NAME_LENGTH]


def _unique(name: str, taken: Mapping[str, object]) -> str:
    number, unique = 2, name
    while unique in taken:
        unique = f"{name[: _NAME_LENGTH - 4]}_{number}"
        number += 1
    return unique


def chosen_tools(body: Body, offered: Offered) -> dict[str, Any]:
    """The tools, and which of them may or must be called."""
    tools = tuple(tool for _, tool in offered.values())
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        try:
            mode, entries = text(choice, "mode") or "auto", objects(choice, "tools")
        except BadRequest as error:
            raise error.inside("tool_choice") from None
        allowed = {_chosen(entry, offered) for entry in entries}
        tools = tuple(tool for tool in tools if tool.name in allowed)
        if mode == "required" and not tools:
            raise unsupported("none of the tools is offered, or all are hosted by the vendor", "tool_choice")
        choice = mode
    elif isinstance(choice, dict):
        name = _chosen(choice, offered)
        if name is None:
            raise unsupported("the tool is not offered, or hosted by the vendor", "tool_choice")
        return {"tools": tools, "tool_choice": name}
    if choice is not None and (not isinstance(choice, str) or choice not in _MODES):
        raise BadRequest("tool_choice: 'auto', 'none', 'required' or a tool is expected", "tool_choice")
    return {"tools": tools, "tool_choice": choice if tools else None}


def _chosen(choice: Body, offered: Offered) -> str | None:
    """The name that models see of a tool that is chosen by its own name, in its namespace or joined to it."""
    kind, wanted, namespace = choice.get("type"), choice.get("name", choice.get("type")), choice.get("namespace")
    same = [name for name, (tool, _) in offered.items() if (tool.kind, tool.name) == (kind, wanted)]
    exact = [name for name in same if offered[name][0].namespace == namespace]
    found = [*exact, *(same if namespace is None else ())]
    if not found and isinstance(wanted, str) and wanted in offered and offered[wanted][0].kind == kind:
        found = [wanted]
    return found[0] if found else None

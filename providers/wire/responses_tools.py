"""The tools of the Responses API: several kinds, which models see as plain functions.

A tool of a namespace is called `namespace__name`, one of kind `custom` takes its text as `input`, and hosted ones are
left out. Answers give each its own kind and name back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from providers.types import Struct, Tool
from providers.wire.reading import BadRequest, Body, flag, mapping, objects, required_text, text, unsupported

Kind: TypeAlias = Literal["function", "custom", "local_shell"]
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


def client_tools(body: Body) -> dict[str, ClientTool]:
    """What the client calls the tools of its request, by the names that models see; answers are written with it."""
    return {name: tool for name, (tool, _) in offered_tools(body).items()}


def offered_tools(body: Body) -> dict[str, tuple[ClientTool, Tool]]:
    """The tools by the names that models see, each as the client calls it and as models see it."""
    sources = objects(body, "tools")
    if isinstance(body.get("input"), list):  # Codex sends more tools within the conversation
        for item in objects(body, "input"):
            sources = [*sources, *(objects(item, "tools") if item.get("type") == "additional_tools" else ())]
    offered: dict[str, tuple[ClientTool, Tool]] = {}
    for place, source in enumerate(sources):
        try:
            _offer(offered, source, None)
        except BadRequest as error:
            raise error.inside(f"tools[{place}]") from None
    return offered


def _offer(offered: dict[str, tuple[ClientTool, Tool]], source: Body, namespace: str | None) -> None:
    kind = source.get("type")
    if kind == "namespace":
        for inner in objects(source, "tools"):
            _offer(offered, inner, required_text(source, "name"))
        return
    if kind not in ("function", "custom", "local_shell"):
        return  # hosted
    tool = ClientTool(kind, "local_shell" if kind == "local_shell" else required_text(source, "name"), namespace)
    name = _unique(joined_name(tool.name, namespace), offered)
    described = text(source, "description") or ""
    parameters, strict = mapping(source, "parameters"), flag(source, "strict")
    if kind == "custom":
        grammar = mapping(source, "format").get("definition")
        described += f"\n\nThe input follows this grammar:\n{grammar}" if grammar else ""
        parameters = _INPUT
    elif kind == "local_shell":
        described, parameters = "Run a command in a shell, and get its output.", _SHELL
    offered[name] = (tool, Tool(name, described, parameters, strict))


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
        allowed = {_chosen(entry, offered) for entry in objects(choice, "tools")}
        tools = tuple(tool for tool in tools if tool.name in allowed)
        choice = choice.get("mode")
    if isinstance(choice, dict):
        name = _chosen(choice, offered)
        if name is None:
            raise unsupported("the tool is not offered, or hosted by the vendor", "tool_choice")
        return {"tools": tools, "tool_choice": name}
    if choice not in (None, "auto", "none", "required"):
        raise BadRequest("tool_choice: 'auto', 'none', 'required' or a tool is expected", "tool_choice")
    return {"tools": tools, "tool_choice": choice if tools else None}


def _chosen(choice: Body, offered: Offered) -> str | None:
    kind, wanted = choice.get("type"), choice.get("name", choice.get("type"))
    return next((name for name, (tool, _) in offered.items() if (tool.kind, tool.name) == (kind, wanted)), None)

"""What every call would be refused for over a parameter of the file: told where it is written."""

from __future__ import annotations

from typing import Any

from providers.coerce import coerce_more, coerce_response_format
from providers.errors import ProviderError
from providers.schemas.check import unreadable_at
from providers.types import CompletionRequest, Message
from providers.validation import validate
from router.config.yaml_reader import Node, Place

_NOBODY = (Message("user", "?"),)
# What these may be depends on a request's tools, or is told header by header.
_ELSEWHERE = frozenset({"tool_choice", "allowed_tools", "extra_headers"})


def why_refused(name: str, node: Node, value: Any) -> tuple[Node, Place, str] | None:
    """The part of a parameter that no call gets through with, where that stands, and why; None where all is well.

    Args:
        value: what the node says, as the parameter's type has it.
    """
    if name in _ELSEWHERE:
        return None
    try:
        asked = {name: coerce_response_format(value)} if name == "response_format" else coerce_more({name: value})
        validate(CompletionRequest(model="?", messages=_NOBODY, **asked))
    except ProviderError as error:
        return node, node.place, error.message.removeprefix(f"{name}: ")
    return _unreadable(node) if name == "response_format" else None


def _unreadable(node: Node) -> tuple[Node, Place, str] | None:
    schema = (node.get("json_schema") or node).get("schema")
    found = None if schema is None else unreadable_at(schema.data())
    if schema is None or found is None:
        return None
    *way, last = found[0]
    for step in way:
        schema = schema.value[step]
    pattern = schema.value[last]
    text = f"the pattern {found[1]} can't be checked here; say it in another way, or leave it out"
    return pattern, pattern.at if last == "pattern" else pattern.key_at, text

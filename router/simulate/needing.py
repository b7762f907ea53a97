"""Requests that need something of a model, as far as a simulation can tell them from others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from providers.types import AudioPart, FilePart, ImagePart, Message, TextPart

_TOOL = {"name": "look_up", "description": "Looks something up.", "parameters": {"type": "object", "properties": {}}}
_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_PARAMS: Mapping[str, dict[str, Any]] = {
    "tools": {"tools": [_TOOL]},
    "thinking": {"thinking": "low"},
    "json_mode": {"response_format": "json"},
    "json_schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": _SCHEMA}}},
    "logprobs": {"logprobs": True},
    "server_tools": {"server_tools": ["web_search"]},
}
_PARTS: Mapping[str, Any] = {
    "vision": ImagePart(url="https://simulated.invalid/picture.png"),
    "files": FilePart(data=b"%PDF-1.7", media_type="application/pdf", filename="paper.pdf"),
    "audio": AudioPart(data=b"RIFF", media_type="audio/wav"),
}
NEEDED = tuple(sorted({*_PARAMS, *_PARTS}))
_ESTIMATED = 3.5  # characters of a token where a prompt is estimated (`providers.tokens.estimate`)


def estimated_at(tokens: int) -> str:
    """Make a prompt that a route's rules take to have so many tokens."""
    return ("word" * tokens)[: round(tokens * _ESTIMATED)]


def asking(text: str, needs: Collection[str]) -> tuple[str | list[Message], dict[str, Any]]:
    """Make the messages of a request, and the parameters that go with them.

    Args:
        needs: some of `NEEDED`.
    """
    params = {name: value for need in needs for name, value in _PARAMS.get(need, {}).items()}
    parts = [_PARTS[need] for need in _PARTS if need in needs]
    if not parts:
        return text, params
    return [Message(role="user", content=(TextPart(text), *parts))], params

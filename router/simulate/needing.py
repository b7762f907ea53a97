"""Requests that need something of a model, as far as a simulation can tell them from others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from providers.types import FilePart, ImagePart, Message, TextPart

_TOOL = {"name": "look_up", "description": "Looks something up.", "parameters": {"type": "object", "properties": {}}}


_ESTIMATED = 3.5  # characters of a token where a prompt is estimated (`providers.tokens.estimate`)


def estimated_at(tokens: int) -> str:
    """Make a prompt that a route's rules take to have so many tokens."""
    return ("word" * tokens)[: round(tokens * _ESTIMATED)]


def asking(text: str, needs: Collection[str]) -> tuple[str | list[Message], dict[str, Any]]:
    """Make the messages of a request, and the parameters that go with them.

    Args:
        needs: some of tools, vision, files and thinking.
    """
    params: dict[str, Any] = {}
    if "tools" in needs:
        params["tools"] = [_TOOL]
    if "thinking" in needs:
        params["thinking"] = "low"
    parts: list[Any] = []
    if "vision" in needs:
        parts.append(ImagePart(url="https://simulated.invalid/picture.png"))
    if "files" in needs:
        parts.append(FilePart(data=b"%PDF-1.7", media_type="application/pdf", filename="paper.pdf"))
    if not parts:
        return text, params
    return [Message(role="user", content=(TextPart(text), *parts))], params

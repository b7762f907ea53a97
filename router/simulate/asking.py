"""Requests that need something of a model, as far as a simulation can tell them from others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from providers.types import FilePart, ImagePart, Message, TextPart

_TOOL = {"name": "look_up", "description": "Looks something up.", "parameters": {"type": "object", "properties": {}}}


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

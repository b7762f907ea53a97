"""What frames the items of a Responses answer: the response as it begins, and whole at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.types import FinishReason, Usage
from providers.wire.reading import Body, mapping
from providers.wire.responses_items import told_usage
from providers.wire.writing import Head

# What an answer says again of its request, and what it says where the request says nothing.
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
INCOMPLETE: dict[FinishReason, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


def whole_response(
    opening: Mapping[str, Any], items: Sequence[Any], reason: FinishReason, usage: Usage
) -> dict[str, Any]:
    """The whole response at its end."""
    incomplete = INCOMPLETE.get(reason)
    failed = {"code": "server_error", "message": "The answer broke off."} if reason == "error" else None
    return {
        **opening,
        "status": "failed" if failed else "incomplete" if incomplete else "completed",
        "error": failed,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "output": list(items),
        "usage": told_usage(usage),
    }


def begun(head: Head, asked: Body | None) -> dict[str, Any]:
    """The response before its first item; it is never stored, whatever was asked."""
    said = asked or {}
    echo = {name: default if (told := said.get(name)) is None else told for name, default in _ECHOED.items()}
    return {
        "id": f"resp_{head.ident}",
        "object": "response",
        "created_at": int(head.created),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": head.model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        "usage": None,
        **echo,
        "reasoning": {"effort": None, "summary": None, **mapping(said, "reasoning")},
        "text": {"format": {"type": "text"}, **mapping(said, "text")},
    }

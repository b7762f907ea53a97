"""Bodies of answers with something else at one place, as odd servers send them."""

from __future__ import annotations

import copy
from typing import Any

GONE = object()
VALUES: tuple[Any, ...] = (
    *(GONE, None, True, False, "", "null", "stop", "length", "tool_calls", "error", "x", " ", "STOP", "9", [], {}),
    "\ud800",
    *(0, 1, 7, -1, 9.0, 9.5, 10**12, 10**12 + 1, 10**30, [None], [1], {"error": ""}, {"cached_tokens": None}),
    {"usage": {"prompt_tokens": 5, "completion_tokens": 5}},
    {"error": {"message": "no"}},
    {"status_code": 1008},
    {"google": {"thought_signature": "s"}},
    {"name": "f", "arguments": "{}"},
    [{"type": "text", "text": "said"}],
    [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
    {"reasoning_tokens": 33, "cached_tokens": 3},
)


def put(body: Any, path: tuple[Any, ...], value: Any) -> None:
    """Put a value somewhere into a body; nothing where the place is gone."""
    *way, last = path
    for step in way:
        try:
            body = body[step]
        except (LookupError, TypeError):
            return
    if isinstance(body, dict):
        body.pop(last, None)
        if value is not GONE:
            body[last] = value
    elif isinstance(body, list) and body and value is not GONE:
        body[0] = value


def changed(usual: Any, *changes: tuple[tuple[Any, ...], Any]) -> Any:
    body = copy.deepcopy(usual)
    for path, value in changes:
        put(body, path, value)
    return body

"""What a client is told of its mistake quotes it, whatever its length, by no more than helps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.served import ask, served

LONG = "Z" * 500_000
ASKED = {"role": "user", "content": "hi"}
MISTAKES: dict[str, tuple[str, dict[str, Any]]] = {
    "a part": ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": LONG}]}]}),
    "a tool's name": ("/v1/chat/completions", {"messages": [ASKED], "tools": [], "tool_choice": LONG}),
    "a format": ("/v1/chat/completions", {"messages": [ASKED], "response_format": {"type": LONG}}),
    "a block": ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": LONG}]}]}),
    "a call": ("/api/chat", {"messages": [ASKED, {"role": "tool", "tool_call_id": LONG, "content": "x"}]}),
    "many calls": (
        "/api/chat",
        {
            "messages": [
                ASKED,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": f"c{n}", "function": {"name": "f", "arguments": {}}} for n in range(9000)],
                },
                ASKED,
            ]
        },
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
async def test_a_mistake_is_quoted_at_no_great_length(what: str) -> None:
    path, fields = MISTAKES[what]
    body = json.dumps({"model": "chat", "max_tokens": 9, "stream": False, **fields}).encode()
    async with served() as here:
        answer = await ask(here.port, "POST", path, body)
    assert answer.status == 400
    assert len(answer.body) < 6_000
    assert answer.json()["error"]

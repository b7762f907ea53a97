"""A body of very many small parts is refused before each of them is read: that would hold all other requests up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.served import ask, served

TEXT, PART = {"role": "user", "content": "h"}, {"type": "text", "text": "h"}
MOST = 20_000


def one(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def results(count: int) -> list[dict[str, Any]]:
    """With one result of a tool in which there are so many parts."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [PART] * count}
    return [TEXT, {"role": "assistant", "content": [call]}, *one([result])]


MANY = {
    "messages": ("/v1/chat/completions", "messages", lambda count: [TEXT] * count),
    "parts of one message": ("/v1/chat/completions", "messages", lambda count: one([PART] * (count - 1))),
    "parts of many messages": ("/v1/chat/completions", "messages", lambda count: one([PART] * 99) * (count // 100)),
    "Anthropic's messages": ("/v1/messages", "messages", lambda count: [TEXT] * count),
    "parts of a tool's result": ("/v1/messages", "messages", lambda count: results(count - 5)),
    "Ollama's messages": ("/api/chat", "messages", lambda count: [TEXT] * count),
    "items": ("/v1/responses", "input", lambda count: [TEXT] * count),
    "counted": ("/v1/messages/count_tokens", "messages", lambda count: [TEXT] * count),
}


@pytest.mark.parametrize("what", MANY)
async def test_as_many_parts_as_are_taken_and_some_more(what: str) -> None:
    path, field, made = MANY[what]
    body = {"model": "chat", "max_tokens": 9, "stream": False}
    async with served() as here:
        for count, status in ((MOST, 200), (MOST + 100, 400)):
            answer = await ask(here.port, "POST", path, json.dumps({**body, field: made(count)}).encode())
            assert answer.status == status, answer.body[:300]
        assert b"20,000 messages and parts" in answer.body


async def test_what_a_tool_was_called_with_is_data_and_has_no_parts() -> None:
    rows = [{"n": 1}] * (2 * MOST)
    messages = results(1)
    messages[1]["content"][0]["input"] = {"rows": rows}
    body = {"model": "chat", "max_tokens": 9, "messages": messages}
    async with served() as here:
        assert (await ask(here.port, "POST", "/v1/messages", json.dumps(body).encode())).status == 200

"""A schema of very many values is refused before it is read: that would hold all other requests up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.served import ask, served

CHAT, MESSAGES, RESPONSES, OLLAMA = "/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat"
TALK = {"messages": [{"role": "user", "content": "hi"}]}


def schema(properties: int, each: Any = True) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{number}": each for number in range(properties)}}


def tool(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": of}}


SHAPES = {
    "a tool": (CHAT, lambda of: {**TALK, "tools": [tool(of)]}),
    "an older function": (CHAT, lambda of: {**TALK, "functions": [{"name": "f", "parameters": of}]}),
    "the schema of an answer": (
        CHAT,
        lambda of: {**TALK, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": of}}},
    ),
    "Anthropic's tool": (MESSAGES, lambda of: {**TALK, "tools": [{"name": "f", "input_schema": of}]}),
    "Anthropic's answer": (
        MESSAGES,
        lambda of: {**TALK, "output_config": {"format": {"type": "json_schema", "schema": of}}},
    ),
    "a tool of Responses": (
        RESPONSES,
        lambda of: {"input": "hi", "tools": [{"type": "function", "name": "f", "parameters": of}]},
    ),
    "an answer of Responses": (
        RESPONSES,
        lambda of: {"input": "hi", "text": {"format": {"type": "json_schema", "name": "a", "schema": of}}},
    ),
    "Ollama's tool": (OLLAMA, lambda of: {**TALK, "tools": [tool(of)]}),
    "Ollama's answer": (OLLAMA, lambda of: {**TALK, "format": of}),
}


@pytest.mark.parametrize("what", SHAPES)
async def test_as_many_values_as_are_taken_and_too_many(what: str) -> None:
    path, made = SHAPES[what]
    async with served() as here:
        for of, status in (
            (schema(16_000, {"type": "string", "description": "x"}), 200),
            (schema(50_000), 400),
            (schema(17_000, {"type": "string", "description": "x"}), 400),
            ({"type": "object", "properties": {"p": {"enum": list(range(50_000))}}}, 400),
        ):
            body = {"model": "chat", "max_tokens": 9, "stream": False, **made(of)}
            answer = await ask(here.port, "POST", path, json.dumps(body).encode())
            assert answer.status == status, answer.body[:300]
        assert b"50,000 values are taken in the tools and schemas" in answer.body


async def test_many_tools_count_together() -> None:
    tools = [
        {**tool(schema(60)), "function": {"name": f"f{number}", "parameters": schema(60)}} for number in range(900)
    ]
    async with served() as here:
        body = {"model": "chat", **TALK, "tools": tools}
        assert (await ask(here.port, "POST", CHAT, json.dumps(body).encode())).status == 400
        body["tools"] = tools[:600]
        assert (await ask(here.port, "POST", CHAT, json.dumps(body).encode())).status == 200

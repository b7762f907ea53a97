"""A coding agent on the Responses API, in front of vendors of other protocols: its tools come back as it knows them."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.support.gateway import TARGETS, served

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "run", "parameters": {"type": "object"}, "strict": False},
    {
        "type": "namespace",
        "name": "team",
        "description": "others",
        "tools": [{"type": "function", "name": "stop", "parameters": {"type": "object"}, "strict": False}],
    },
    {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}},
    {"type": "web_search", "external_web_access": False},
]
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}
CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("team__stop", {"a": 1}, {"type": "function_call", "name": "stop", "namespace": "team"}),
    ("patch", {"input": "+x"}, {"type": "custom_tool_call", "name": "patch", "input": "+x"}),
    ("run", {}, {"type": "function_call", "name": "run", "arguments": "{}"}),
]


async def asked(session: aiohttp.ClientSession, url: str, route: str, items: list[Any]) -> dict[str, Any]:
    """The response at the end of a stream."""
    body = {"model": route, "input": items, "tools": TOOLS, "stream": True, "store": False, "tool_choice": "auto"}
    async with session.post(f"{url}/v1/responses", json=body) as reply:
        assert reply.status == 200
        text = await reply.text()
    last = json.loads(text.rstrip().rpartition("data: ")[2])
    assert last["type"] == "response.completed"
    response: dict[str, Any] = last["response"]
    return response


@pytest.mark.parametrize("route", ["chat", "claude", "llama"])
async def test_a_loop_of_tools(route: str) -> None:
    """Calls under the client's own names and kinds; their results are answered in the next turn."""
    async with served() as gateway, aiohttp.ClientSession() as session:
        vendor = gateway.simulator.vendor(TARGETS[route][1])
        for name, arguments, wanted in CALLS:
            vendor.set(tool_call={"name": name, "arguments": arguments})
            response = await asked(session, gateway.url, route, [USER])
            (call,) = (item for item in response["output"] if item["type"].endswith("_call"))
            assert wanted.items() <= call.items()
            assert response["tools"] == TOOLS
            vendor.set(tool_call=None, answer="done")
            result = {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": "ok"}
            response = await asked(session, gateway.url, route, [USER, *response["output"], result])
            assert response["output"][-1]["content"][0]["text"] == "done"
            vendor.set(answer=None)

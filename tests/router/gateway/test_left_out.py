"""What of a request a model answers without is named: by the answer's head, and in the trace."""

from __future__ import annotations

import pytest

from tests.support.vendors_behind import behind

TOOLS = [
    {"type": "web_search"},
    {"type": "function", "name": "f", "parameters": {"type": "object"}},
    {"type": "mcp", "server_label": "x", "server_url": "https://x.example"},
    {"type": "web_search"},
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("route", "told"), [("chat", "web_search, mcp"), ("claude", "mcp"), ("responses", None)])
async def test_hosted_tools_that_a_translation_leaves_out_are_named(route: str, told: str | None, stream: bool) -> None:
    """A vendor of the same protocol gets them, and one of another what it has itself."""
    async with behind() as here:
        answer = await here.post("responses", {"model": route, "input": "hi", "tools": TOOLS, "stream": stream})
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("x-signalbox-left-out") == told
        if told is not None:
            (attempt,) = here.gateway.router.telemetry.requests[0].trace.attempts
            assert ", ".join(attempt.left_out) == told


@pytest.mark.parametrize(
    ("face", "tools"),
    [
        ("chat", [{"type": "web_search"}, {"type": "function", "function": {"name": "f"}}]),
        ("claude", [{"type": "web_search", "name": "s"}, {"type": "custom", "name": "f", "input_schema": {}}]),
        ("claude", [{"type": "web_search", "name": "s"}, {"name": "f", "input_schema": {"type": "object"}}]),
    ],
)
async def test_other_clients_are_told_the_same(face: str, tools: list[dict[str, object]]) -> None:
    async with behind() as here:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "tools": tools}
        answer = await here.post(face, {**body, "model": "llama"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-signalbox-left-out"] == "web_search"
        answer = await here.post(face, {**body, "model": face})
        assert "x-signalbox-left-out" not in answer.headers


async def test_what_a_client_calls_its_tools_cannot_write_a_header() -> None:
    async with behind() as here:
        tools = [{"type": "x\r\nset-cookie: y"}, {"type": "é" * 500}, TOOLS[1]]
        answer = await here.post("responses", {"model": "chat", "input": "hi", "tools": tools})
        assert answer.status_code == 200, answer.text
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-signalbox-left-out"].startswith("x%0D%0Aset-cookie: y, %C3%A9")

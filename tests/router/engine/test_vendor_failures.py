"""What a vendor says decides where a request goes next: over sockets, with a second vendor as the fallback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from router import Router
from tests.support.raw_server import accepting

CHAT = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
TOOLS = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'


@asynccontextmanager
async def vendor(*script: tuple[int, Any]) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers below /first by the script, whose last line goes on, and below /second with an answer."""
    answers, seen = list(script), []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        sent = json.loads(await reader.readexactly(length))
        status, answer = 200, CHAT
        if "/first/" in head.partition("\r\n")[0]:
            seen.append(sent)
            status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        body = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n".encode())
        writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with accepting(handle) as port:
        yield f"http://127.0.0.1:{port}", seen


def routes(url: str) -> str:
    return f"""
providers:
  first: {{kind: openai, base_url: "{url}/first", api_key: none-needed}}
  second: {{kind: openai, base_url: "{url}/second", api_key: none-needed}}
defaults: {{retry: {{backoff: 1ms, max_backoff: 1ms}}}}
routes: {{chat: {{targets: [first/m], fallbacks: [second/m]}}}}
"""


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}),
        (200, {"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}]}),
        (200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        (400, {"error": {"message": TOOLS}}),
        (404, {"error": {"message": "No endpoints found that support tool use.", "code": 404}}),
        (400, {"error": {"message": "the request queue is full, retry later"}}),
        (409, {}),
        (410, {}),
        (424, {}),
    ],
)
async def test_the_fallback_serves(status: int, answer: Any) -> None:
    """Nothing of these is the caller's fault, and none of them is an answer."""
    async with vendor((status, answer)) as (url, _), Router.from_text(routes(url), env={}, seed=1) as router:
        reply = await router.complete("chat", "hi")
    assert (reply.text, reply.target) == ("hi", "second/m")


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_what_one_request_asks_too_much_takes_no_target_from_the_others(status: int) -> None:
    """A target that has no tools goes on to serve those who ask for none."""
    refused = (status, {"error": {"message": TOOLS}})
    async with (
        vendor(*[refused] * 10, (200, CHAT)) as (url, seen),
        Router.from_text(routes(url), env={}, seed=1) as router,
    ):
        replies = [await router.complete("chat", "hi") for _ in range(11)]
    assert [reply.target for reply in replies] == ["second/m"] * 10 + ["first/m"]
    assert len(seen) == 11


async def test_what_was_left_out_is_told() -> None:
    """Through the router as well, and the target keeps its place."""
    refused = (400, {"error": {"message": "Unknown parameter: 'seed'.", "code": "unknown_parameter"}})
    async with vendor(refused, (200, CHAT)) as (url, seen), Router.from_text(routes(url), env={}, seed=1) as router:
        replies = [await router.complete("chat", "hi", seed=3) for _ in range(3)]
    assert [(reply.target, reply.left_out) for reply in replies] == [("first/m", ("seed",))] * 3
    assert all("without seed" in reply.trace.render() for reply in replies)
    assert ["seed" in body for body in seen] == [True, False, False, False]

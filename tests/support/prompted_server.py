"""A vendor that does what its prompts say, for programs that fork."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.raw_server import Server, serving

_MORE = b"data: " + json.dumps({"choices": [{"delta": {"content": "more"}}]}).encode() + b"\n\n"
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_ROUTES = """
providers: {{v: {{kind: openai, base_url: "{url}", api_key: k}}}}
defaults: {{retry: {{max_attempts: 1}}}}
routes: {{chat: v/m}}
"""


@asynccontextmanager
async def prompted() -> AsyncIterator[tuple[Server, str]]:
    """Serves, and gives a routes.yaml for it.

    A stream has its first chunk at once, and the others after the prompt "go". "hang" is never answered, and all else
    with "connection N", by the number of the connection that it came on.
    """
    go = asyncio.Event()
    numbers: dict[asyncio.StreamWriter, int] = {}

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = numbers.setdefault(writer, len(numbers) + 1)
        request = server.requests[-1]
        if b'"stream":true' in request:
            writer.write(_STREAM + _chunk(_MORE))
            await writer.drain()
            await go.wait()
            writer.write(_chunk(_MORE * 2) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        elif b"hang" in request:
            await asyncio.get_running_loop().create_future()
        else:
            if b'"go"' in request:
                go.set()
            message = {"role": "assistant", "content": f"connection {number}"}
            body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    async with serving(answer) as server:
        yield server, _ROUTES.format(url=server.url)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"

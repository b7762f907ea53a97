"""A vendor on loopback that refuses what its documentation says it refuses, with its own errors; the parts all share.

Each asks for two tool calls until a conversation has had two turns of calls, then answers in text. What it made
(signatures, sealed reasoning, the order of its items) it knows again.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, ClassVar

Json = dict[str, Any]

CALLS = (("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"}))
SAID = "I will look."
ANSWER = "It rains in both."


class Refused(Exception):
    """The request is refused with this status and body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class Vendor:
    """One server; `bodies` are the requests it got, `refusals` what it refused."""

    model = ""
    kind = "openai"
    options: ClassVar[Json] = {}
    thinking: str | None = None

    def __init__(self) -> None:
        self.name = type(self).__name__.lower()
        self.bodies: list[Json] = []
        self.refusals: list[object] = []
        self.turn = 0

    def thought(self, turn: int) -> str:
        return f"{self.name} thinks {turn}"

    def check(self, body: Json) -> int:
        """Refuse, or give how many turns of calls the conversation has had."""
        raise NotImplementedError

    def answer(self, *, calls: bool, stream: bool) -> list[bytes]:
        """A whole body, or a stream's events."""
        raise NotImplementedError

    # --- the server

    async def __aenter__(self) -> Vendor:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}" + ("/v1" if self.kind == "openai" else "")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None
        body = json.loads(await reader.readexactly(int(length[1])))
        self.bodies.append(body)
        status, kind, pieces = 200, "application/json", [b""]
        try:
            turns = self.check(body)
            self.turn += 1
            stream = body.get("stream") is True
            pieces = self.answer(calls=turns < 2, stream=stream)
            if stream:
                kind = "application/x-ndjson" if self.kind == "ollama" else "text/event-stream"
        except Refused as refused:
            self.refusals.append(refused.body)
            status, pieces = refused.status, [json.dumps(refused.body).encode()]
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode())
        writer.write(b"".join(pieces))
        await writer.drain()
        writer.close()


def sse(event: object, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(event)}\n\n".encode()


def unknown(body: Json, known: str) -> list[str]:
    return sorted(set(body) - set(known.split()))

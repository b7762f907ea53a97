"""The floor: an asyncio client by hand, which writes prepared bytes and parses no more than it must."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from benchmarks.answers import MODEL, PATHS
from benchmarks.peers.http import arguments_of
from benchmarks.worker import Gap, Setup, serve


class Floor:
    """A pool of connections, and the protocols' least."""

    def __init__(self, setup: Setup) -> None:
        self._messages = setup.messages
        self._vendor = setup.vendor
        self._where = urlsplit(setup.base)
        self._path = f"/{setup.mode}{PATHS[setup.vendor]}"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def _ask(self, stream: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._where.hostname, self._where.port, limit=1 << 20)
        body = json.dumps({"model": MODEL, "messages": self._messages, "stream": stream}).encode()
        writer.write(
            f"POST {self._path} HTTP/1.1\r\nhost: {self._where.netloc}\r\nauthorization: Bearer k\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return reader, writer

    async def call(self) -> str:
        reader, writer = await self._ask(False)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer = json.loads(await reader.readexactly(length))
        self._idle.append((reader, writer))
        if self._vendor == "openai":
            return str(answer["choices"][0]["message"]["content"])
        return str(answer["content"][0]["text"] if self._vendor == "anthropic" else answer["message"]["content"])

    async def stream(self) -> str:
        return await self._streamed(self._take)

    async def tools(self) -> str:
        return await self._streamed(_take_arguments)

    async def _streamed(self, take: Callable[[bytes, list[str]], None]) -> str:
        reader, writer = await self._ask(True)
        await reader.readuntil(b"\r\n\r\n")
        found: list[str] = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            for line in (await reader.readexactly(size + 2)).split(b"\n"):
                if line[:1] == b"{" or line[:6] == b"data: ":
                    take(line.removeprefix(b"data: "), found)
        await reader.readuntil(b"\r\n")
        self._idle.append((reader, writer))
        return "".join(found)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()

    def _take(self, data: bytes, found: list[str]) -> None:
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if self._vendor == "openai":
            found += [choice["delta"].get("content") or "" for choice in event["choices"]]
        elif self._vendor == "anthropic":
            found.append(event.get("delta", {}).get("text", ""))
        else:
            found.append(event["message"]["content"])


def _take_arguments(data: bytes, found: list[str]) -> None:
    if data != b"[DONE]":
        found += arguments_of([choice["delta"] for choice in json.loads(data)["choices"]])


async def open_peer(setup: Setup) -> Floor:
    if setup.fallbacks or setup.dead or setup.cache or setup.targets > 1 or setup.bare:
        raise Gap("it routes nothing")
    return Floor(setup)


if __name__ == "__main__":
    serve(open_peer)

"""Hundreds of exchanges over one pool, most of them broken by chance: no answer is another's, none is waited for in
vain, each fails by an error of ours, and nothing stays open."""

from __future__ import annotations

import asyncio
import gzip
import os
from random import Random
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.transport.http import HttpClient, HttpResponse
from tests.support.raw_server import closes_by_reset, serving

EXCHANGES, AT_ONCE = 600, 12
WAYS = ("whole", "whole", "pieces", "leave", "finish", "cancel")
STATUS = b"HTTP/1.1 200 OK\r\nx-id: %s\r\n"


def chunked(body: bytes, chance: Random) -> bytes:
    cut = chance.randrange(1, len(body))
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:])]
    return b"".join(chunks) + chance.choice([b"0\r\n\r\n", b"0\r\nx-late: 1\r\n\r\n"])


def healthy(of: bytes, chance: Random) -> bytes:
    """An answer with the request's own name in its head and body."""
    head, body = STATUS % of, (of + b";") * chance.choice([1, 100, 20_000])
    before = chance.choice([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nx-id: -\r\n\r\n"])
    if chance.random() < 0.2:
        head, body = head + b"content-encoding: gzip\r\n", gzip.compress(body)
    if chance.random() < 0.5:
        return before + head + b"transfer-encoding: chunked\r\n\r\n" + chunked(body, chance)
    return before + head + b"content-length: %d\r\n\r\n" % len(body) + body


def mutated(answer: bytes, chance: Random) -> bytes:
    """Some bytes near its beginning are others, more, fewer or repeated; or it is cut, or says more than it should."""
    kind = chance.choice(["bytes", "bytes", "cut", "more"])
    if kind == "cut":
        return answer[: chance.randrange(len(answer))]
    if kind == "more":
        return answer + chance.choice([b"\r\n", b"junk", b"HTTP/1.1 200 O"])  # a whole one could come too late to tell
    changed = bytearray(answer)
    for _ in range(chance.choice([1, 2, 5])):
        at = chance.randrange(min(len(changed), 250))
        new = chance.choice([b"", bytes([chance.choice(b"\r\n\0 :;0aZ\xff")]), bytes(changed[at : at + 6])])
        changed[at : at + chance.randrange(2)] = new
    return bytes(changed)


class Vendor:
    """Sends what it made up for a request in some pieces; after a mutated answer it closes, half or all, or resets."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.healthy: set[bytes] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        of = self.requests[-1].rpartition(b"\r\n\r\n")[2].strip(b".")
        answer = healthy(of, self._chance)
        if is_broken := of not in self.healthy:
            answer = mutated(answer, self._chance)
        cuts = sorted(self._chance.randrange(len(answer) + 1) for _ in range(self._chance.choice([0, 1, 3])))
        for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True):
            writer.write(answer[start:end])
            await writer.drain()
            await turns(self._chance.randrange(4))
        if is_broken:
            await self._end(reader, writer)

    async def _end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = self._chance.choice(["close", "half", "reset"])
        if way == "half":
            writer.write_eof()
            await reader.read()
        if way == "reset":
            closes_by_reset(writer)
        raise ConnectionError("over")

    requests: list[bytes]


async def turns(many: int) -> None:
    for _ in range(many):
        await asyncio.sleep(0)


async def taken(answer: HttpResponse, way: str) -> bytes:
    """What was read of it, where it was read to its end."""
    try:
        if way == "pieces":
            return b"".join([piece async for piece in answer.chunks()])
        if way in ("whole", "cancel"):
            return await answer.read()
        await answer.read_some()
        if way == "finish":
            answer.finish()
        return b""
    finally:
        await answer.aclose()


async def exchange(http: HttpClient, of: bytes, vendor: Vendor, chance: Random) -> None:
    way = chance.choice(WAYS)
    if chance.random() < 0.4:
        vendor.healthy.add(of)
    body = of.rjust(chance.choice([10, 10, 10, 100_000]), b".")

    async def asked() -> tuple[HttpResponse, bytes]:
        answer = await http.open("POST", "/chat", body)
        return answer, await taken(answer, way)

    task = asyncio.create_task(asked())
    if way == "cancel":
        await turns(chance.randrange(30))
        task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, ProviderError):
        assert outcome.code in (ErrorCode.CONNECTION_FAILED, ErrorCode.PROTOCOL_ERROR)
        assert str(outcome).encode()
    elif isinstance(outcome, BaseException):
        assert isinstance(outcome, asyncio.CancelledError), outcome
    elif of in vendor.healthy:
        answer, read = outcome
        assert answer.headers["x-id"] == of.decode()
        assert set(read.split(b";")) <= {of, b""}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted as Linux tells them")
@pytest.mark.parametrize("seed", [1, 2])
async def test_exchanges_that_break(seed: int) -> None:
    trouble: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    chance = Random(seed)
    vendor = Vendor(chance)
    async with serving(vendor) as server:
        vendor.requests = server.requests
        made = ProviderSettings(name="p", kind="openai", base_url=server.url, options={"max_retries": 0})
        http = HttpClient(made, default_base_url="http://unused.invalid", headers={})
        tasks, files = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))
        names = [b"q%d" % number for number in range(EXCHANGES)]
        for at in range(0, EXCHANGES, AT_ONCE):
            await asyncio.gather(*(exchange(http, of, vendor, chance) for of in names[at : at + AT_ONCE]))
        await http.aclose()
    assert asyncio.all_tasks() <= tasks
    await turns(10)
    assert len(os.listdir("/proc/self/fd")) <= files
    assert trouble == []

"""Compressed answers come in bounded pieces, between which others have their turn."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import registry
from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.transport import response as transport_response
from providers.transport.http import HttpClient
from providers.transport.unpack import PIECE, Unpacker
from providers.types import CompletionRequest, Message, Timeout
from tests.support.raw_server import serving

TEXT = b"a" * 200_000 + bytes(range(256)) * 40


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def unpacked(encoding: str, pieces: list[bytes]) -> Iterator[bytes]:
    unpacker = Unpacker(encoding)
    for piece in pieces:
        unpacker.feed(piece)
        while data := unpacker.some():
            yield data


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("X-GZip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("gzip", gzip.compress(TEXT)[:-4]),
    ],
    ids=["gzip", "two members", "zlib", "raw", "gzip without its end"],
)
@given(cuts=st.lists(st.integers(0, 900), max_size=6))
def test_any_cut_gives_the_body(encoding: str, packed: bytes, cuts: list[int]) -> None:
    """In pieces of 64 KiB at most."""
    places = [0, *sorted(cuts), len(packed)]
    pieces = [packed[start:end] for start, end in pairwise(places)]
    found = list(unpacked(encoding, pieces))
    assert b"".join(found) == TEXT
    assert max(map(len, found)) <= PIECE


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip, gzip", b"x"), ("gzip", b"no gzip at all")])
def test_what_cannot_be_unpacked_is_told(encoding: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="content-encoding"):
        list(unpacked(encoding, [body]))


def test_a_bomb_is_refused() -> None:
    """Long before it is unpacked."""
    bomb = gzip.compress(bytes(60_000_000))
    given = 0
    with pytest.raises(ValueError, match="200 times"):
        for data in unpacked("gzip", [bomb]):
            given += len(data)
    assert given < 30_000_000


def answer(body: bytes, kind: bytes, encoding: bytes = b"gzip") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: " + encoding + b"\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


@pytest.mark.usefixtures("every_carrier")
@pytest.mark.parametrize("encoding", [b"gzip", b"identity"])
async def test_others_have_their_turn_between_the_pieces(encoding: bytes) -> None:
    """The loop turns for each piece, though nothing more is waited for from the network."""
    size = 1_500_000
    body = gzip.compress(bytes(size)) if encoding == b"gzip" else bytes(size)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async with serving(answer(body, b"text/plain", encoding)) as server:
        settings = ProviderSettings(name="p", kind="openai", options={"max_retries": 0})
        client = HttpClient(settings, default_base_url=server.url, headers={})
        response = await client.open("POST", "/x", b"{}")
        pieces = [await response.read_some()]
        turn()
        while data := await response.read_some():
            pieces.append(data)
            assert turns >= len(pieces) // 2
        assert sum(map(len, pieces)) == size
        assert max(map(len, pieces)) <= transport_response.PIECE
        await response.aclose()
        await client.aclose()


@pytest.mark.usefixtures("every_carrier")
async def test_a_stream_of_blank_lines_ends_by_its_timeout_or_its_size() -> None:
    """Not after minutes in which nothing else runs."""
    bomb = answer(gzip.compress(b"data: {}\n\n" + b"\n" * 60_000_000), b"text/event-stream")

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bomb)
        try:
            await reader.read()  # until the client closes
        finally:
            writer.transport.abort()  # what it did not take is not waited for

    async with serving(send) as server:
        settings = ProviderSettings(
            name="p",
            kind="openai",
            base_url=server.url,
            options={"max_retries": 0},
            timeout=Timeout(first_token=0.05, idle=5, total=5),
        )
        provider = registry.create(settings)
        request = CompletionRequest(model="m", messages=(Message.user("Hi"),))
        with pytest.raises(ProviderError) as caught:
            async for _ in provider.stream(request):
                pass
        assert caught.value.code in (ErrorCode.TIMEOUT, ErrorCode.PROTOCOL_ERROR)
        await provider.aclose()


@pytest.mark.usefixtures("every_carrier")
async def test_a_packed_stream_is_read() -> None:
    payload = {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}
    body = gzip.compress(b"data: " + json.dumps(payload).encode() + b"\n\ndata: [DONE]\n\n")
    async with serving(answer(body, b"text/event-stream")) as server:
        settings = ProviderSettings(name="p", kind="openai", base_url=server.url, options={"max_retries": 0})
        provider = registry.create(settings)
        stream = provider.stream(CompletionRequest(model="m", messages=(Message.user("Hi"),)))
        assert "".join([chunk.text async for chunk in stream]) == "Hello"
        await provider.aclose()

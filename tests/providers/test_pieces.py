"""A stream is read by pieces, smaller ones where lines are short: between them others have their turn."""

from __future__ import annotations

import pytest

from providers.settings import ProviderSettings
from providers.transport.http import HttpClient
from tests.support.native import http
from tests.support.raw_server import serving

SHORT = b"a:1\n" * 20_000
LONG = (b"data: " + b"x" * 200 + b"\n\n") * 400


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize(("body", "most"), [(SHORT, 4 * 1024), (LONG, 16 * 1024)], ids=["short lines", "long lines"])
async def test_no_piece_holds_many_lines(body: bytes, most: int, end: bytes) -> None:
    body = body.replace(b"\n", end)
    async with serving(http(body, "text/event-stream")) as server:
        client = HttpClient(ProviderSettings(name="p", kind="openai"), default_base_url=server.url, headers={})
        response = await client.open("POST", "/x", b"{}")
        pieces = []
        while piece := await response.read_some():
            pieces.append(piece)
        await client.aclose()
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= most

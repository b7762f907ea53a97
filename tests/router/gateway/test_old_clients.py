"""Clients of HTTP/1.0: they know no interim answers (RFC 9110, section 10.1.1), and no chunks."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.served import CHAT, parsed, question, served
from tests.support.waiting import until


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_one_that_expects_to_be_asked_for_its_body_gets_its_answer_alone(stream: bool) -> None:
    body = question(stream=stream)
    head = f"POST {CHAT} HTTP/1.0\r\ncontent-length: {len(body)}\r\nexpect: 100-continue\r\nhost: 127.0.0.1\r\n\r\n"
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(head.encode())
        await until(lambda: here.gateway.under_way)  # it waits for the body
        writer.write(body)
        answer = parsed(await reader.read())
        writer.close()
    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers
    assert answer.body.endswith(b"data: [DONE]\n\n" if stream else b"}")

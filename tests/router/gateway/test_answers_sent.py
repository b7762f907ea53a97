"""How answers stand on the wire: the head that each version of HTTP asks for, the body, and nothing between them."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.served import CHAT, ask, parsed, question, raw, request, served

KEEP = request("POST", CHAT, question(), connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")


@pytest.mark.parametrize("stream", [False, True])
async def test_every_answer_has_a_date_and_names_its_server_once(stream: bool) -> None:
    async with served() as here:
        answer = await ask(here.port, "POST", CHAT, question(stream=stream))
    assert answer.status == 200
    assert answer.headers["date"].endswith(" GMT")
    assert answer.headers["server"] == "signalbox"
    assert ("content-length" in answer.headers) is not stream
    assert ("transfer-encoding" in answer.headers) is stream


async def test_a_client_of_http_1_0_that_asks_to_stay_may_stay() -> None:
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for _ in range(2):
            writer.write(KEEP)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert head.startswith("http/1.0 200")
            assert "\r\nconnection: keep-alive\r\n" in head
            await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        writer.close()


async def test_a_client_that_is_about_to_leave_is_told_that_the_connection_ends() -> None:
    async with served() as here:
        answer = parsed(await raw(here.port, request("POST", CHAT, question(), connection="close")))
    assert answer.status == 200
    assert answer.headers["connection"] == "close"


async def test_what_has_no_body_tells_no_length() -> None:
    """A preflight's answer (RFC 9110, section 8.6)."""
    asked = {"origin": "https://a.example", "access_control_request_method": "POST"}
    async with served("{origins: [https://a.example]}") as here:
        answer = await ask(here.port, "OPTIONS", CHAT, **asked)
    assert answer.status == 204
    assert "content-length" not in answer.headers


async def test_requests_that_come_together_are_answered_one_after_the_other() -> None:
    """Plain and streamed, each framed by itself."""
    plain, stream = (request("POST", CHAT, question(stream=streamed), connection="") for streamed in (False, True))
    last = request("POST", CHAT, question(), connection="close")
    async with served() as here:
        told = await raw(here.port, plain + stream + plain + stream + last)
    assert told.count(b"HTTP/1.1 200 OK\r\n") == 5
    assert told.count(b"\r\n0\r\n\r\n") == 2

"""Bodies of a hostile sender: whatever is in them, it is told in its protocol, and nobody else notices."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.gateway import paths
from tests.support.served import CHAT, ask, parsed, question, raw, request, served
from tests.support.waiting import until

POSTS = [path for path, (method, _, _) in paths.PATHS.items() if method == "POST"]


def url(path: str) -> str:
    return f"/{path}" if path.startswith("api/") else f"/v1/{path}"


FIELDS = """
    role content type text id name messages input prompt tools tool_choice function arguments parameters source url
    image_url data media_type thinking signature encrypted_content summary call_id output tool_call_id tool_calls
    system stop options format max_tokens stream response_format json_schema schema metadata user_id images
"""
NAMES = st.sampled_from(FIELDS.split())
KINDS = "user assistant system tool text function tool_use tool_result thinking image sb1.x \ud800"
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64, -1, 10**300]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(KINDS.split()),
    st.sampled_from(["data:image/png;base64,!", "sb1.00000000.", "call_x~sb1.00000000.e30", "auto", "required"]),
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
BODIES = st.one_of(
    ANYTHING,
    st.builds(lambda fields: {"model": "chat", **fields}, st.dictionaries(NAMES, ANYTHING, max_size=6)),
    st.builds(
        lambda more, messages: {"model": "chat", "max_tokens": 9, "prompt": "hi", "input": messages, **more},
        st.dictionaries(NAMES, ANYTHING, max_size=3),
        st.lists(
            st.builds(
                lambda role, content, more: {"role": role, "content": content, **more},
                st.sampled_from(["user", "assistant", "system", "tool"]),
                ANYTHING,
                st.dictionaries(NAMES, ANYTHING, max_size=2),
            ),
            max_size=3,
        ),
    ).map(lambda body: {"messages": body["input"], **body}),
)


@pytest.mark.parametrize("path", POSTS)
def test_any_json_is_answered_and_fails_nothing_inside(path: str, caplog: pytest.LogCaptureFixture) -> None:
    @settings(max_examples=settings().max_examples // 3, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies=st.lists(BODIES, min_size=5, max_size=5))
    def fuzz(bodies: list[Any]) -> None:
        asyncio.run(send(bodies))

    async def send(bodies: list[Any]) -> None:
        async with served() as here:
            for body in bodies:
                answer = await ask(here.port, "POST", url(path), json.dumps(body).encode())
                assert answer.status in (200, 400, 404, 413, 422, 501), (body, answer)
                if answer.status != 200:
                    assert answer.json()["error"]

    fuzz()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@cache
def bomb(wbits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(300)) + packer.flush()


DEEP = b'{"model": "chat", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
ODD: dict[str, tuple[bytes | Callable[[], bytes], dict[str, str], int]] = {
    "a bomb": (lambda: bomb(31), {"content_encoding": "gzip"}, 413),
    "a bomb without gzip's head": (lambda: bomb(-15), {"content_encoding": "deflate"}, 413),
    "a bomb in a bomb": (lambda: gzip.compress(bomb(31)), {"content_encoding": "gzip"}, 400),
    "a bomb twice packed": (lambda: gzip.compress(bomb(31)), {"content_encoding": "gzip, gzip"}, 415),
    "nothing, packed": (gzip.compress(b""), {"content_encoding": "gzip"}, 400),
    "many packed nothings": (gzip.compress(b"") * 20_000, {"content_encoding": "gzip"}, 400),
    "half a package": (gzip.compress(question())[:-4], {"content_encoding": "gzip"}, 400),
    "rubbish behind the package": (gzip.compress(question()) + b"rubbish", {"content_encoding": "gzip"}, 400),
    "another packing than it says": (zlib.compress(question()), {"content_encoding": "gzip"}, 400),
    "a packing of odd bytes": (question(), {"content_encoding": "ÿ"}, 415),
    "nothing": (b"", {}, 400),
    "no object": (b"[]", {}, 400),
    "exactly as much as it may have": (question() + b" " * (2_000_000 - len(question())), {}, 200),
    "a byte more": (question() + b" " * (2_000_001 - len(question())), {}, 413),
    "a mark of the byte order": (b"\xef\xbb\xbf" + question(), {}, 200),
    "Latin-1": (question().replace(b"hi", b"\xff"), {}, 400),
    "NaN": (question().replace(b"9", b"NaN"), {}, 400),
    "a huge integer": (question(seed=0).replace(b'"seed": 0', b'"seed": ' + b"9" * 100_000), {}, 400),
    "a huge exponent": (question(temperature=0).replace(b'"temperature": 0', b'"temperature": 1e99999'), {}, 400),
    "a depth of 100,000": (DEEP, {}, 400),
    "half a character": (question(messages=[{"role": "user", "content": "\ud800"}]), {}, 200),
    "100,000 fields": (question(**{f"k{number}": 1 for number in range(100_000)}), {}, 200),
    "1,025 tools": (
        question(tools=[{"type": "function", "function": {"name": f"f{number}"}} for number in range(1025)]),
        {},
        400,
    ),
    "1,024 tools": (
        question(tools=[{"type": "function", "function": {"name": f"f{number}"}} for number in range(1024)]),
        {},
        200,
    ),
}


@pytest.mark.parametrize("what", ODD)
async def test_odd_bodies(what: str) -> None:
    made, headers, status = ODD[what]
    body = made() if callable(made) else made
    async with served("{max_body: 2MB}") as here:
        head = request("POST", CHAT, b"", content_length=str(len(body)), **headers)
        head = head.replace("ÿ".encode(), b"\xff")  # bytes that are no text
        answer = parsed(await raw(here.port, head + body))
        assert answer.status == status, answer
        if status != 200:
            assert answer.json()["error"]["message"]
        assert (await ask(here.port, "POST", CHAT, question())).status == 200  # it goes on


async def test_a_body_without_end_is_cut_at_the_bound() -> None:
    async with served("{max_body: 1MB}") as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write((b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 50)
        answer = parsed(await reader.readuntil(b"\r\n\r\n") + b"{}")
        writer.close()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


# --- what is left of a request on its connection


KEY = "sb-0123456789abcdefghij"


@pytest.mark.parametrize("status", [401, 413, 404, 405, 415])
async def test_a_body_that_nobody_read_is_never_taken_for_the_next_request(status: int) -> None:
    """Else whoever can choose a body could choose another client's request, behind a proxy that shares connections."""
    inner = request("POST", CHAT, question(), x_api_key=KEY)
    body = inner + b" " * 3_000_000
    head = {
        401: ("POST", CHAT, {}),
        413: ("POST", CHAT, {"x_api_key": KEY}),
        404: ("POST", "/nothing", {"x_api_key": KEY}),
        405: ("PUT", CHAT, {"x_api_key": KEY}),
        415: ("POST", CHAT, {"x_api_key": KEY, "content_encoding": "br"}),
    }[status]
    async with served(f"{{max_body: 1MB, keys: {{a: {{key: {KEY}}}}}}}") as here:
        method, path, headers = head
        sent = request(method, path, b"", connection="keep-alive", content_length=str(len(body)), **headers) + body
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(sent)
        try:
            said = await reader.read()
        except ConnectionResetError:
            said = b""
        writer.close()
        assert said.count(b"HTTP/1.1 ") <= 1
        assert said == b"" or parsed(said).status == status
        assert here.provider.requests == []


async def test_a_refused_body_that_was_to_be_asked_for_is_not_asked_for() -> None:
    async with served(f"{{keys: {{a: {{key: {KEY}}}}}}}") as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request("POST", CHAT, expect="100-continue", content_length="99", connection="keep-alive"))
        answer = parsed(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_requests_one_behind_the_other_are_answered_in_their_order_however_many() -> None:
    async with served() as here:
        count = 3000
        names = [f"/v1/models/m{number}" for number in range(count)]
        last = request("GET", "/healthz")
        sent = b"".join(request("GET", name, connection="keep-alive") for name in names) + last
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(sent)
        said = await reader.read()
        writer.close()
        assert said.count(b"HTTP/1.1 404 ") == count
        places = [said.index(f"'m{number}'".encode()) for number in range(0, count, 500)]
        assert places == sorted(places)
        assert said.endswith(b"ok")
        await until(lambda: here.server.connections == 0)

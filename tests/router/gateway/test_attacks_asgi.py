"""The same attacks on the gateway as an app of another server."""

from __future__ import annotations

from typing import Any

import pytest

from providers.fake import FakeProvider
from router import Router
from router.gateway import asgi
from tests.support.served import CHAT, FILE, question

KEY, OTHER = "sb-0123456789abcdefghij", "sb-abcdefghijklmnopqrst"
KEYS = f"{{keys: {{a: {{key: {KEY}}}, b: {{key: {OTHER}}}}}}}"


async def told(
    serve: str, body: bytes, *headers: tuple[bytes, bytes], method: str = "POST", host: bytes = b"localhost"
) -> tuple[int, dict[bytes, bytes]]:
    """What a server is handed for a request."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": CHAT, "query_string": b"", "client": ("127.0.0.1", 9)}
    fake = FakeProvider.scripted(name="fake")
    async with Router.from_text(f"{FILE}serve: {serve}\n", providers={"fake": fake}, monitor=False) as router:
        await asgi(router)({**scope, "headers": [*([(b"host", host)] if host else []), *headers]}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize("keys", [[KEY, "wrong"], ["wrong", KEY], [KEY, OTHER]])
async def test_of_several_keys_each_has_to_be_right(keys: list[str]) -> None:
    headers = [(b"x-api-key", key.encode()) for key in keys]
    assert (await told(KEYS, question(), *headers))[0] == 401
    assert (await told(KEYS, question(), headers[0], (b"authorization", b"Bearer " + keys[1].encode())))[0] == 401
    assert (await told(KEYS, question(), (b"x-api-key", KEY.encode()), (b"X-API-Key", KEY.encode())))[0] == 200


@pytest.mark.parametrize("length", [b"\xb2", b"-1", b"9" * 5000, b"", b"1e3"])
async def test_a_length_that_is_none_is_no_failure_inside(length: bytes) -> None:
    assert (await told("{}", question(), (b"content-length", length)))[0] in (200, 413)


async def test_a_name_of_any_letters_is_told_in_headers_that_all_can_read() -> None:
    status, headers = await told("{direct: true}", question(model="fake/漢"))
    assert status == 200
    assert headers[b"x-signalbox-target"] == b"fake/%E6%BC%A2"


@pytest.mark.parametrize("hosts", [[b"evil.example", b"localhost"], [b"localhost", b"evil.example"], []])
async def test_without_a_key_one_host_is_told_and_it_is_this_machines(hosts: list[bytes]) -> None:
    """Servers differ in what they do about several."""
    assert (await told("{}", question(), *((b"host", host) for host in hosts), host=b""))[0] == 403


async def test_an_answer_without_content_tells_no_length_of_it() -> None:
    status, headers = await told("{}", b"", method="OPTIONS")
    assert status == 204
    assert headers[b"allow"] == b"POST, OPTIONS"
    assert b"content-length" not in headers

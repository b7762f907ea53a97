"""The gateway as an ASGI app, in a real server and by the protocol's own messages."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from providers.fake import FakeProvider
from router import Router
from router.gateway import asgi
from tests.support.served import CHAT, FILE, Held, ask, question, request
from tests.support.waiting import until

App = Any


def router_of(serve: str = "{}", provider: FakeProvider | None = None) -> Router:
    fake = provider or FakeProvider.scripted(name="fake")
    return Router.from_text(f"{FILE}serve: {serve}\n", providers={"fake": fake}, monitor=False)


@asynccontextmanager
async def under_uvicorn(app: App, **config: Any) -> AsyncIterator[int]:
    """Run an app; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", **config))
        running = asyncio.ensure_future(server.serve([listening]))
        await until(lambda: server.started or running.done())
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def test_it_answers_plain_and_streamed_in_all_protocols() -> None:
    async with under_uvicorn(asgi(router_of())) as port:
        for path in (CHAT, "/v1/messages", "/v1/responses", "/api/chat"):
            body = question(input="hi")
            answer = await ask(port, "POST", path, body)
            assert (answer.status, b"Hello from fake." in answer.body) == (200, True)
            streamed = await ask(port, "POST", path, question(stream=True, input="hi"))
            assert streamed.status == 200
            assert int(answer.headers["content-length"]) == len(answer.body)
        assert (await ask(port, "POST", CHAT, gzip.compress(question()), content_encoding="gzip")).status == 200
        assert (await ask(port, "HEAD", "/v1/models")).body == b""
        assert (await ask(port, "GET", "/nothing")).status == 404


async def test_the_router_lives_as_long_as_its_server() -> None:
    provider = FakeProvider.scripted(name="fake")
    app = asgi(router_of(provider=provider))
    async with under_uvicorn(app, lifespan="on") as port:
        assert (await ask(port, "POST", CHAT, question())).status == 200
        assert not provider.closed
    assert provider.closed


async def test_it_runs_under_a_prefix_beside_others() -> None:
    inner = asgi(router_of())

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        """As Starlette mounts: the path stays whole, and `root_path` says how much of it is the mount's."""
        assert scope["type"] == "http"
        assert scope["path"].startswith("/llm/")
        await inner({**scope, "root_path": "/llm"}, receive, send)

    async with under_uvicorn(outer, lifespan="off") as port:
        assert (await ask(port, "POST", f"/llm{CHAT}", question())).status == 200
        assert (await ask(port, "GET", "/llm/readyz")).body == b"ok"
    await inner.gateway.router.aclose()


async def test_keys_and_bounds_are_the_files() -> None:
    serve = "{keys: {a: {key: sb-0123456789abcdefghij}}, max_body: 1KB}"
    async with under_uvicorn(asgi(router_of(serve))) as port:
        assert (await ask(port, "POST", CHAT, question())).status == 401
        key = {"authorization": "Bearer sb-0123456789abcdefghij"}
        assert (await ask(port, "POST", CHAT, question(), **key)).status == 200
        assert (await ask(port, "POST", CHAT, question(user="a" * 2000), **key)).status == 413
        bomb = gzip.compress(b" " * 1_000_000)
        assert (await ask(port, "POST", CHAT, bomb, content_encoding="gzip", **key)).status == 413


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_ends_the_vendors_call(stream: bool) -> None:
    app = asgi(router_of(provider=(held := Held())))
    records: list[Any] = []
    app.gateway.observers.append(records.append)
    async with under_uvicorn(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("POST", CHAT, question(stream=stream)))
        await until(lambda: held.requests)
        writer.close()
        assert await app.gateway.until_idle(60)
        assert held.cancelled == 1
        await until(lambda: records)
        assert [record.code for record in records] == ["cancelled"]


# --- message by message


class Client:
    """The server's side of one request, by hand."""

    def __init__(self, path: str, body: bytes, **scope: Any) -> None:
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"127.0.0.1")], **scope}
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "http.request", "body": body})
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def run(self, app: App) -> None:
        await app(self.scope, self.incoming.get, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


async def test_a_server_that_tells_no_client_address_is_local() -> None:
    async with router_of() as router:
        client = Client(CHAT, question())
        await client.run(asgi(router))
        assert client.status == 200
        assert [message.get("more_body", False) for message in client.sent[1:]] == [False]


async def test_other_machines_need_a_key() -> None:
    async with router_of() as router:
        client = Client(CHAT, question(), client=("192.0.2.7", 5000))
        await client.run(asgi(router))
        assert client.status == 401


async def test_a_body_in_pieces_is_put_together_and_a_client_may_leave_within() -> None:
    async with router_of() as router:
        body = question()
        whole, broken = Client(CHAT, b""), Client(CHAT, b"")
        for client in (whole, broken):
            client.incoming.get_nowait()
            client.incoming.put_nowait({"type": "http.request", "body": body[:9], "more_body": True})
        whole.incoming.put_nowait({"type": "http.request", "body": body[9:], "more_body": False})
        broken.incoming.put_nowait({"type": "http.disconnect"})
        app = asgi(router)
        await whole.run(app)
        assert whole.status == 200
        await broken.run(app)
        assert broken.sent == []


async def test_a_server_that_cancels_the_app_is_obeyed() -> None:
    async with router_of(provider=(held := Held())) as router:
        client = Client(CHAT, question())
        running = asyncio.ensure_future(client.run(asgi(router)))
        await until(lambda: held.requests)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert held.cancelled == 1


async def test_websockets_are_turned_away() -> None:
    async with router_of() as router:
        client = Client("/v1/responses", b"", type="websocket")
        await client.run(asgi(router))
        assert [message["type"] for message in client.sent] == ["websocket.close"]

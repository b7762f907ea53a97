"""Connections that break, through raw sockets: when a target is called again, and no answer is paid twice unseen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from providers import ErrorCode, ProviderError
from providers.openai.provider import OpenAIProvider
from providers.registry import create
from providers.settings import ProviderSettings
from providers.types import Timeout
from router import Router
from router.errors import RouteExhausted
from tests.support.raw_server import Server, serving

BODY = b'{"choices": [{"index": 0, "message": {"content": "well"}, "finish_reason": "stop"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
EVENTS = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "well"}}]}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % sum(map(len, EVENTS))

# What comes of the answer before the connection breaks.
CUTS = {
    "at once": (b"", b""),
    "within the headers": (HEAD[:9], STREAM[:9]),
    "after the headers": (HEAD, STREAM),
    "within the body": (HEAD + BODY[:20], STREAM + EVENTS[0][:30]),
}


def router(server: Server, carrier: str, *, spare: Server | None = None) -> Router:
    """Over the server, and one that answers when it does not."""
    lines = [f'  a: {{kind: openai, api: chat, base_url: "{server.url}", api_key: key-of-a-test}}']
    if spare is not None:
        lines.append(f'  b: {{kind: openai, api: chat, base_url: "{spare.url}", api_key: key-of-a-test}}')
    providers = "\n".join(lines)
    fallbacks = "[]" if spare is None else "[b/m]"
    text = (
        f"providers:\n{providers}\nroutes: {{chat: {{targets: [a/m], fallbacks: {fallbacks}}}}}\n"
        "defaults: {timeout: {connect: 1m}, retry: {backoff: 1ms, max_backoff: 1ms}}\n"
    )
    given: dict[str, Any] = {}
    if carrier == "httpx":
        off = Timeout(first_token=None, idle=None, answer=None, total=None)
        options = {"transport": httpx.AsyncHTTPTransport(), "max_retries": 0, "api": "chat"}
        vendor = create(
            ProviderSettings(name="a", kind="openai", base_url=server.url, api_key="k", timeout=off, options=options)
        )
        assert isinstance(vendor, OpenAIProvider)
        given["a"] = vendor
    return Router.from_text(text, env={}, providers=given)


async def ask(made: Router, streamed: bool) -> Any:
    if not streamed:
        return await made.complete("chat", "hi")
    async with made.stream("chat", "hi") as stream:
        async for _ in stream:
            pass
    return stream.response


def answering(streamed: bool, broken: Callable[[int], bytes | None]) -> Any:
    """Answers whole, but for requests for which `broken` says what comes before the connection is reset."""
    count = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        part = broken(count)
        writer.write((STREAM + b"".join(EVENTS) if streamed else HEAD + BODY) if part is None else part)
        await writer.drain()
        if part is not None:
            if part:
                await asyncio.sleep(0.02)  # so that it is read before the reset, which throws away what was not
            writer.transport.abort()

    return handle


@pytest.fixture(params=["aiohttp", "httpx"])
def carrier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("pooled", [False, True], ids=["fresh", "pooled"])
async def test_what_broke_goes_to_the_next_target(pooled: bool, cut: str, streamed: bool, carrier: str) -> None:
    """Only an old connection that breaks before any byte is renewed; of all else the table decides."""
    part = CUTS[cut][streamed]
    broken = 2 if pooled else 1
    renews = pooled and cut == "at once"
    async with (
        serving(answering(streamed, lambda count: part if count == broken else None)) as server,
        serving(answering(streamed, lambda _: None)) as spare,
    ):
        made = router(server, carrier, spare=spare)
        if pooled:
            assert (await ask(made, streamed)).target == "a/m"
        reply = await ask(made, streamed)
        await made.aclose()
    assert reply.text == "well"
    assert reply.target == ("a/m" if renews else "b/m")
    assert len(server.requests) == broken + renews
    assert [attempt.code for attempt in reply.trace.attempts][:-1] != []  # nothing of it is silent
    state = made.states.target(made.chain("chat").targets[0])
    assert state.breaker.state == "closed"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_alone_a_target_is_called_again_by_the_table(streamed: bool, carrier: str) -> None:
    """Once, with a backoff and as an attempt that the trace shows."""
    async with serving(answering(streamed, lambda _: CUTS["within the headers"][streamed])) as server:
        made = router(server, carrier)
        with pytest.raises(RouteExhausted) as caught:
            await ask(made, streamed)
        await made.aclose()
    assert len(server.requests) == len(caught.value.attempts) == 2
    assert {attempt.code for attempt in caught.value.attempts} == {ErrorCode.CONNECTION_FAILED}


async def test_a_stream_that_broke_after_content_is_interrupted(carrier: str) -> None:
    """It has been given out, and is not asked for again."""
    async with serving(answering(True, lambda _: STREAM + EVENTS[0])) as server:
        made = router(server, carrier)
        with pytest.raises(ProviderError) as caught:
            await ask(made, True)
        await made.aclose()
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert len(server.requests) == 1


async def test_a_pool_that_died_costs_no_answer() -> None:
    """A server restarts under fifty connections: each request is sent again on a new one, and no breaker counts it."""
    everybody = asyncio.Event()
    waiting = 0

    def died(count: int) -> bytes | None:
        return b"" if 50 < count <= 100 else None

    inner = answering(False, died)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            everybody.set()
        await everybody.wait()  # so that there are fifty connections
        await inner(reader, writer)

    async with serving(handle) as server:
        made = router(server, "aiohttp")
        for _ in range(2):
            replies = await asyncio.gather(*(ask(made, False) for _ in range(50)))
            assert {reply.text for reply in replies} == {"well"}
        state = made.states.target(made.chain("chat").targets[0])
        assert (state.breaker.state, len(server.requests)) == ("closed", 150)
        await made.aclose()


async def test_one_dead_connection_is_not_replaced_by_another() -> None:
    """Connections of a pool die together, unseen until they are used: the request goes on a new one for certain."""
    used: set[asyncio.StreamWriter] = set()
    everybody = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer in used:
            writer.transport.abort()
            return
        used.add(writer)
        if len(used) == 5:
            everybody.set()
        await everybody.wait()
        writer.write(HEAD + BODY)

    async with serving(once) as server:
        made = router(server, "aiohttp")
        await asyncio.gather(*(ask(made, False) for _ in range(5)))
        for number in (1, 2):
            reply = await ask(made, False)
            assert [attempt.code for attempt in reply.trace.attempts][-1] is None
            assert len(reply.trace.attempts) <= 2
            assert len(server.requests) <= 5 + 2 * number
        await made.aclose()


async def test_silent_connections_are_kept_alive(carrier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain answer takes minutes in which nothing is sent: TCP says that both sides are there."""
    options: list[tuple[int, ...]] = []
    original = socket.socket.setsockopt

    def setsockopt(made: socket.socket, *option: Any) -> None:
        original(made, *option)
        options.append(option)

    monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
    async with serving(answering(False, lambda _: None)) as server:
        made = router(server, carrier)
        await ask(made, False)
        await made.aclose()
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert any(option[:2] == (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) for option in options)

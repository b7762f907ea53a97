"""What streams hold that are open at the same time: little each, and little together however much comes at once."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import ProviderSettings, registry
from providers.base import Provider
from providers.types import CompletionRequest, Message, Timeout
from tests.support.certificates import make_certificates
from tests.support.raw_server import accepting

MANY = 400  # with two files each, which are fewer than the usual 1,024
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BEGIN = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
END = b'data: {"choices": [{"index": 0, "delta": {"content": "z"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
WITHOUT_TEXT = b'data: {"choices": [], "padding": "%s"}\n\n' % (b"x" * 4000) * 15
REQUEST = CompletionRequest(model="m", messages=(Message("user", "hi"),))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Server:
    """Begins every stream in a thread; when it is told to, it sends 60 KB to each, and at last their ends."""

    def __init__(self) -> None:
        self.go, self.sent, self.end = threading.Event(), threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=MANY)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def serve(self) -> None:
        connections = [self._begun() for _ in range(MANY)]
        self.go.wait(60)
        for each in connections:
            each.sendall(chunk(WITHOUT_TEXT + BEGIN))
        self.sent.set()
        self.end.wait(60)
        for each in connections:
            each.sendall(chunk(END) + b"0\r\n\r\n")
            each.close()
        self._listener.close()

    def _begun(self) -> socket.socket:
        connection, _ = self._listener.accept()
        seen = b""
        while not seen.endswith(b"}"):
            seen += connection.recv(4096)
        connection.sendall(HEAD + chunk(BEGIN))
        return connection


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    thread.join(60)


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def provider(url: str, verify: str | bool = True) -> Provider:
    patient = Timeout(connect=None, first_token=None, idle=None, answer=None, total=None)  # tracing takes its time
    return registry.create(
        ProviderSettings(name="a", kind="openai", base_url=url, api_key="k", verify=verify, timeout=patient)
    )


async def test_many_that_wait_and_are_sent_much_at_once(server: Server, traced: None) -> None:
    asked = provider(server.url)
    before, _ = tracemalloc.get_traced_memory()
    streams = [asked.stream(REQUEST) for _ in range(MANY)]
    assert {each.text for each in await asyncio.gather(*(anext(each) for each in streams))} == {"a"}
    opened, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()

    server.go.set()
    server.sent.wait(60)  # the loop is held meanwhile
    assert {each.text for each in await asyncio.gather(*(anext(each) for each in streams))} == {"a"}
    _, most = tracemalloc.get_traced_memory()
    last = [asyncio.ensure_future(anext(each)) for each in streams]
    await asyncio.sleep(0)
    waiting, _ = tracemalloc.get_traced_memory()
    server.end.set()
    assert {each.text for each in await asyncio.gather(*last)} == {"z"}
    await asyncio.gather(*(each.aclose() for each in streams))
    await asked.aclose()

    assert (opened - before) / MANY < 25_000, "of each that is open"
    assert (most - opened) / MANY < 40_000, "of each that was sent 60 KB"
    assert (waiting - opened) / MANY < 4_000, "of each that has read them and waits for more"


async def test_a_connection_with_tls(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    spoken = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    spoken.load_cert_chain(certificates.server, certificates.server_key)
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(HEAD + chunk(BEGIN))
        await ended.wait()

    async with accepting(answer, tls=spoken) as port:
        asked = provider(f"https://127.0.0.1:{port}/v1", certificates.ca)
        first, *others = (asked.stream(REQUEST) for _ in range(5))
        assert (await anext(first)).text == "a"
        gc.collect()
        tracemalloc.start()
        for each in others:
            assert (await anext(each)).text == "a"
        each_has = tracemalloc.get_traced_memory()[0] / len(others)
        tracemalloc.stop()
        ended.set()
        for each in (first, *others):
            await each.aclose()
        await asked.aclose()
    assert each_has < 256 * 1024 + 150_000, "the server's end has 256 KiB of it"

"""Reading an answer makes room for about as much as comes, not for 256 KiB each time: the heap would grow for it."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from providers import ProviderSettings, registry
from providers.types import CompletionRequest, Message

BODY = b'{"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture
def url() -> Iterator[str]:
    """A server in a thread, that reads a little at a time itself."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            seen = b""
            while came := connection.recv(4096):
                seen += came
                if seen.endswith(b"}"):
                    seen = b""
                    connection.sendall(ANSWER)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    thread.join(60)
    listener.close()


async def test_a_small_answer_takes_little_room(url: str) -> None:
    settings = ProviderSettings(name="a", kind="openai", base_url=url, api_key="k")
    provider = registry.create(settings)
    request = CompletionRequest(model="m", messages=(Message("user", "hi"),))
    try:
        await provider.complete(request)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            assert (await provider.complete(request)).text == "fine"
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    finally:
        await provider.aclose()
    assert most - before < 200_000

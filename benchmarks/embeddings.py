"""What embeddings cost beside a plain chat, and beside the `openai` SDK: one input of 1,536 numbers, and a hundred.

All ask one upstream over loopback, a process of its own that answers from prepared bytes (base64, as OpenAI's does).
CPU time of the asking process, the best of several runs in turns: others on the machine only add to it.

    python -m benchmarks.embeddings
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.util import find_spec

from benchmarks.engine import spent
from providers.made_up import vector_of
from router import Router

RUNS = 7
CALLS = {1: 200, 100: 20}
NUMBERS = 1536
MODEL = "text-embedding-3-small"
TEXTS = [f"text {number}" for number in range(100)]
FILE = """
providers: {{up: {{kind: openai, base_url: "{url}", api_key: k-0123456789abcdef0, dialect: openai}}}}
models: {{small: {{provider: up, id: text-embedding-3-small, embeds: true}}}}
routes:
  chat: up/gpt-4o
  embed: {{embeds: true, targets: [small]}}
"""
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
}


def _answer(body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


def _embedded(count: int) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": b64encode(vector_of(text, NUMBERS)).decode()}
        for index, text in enumerate(TEXTS[:count])
    ]
    usage = {"prompt_tokens": count, "total_tokens": count}
    return _answer({"object": "list", "data": data, "model": MODEL, "usage": usage})


class _Upstream(asyncio.Protocol):
    """One connection: a request is answered by its path, and by whether it has one input or many."""

    chat = _answer(CHAT)
    answers: dict[int, bytes] = {}  # noqa: RUF012 - made once, where it serves

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._data = transport, b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if not found or len(body) < length:
            return
        self._data = b""
        many = b"text 99" in body
        self._transport.write(self.chat if b"/chat/" in head else self.answers[100 if many else 1])


async def serve() -> None:
    """Say the port, and serve until the standard input ends."""
    _Upstream.answers = {count: _embedded(count) for count in CALLS}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def measured(url: str) -> dict[str, float]:
    """Seconds of CPU of each call, by name."""
    async with AsyncExitStack() as stack:
        router = await stack.enter_async_context(Router.from_text(FILE.format(url=url), env={}, monitor=False))
        calls: dict[str, tuple[Callable[[], Awaitable[object]], int]] = {
            "chat": (lambda: router.complete("chat", "How are you?"), CALLS[1]),
            **{
                f"embed {count}": (lambda count=count: router.embed("embed", TEXTS[:count]), times)  # type: ignore[misc]  # bound now
                for count, times in CALLS.items()
            },
        }
        if find_spec("openai") is not None:
            import openai

            client = await stack.enter_async_context(openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0))
            for count, times in CALLS.items():
                calls[f"openai {count}"] = (
                    lambda count=count: client.embeddings.create(model=MODEL, input=TEXTS[:count]),  # type: ignore[misc]  # bound now
                    times,
                )
        runs: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(RUNS + 1):
            for name, (call, times) in calls.items():
                seconds = await spent(call, times)
                if turn:  # the first warms up
                    runs[name].append(seconds)
        return {name: min(each) for name, each in runs.items()}


def main() -> None:
    upstream = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.embeddings", "upstream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert upstream.stdin is not None
    assert upstream.stdout is not None
    try:
        found = asyncio.run(measured(f"http://127.0.0.1:{int(upstream.stdout.readline())}/v1"))
    finally:
        upstream.stdin.close()
        upstream.stdout.close()
        upstream.wait()
    chat = found["chat"]
    for count in CALLS:
        ours, theirs = found[f"embed {count}"], found.get(f"openai {count}")
        beside = "" if theirs is None else f"; the openai SDK {theirs * 1e6:.0f} µs, ours is {ours / theirs:.2f} of it"
        share = f"{ours / chat:.2f} of a plain chat ({chat * 1e6:.0f} µs)"
        print(f"{count} embeddings: {ours * 1e6:.0f} µs CPU, {share}{beside}")


if __name__ == "__main__":
    if sys.argv[1:] == ["upstream"]:
        asyncio.run(serve())
    else:
        main()

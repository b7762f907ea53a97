"""What embeddings cost beside a plain chat, beside the `openai` SDK and LiteLLM's `aembedding`: one input of 1,536
numbers, and a hundred.

All ask one upstream over loopback, a process of its own that answers from prepared bytes: base64 where that is asked
for, else numbers, as OpenAI's does.
CPU time of the asking process, the best of several runs in turns: others on the machine only add to it.

    python -m benchmarks.embeddings
    python -m benchmarks.embeddings --install       # and make LiteLLM's environment where it is missing
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import cache
from importlib.util import find_spec

from benchmarks.engine import spent
from benchmarks.environments import python_of
from providers.embeddings import numbers_of
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


@cache
def _embedded(count: int, *, base64: bool) -> bytes:
    vectors = [vector_of(text, NUMBERS) for text in TEXTS[:count]]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": b64encode(vector).decode() if base64 else numbers_of(vector).tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": count, "total_tokens": count}
    return _answer({"object": "list", "data": data, "model": MODEL, "usage": usage})


class _Upstream(asyncio.Protocol):
    """One connection: a request is answered by its path, and by whether it has one input or many."""

    chat = _answer(CHAT)

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
        self._transport.write(
            self.chat if b"/chat/" in head else _embedded(100 if many else 1, base64=b'"base64"' in body)
        )


async def serve() -> None:
    """Say the port, and serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


class _Other:
    """A peer in a process of its own environment, which measures itself."""

    def __init__(self, python: str, script: str, url: str) -> None:
        command = [python, "-m", f"benchmarks.peers.{script}", url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def spent(self, count: int, times: int) -> float:
        """Seconds of CPU for a call with so many texts."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(count, times, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


async def measured(url: str, others: Mapping[str, _Other] | None = None) -> dict[str, float]:
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
            for name, other in (others or {}).items():
                for count, times in CALLS.items():
                    seconds = await asyncio.to_thread(other.spent, count, times)
                    if turn:
                        runs.setdefault(f"{name} {count}", []).append(seconds)
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
    python = python_of("litellm_router", install="--install" in sys.argv)
    others: dict[str, _Other] = {}
    try:
        url = f"http://127.0.0.1:{int(upstream.stdout.readline())}/v1"
        if python is not None:
            others["litellm"] = _Other(python, "litellm_embeddings", url)
        found = asyncio.run(measured(url, others))
    finally:
        for other in others.values():
            other.close()
        upstream.stdin.close()
        upstream.stdout.close()
        upstream.wait()
    chat = found["chat"]
    for count in CALLS:
        ours = found[f"embed {count}"]
        beside = "".join(
            f"; {label} {theirs * 1e6:.0f} µs, ours is {ours / theirs:.2f} of it"
            for name, label in (("openai", "the openai SDK"), ("litellm", "LiteLLM"))
            if (theirs := found.get(f"{name} {count}")) is not None
        )
        share = f"{ours / chat:.2f} of a plain chat ({chat * 1e6:.0f} µs)"
        print(f"{count} embeddings: {ours * 1e6:.0f} µs CPU, {share}{beside}")


if __name__ == "__main__":
    if sys.argv[1:] == ["upstream"]:
        asyncio.run(serve())
    else:
        main()

"""What an answer of another machine costs, beside one in memory: CPU time of this process, the median of several runs.

It needs a redis-server.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from providers import FakeProvider
from providers.fake import Reply
from router import Router
from router.shared import answers as shared_answers
from tests.support.redis_server import RedisServer

RUNS = 9
HITS = 640
LATE = 1.0  # seconds: a busy machine is none of the cost
FILE = """
providers: {{a: {{kind: fake}}}}
routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h}}}}}}
cache: {{path: memory}}
shared: {{url: "{url}", app: benchmark, share: [cache], secret: secret}}
telemetry: {{monitor: off}}
"""


async def answers(url: str, at_once: int) -> tuple[float, float]:
    """Seconds of CPU for a hit of (memory, the server), with so many requests at once."""
    text = FILE.format(url=url)
    fake = FakeProvider.scripted(Reply("x" * 2048), name="a")
    async with Router.from_text(text, env={}, providers={"a": fake}) as router:
        prompts = [f"prompt {number}" for number in range(at_once)]
        for prompt in prompts:
            await router.complete("chat", prompt)
        await router.cache.written()
        found: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(RUNS):
            for shared in found:
                spent = 0.0
                for _ in range(HITS // at_once):
                    if shared:
                        router.cache.forget_memory()
                    began = time.process_time()
                    replies = await asyncio.gather(*[router.complete("chat", prompt) for prompt in prompts])
                    spent += time.process_time() - began
                    late = sum(reply.trace.cache_level != ("shared" if shared else "memory") for reply in replies)
                    assert not late, f"{late} answers came from elsewhere"
                found[shared].append(spent / (HITS // at_once * at_once))
    return statistics.median(found[False]), statistics.median(found[True])


def main() -> None:
    if shutil.which("redis-server") is None:
        return
    shared_answers.PATIENCE = LATE
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            for at_once in (1, 64):
                memory, there = asyncio.run(answers(server.url, at_once))
                more = f"{(there - memory) * 1e6:.1f} µs more"
                print(f"an answer of 2 kB, {at_once} at once: memory {memory * 1e6:.1f} µs, shared {more}")
        finally:
            server.kill()


if __name__ == "__main__":
    main()

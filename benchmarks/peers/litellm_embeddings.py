"""LiteLLM's `aembedding`: a process that is told how many texts to embed and how often, and says what that cost.

python -m benchmarks.peers.litellm_embeddings http://127.0.0.1:4242/v1
100 20                  a line of its standard input: so many texts, so many times
0.0123                  seconds of CPU for each time
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for a newer one

import litellm

litellm.suppress_debug_info = True


async def main(url: str) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count, times = map(int, line.split())
        texts = [f"text {number}" for number in range(count)]
        began = time.process_time()
        for _ in range(times):
            answer = await litellm.aembedding(
                "openai/text-embedding-3-small", input=texts, api_base=url, api_key="k", num_retries=0
            )
            if len(answer.data) != count or len(answer.data[0]["embedding"]) != 1536:
                raise RuntimeError(f"{len(answer.data)} vectors came")
        print((time.process_time() - began) / times, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

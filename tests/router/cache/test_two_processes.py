"""Two real processes on one folder: identical requests make at most one call in each."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from providers.simulator import Simulator
from tests.support.command import environment
from tests.support.vendors import routes

ASK = """
import asyncio
from router import Router

async def ask(router, streamed):
    if not streamed:
        return (await router.complete("openai-first", "hi")).text
    async with router.stream("openai-first", "hi") as stream:
        return "".join([chunk.text async for chunk in stream])

async def main():
    async with Router.from_yaml("routes.yaml", watch=False, monitor=False) as router:
        answers = await asyncio.gather(*(ask(router, number % 2) for number in range(40)))
    print(len(answers), len(set(answers)), answers[0])

input()
asyncio.run(main())
"""


@pytest.mark.slow
async def test_at_most_two_calls(simulator: Simulator, tmp_path: Path) -> None:
    """They begin at the same moment; all get the answer of their process's call, or the other's."""
    text = routes(simulator).replace("fallbacks: [haiku, qwen]", "cache: {ttl: 1h}")
    (tmp_path / "routes.yaml").write_text(f'{text}cache: {{path: "{tmp_path / "answers"}"}}\n')
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASK, cwd=tmp_path, env=environment(), stdin=pipe, stdout=pipe
        )
        for _ in range(2)
    ]
    said = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    outs = [out.decode().split(maxsplit=2) for out, _ in said]
    assert [out[:2] for out in outs] == [["40", "1"]] * 2
    assert 1 <= simulator.vendor("openai").requests <= 2

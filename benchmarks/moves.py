"""How far a reader has to walk: the files of ours that one call enters, and the moves from one file to another.

`python -m benchmarks.moves` prints them for a plain call and for a cache miss, over a real socket and our own client. A
move is a call from a function of one file to a function of another; returning is none. What runs once, at the
first calls, is not counted.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.beside import beside
from providers.simulator import Simulator
from router import Router

ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(f"{ROOT / package}/" for package in ("providers", "router"))
_WARM = 10  # calls before
FILE = """
providers:
  openai: {{kind: openai, base_url: "{url}", api_key: "sk-of-nobody"}}
  other:  {{kind: openai, base_url: "{url}", api_key: "sk-of-nobody"}}
cache: {{path: memory}}
routes:
  chat: {{targets: [openai/gpt-4o, other/gpt-4o], fallbacks: [other/gpt-4o-mini]}}
  kept: {{targets: [openai/gpt-4o, other/gpt-4o], cache: {{ttl: 1h}}}}
"""


class Walk:
    """Sees the calls between files of ours in one thread."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.moves: Counter[tuple[str, str]] = Counter()
        self._frames: set[FrameType] = set()

    def __enter__(self) -> Walk:
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or frame in self._frames:  # a coroutine that goes on is no new call
            return
        self._frames.add(frame)
        here = _ours(frame)
        if here is None:
            return
        self.files.add(here)
        back = frame.f_back
        while back is not None and (there := _ours(back)) is None:
            back = back.f_back
        if back is not None and there is not None and there != here:
            self.moves[there, here] += 1


def _ours(frame: FrameType) -> str | None:
    name = frame.f_code.co_filename
    return name.removeprefix(f"{ROOT}/") if name.startswith(OURS) and "simulator" not in name else None


async def walk_of(route: str, url: str) -> Walk:
    """Of a call of a route whose targets have all been called before: what loads, connects and sets up is over."""
    async with Router.from_text(FILE.format(url=url), env={}, seed=1, monitor=False) as router:
        for number in range(_WARM):
            await router.complete(route, f"number {number}")
        with Walk() as walk:
            await router.complete(route, "the one that is looked at")
    return walk


@asynccontextmanager
async def _vendor() -> AsyncIterator[str]:
    async with Simulator(seed=1) as simulator:
        simulator.vendor("openai").set(fast=True)
        yield simulator.base_url("openai")


def main() -> None:
    with beside(_vendor()) as url:
        for what, route in (("a plain call", "chat"), ("a cache miss", "kept")):
            walk = asyncio.run(walk_of(route, url))
            print(f"{what}: {len(walk.files)} files, {walk.moves.total()} moves between them")
            if "-v" in sys.argv:
                for (there, here), times in sorted(walk.moves.items()):
                    print(f"  {there} -> {here} {times if times > 1 else ''}")


if __name__ == "__main__":
    main()

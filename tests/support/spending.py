"""A file whose routes and provider may have budgets, and a router on it. Run as a program, it spends: a cent at a time,
or with `at once` as much as it gets.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from providers import FakeProvider
from providers.fake import Reply
from providers.types import Usage
from router import Router
from router.state import ledger

TIMES = 25  # that the program opens a router, spends a cent, and closes it
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()  # a Monday
CENT = Reply("x" * 40, usage=Usage(input_tokens=1000, output_tokens=1000))  # at 5 and 5 a million: one cent

FILE = """
providers: {a: {kind: fakeA_BUDGET}, b: {kind: fake}}
models:
  paid: {provider: a, id: m, price: {input: 5, output: 5}}
  free: {provider: b, id: m, price: {input: 0, output: 0}}
routes:
  chat: {targets: [paid], fallbacks: [free]CHAT_BUDGET}
  only: {targets: [paid]ONLY_BUDGET}
"""


def file_of(*, provider: str = "", chat: str = "", only: str = "") -> str:
    text = FILE
    for name, budget in (("A_BUDGET", provider), ("CHAT_BUDGET", chat), ("ONLY_BUDGET", only)):
        text = text.replace(name, f', budget: "{budget}"' if budget else "")
    return text


def opened(path: Path, *, wall: float = NOON) -> Router:
    fakes = {name: FakeProvider.scripted(CENT, name=name) for name in "ab"}
    return Router.from_yaml(path, env={}, watch=False, providers=fakes, wall_clock=lambda: wall)


async def spend(path: Path) -> None:
    """A cent at a time, each of them written by closing the router."""
    for _ in range(TIMES):
        async with opened(path) as router:
            await router.complete("chat", "hi")


async def spend_at_once(path: Path) -> None:
    """Sixty calls at once, then twenty one after the other; prints how many were paid."""
    ledger.PATIENCE = 60.0  # a busy machine's ledger answers late
    async with opened(path) as router:
        replies = await asyncio.gather(*(router.complete("chat", "hi", max_tokens=1000) for _ in range(60)))
        replies += [await router.complete("chat", "hi", max_tokens=1000) for _ in range(20)]
    print([reply.target for reply in replies].count("paid"))


if __name__ == "__main__":
    asyncio.run((spend_at_once if "at once" in sys.argv else spend)(Path(sys.argv[1])))

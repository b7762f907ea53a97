"""A program that spends a shared budget, a cent at a time, until all of it is spent; it takes the path of the file.

It says each cent on a line of its own once it is spent, so that whoever kills it knows what it had spent by then.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.spending import opened


async def spend(path: Path) -> None:
    """Spend until the budget is used up, or somebody ends it."""
    async with opened(path) as router:
        while (await router.complete("chat", "hi", max_tokens=2000)).target == "paid":
            print("cent", flush=True)
            await asyncio.sleep(0.02)
        print("used up", flush=True)


if __name__ == "__main__":
    asyncio.run(spend(Path(sys.argv[1])))

"""A router over fakes in virtual time: what they answer depends on the loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from providers import FakeProvider, ProviderSettings
from providers.fake import Reply, Step
from providers.types import Usage
from router import Router
from router.testing import run

Script = Callable[[float], Step]


class World:
    """A router over fakes whose answers depend on the loop's time."""

    def __init__(self, text: str, **scripts: Script) -> None:
        self.fakes = {}
        for name, script in scripts.items():
            options = {"script": lambda request, script=script: script(asyncio.get_running_loop().time())}
            self.fakes[name] = FakeProvider(ProviderSettings(name=name, kind="fake", options=options))
        providers = "".join(f"  {name}: {{kind: fake{self._more(name, text)}}}\n" for name in scripts)
        self.router = Router.from_text(f"providers:\n{providers}{text}", env={}, seed=1, providers=self.fakes)

    @staticmethod
    def _more(name: str, text: str) -> str:
        marker = f"# {name}: "
        return "".join(", " + line.removeprefix(marker) for line in text.splitlines() if line.startswith(marker))

    def calls(self, name: str) -> int:
        return len(self.fakes[name].requests)


def well(now: float) -> Step:
    return Reply("fine", usage=Usage(10, 5))


def story(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def runner() -> None:
        run(test())

    runner.__name__, runner.__doc__ = test.__name__, test.__doc__
    return runner


def now() -> float:
    return asyncio.get_running_loop().time()


async def at_rate(per_second: float, seconds: float, ask: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """Calls at a steady rate; gives (start, seconds, answer or error) of each."""
    results: list[Any] = []

    async def one() -> None:
        began = now()
        try:
            answer: Any = await ask()
        except Exception as error:  # the outcome is what the test looks at
            answer = error
        results.append((began, now() - began, answer))

    async with asyncio.TaskGroup() as group:
        for _ in range(round(per_second * seconds)):
            group.create_task(one())
            await asyncio.sleep(1 / per_second)
    return sorted(results, key=lambda result: result[0])

"""Editing a file again and again while calls are under way, and what of it costs an answer or is left behind.

Everything is real: the file, the watcher, the sockets of the simulator.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from providers.simulator import Simulator
from router import Router
from tests.support.edits import save

CALLS = 50
MODELS = 225


@dataclass
class Found:
    """What a run saw. Times in seconds."""

    saves: int = 0
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    swaps: list[float] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    def p(self, share: float) -> float:
        return sorted(self.swaps)[min(len(self.swaps) - 1, int(share * len(self.swaps)))]


def file_of(url: str, weight: int, *, lines: int = MODELS, broken: bool = False) -> str:
    """About 500 lines; every edit moves a weight, renames a model and changes a provider that is called meanwhile."""
    named = ", ".join([f"named-{weight}", *(f"m{number}" for number in range(lines))])
    last = "broken: {targets: [nobody]}" if broken else f"other: {{targets: [{named}]}}"
    models = "".join(f"  m{number}:\n    {{provider: one, id: gpt-4o-{number}}}\n" for number in range(lines))
    return f"""\
providers:
  one: {{kind: openai, base_url: "{url}", api_key: k}}
  two: {{kind: openai, base_url: "{url}", api_key: "k{weight % 5}"}}
models:
  named-{weight}: {{provider: one, id: gpt-4o}}
{models}routes:
  steady: {{targets: [one/gpt-4o-mini]}}
  chat:
    targets:
      m0: {weight}
      two/gpt-4o: 50
  {last}
"""


async def measure(
    folder: Path, saves: int, seconds: float, *, lines: int = MODELS, on_save: Callable[[int], None] = lambda _: None
) -> Found:
    """Save a file so often in so many seconds under load; the calls go on all the while.

    Args:
        on_save: called with the number of each save.
    """
    found = Found()
    path = folder / "routes.yaml"
    before = len(_sockets())
    async with Simulator(seed=1) as simulator:
        simulator.vendor("openai").set(first_token=0.05, tokens_per_second=2000, output_tokens=20)
        url = simulator.base_url("openai")
        path.write_text(file_of(url, 1, lines=lines))
        async with Router.from_yaml(path, env={}) as router:
            steady = router.chain("steady").targets[0]
            await router.complete("steady", "hi")
            state = router.states.target(steady)
            done = asyncio.Event()
            callers = [asyncio.create_task(_call(router, done, found, number)) for number in range(CALLS)]
            await _save(path, router, url, saves, seconds, lines, found, on_save)
            done.set()
            await asyncio.gather(*callers)
            if router.states.target(steady) is not state or state.breaker.changes:
                found.left_behind.append("the state of an unchanged target was not kept")
            if not router.watching:
                found.left_behind.append("the watcher is gone")
        gc.collect()
        await _quiet(simulator, found, before)
    return found


async def _call(router: Router, done: asyncio.Event, found: Found, number: int) -> None:
    while not done.is_set():
        try:
            if number % 2:
                await router.complete("chat", "hi")
            else:
                async with router.stream("chat", "hi") as stream:
                    async for _ in stream:
                        pass
            found.answered += 1
        except Exception as error:  # whatever it is, a request was lost
            found.failures.append(repr(error))


async def _save(
    path: Path,
    router: Router,
    url: str,
    saves: int,
    seconds: float,
    lines: int,
    found: Found,
    on_save: Callable[[int], None],
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(1, saves + 1):
        _write(path, file_of(url, number, lines=lines, broken=number % 3 == 0), by_renaming=number % 2 == 0)
        found.saves += 1
        await asyncio.sleep(max(0.0, start + number * seconds / saves - loop.time()))
        on_save(number)
    # One save at a time, to see how long each takes to be in force.
    for number in range(saves + 1, saves + 1 + max(5, saves // 20)):
        before, saved = router.revision, loop.time()
        _write(path, file_of(url, number, lines=lines))
        await _until(lambda before=before: router.revision != before)
        found.swaps.append(loop.time() - saved)
        await asyncio.sleep(0.1)
    _write(path, file_of(url, 1, lines=lines, broken=True))
    await _until(lambda: router.last_reload is not None and not router.last_reload.accepted)


def _write(path: Path, text: str, *, by_renaming: bool = False) -> None:
    if by_renaming:
        save(path, text)
    else:
        path.write_text(text)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # not at every turn of the loop: what is measured would take longer
            await asyncio.sleep(0.001)


async def _quiet(simulator: Simulator, found: Found, before: int) -> None:
    """Once the router is closed, nothing may be left of it: no task, no call, no connection."""
    vendor = simulator.vendor("openai")

    def left() -> list[str]:
        tasks = [task for task in asyncio.all_tasks() if "router" in repr(task.get_coro())]
        sockets = len(_sockets()) - before
        return [
            *(f"a task: {task!r}" for task in tasks),
            *([f"{vendor.in_flight} calls at the vendor"] if vendor.in_flight else []),
            *([f"{sockets} sockets"] if sockets > 3 else []),  # the simulator's own, and the loop's
            *(["the watcher's files"] if any("inotify" in link for link in _files()) else []),
        ]

    with suppress(TimeoutError):
        await _until(lambda: not left())
    found.left_behind += left()
    if vendor.cancelled:
        found.left_behind.append(f"{vendor.cancelled} calls were cut off")


def _sockets() -> list[str]:
    return [link for link in _files() if link.startswith("socket:")]


def _files() -> list[str]:
    """What this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found

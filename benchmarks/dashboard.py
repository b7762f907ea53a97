"""`python -m benchmarks.dashboard`: what the dashboard costs beside an app of eight processes under 2,000 requests/s.

Its CPU time and memory in a terminal, how soon keys answer, and how much it grows in an hour of snapshots, which are
given to it as fast as it takes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks.load import FILE, App
from benchmarks.terminal import Terminal
from router import Router
from router.monitor.local_feed import LocalFeed
from router.monitor.socket.paths import FOLDER
from router.views.figures import Snapshot

SECONDS = 20.0  # of each measurement
KEYS = 20  # times that each of these is pressed, and what it brings to the screen
ANSWERS = {
    "the cursor moves in": (("j", "a/x"), ("k", "fake, 1 target")),
    "a dialog opens in": (("?", "escape closes"),),
    "a screen changes in": (("3", "outcome"), ("1", "last minute")),
}
HOUR = 3600 * 4  # snapshots
_TAB = {"1": "providers", "3": "requests", "6": "plots"}


def _used(pid: int) -> float:
    """Seconds of CPU that a process has used (proc(5), stat: utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """MB in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def under_load() -> None:
    """Print CPU and memory on each screen, and how soon keys answer."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = f"{folder}/run"
        path = Path(folder) / "routes.yaml"
        path.write_text(FILE)
        app = App(path, 8, 2000.0)
        loading = threading.Thread(target=_load, args=(app,))
        loading.start()
        terminal = Terminal([sys.executable, "-m", "router.cli", "dash"], emulate=False)
        pid = terminal.process.pid
        try:
            terminal.answer("", "k/s")
            for key, name in _TAB.items():
                terminal.send(key)
                terminal.rest(3.0)
                before, began = _used(pid), time.monotonic()
                terminal.rest(SECONDS)
                share = (_used(pid) - before) / (time.monotonic() - began)
                print(f"the dashboard, {name:<9} {share:6.1%} of a core, {_memory(pid):.0f} MB", flush=True)
            terminal.send("1")
            terminal.rest(2.0)
            for what, keys in ANSWERS.items():
                took = [seconds for _ in range(KEYS) for seconds in _answers(terminal, keys)]
                p95 = statistics.quantiles(took, n=20)[-1]
                print(f"{what:<20} {statistics.median(took) * 1e3:.0f} ms (median), {p95 * 1e3:.0f} ms (p95)")
        finally:
            terminal.close()
            for worker in app.workers:
                worker.kill()
            loading.join()


def _load(app: App) -> None:
    with contextlib.suppress(ValueError):  # the workers are killed when all is measured
        app.run(SECONDS * 4 + 60)


def _answers(terminal: Terminal, keys: tuple[tuple[str, str], ...]) -> list[float]:
    """Seconds from each key to the text that it brings, with a rest in between as people have."""
    took = []
    for key, mark in keys:
        took.append(terminal.answer(key, mark))
        terminal.rest(0.1)
        if key == "?":
            terminal.send("q")
            terminal.rest(0.2)
    return took


class _Hour(LocalFeed):
    """A feed whose hour passes as fast as it is read."""

    def __init__(self, router: Router) -> None:
        super().__init__(router)
        self.first = router.snapshot()
        self.number = 0
        self.over = asyncio.Event()

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        first = self.first
        for self.number in range(HOUR):
            figures = replace(first.figures, rate=float(self.number % 977), series=(self.number % 50,) * 60)
            yield replace(first, time=first.time + self.number / 4, figures=figures)
            await asyncio.sleep(0)
        self.over.set()
        await asyncio.Event().wait()


async def an_hour() -> None:
    """Print how much an hour of snapshots leaves behind."""
    from tui.app import Dashboard

    router = Router.from_text(FILE, env={}, monitor=False)
    for _ in range(600):
        await router.complete("chat", "hi")
    feed = _Hour(router)
    app: Any = Dashboard(feed)
    async with app.run_test(size=(120, 36)) as pilot:
        sizes = []
        while not feed.over.is_set():
            await pilot.pause()
            if feed.number > HOUR // 6 * (len(sizes) + 1):
                gc.collect()
                sizes.append(_memory(os.getpid()))
        gc.collect()
        sizes.append(_memory(os.getpid()))
    print(f"an hour of snapshots: {sizes[0]:.0f} MB after ten minutes, {sizes[-1]:.0f} MB at its end")
    await router.aclose()


def main() -> None:
    under_load()
    asyncio.run(an_hour())


if __name__ == "__main__":
    main()

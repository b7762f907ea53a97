"""The tutorial and the how-to pages do what they say: each block is run, in order, as its reader would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from providers.simulator import Simulator
from tests.support.paths import ROOT
from tests.support.ports import held_port
from tests.support.vendors import VENDORS
from tests.support.walkthrough import Walk

PAGES = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
PORTS = ("8089", "4180", "8000", "9180")  # of the pages

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vendors() -> Iterator[dict[str, str]]:
    """Simulated vendors, for programs that know nothing of tests."""
    ready, done = threading.Event(), asyncio.Event()
    found: dict[str, str] = {}
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with Simulator(seed=1) as simulator:
            for name in VENDORS:
                simulator.vendor(name).set(fast=True)
                found[name] = simulator.base_url(name)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    yield found
    loops[0].call_soon_threadsafe(done.set)
    thread.join()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_does_what_it_says(page: Path, vendors: dict[str, str], tmp_path: Path) -> None:
    with ExitStack() as held:
        ports = {port: str(held.enter_context(held_port())) for port in PORTS}
        with Walk(tmp_path, vendors={} if page.name == "tutorial.md" else vendors, replaced=ports) as walk:
            walk.follow(page)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nraise ValueError\n```\n",
        "```python\nprint(1)\n```\n\n```text\n2\n```\n",
        "```python\ndef test_it():\n    assert False\n```\n",
        "```console\n$ false\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ pip install llm-signalbox[nothing]\n```\n",
        "```console\n$ pip install signalbox\n```\n",
        "```yaml\n# routes.yaml\n\nproviders: {a: {kind: fake}}\n```\n",
        "```yaml\nproviders: {}\n```\n",
        "```text\nout of nothing\n```\n",
        "  ```python\n  1\n  ```\n",
    ],
)
def test_a_page_that_is_wrong_is_seen(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with Walk(tmp_path, vendors={}, replaced={}) as walk, pytest.raises(AssertionError):
        walk.follow(page)

"""A scrape comes on a thread of its own; the router's requests go on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from router import Router
from router.views.figures import Snapshot

pytest.importorskip("prometheus_client")

FILE = (
    "providers: {a: {kind: fake}}\nmodels:\n"
    + "".join(f"  m{number}: {{provider: a, id: m{number}}}\n" for number in range(50))
    + "routes:\n"
    + "".join(f"  r{number}: m{number}\n" for number in range(50))
)


async def test_requests_have_their_turn_while_a_scrape_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read by small steps, as snapshots are for those who watch."""
    monkeypatch.setattr("router.turns.TURN", 0.0)
    turns, passed = 0, []

    async with Router.from_text(FILE, env={}, monitor=False) as router:
        for number in range(50):
            await router.complete(f"r{number}", "hi")
        real = router.report.making

        def making(*args: Any, **more: Any) -> Generator[None, None, Snapshot]:
            before = turns
            snapshot = yield from real(*args, **more)
            passed.append(turns - before)
            return snapshot

        monkeypatch.setattr(router.report, "making", making)
        scrape = asyncio.create_task(asyncio.to_thread(lambda: list(router.prometheus().collect())))
        while not scrape.done():
            turns += 1
            await asyncio.sleep(0)

    [requests, *_] = scrape.result()
    assert sum(sample.value for sample in requests.samples if sample.labels.get("outcome") == "succeeded") == 50
    assert passed[0] > 50

"""A router that was closed leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

from router import Router


async def test_it_is_collected_whenever_it_was_closed(tmp_path: Path) -> None:
    """Also while its watcher begins, and reads the file for the first time."""
    path = tmp_path / "routes.yaml"
    path.write_text("providers: {a: {kind: fake}}\nroutes: {chat: a/x}\n")
    routers: list[weakref.ref[Router]] = []

    async def use(turns: int) -> None:
        async with Router.from_yaml(path, env={}) as router:
            routers.append(weakref.ref(router))
            for _ in range(turns):
                await asyncio.sleep(0.0002)

    tasks = asyncio.all_tasks()
    for turns in range(24):
        await use(turns)
    assert asyncio.all_tasks() == tasks
    gc.collect()
    assert [turns for turns, router in enumerate(routers) if router() is not None] == []

"""The demo is served over HTTP while it runs, and says how to ask it."""

from __future__ import annotations

import shlex

import httpx
from textual.widgets import Static

from router.gateway.local import curl_lines
from tests.support.dashboard_app import FixedVendors, running, settle
from tests.support.dashboard_feed import outage
from tui.demo import demo


async def test_its_lines_are_answered() -> None:
    """Each asks the demo's router in another protocol."""
    async with demo() as shown, httpx.AsyncClient(timeout=60) as client:
        commands = [shlex.split(line) for line in shown.commands()]
        for program, url, _, body in commands:
            answer = await client.post(url, content=body)
            assert (program, answer.status_code) == ("curl", 200)
            assert "chat" in answer.headers["x-signalbox-route"]
        assert len({url for _, url, _, _ in commands}) == 4


async def test_the_list_of_keys_has_them() -> None:
    """Where people look for what they can do."""

    class Served(FixedVendors):
        def commands(self) -> tuple[str, ...]:
            return curl_lines("http://127.0.0.1:4180", "chat")

    async with running(outage(), vendors=Served()) as (app, _, pilot):
        await pilot.press("question_mark")
        await settle(pilot)
        shown = str(app.screen.query_one(Static).content)
        assert "From another terminal" in shown
        assert "curl http://127.0.0.1:4180/v1/responses" in shown

"""`signalbox dash --log`: the Requests screen over a log on disk, when no router runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from textual.widgets import Static

from router.views.requests import RequestFilter
from tests.support.dashboard_app import settle
from tests.support.request_logs import fell_back, line, write_log
from tui.app import Dashboard
from tui.commands import dash
from tui.dialogs.trace import TraceDialog
from tui.log_feed import LogFeed
from tui.widgets.masthead import Masthead
from tui.widgets.request_list import RequestList


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_log(
        tmp_path / "logs",
        [fell_back(each, each * 10.0) if each % 10 == 0 else line(each, each * 10.0) for each in range(450)],
    )


async def test_it_begins_with_the_requests_of_the_log(folder: Path) -> None:
    async with Dashboard(LogFeed(folder, "logs"), first="requests").run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        app = pilot.app
        shown = app.screen.query_one(RequestList)
        assert [row.key for row in shown.rows][:2] == ["p-449", "p-448"]
        assert len(shown.rows) == 200
        assert "no router" in " ".join(str(each.visual) for each in app.screen.query_one(Masthead).query(Static))
        for had in (400, 450):
            await pilot.press("end")
            await settle(pilot)
            assert len(shown.rows) == had
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TraceDialog)


async def test_every_screen_can_be_gone_to(folder: Path) -> None:
    async with Dashboard(LogFeed(folder, "logs"), first="requests").run_test(size=(120, 36)) as pilot:
        for key in "123456":
            await pilot.press(key)
            await settle(pilot)
        assert pilot.app.return_code is None


async def test_what_is_written_meanwhile_comes_too_and_a_filter_holds(folder: Path) -> None:
    feed = LogFeed(folder, "logs")
    before = await feed.requests(RequestFilter(route="chat"), 5)
    write_log(folder, [line(1000, 5000.0), line(1001, 5001.0, route="other")])
    after = await feed.requests(RequestFilter(route="chat"), 5)
    assert [each.id for each in after] == ["p-1000", *(each.id for each in before[:4])]
    trace = await feed.trace("p-0")
    assert trace is not None
    assert len(trace.entries) == 2
    assert await feed.trace("p-nix") is None


@pytest.mark.parametrize("what", ["routes.yaml", "logs", "logs/FILE"])
def test_the_command_takes_a_file_that_has_a_log_or_the_log_itself(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("routes.yaml").write_text(
        "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\ntelemetry: {log: {path: logs}}\n"
    )
    shown: list[Any] = []
    monkeypatch.setattr(dash, "need_terminal", lambda _: None)
    monkeypatch.setattr(dash, "show", lambda dashboard: shown.append(dashboard.session.feed) or 0)
    what = what.replace("FILE", max(path.name for path in folder.iterdir()))
    result = CliRunner().invoke(dash.command, ["--log", what], standalone_mode=False)
    assert result.exception is None, result.output
    assert isinstance(shown[0], LogFeed)


@pytest.mark.parametrize("args", [["--log", "nix.jsonl"], ["--log", "--shared"], ["--log", "routes.yaml"]])
def test_what_is_no_log_is_said(tmp_path: Path, args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    Path("routes.yaml").write_text("providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n")
    result = CliRunner().invoke(dash.command, args)
    assert result.exit_code != 0
    assert "log" in str(result.exception) + result.output


async def test_copies_are_told_from_what_callers_got(tmp_path: Path) -> None:
    copies = [line(2, 20.0, shadow=True), line(3, 30.0, shadow=True, code="timeout")]
    folder = write_log(tmp_path / "logs", [line(1, 10.0), *copies])
    async with Dashboard(LogFeed(folder, "logs"), first="requests").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        shown = pilot.app.screen.query_one(RequestList)
        texts = [row.text for row in shown.rows]
        assert ["copy, timeout" in texts[0], "✓ copy" in texts[1], "copy" in texts[2]] == [True, True, False]
        masthead = " ".join(str(each.visual) for each in pilot.app.screen.query_one(Masthead).query(Static))
        assert "failed" not in masthead, "no router runs of which these were the figures"

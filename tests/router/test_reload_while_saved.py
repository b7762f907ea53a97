"""A reload that is asked for, by a call or by SIGHUP, while somebody is saving the file."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router import Router
from router import reload as following
from tests.support.edits import save
from tests.support.waiting import until


def text(*routes: str) -> str:
    return "providers: {a: {kind: fake}}\nroutes:\n" + "".join(f"  {route}: a/m\n" for route in routes)


WHOLE = text("lost", "found")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(text("one"))
    return tmp_path / "routes.yaml"


@pytest.fixture
def saved_in_halves(path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Saves a half; the whole follows when the half was looked at."""
    real = following.Contents

    def save_half(half: str) -> None:
        def look(paths: Any = ()) -> Any:
            found = real(paths)
            if path.read_text() == half:
                path.write_text(WHOLE)
            return found

        path.write_text(half)
        monkeypatch.setattr(following, "Contents", look)

    return save_half


HALVES = pytest.mark.parametrize("half", ["", "\n", text("lost"), "providers: {a: {ki"])


@HALVES
@pytest.mark.parametrize("watch", [False, True])
async def test_the_whole_file_is_what_a_reload_reads(
    path: Path, saved_in_halves: Callable[[str], None], half: str, watch: bool
) -> None:
    async with Router.from_yaml(path, env={}, watch=watch, monitor=False) as router:
        saved_in_halves(half)
        results = await asyncio.gather(*(router.reload() for _ in range(3)))
        assert all(result.accepted for result in results)
        assert router.routes == ("lost", "found")
        assert [result.changes for result in router.report.revisions if result.changes] == [router.last_reload.changes]


@HALVES
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
async def test_and_a_signal_is_such_a_reload(path: Path, saved_in_halves: Callable[[str], None], half: str) -> None:
    async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
        await router.complete("one", "hi")
        end = router.reload_on_hangup()
        try:
            saved_in_halves(half)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: router.last_reload)
            assert router.last_reload is not None
            assert router.last_reload.accepted
            assert router.routes == ("lost", "found")
        finally:
            end()


async def test_one_that_stays_empty_is_told(path: Path) -> None:
    async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
        save(path, "")
        assert "the file is empty" in str(await router.reload())
        assert router.routes == ("one",)


async def test_variables_are_read_again_without_an_edit(path: Path) -> None:
    env = {"ROUTE": "one"}
    save(path, "providers: {a: {kind: fake}}\nroutes: {chat: {targets: ['a/${ROUTE}']}}\n")
    async with Router.from_yaml(path, env=env, watch=False, monitor=False) as router:
        env["ROUTE"] = "two"
        assert (await router.reload()).accepted
        assert [target.name for target in router.chain("chat").targets] == ["a/two"]

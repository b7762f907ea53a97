"""Several files are followed as one: a save of any, one more that a pattern matches, one less, and all at once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from router import Router
from tests.support.edits import save
from tests.support.waiting import until

ROOT = "providers: {a: {kind: fake}}\ninclude: teams/*.yaml\nroutes: {chat: a/m}\n"


@pytest.fixture(params=["events", "no events"])
def events(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no events":

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device (os error 28)")

        monkeypatch.setattr("watchfiles._rust_notify.RustNotify", refuse)
        monkeypatch.setattr("router.folders.BACKSTOP", 0.01)
    else:
        monkeypatch.setattr("router.folders.BACKSTOP", 3600.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams" / "one.yaml").write_text("routes: {one: a/m}\n")
    (tmp_path / "routes.yaml").write_text(ROOT)
    return tmp_path / "routes.yaml"


async def watched(router: Router) -> None:
    """Wait until the follower has looked for the first time and listens."""
    await router.complete("chat", "hi")
    await until(lambda: router.watching)
    await asyncio.sleep(0)


@pytest.mark.usefixtures("events")
async def test_every_change_of_any_file_is_seen(path: Path) -> None:
    teams = path.parent / "teams"
    async with Router.from_yaml(path, env={}) as router:
        await watched(router)
        save(teams / "one.yaml", "routes: {one.b: a/m}\n")
        await until(lambda: router.routes == ("chat", "one.b"))
        save(teams / "two.yaml", "include: more/*.yaml\nroutes: {two: a/m}\n")  # one more that the pattern matches
        await until(lambda: router.routes == ("chat", "one.b", "two"))
        (teams / "more").mkdir()
        save(teams / "more" / "three.yaml", "routes: {three: a/m}\n")
        await until(lambda: router.routes == ("chat", "one.b", "two", "three"))
        (teams / "one.yaml").unlink()
        await until(lambda: router.routes == ("chat", "two", "three"))
        save(path, ROOT.replace("include: teams/*.yaml\n", ""))
        await until(lambda: router.routes == ("chat",))
        save(path, ROOT)
        await until(lambda: router.routes == ("chat", "two", "three"))


async def test_a_wrong_edit_of_one_file_changes_nothing_and_names_it(path: Path) -> None:
    teams = path.parent / "teams"
    async with Router.from_yaml(path, env={}, watch=False) as router:
        save(teams / "one.yaml", "routes:\n  one: {targets: [nix/m]}\n")
        save(path, ROOT.replace("chat", "talk"))
        result = await router.reload()
        assert not result.accepted
        (found,) = result.diagnostics
        assert (found.file, found.line, found.column) == (str(teams / "one.yaml"), 2, 19)
        assert router.routes == ("chat", "one")
        view = await router.feed().config()
        assert [name for name, _ in view.files] == [str(path), str(teams / "one.yaml")]
        assert view.text.splitlines()[view.files[1][1] + 1] == "  one: {targets: [nix/m]}"
        sentence = [event.sentence for event in router.telemetry.events if event.kind == "reload"][-1]
        assert "one.yaml:2: no provider" in sentence


async def test_a_half_of_a_new_file_is_never_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is new to the look that finds it, and is looked at twice like all others."""
    new = path.parent / "teams" / "new.yaml"
    async with Router.from_yaml(path, env={}, watch=False) as router:
        new.write_text("routes: {new: a/m")
        looks = 0
        from router import reload as following

        sleep = asyncio.sleep

        async def and_write(seconds: float) -> None:
            nonlocal looks
            looks += seconds == following.DEBOUNCE
            if looks == 2:  # between the two looks at the file that is new
                new.write_text("routes: {new: a/m, other: a/m}\n")
            await sleep(0)

        monkeypatch.setattr("router.reload.asyncio.sleep", and_write)
        result = await router.reload()
        assert result.accepted, result
        assert router.routes == ("chat", "new", "other", "one")


async def test_what_changes_is_told_as_for_one_file(path: Path) -> None:
    async with Router.from_yaml(path, env={}, watch=False) as router:
        save(path.parent / "teams" / "two.yaml", "routes: {two: a/m}\nmodels: {m: a/x}\n")
        result = await router.reload()
        assert result.changes == ("route two added", "model m added")


@pytest.mark.usefixtures("events")
async def test_a_config_map_swaps_all_files_at_once(tmp_path: Path) -> None:
    """Kubernetes keeps the files of a volume behind one link, `..data`, which it replaces."""

    def volume(version: str, **texts: str) -> None:
        folder = tmp_path / f"..{version}"
        folder.mkdir()
        for name, text in texts.items():
            (folder / f"{name}.yaml").write_text(text)
            if not (tmp_path / f"{name}.yaml").is_symlink():
                os.symlink(f"..data/{name}.yaml", tmp_path / f"{name}.yaml")
        os.symlink(f"..{version}", tmp_path / "..new")
        os.replace(tmp_path / "..new", tmp_path / "..data")

    texts: dict[str, Any] = {"routes": ROOT.replace("teams/*", "team-*")}
    volume("1", **texts, **{"team-a": "routes: {one: a/m}\n", "team-b": "models: {m: a/x}\n"})
    async with Router.from_yaml(tmp_path / "routes.yaml", env={}) as router:
        await watched(router)
        volume("2", **texts, **{"team-a": "routes: {one: m}\n", "team-b": "models: {m: a/y}\nroutes: {two: m}\n"})
        await until(lambda: router.routes == ("chat", "one", "two"))
        assert router.chain("one").targets[0].model == "y"

"""Edits are followed wherever the file and its secrets are, with the system's events and without any."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router import Router
from router import reload as following
from tests.support.waiting import until

FILE = """\
providers: {{a: {{kind: fake, api_key: "${{file:{secret}}}"}}}}
routes: {{{route}: a/m}}
"""


def text(route: str, secret: str = "key") -> str:
    return FILE.format(route=route, secret=secret)


@pytest.fixture(params=["events", "no events"])
def events(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the system tells of changes; where it has no more watches to give, it does not."""
    if request.param == "no events":
        no_events(monkeypatch)
    return bool(request.param == "events")


def no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device (os error 28)")

    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", refuse)
    monkeypatch.setattr("router.folders.BACKSTOP", 0.01)


def link(path: Path, to: str | Path) -> None:
    """Make or replace a link in one step."""
    new = path.with_name(f"{path.name}.new")
    new.symlink_to(to)
    new.replace(path)


class Place:
    """A routes.yaml and the folder `etc` that it is read from, before and after an edit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "up" / "etc"
        self.path = self.folder / "routes.yaml"
        self.folder.mkdir(parents=True)
        self.write(self.folder, "one")

    def write(self, folder: Path, route: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key").write_text("secret")
        (folder / "routes.yaml").write_text(text(route))


def in_place(place: Place, route: str) -> None:
    place.path.write_text(text(route))


def by_rename(place: Place, route: str) -> None:
    new = place.path.with_suffix(".tmp")
    new.write_text(text(route))
    new.replace(place.path)


def same_size_and_time(place: Place, route: str) -> None:
    """As a copy that keeps times, or a clock that stands still."""
    before = place.path.stat()
    place.path.write_text(text(route))
    os.utime(place.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (place.path.stat().st_size, place.path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def older(place: Place, route: str) -> None:
    """As a file that is restored from a backup."""
    place.path.write_text(text(route))
    os.utime(place.path, (1, 1))


def folder_moved(place: Place, route: str) -> None:
    place.folder.rename(place.root / f"before {route}")
    place.write(place.folder, route)


def folder_removed(place: Place, route: str) -> None:
    shutil.rmtree(place.folder)
    place.write(place.folder, route)


def upper_folder_moved(place: Place, route: str) -> None:
    place.folder.parent.rename(place.root / f"before {route}")
    place.write(place.folder, route)


def upper_folder_removed(place: Place, route: str) -> None:
    shutil.rmtree(place.folder.parent)
    place.write(place.folder, route)


def link_to_file(place: Place, route: str) -> None:
    place.write(place.root / f"elsewhere {route}", route)
    link(place.path, place.root / f"elsewhere {route}" / "routes.yaml")


def link_to_folder(place: Place, route: str) -> None:
    place.write(place.root / f"elsewhere {route}", route)
    if not place.folder.is_symlink():
        shutil.rmtree(place.folder)
    link(place.folder, place.root / f"elsewhere {route}")


def edit_behind_links(place: Place, route: str) -> None:
    """The file lies behind a folder's link, which stays; only the far end is written."""
    far = place.root / "far"
    if not place.folder.is_symlink():
        place.folder.rename(far)
        place.folder.symlink_to(far)
    (far / "routes.yaml").write_text(text(route))


def config_map(place: Place, route: str) -> None:
    """As Kubernetes mounts one: routes.yaml -> ..data/routes.yaml, ..data -> ..2026, and `..data` is swapped."""
    made = place.folder / f"..2026_{route}"
    place.write(made, route)
    old = os.readlink(place.folder / "..data") if (place.folder / "..data").is_symlink() else None
    link(place.folder / "..data", made.name)
    for name in ("routes.yaml", "key"):
        if not (place.folder / name).is_symlink():
            link(place.folder / name, f"..data/{name}")
    if old:
        shutil.rmtree(place.folder / old)


def gone_and_back(place: Place, route: str) -> None:
    place.path.unlink()
    place.path.write_text(text(route))


EDITS = [
    in_place,
    by_rename,
    same_size_and_time,
    older,
    folder_moved,
    folder_removed,
    upper_folder_moved,
    upper_folder_removed,
    link_to_file,
    link_to_folder,
    edit_behind_links,
    config_map,
    gone_and_back,
]


@pytest.mark.parametrize("edit", EDITS)
async def test_every_way_to_change_what_a_path_leads_to(
    tmp_path: Path, events: bool, edit: Callable[[Place, str], None]
) -> None:
    """The new content runs, the first time and every other time, and the watcher is there all the while."""
    place = Place(tmp_path)

    async with Router.from_yaml(place.path, env={}, monitor=False) as router:
        for route in ("two", "six"):
            edit(place, route)
            await until(lambda route=route: router.routes == (route,))
            assert router.watching
            await until(lambda: router.last_reload is not None and router.last_reload.revision == router.revision)


def key_in_place(path: Path, key: str) -> None:
    path.write_text(key)


def key_by_rename(path: Path, key: str) -> None:
    new = path.with_name("new")
    new.write_text(key)
    new.replace(path)


def key_by_link(path: Path, key: str) -> None:
    made = path.parent / f"..{key}"
    made.mkdir()
    (made / path.name).write_text(key)
    link(path.parent / "..data", made.name)
    if not path.is_symlink():
        link(path, f"..data/{path.name}")


def key_in_new_folder(path: Path, key: str) -> None:
    path.parent.rename(path.parent.with_name(f"before {key}"))
    path.parent.mkdir()
    path.write_text(key)


@pytest.mark.parametrize("rotate", [key_in_place, key_by_rename, key_by_link, key_in_new_folder])
async def test_a_secret_is_followed_in_its_own_folder(
    tmp_path: Path, events: bool, rotate: Callable[[Path, str], None]
) -> None:
    """Wherever it lies; also one that the file names only since an edit, and one that was not there at first."""
    path, vault = tmp_path / "etc" / "routes.yaml", tmp_path / "vault" / "deep" / "key"
    path.parent.mkdir()
    (path.parent / "key").write_text("first")
    path.write_text(text("one"))

    def key(router: Router) -> str | None:
        return router.plan.providers["a"].secret

    async with Router.from_yaml(path, env={}, monitor=False) as router:
        path.write_text(text("one", f"{vault}"))
        await until(lambda: router.last_reload is not None and not router.last_reload.accepted)
        assert key(router) == "first"
        vault.parent.mkdir(parents=True)
        for number in range(2):
            rotate(vault, f"key {number}")
            await until(lambda number=number: key(router) == f"key {number}")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled, by revision."""
    compiled: list[str] = []
    real = following.compile_plan

    def compile_plan(loaded: Any, **more: Any) -> Any:
        compiled.append(",".join(loaded.file.routes))
        return real(loaded, **more)

    monkeypatch.setattr(following, "compile_plan", compile_plan)
    return compiled


@pytest.mark.parametrize("half", ["", "\n", text("lost")])
async def test_a_half_that_is_saved_is_never_read(
    tmp_path: Path, events: bool, readings: list[str], half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever empties the file, or has written a part of it, is waited for; then the whole is read, once."""
    place = Place(tmp_path)
    real = following.Contents

    def look(paths: Any = ()) -> Any:
        found = real(paths)
        if place.path.read_text() == half:  # the rest follows when the half was looked at
            place.path.write_text(text("whole"))
        return found

    async with Router.from_yaml(place.path, env={}, monitor=False) as router:
        await router.complete("one", "hi")
        monkeypatch.setattr(following, "Contents", look)
        place.path.write_text(half)
        await until(lambda: router.routes == ("whole",))
        assert all(revision.accepted for revision in router.report.revisions)
    assert readings == ["whole"]


async def test_a_file_that_stays_empty_or_away_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old plan goes on, and the file that comes back takes over."""
    no_events(monkeypatch)
    place = Place(tmp_path)

    async with Router.from_yaml(place.path, env={}, monitor=False) as router:
        for spoil, words in (
            (lambda: place.path.write_text(""), "the file is empty"),
            (place.path.unlink, "no such file"),
            (lambda: (place.path.unlink(), place.path.mkdir()), "a directory"),
        ):
            spoil()
            await until(lambda: router.last_reload is not None and not router.last_reload.accepted)
            assert words in str(router.last_reload)
            assert (await router.complete("one", "hi")).text
            if place.path.is_dir():
                place.path.rmdir()
            place.path.write_text(text("one"))
            await until(lambda: router.last_reload is not None and router.last_reload.accepted)


async def test_what_else_is_written_there_is_nothing_to_it(
    tmp_path: Path, readings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs, swap files and databases beside the file are not even looked at: the file is not read for them."""
    place = Place(tmp_path)
    looks: list[object] = []
    real = following.Contents
    monkeypatch.setattr(following, "Contents", lambda paths=(): looks.append(paths) or real(paths))
    monkeypatch.setattr("router.folders.BACKSTOP", 3600.0)

    async with Router.from_yaml(place.path, env={}, monitor=False) as router:
        await until(lambda: len(looks) == 1)
        for number in range(50):
            (place.folder / f"log{number}").write_text("x")
            (place.folder / f".routes.yaml.{number}.swp").write_text(text("wrong"))
            await asyncio.sleep(0)
        by_rename(place, "two")
        await until(lambda: router.routes == ("two",))
        assert len(looks) <= 5  # the first, and those that this one save takes

    assert readings == ["two"]


async def test_a_touch_reads_nothing_anew(tmp_path: Path, readings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The content counts, no time stamp."""
    no_events(monkeypatch)
    place = Place(tmp_path)
    looks: list[object] = []
    real = following.Contents
    monkeypatch.setattr(following, "Contents", lambda paths=(): looks.append(paths) or real(paths))

    async with Router.from_yaml(place.path, env={}, monitor=False) as router:
        for number in range(5):
            os.utime(place.path, (number, number))
            by_rename(place, "one")
            seen = len(looks)
            await until(lambda seen=seen: len(looks) > seen + 2)
        assert router.last_reload is None

    assert readings == []


async def test_a_system_without_watches_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sentence, and edits are followed all the same."""
    no_events(monkeypatch)
    place = Place(tmp_path)

    with caplog.at_level(logging.WARNING, "signalbox"):
        async with Router.from_yaml(place.path, env={}, monitor=False) as router:
            for route in ("two", "six", "ten"):
                in_place(place, route)
                await until(lambda route=route: router.routes == (route,))
                assert router.watching
    [told] = [record.getMessage() for record in caplog.records]
    assert "since the system tells none: [Errno 28] No space left on device" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root enters everywhere")
async def test_a_folder_that_may_not_be_entered(tmp_path: Path, events: bool) -> None:
    """It is a rejected reload with a reason; when it may be entered again all goes on."""
    place = Place(tmp_path)

    async with Router.from_yaml(place.path, env={}, monitor=False) as router:
        await router.complete("one", "hi")
        in_place(place, "two")
        place.folder.chmod(0)
        try:
            await until(lambda: router.last_reload is not None and not router.last_reload.accepted)
            assert "check its permissions" in str(router.last_reload)
            assert router.watching
        finally:
            place.folder.chmod(0o700)
        await until(lambda: router.routes == ("two",))


async def test_a_router_that_is_closed_at_any_moment_is_collected(tmp_path: Path) -> None:
    """Nothing of its watcher holds it, however early or late it is closed."""
    import gc

    place = Place(tmp_path)
    gone = []
    for turns in range(12):
        router = Router.from_yaml(place.path, env={}, monitor=False)
        async with router:
            for _ in range(turns):
                await asyncio.sleep(0)
        gone.append(weakref.ref(router))
        del router
    await until(lambda: gc.collect() >= 0 and all(found() is None for found in gone))

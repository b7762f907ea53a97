"""Edits are followed whatever the file and its folders are called, and wherever the process goes meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from router import Router
from tests.support.waiting import until

_HERE = -100  # AT_FDCWD
_RENAMEAT2 = 316  # on x86-64
_EXCHANGE = 2


def text(route: str) -> str:
    return f'providers: {{a: {{kind: fake, api_key: "${{file:key}}"}}}}\nroutes: {{{route}: a/m}}\n'


def place_in(folder: Path, name: str = "routes.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "key").write_text("secret")
    (folder / name).write_text(text("one"))
    return folder / name


async def follows(path: Path, edited: Path, edit: Callable[[Path, str], object]) -> None:
    """Through two edits."""
    async with Router.from_yaml(path, env={}, monitor=False) as router:
        for route in ("two", "six"):
            edit(edited, text(route))
            await until(lambda route=route: router.routes == (route,))
            assert router.watching


ODD = [
    "two words.yaml",
    "two\nlines.yaml",
    "-rf.yaml",
    "*[a]$b.yaml",
    "e\u0301\U0001f600.yaml",
    os.fsdecode(b"latin-\xe9.yaml"),
    "n" * 250 + ".yaml",
]


@pytest.mark.parametrize("name", ODD, ids=ascii)
async def test_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    """Also where its name is no text, which the system's events can't be asked for."""
    path = place_in(tmp_path, name)
    await follows(path, path, Path.write_text)


@pytest.mark.parametrize("name", [*ODD, "/".join(["x" * 200] * 18)], ids=lambda name: ascii(name)[:20])
async def test_whatever_its_folder_is_called(tmp_path: Path, name: str) -> None:
    path = place_in(tmp_path / name)
    await follows(path, path, Path.write_text)


@pytest.mark.parametrize("name", ODD, ids=ascii)
async def test_a_rejection_is_logged_as_text(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """In one line for the name, and without what no log file takes."""
    path = place_in(tmp_path, name)
    async with Router.from_yaml(path, env={}, monitor=False, watch=False) as router:
        path.write_text("routes: 3\n")
        assert not (await router.reload()).accepted
    [told] = [record.getMessage() for record in caplog.records if "rejected" in record.getMessage()]
    assert told.encode()
    assert "rejected" in told.partition("\n")[0]


async def test_wherever_the_process_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is that of the moment when the router was made."""
    path = place_in(tmp_path / "etc")
    (tmp_path / "etc" / "sub").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for folder, given in (("etc", "routes.yaml"), ("etc/sub", "../routes.yaml")):
        path.write_text(text("one"))
        monkeypatch.chdir(tmp_path / folder)
        router = Router.from_yaml(given, env={}, monitor=False)
        monkeypatch.chdir(tmp_path / "elsewhere")
        async with router:
            path.write_text(text("two"))
            await until(lambda router=router: router.routes == ("two",))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no such folder")
async def test_a_file_that_is_held_open(tmp_path: Path) -> None:
    """By the number of its descriptor, as a shell's `<` gives it on."""
    path = place_in(tmp_path)
    with path.open() as file:
        path.write_text(path.read_text().replace("file:key", f"file:{tmp_path}/key"))

        def edit(_: Path, content: str) -> None:
            path.write_text(content.replace("file:key", f"file:{tmp_path}/key"))

        await follows(Path(f"/proc/self/fd/{file.fileno()}"), path, edit)


def exchanged(one: Path, other: Path) -> None:
    """Exchange two places in one step, as deployments do; skips where the system can't."""
    library = ctypes.CDLL(None, use_errno=True)
    result = library.syscall(_RENAMEAT2, _HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    if result and ctypes.get_errno() in (errno.ENOSYS, errno.EINVAL):
        pytest.skip("this system exchanges nothing")
    assert not result, os.strerror(ctypes.get_errno())


@pytest.mark.skipif(os.uname().machine != "x86_64" or os.uname().sysname != "Linux", reason="the call has a number")
@pytest.mark.parametrize("what", ["file", "folder"])
async def test_an_exchange_in_one_step(tmp_path: Path, what: str) -> None:
    path = place_in(tmp_path / "etc")

    def edit(_: Path, content: str) -> None:
        new = place_in(tmp_path / "new")
        new.write_text(content)
        exchanged(*((path, new) if what == "file" else (path.parent, new.parent)))
        shutil.rmtree(tmp_path / "new")

    await follows(path, path, edit)


async def test_the_other_name_of_a_hard_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells nothing of it; it is looked all the same."""
    monkeypatch.setattr("router.folders.BACKSTOP", 0.01)
    path, other = place_in(tmp_path / "etc"), tmp_path / "other.yaml"
    os.link(path, other)
    await follows(path, other, Path.write_text)

"""`import signalbox` and `python -m signalbox`, and what stands in their way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import router
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `signalbox` as the wheel has it."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "signalbox").symlink_to(ROOT / "router" / "door")
    for package in ("providers", "router", "tui"):
        (folder / package).symlink_to(ROOT / package)
    return folder


def python(*arguments: str, here: Path, installed: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, whose modules come first for `python -m` and `python -c`."""
    env = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, *arguments], cwd=here, env=env, capture_output=True, text=True, check=False)


def test_it_has_what_the_router_has(installed: Path, tmp_path: Path) -> None:
    code = "import signalbox, router; print(signalbox.Router is router.Router, *dir(signalbox))"
    made = python("-c", code, here=tmp_path, installed=installed)
    assert made.stdout.split() == ["True", *sorted(router.__all__)], made.stderr


def test_it_is_the_command(installed: Path, tmp_path: Path) -> None:
    made = python("-m", "signalbox", "--version", here=tmp_path, installed=installed)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("signalbox")


@pytest.mark.parametrize("name", ["router", "providers", "tui"])
@pytest.mark.parametrize("kind", ["module", "package", "folder"])
@pytest.mark.parametrize("way", [("-c", "import signalbox"), ("-m", "signalbox", "--version")], ids=["-c", "-m"])
def test_a_file_that_hides_ours_is_named(
    name: str, kind: str, way: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    hiding = tmp_path / (f"{name}.py" if kind == "module" else name)
    if kind == "module":
        hiding.write_text("")
    else:
        hiding.mkdir()
        if kind == "package":
            hiding = hiding / "__init__.py"
            hiding.write_text("")
    made = python(*way, here=tmp_path, installed=installed)
    hides_nothing = kind == "folder" or (name == "tui" and way[0] == "-c")  # an app has no use for the dashboard
    if hides_nothing:
        assert made.returncode == 0, made.stderr
        return
    assert made.returncode != 0
    last = made.stderr.strip().splitlines()[-1]
    assert f'{hiding} hides the package "{name}" of Signalbox' in last
    assert "python -P" in last

"""Tries what `make dist` built as those who get it would: the wheel answers, the sdist passes its fast tests.

    python -m tests.support.check_dist dist [--wheel]

`--wheel` leaves the sdist's tests out. Each is tried outside of this folder and in an environment of its own, so that
nothing of this one helps.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email import message_from_string
from pathlib import Path, PurePosixPath

from tests.support.clean_env import CleanEnv, check_env, check_tool, pythons

_PACKAGES = ("providers", "router", "signalbox", "tui")
_DATA = {".json", ".lua", ".tcss", ".typed"}
_RELATIVE = re.compile(r"\]\((?![a-z]+:|#)[^)]*\)|(?:src|srcset|href)=\"(?![a-z]+:|#)[^\"]*\"")


def check_content(wheel: Path, sdist: Path) -> None:
    """The wheel has every file of our packages and nothing else, and its page has no link that leads nowhere."""
    with tarfile.open(sdist) as archive:
        sources = {str(PurePosixPath(*PurePosixPath(each.name).parts[1:])) for each in archive if each.isfile()}
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = message_from_string(archive.read(about["METADATA"]).decode())
    wanted = {
        name.replace("router/door/", "signalbox/", 1)
        for name in sources
        if name.startswith(("providers/", "router/", "tui/"))
    }
    faults = [f"not in the wheel: {name}" for name in sorted(wanted - inside)]
    faults += [f"in the wheel, but not a source: {name}" for name in sorted(inside - wanted)]
    faults += [f"a stray file: {name}" for name in sorted(inside) if PurePosixPath(name).suffix not in {".py", *_DATA}]
    faults += [f"no {package}/py.typed" for package in _PACKAGES if f"{package}/py.typed" not in inside]
    faults += ["no license"] if "licenses/LICENSE" not in about else []
    faults += [f"a link that leads nowhere: {link}" for link in _RELATIVE.findall(str(metadata.get_payload()))]
    faults += [
        f"a stray file in the sdist: {name}"
        for name in sources
        if re.search(r"__pycache__|\.(pyc|whl|gz|zip)$|^dist/", name)
    ]
    if faults:
        raise SystemExit("\n".join(faults))
    if not metadata.get_all("Project-URL"):
        print("no repository is set in pyproject.toml: the page has no links (docs/releasing.md)")


def check_wheel(wheel: Path, folder: Path) -> None:
    """It works on every Python that we support, as far as they are here, and without being installed."""
    version = wheel.name.split("-")[1]
    for name, python in pythons().items():
        check_env(CleanEnv(folder / name, python, wheel), version)
        print(f"signalbox {version} works on Python {name}")
    check_tool(wheel, version, folder)


def check_sdist(sdist: Path, folder: Path) -> None:
    """What it holds is enough for `make check`."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    subprocess.run(["make", "check"], cwd=folder / sdist.name.removesuffix(".tar.gz"), check=True)


def main(dist: Path, *, wheel_only: bool) -> None:
    (wheel,), (sdist,) = dist.resolve().glob("*.whl"), dist.resolve().glob("*.tar.gz")
    check_content(wheel, sdist)
    with tempfile.TemporaryDirectory(prefix="signalbox-dist-") as folder:
        check_wheel(wheel, Path(folder))
        if not wheel_only:
            check_sdist(sdist, Path(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), wheel_only="--wheel" in sys.argv)

"""Tries what `make dist` built as those who get it would: the wheel answers, the sdist passes its fast tests.

    python -m tests.support.check_dist dist

Each is tried outside of this folder and in an environment of its own, so that nothing of this one helps.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

from tests.support.paths import ROOT

FIRST_CALL = """
import asyncio
from providers import CompletionRequest, FakeProvider, Message
from providers.fake import Reply

request = CompletionRequest(model="any", messages=(Message.user("Hello"),))
print(asyncio.run(FakeProvider.scripted(Reply("Hello from the wheel.")).complete(request)).text)
"""


def check_wheel(wheel: Path, folder: Path) -> None:
    """The command tells the wheel's version, and a first call is answered."""
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", wheel], check=True)
    expected = f"signalbox, version {wheel.name.split('-')[1]}"
    told = subprocess.run(
        [python.with_name("signalbox"), "--version"], cwd=folder, check=True, capture_output=True, text=True
    )
    if told.stdout.strip() != expected:
        raise SystemExit(f"signalbox --version says {told.stdout.strip()!r}, not {expected!r}")
    print(expected)
    subprocess.run([python, "-c", FIRST_CALL], cwd=folder, check=True)


def check_sdist(sdist: Path, folder: Path) -> None:
    """What it holds is enough for `make check`."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    subprocess.run(["make", "check"], cwd=folder / sdist.name.removesuffix(".tar.gz"), check=True)


def main(dist: Path) -> None:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="signalbox-dist-") as folder:
        for check, built in ((check_wheel, wheel), (check_sdist, sdist)):
            inside = Path(folder) / check.__name__
            inside.mkdir()
            check(built.resolve(), inside)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

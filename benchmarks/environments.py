"""The peers' virtual environments, in the user's cache folder: made once, and again when a peer's versions change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import platformdirs

PEERS = Path(__file__).parent / "peers"
_PATIENCE = 900.0  # seconds for one peer's installation


def folder() -> Path:
    return Path(platformdirs.user_cache_dir("signalbox")) / "bench"


def python_of(script: str, *, install: bool) -> str | None:
    """The interpreter of a peer: ours, where it needs nothing; None when it is not installed.

    Args:
        install: make the environment where it is missing or of other versions.

    Raises:
        RuntimeError: it can't be installed, with pip's last words.
    """
    versions = PEERS / f"{script}.txt"
    if not versions.exists():
        return sys.executable
    place = folder() / script
    python, stamp = place / "bin" / "python", place / "installed.txt"
    wanted = f"{sys.version}\n{versions.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return str(python)
    if not install:
        return None
    place.parent.mkdir(parents=True, exist_ok=True)
    _run(sys.executable, "-m", "venv", "--clear", str(place))
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(versions))
    stamp.write_text(wanted)
    return str(python)


def versions_of(script: str) -> str:
    """What a peer is measured with, in words."""
    versions = PEERS / f"{script}.txt"
    return ", ".join(versions.read_text().split()).replace("==", " ") if versions.exists() else ""


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took longer than {_PATIENCE:g} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "pip failed").splitlines()
        raise RuntimeError(next((line for line in reversed(said) if "error" in line.lower()), said[-1])[:200])

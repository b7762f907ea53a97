"""examples/provider is a kind of provider that its own tests, the registry and the type checker accept."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from providers import Provider, ProviderSettings
from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "provider"


@pytest.mark.slow
def test_its_own_tests_pass() -> None:
    """As its author runs them; that it is built, installed and routed to, docs/howto/provider.md shows."""
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={FOLDER}"]
    path = f"{FOLDER}{os.pathsep}{ROOT}"
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([*run, FOLDER], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "6 passed" in ended.stdout


def test_it_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from signalbox_lines import LinesProvider  # type: ignore[import-not-found]  # it is on the path by now

    made = LinesProvider(ProviderSettings(name="here", kind="lines", base_url="http://llm"))
    assert isinstance(made, Provider)
    del sys.modules["signalbox_lines"]

"""`signalbox dash --web` in a real browser: it works, and asks nobody but this machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.node import FOLDER, NODE
from tests.support.paths import ROOT

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or ""
FILE = "providers: {a: {kind: fake}}\nroutes: {chat: a/model-of-a-test}\n"

pytestmark = [
    pytest.mark.skipif(not BROWSER, reason="there is no Chromium on this machine"),
    pytest.mark.skipif(
        not NODE or not (FOLDER / "node_modules" / "playwright-core").is_dir(),
        reason="node or playwright-core is missing: `make .clients/.done` installs it",
    ),
    pytest.mark.slow,
]


async def test_the_dashboard_in_a_browser_asks_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    serving = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router.cli", "dash", "--web", "--port", "0", str(path)),
        cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert serving.stdout is not None
    try:
        async with asyncio.timeout(120):
            first = (await serving.stdout.readline()).decode()
            found = re.search(r"http://\S+", first)
            assert found is not None, first
            url = found[0]
            steps = [
                {"wait": "model-of-a-test"},
                {"press": "6", "wait": "first token"},
                {"press": "?", "wait": "escape closes"},
            ]
            given = {"url": url, "browser": BROWSER, "steps": steps}
            driving = await asyncio.create_subprocess_exec(
                *(NODE, str(Path(__file__).with_suffix("").with_name("dashboard.mjs")), str(FOLDER), json.dumps(given)),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await driving.communicate()
            assert driving.returncode == 0, err.decode()
    finally:
        serving.send_signal(signal.SIGINT)
        await serving.wait()
    seen = json.loads(out)
    here = urlsplit(url).netloc
    assert seen["title"] == "signalbox"
    assert seen["at"] == f"http://{here}/"  # the key is in no history and in no Referer
    assert {urlsplit(each).netloc for each in seen["requests"] if not each.startswith("data:")} == {here}
    assert any(each.startswith("ws://") for each in seen["requests"])
    assert seen["errors"] == []

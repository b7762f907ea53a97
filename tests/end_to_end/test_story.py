"""The demo's story in a terminal stays at its end, so that its command lines can be tried."""

from __future__ import annotations

import re
import signal
import sys
from urllib.request import urlopen

from tests.support.terminal import Terminal


def test_at_its_end_the_story_serves_on_until_ctrl_c() -> None:
    shown = Terminal([sys.executable, "-m", "router.cli", "demo", "--story"], size=(160, 90))
    try:
        shown.until(lambda text: "It still serves" in text, "that it serves on")
        found = re.search(r"curl (http://127\.0\.0\.1:\d+)/v1/chat/completions", shown.text)
        assert found
        with urlopen(f"{found[1]}/v1/models", timeout=60) as answer:
            assert b'"chat"' in answer.read()
        shown.process.send_signal(signal.SIGINT)  # what Ctrl-C does
        assert shown.until_end() == 0
    finally:
        shown.close()

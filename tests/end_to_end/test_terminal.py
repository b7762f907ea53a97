"""The real command in a real terminal: the demo from its first picture to the restored screen, and a running router."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.edits import save
from tests.support.terminal import PATIENCE, Terminal

pytestmark = pytest.mark.slow

SIGNALBOX = (sys.executable, "-m", "router.cli")
APP = """
import asyncio, contextlib, sys
from providers.errors import SignalboxError
from router import Router

async def main():
    async with Router.from_yaml(sys.argv[1]) as router:
        print("ready", flush=True)
        while True:
            with contextlib.suppress(SignalboxError):
                await router.complete("chat", "hi")
            await asyncio.sleep(0.02)

asyncio.run(main())
"""


@contextmanager
def terminal(*args: str, size: tuple[int, int] = (140, 40)) -> Iterator[Terminal]:
    # The demo says where its file is, as much of it as there is room for.
    found = Terminal([*SIGNALBOX, *args], size=size, env={"TMPDIR": "/tmp"})
    try:
        yield found
    finally:
        found.close()


def test_the_demo_from_its_first_picture_to_the_restored_screen() -> None:
    """A vendor is broken by key and its lamp changes, the file is edited, a prompt is answered, all is as before."""
    with terminal("demo") as shown:
        shown.until(lambda text: "● luna" in text and "simulated traffic" in text, "the panel")
        shown.send("++")  # more traffic, so that it goes quickly
        shown.send("b")
        shown.until(lambda text: "openai is broken: it answers 500" in text, "what was done")
        shown.until(lambda text: re.search(r"[○◐] luna", text), "the lamp of the broken target")
        shown.until(lambda text: re.search(r"luna opened: .+ \(server_error\)", text), "the event")
        path = Path(_found(r"(/\S+/demo/routes\.yaml)", shown.text))
        save(path, path.read_text().replace("weight: 70", "weight: 50"))
        shown.until(lambda text: "luna 70→50" in text, "the new revision as an event")
        shown.send("m")
        shown.send("4")
        shown.until(lambda text: "Ask a route" in text, "the prompt")
        shown.send("Why is the sky blue?\r")
        shown.until(lambda text: "Rayleigh" in text and "tokens/s" in text, "the answer with its figures")
        shown.send("\x1b")  # told by time alone from the beginning of another key
        shown.until(lambda text: "q quit" in text, "that keys are no text any more")
        shown.send("5")
        shown.until(lambda text: "weight: 50" in text, "the file")
        shown.send("q")
        assert shown.until_end() == 0
        assert shown.restored
        assert f"it is kept: {path}" in shown.text.replace("\n", "")
    path.unlink()
    path.parent.rmdir()
    path.parent.parent.rmdir()


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An app in another process, under traffic."""
    path = tmp_path / "shop" / "routes.yaml"
    path.parent.mkdir()
    path.write_text("providers: {a: {kind: fake}}\nmodels: {m: {provider: a, id: m}}\nroutes: {chat: m}\n")
    running = subprocess.Popen([sys.executable, "-c", APP, str(path)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    running.stdout.readline()
    yield running
    running.kill()
    running.communicate()


def test_a_router_in_another_process_is_watched_and_acted_on(app: subprocess.Popen[str]) -> None:
    """It is found by itself, drained by key, shown as gone when it dies; the dashboard's end changes nothing for it."""
    with terminal("dash", "shop") as shown:
        shown.until(lambda text: "● m" in text and "/s" in text, "the panel of the app")
        shown.send("jdy")
        shown.until(lambda text: "‖ m" in text, "the lamp of the drained target")
        shown.send("d")
        shown.until(lambda text: "● m" in text, "the lamp of the target that is back")
        app.kill()
        app.wait()
        shown.until(lambda text: "GONE" in text, "that the router is gone")
        shown.send("q")
        assert shown.until_end() == 0
        assert shown.restored


def test_killing_the_dashboard_leaves_the_app_alone(app: subprocess.Popen[str]) -> None:
    with terminal("dash") as shown:
        shown.until(lambda text: "● m" in text, "the panel of the app")
        shown.process.kill()
        shown.process.wait()
    with terminal("dash") as shown:
        shown.until(lambda text: re.search(r"● m .* [1-9]\d*\.\d", text), "the app, which goes on")
    assert app.poll() is None


def test_terminated_it_restores_the_terminal(app: subprocess.Popen[str]) -> None:
    with terminal("dash") as shown:
        shown.until(lambda text: "● m" in text, "the panel of the app")
        shown.process.terminate()
        assert shown.until_end() == 128 + signal.SIGTERM
        assert shown.restored
    assert app.poll() is None


def test_a_lost_terminal_ends_it(app: subprocess.Popen[str]) -> None:
    """Also where no signal tells so: it would go on without anybody, at the cost of a core."""
    with terminal("dash") as shown:
        shown.until(lambda text: "● m" in text, "the panel of the app")
        shown.hang_up()
        assert shown.process.wait(timeout=PATIENCE) == 128 + signal.SIGHUP
    assert app.poll() is None


def test_nothing_runs_and_it_says_how_to_get_a_router() -> None:
    with terminal("dash", "nobody", size=(80, 24)) as shown:
        shown.until(lambda text: "yet; looking" in text and "signalbox demo" in text, "the hint")
        shown.send("q")
        assert shown.until_end() == 0
        assert shown.restored

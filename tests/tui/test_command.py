"""`signalbox dash` and `demo` as commands: where they can not draw, in a browser, and the demo."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from router.cli.common import Failure
from router.config import load
from tests.support.command import signalbox
from tests.support.edits import save
from tests.support.paths import ROOT
from tui.commands import dash
from tui.commands.web import Guarded, free_port
from tui.demo import Demo, demo


async def test_without_a_terminal_it_says_what_to_use(tmp_path: Path) -> None:
    run = await signalbox("dash", cwd=tmp_path)
    assert run.code == 2
    assert run.err == (
        "signalbox: the dashboard needs a terminal; `signalbox status` prints the same as lines, `--watch` goes on\n"
    )


async def test_a_bad_file_is_told_before_the_screen_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With line, column and how to mend it, as `check` does."""
    path = tmp_path / "routes.yaml"
    path.write_text("providers: {a: {kind: fakee}}\nroutes: {chat: a/m}\n")
    monkeypatch.setattr("tui.commands.dash.need_terminal", lambda instead: None)
    with pytest.raises(Failure) as caught:
        dash.command.callback(what=str(path), path=None, where=None, web=False, port=0)  # type: ignore[misc] - click leaves it untyped
    assert "has errors; nothing was done" in str(caught.value)


@pytest.mark.parametrize(("what", "is_file"), [("routes.yaml", True), ("./x", True), ("x.yml", True), ("shop", False)])
def test_a_file_is_told_from_a_name(what: str, is_file: bool) -> None:
    assert dash.is_file(what) is is_file


# --- in a browser


@pytest.fixture
async def served(port: int) -> AsyncIterator[Guarded]:
    server = Guarded(f"{sys.executable} -c 'print(1)'", port)
    runner = web.AppRunner(await server._make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    yield server
    await runner.cleanup()


async def test_the_browser_needs_the_key_that_was_printed(served: Guarded) -> None:
    async with httpx.AsyncClient(base_url=served.public_url, timeout=60) as client:
        assert (await client.get("/")).status_code == 403
        assert (await client.get("/?key=wrong")).status_code == 403
        assert (await client.get("/ws")).status_code == 403
        assert (await client.get(f"/?key={served.key}")).status_code == 303
        page = await client.get("/")
        assert page.status_code == 200
        assert "signalbox" in page.text


async def test_other_pages_and_names_are_refused_even_with_the_key(served: Guarded) -> None:
    """A page of another site must not drive it, nor one that gave this address a name of its own."""
    cookie = {"Cookie": f"signalbox-{served.port}={served.key}"}
    async with httpx.AsyncClient(base_url=served.public_url, headers=cookie, timeout=60) as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/", headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await client.get("/", headers={"Host": f"evil.example:{served.port}"})).status_code == 403


async def test_the_page_loads_nothing_from_other_hosts(served: Guarded) -> None:
    """Its title and font are here, and a policy forbids the rest."""
    async with httpx.AsyncClient(base_url=served.public_url, timeout=60) as client:
        await client.get(f"/?key={served.key}")
        page = await client.get("/")
        assert "<title>signalbox</title>" in page.text
        addresses = set(re.findall(r"""(?:href|src)=["']([^"']+)""", page.text)) - {"data:,"}
        assert {address.rpartition(".")[2] for address in addresses} == {"css", "js"}
        assert all(address.startswith(f"http://127.0.0.1:{served.port}/static/") for address in addresses)
        assert "googleapis" not in page.text
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        for address in (*addresses, "/static/fonts/RobotoMono-VariableFont_wght.ttf"):
            assert (await client.get(address)).status_code == 200


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc3\xa9", b"", b'"', b"a" * 4000])
async def test_a_cookie_of_any_bytes_is_refused(served: Guarded, value: bytes) -> None:
    """As any other that is wrong."""
    cookie = b"signalbox-%d=" % served.port + value
    async with httpx.AsyncClient(base_url=served.public_url, timeout=60) as client:
        assert (await client.get("/", headers=[(b"Cookie", cookie)])).status_code == 403
        assert (await client.get(b"/?key=%ff%fe".decode())).status_code == 403


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\xa5",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \x1b]52;c;aGk=\x07\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT evil:1 HTTP/1.1\r\nHost: evil:1\r\n\r\n",
        b"GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n",
    ],
    ids=range(9),
)
def test_whatever_comes_to_the_port_nothing_is_logged(sent: bytes, port: int) -> None:
    """The terminal shows the address alone, and who has no key gets nothing."""
    program = f"""
import asyncio
from aiohttp import web
from tui.commands.web import Guarded
async def main():
    server = Guarded("true", {port})
    server.initialize_logging()
    runner = web.AppRunner(await server._make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", {port}).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", {port})
    writer.write({sent!r})
    answer = await reader.read(100)
    assert answer.split()[1][:1] == b"4", answer
    writer.close()
    await runner.cleanup()
asyncio.run(main())
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_port_in_use_is_said_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Failure, match="--port 0 takes a free one"):
            free_port(taken.getsockname()[1])


# --- the demo


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0)


async def test_the_demo_has_traffic_whose_vendors_break_and_mend() -> None:
    """Over real sockets: what the keys do is what the panel then shows."""
    async with demo() as running:
        running.change_traffic(100)
        router = running.router
        await until(lambda: router.snapshot().figures.totals.succeeded > 20)
        assert running.set_fault("openai", "break") == "openai is broken: it answers 500"
        assert running.faults() == {"openai": "broken"}
        await until(lambda: router.snapshot().targets[0].health.state == "open")
        assert running.set_fault("anthropic", "limit").startswith("anthropic is rate-limited")
        await until(lambda: "rate_limited" in router.snapshot().providers[1].figures.window.errors)
        assert running.set_fault("openai", "mend") == "openai is well again"
        assert running.set_fault("nobody", "break") == "nobody is no simulated vendor"
        assert running.faults() == {"anthropic": "limited"}
        assert router.snapshot().name == "demo"
    assert running.kept() is None
    assert not running.path.exists()


async def test_the_demo_keeps_a_file_that_was_edited() -> None:
    async with demo() as running:
        assert load(str(running.path)).diagnostics == ()
        save(running.path, running.path.read_text().replace("weight: 70", "weight: 50"))
        async with asyncio.timeout(60):
            while not router_says(running, "50"):
                await running.router.reload()
    assert running.kept() == running.path
    assert running.path.exists()
    os.remove(running.path)
    assert running.kept() is None


def router_says(running: Demo, words: str) -> bool:
    note = running.router.snapshot().last_reload
    return note is not None and words in str(note.changes)


async def test_traffic_has_bounds() -> None:
    async with demo() as running:
        assert running.change_traffic(0.0001) == "0.5 requests a second"
        assert running.change_traffic(1_000_000) == "200 requests a second"

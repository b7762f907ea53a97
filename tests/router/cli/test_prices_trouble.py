"""Whatever goes wrong while prices are fetched: it is told, and those that were there before stay."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from providers import catalog_fetched
from tests.support.command import signalbox
from tests.support.published_prices import PUBLISHED

GOOD = json.dumps(PUBLISHED).encode()
HEAD = b"HTTP/1.1 %s\r\nconnection: close\r\n%s\r\n"


def whole(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    lines = (*headers, b"content-length: %d" % len(body))
    return HEAD % (status, b"".join(line + b"\r\n" for line in lines)) + body


# What a server sends before it closes the connection, and what is told of it.
TROUBLES: dict[str, tuple[Callable[[], bytes], str]] = {
    "not found": (lambda: whole(b"404: Not Found", b"404 Not Found"), "answers 404"),
    "broken": (lambda: whole(b"", b"503 Service Unavailable"), "answers 503"),
    "a login page": (lambda: whole(b"  <!doctype html><title>Sign in</title>"), "no catalog of prices but a web page"),
    "something else": (lambda: whole(b'{"models": []}'), "no catalog of prices"),
    "nothing": (lambda: whole(b""), "no catalog of prices"),
    "half a file": (lambda: whole(GOOD)[: -len(GOOD) // 2], "the connection broke"),
    "half a file that says nothing of its length": (
        lambda: HEAD % (b"200 OK", b"") + GOOD[: len(GOOD) // 2],
        "no catalog of prices",
    ),
    "a huge file": (lambda: whole(b" " * 50_000_001), "too much for a list of prices"),
    "a small file that is huge when it is unpacked": (
        lambda: whole(gzip.compress(b" " * 50_000_001), b"200 OK", b"content-encoding: gzip"),
        "too much for a list of prices",
    ),
    "a file that can't be unpacked": (
        lambda: whole(b"no gzip", b"200 OK", b"content-encoding: gzip"),
        "the connection broke",
    ),
    "no HTTP": (lambda: b"SSH-2.0-OpenSSH\r\n", "the connection broke"),
    "no answer": (lambda: b"", "the connection broke"),
    "a circle": (lambda: whole(b"", b"302 Found", b"location: /data.json"), "the connection broke"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def before(folder: Path) -> bytes:
    """The prices that were fetched some day."""
    path = catalog_fetched.path()
    path.parent.mkdir(parents=True)
    path.write_bytes(json.dumps(catalog_fetched.catalog_of(GOOD)).encode())
    return path.read_bytes()


@asynccontextmanager
async def sending(data: bytes) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()
            writer.close()
        except ConnectionError:
            pass

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/data.json"
    finally:
        server.close()


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_the_prices_of_before_stay(folder: Path, before: bytes, trouble: str) -> None:
    made, words = TROUBLES[trouble]
    async with sending(made()) as url:
        run = await signalbox("prices", "fetch", "--from", url, cwd=folder)
    assert run.code == 1
    assert words in run.err
    assert "the prices stay as they were" in run.err
    assert "Traceback" not in run.err
    assert catalog_fetched.path().read_bytes() == before
    assert [path.name for path in catalog_fetched.path().parent.iterdir()] == ["prices.json"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://127.0.0.1:9", "no connection"),
        ("https://nowhere.invalid/data.json", "no connection"),
        ("file:///etc/passwd", "no http"),
        ("nonsense", "no http"),
    ],
)
async def test_without_a_server_it_says_so(folder: Path, before: bytes, source: str, words: str) -> None:
    run = await signalbox("prices", "fetch", "--from", source, cwd=folder)
    assert run.code == 1
    assert words in run.err
    assert catalog_fetched.path().read_bytes() == before


async def test_a_folder_that_is_none_is_told(folder: Path) -> None:
    (folder / "data").write_text("a file")
    async with sending(whole(GOOD)) as url:
        run = await signalbox("prices", "fetch", "--from", url, cwd=folder)
    assert run.code == 1
    assert "can't be written" in run.err
    assert "SIGNALBOX_DATA_DIR" in run.err


async def test_the_next_fetch_mends_it(folder: Path, before: bytes) -> None:
    catalog_fetched.path().write_bytes(before[:100])
    async with sending(whole(GOOD)) as url:
        run = await signalbox("prices", "fetch", "--from", url, cwd=folder)
    assert (run.code, run.err) == (0, "")
    assert catalog_fetched.read() is not None

"""`signalbox health`: exit 0 for a server that is well, 1 for one that is not, 2 for what is no address."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli.health import command
from tests.support.certificates import make_certificates
from tests.support.raw_server import accepting, serving


async def health(*args: str) -> Result:
    """In a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, command, args)


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok".encode()


async def test_a_server_that_is_well() -> None:
    async with serving(answer("200 OK")) as server:
        url = f"http://127.0.0.1:{server.port}/readyz?a=b"
        result = await health(url)
        (asked,) = server.requests
    assert (result.exit_code, result.output) == (0, "")
    assert asked.startswith(f"GET /readyz?a=b HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode())


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (answer("503 Service Unavailable"), "it answers 503"),
        (answer("204 No Content"), "it answers 204"),
        (answer("302 Found"), "it answers 302"),
        (b"SSH-2.0-OpenSSH\r\n", "what answers is no HTTP server"),
        (b"x" * 100_000, "what answers is no HTTP server"),
    ],
)
async def test_a_server_that_is_not_well_says_why_in_one_line(sent: bytes, why: str) -> None:
    async with serving(sent, requests=1) as server:
        url = f"http://localhost:{server.port}/readyz"
        result = await health(url)
    assert result.exit_code == 1
    assert result.stderr == f"signalbox: {url}: {why}\n"


async def test_nobody_there() -> None:
    async with serving(b"") as server:
        port = server.port
    result = await health(f"http://127.0.0.1:{port}/")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "no connection (" in result.stderr


async def test_no_answer_in_time_however_the_server_dawdles() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"H")
            await asyncio.sleep(0.02)

    async with serving(drip) as server:
        result = await health(f"http://127.0.0.1:{server.port}/", "--timeout", "0.2")
    assert result.exit_code == 1
    assert result.stderr.endswith(": no answer within 0.2 s\n")


async def test_any_certificate_will_do_on_loopback(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.server, made.server_key)
    async with serving(answer("200 OK"), tls=tls) as server:
        assert (await health(f"https://127.0.0.1:{server.port}/")).exit_code == 0
        assert (await health(f"http://127.0.0.1:{server.port}/")).exit_code == 1


async def test_a_server_without_tls() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        writer.close()

    async with accepting(greet) as port:
        result = await health(f"https://127.0.0.1:{port}/")
    assert result.exit_code == 1
    assert "no TLS to be had (" in result.stderr


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:4180", "ftp://x/", "http://", "http://x:99999/", "http://x/ y", "http://u:p@x/", "http://[::1/"],
)
async def test_what_is_no_address(url: str) -> None:
    result = await health("--", url)
    assert result.exit_code == 2
    assert "this needs an address such as http://127.0.0.1:4180/readyz" in result.stderr
    assert "u:p" not in result.output


async def test_a_timeout_is_more_than_nothing() -> None:
    assert (await health("http://x/", "--timeout", "0")).exit_code == 2

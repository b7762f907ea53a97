"""The system's certificates are read where TLS is spoken, and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.raw_server import serving
from tests.support.scripts import run

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
OURS = """
import asyncio, sys, warnings
warnings.simplefilter("ignore", ResourceWarning)  # the loop ends before TLS has said good-bye
from providers.settings import ProviderSettings
from providers.transport.http import HttpClient

async def ask(url):
    made = ProviderSettings(name="p", kind="openai", base_url=url, options={"max_retries": 0})
    http = HttpClient(made, default_base_url="", headers={})
    print((await (await http.open("GET", "/x")).read()).decode())
    await http.aclose()

asyncio.run(ask(sys.argv[1]))
"""
READ = """
import aiohttp.connector, gc, ssl
print(any(context.cert_store_stats()["x509"] for context in gc.get_objects() if isinstance(context, ssl.SSLContext)))
"""
OTHERS = """
import asyncio, sys, warnings
warnings.simplefilter("ignore", ResourceWarning)  # the loop ends before TLS has said good-bye
import providers.transport.http
import aiohttp

async def ask(url, **how):
    async with aiohttp.ClientSession() as session, session.get(url, **how) as answer:
        print(await answer.text())

asyncio.run(ask(sys.argv[1]))
asyncio.run(ask(sys.argv[1], ssl=False))
"""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def url(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Of a server whose CA is one of the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server, certificates.server_key)
    async with serving(OK, tls=context) as server:
        yield f"https://127.0.0.1:{server.port}/"


async def test_a_call_without_tls_reads_none(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes twice as long as the call."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca)
    async with serving(OK) as server:
        assert await run(OURS + READ, server.url) == "{}\nFalse\n"


async def test_a_call_over_tls_trusts_them(url: str) -> None:
    assert await run(OURS + READ, url) == "{}\nTrue\n"


async def test_whoever_else_uses_aiohttp_trusts_them(url: str) -> None:
    """Its own contexts read them when they are first used."""
    assert await run(OTHERS, url) == "{}\n{}\n"


async def test_whoever_else_uses_aiohttp_trusts_nobody_else(
    url: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.client)
    with pytest.raises(AssertionError, match="ClientConnectorCertificateError"):
        await run(OTHERS, url)

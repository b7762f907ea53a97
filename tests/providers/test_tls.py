"""TLS with CAs and certificates of one's own, sockets of the machine, and errors that say what to do."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.settings import ClientCertificate, ProviderSettings
from providers.transport.http import HttpClient
from router import ConfigError, Router
from router.config import load_text
from tests.support.certificates import PASSWORD, Certificates, make_certificates
from tests.support.raw_server import Server, accepting, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def speaking(certificates: Certificates, *, wants_one: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server, certificates.server_key)
    if wants_one:
        context.verify_mode = ssl.CERT_REQUIRED
        # TLS 1.3 tells a client without one so late that a reset may be all that it sees.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(certificates.ca)
    return context


async def ask(url: str, *, connect: float | None = None, **settings: Any) -> bytes:
    made = ProviderSettings(name="p", kind="openai", base_url=url, options={"max_retries": 0}, **settings)
    http = HttpClient(made, default_base_url="http://unused.invalid", headers={"authorization": "Bearer hush"})
    try:
        return await (await http.open("POST", "/chat", b"{}", connect=connect)).read()
    finally:
        await http.aclose()


async def refusal(url: str, *, code: ErrorCode = ErrorCode.CONNECTION_FAILED, **settings: Any) -> str:
    with pytest.raises(ProviderError) as caught:
        await ask(url, **settings)
    assert caught.value.code is code
    assert "ssl:" not in caught.value.message
    return caught.value.message


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[Server]:
    async with serving(OK, tls=speaking(certificates)) as running:
        yield running


def secure(server: Server, host: str = "127.0.0.1") -> str:
    return f"https://{host}:{server.port}/v1"


async def test_a_ca_of_ones_own(server: Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `verify: ca.pem`, a folder of CAs, or the variables of requests, curl and OpenSSL."""
    assert await ask(secure(server), verify=certificates.ca) == b"{}"
    assert await ask(secure(server), verify=False) == b"{}"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, certificates.ca)
            assert await ask(secure(server)) == b"{}"
    message = await refusal(secure(server))
    assert "certificate is not trusted" in message
    assert "verify: ca.pem" in message


async def test_a_bundle_is_read_again_when_it_changes(
    server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    """As CAs are exchanged under an app that lives on: in place, or by another file of the name."""
    bundle, other = tmp_path / "bundle.pem", make_certificates(tmp_path)
    shutil.copy(other.ca, bundle)
    assert "not trusted" in await refusal(secure(server), verify=str(bundle))
    shutil.copy(certificates.ca, tmp_path / "new")
    (tmp_path / "new").rename(bundle)
    assert await ask(secure(server), verify=str(bundle)) == b"{}"


async def test_a_folder_of_cas(server: Server, certificates: Certificates) -> None:
    """As OpenSSL hashes it."""
    assert await ask(secure(server), verify=certificates.ca_folder) == b"{}"


async def test_another_name_in_the_certificate(certificates: Certificates, tmp_path: Path) -> None:
    """No hint at a CA, which would not help."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.client, certificates.client_key)
    async with serving(OK, tls=context) as other:
        message = await refusal(secure(other), verify=certificates.ca)
    assert "mismatch" in message
    assert "verify" not in message


@pytest.mark.parametrize("form", ["two files", "one file", "a locked key"])
async def test_a_client_certificate(form: str, certificates: Certificates) -> None:
    """Of two files, of one, and with a locked key."""
    shown = {
        "two files": ClientCertificate(cert=certificates.client, key=certificates.client_key),
        "one file": ClientCertificate(cert=certificates.both),
        "a locked key": ClientCertificate(cert=certificates.client, key=certificates.locked, password=PASSWORD),
    }[form]
    async with serving(OK, tls=speaking(certificates, wants_one=True)) as server:
        assert await ask(secure(server), verify=certificates.ca, client_cert=shown) == b"{}"
        message = await refusal(secure(server), verify=certificates.ca)
    assert "client_cert" in message


async def test_a_client_certificate_that_cannot_be_read(certificates: Certificates) -> None:
    """What is wrong with it, and nothing of its password."""
    for shown, words in (
        (ClientCertificate(cert="/nonexistent/c.pem"), "no such file"),
        (ClientCertificate(cert=certificates.client, key=certificates.server_key), "the key is another's"),
        (ClientCertificate(cert=certificates.client, key=certificates.locked, password="wrong pass"), "password"),
        (ClientCertificate(cert=certificates.client, key=certificates.locked), "password"),
    ):
        message = await refusal("https://127.0.0.1:1", client_cert=shown)
        assert words in message.lower()
        assert "wrong pass;" not in message
        assert "wrong pass" not in repr(shown)


async def test_tls_to_a_plain_server() -> None:
    """It says so at once where the server answers, and where it only waits."""
    async with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as plain:
        plain_port = plain.port

        async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with accepting(answers) as port:
            assert "begins with http://" in await refusal(f"https://127.0.0.1:{port}")
        # This one waits for the end of a request's head.
        message = await refusal(f"https://127.0.0.1:{plain_port}", code=ErrorCode.TIMEOUT, connect=0.05)
        assert "begins with http://" in message


async def test_plain_http_to_a_tls_server(server: Server) -> None:
    """Whatever the server does, the error is one of the connection or the protocol."""
    with pytest.raises(ProviderError) as caught:
        await ask(f"http://127.0.0.1:{server.port}")
    assert caught.value.code in (ErrorCode.CONNECTION_FAILED, ErrorCode.PROTOCOL_ERROR)


async def test_a_tls_alert_is_known_for_one() -> None:
    """What OpenSSL answers to plain HTTP."""

    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")
        writer.close()

    async with accepting(alert) as port:
        message = await refusal(f"http://127.0.0.1:{port}", code=ErrorCode.PROTOCOL_ERROR)
    assert "begins with https://" in message


@pytest.mark.parametrize(
    ("told", "words"),
    [(70, "older TLS than 1.2"), (71, "older TLS than 1.2"), (116, "client_cert")],
)
async def test_what_a_server_breaks_the_handshake_off_for(told: int, words: str) -> None:
    """Its alert (RFC 8446, section 6.2) says what to do: it is too old, or wants to know us."""

    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x15\x03\x01\x00\x02\x02" + bytes([told]))
        await writer.drain()
        await reader.read()
        writer.close()

    async with accepting(alert) as port:
        assert words in await refusal(f"https://127.0.0.1:{port}")


async def test_a_server_of_old_tls_only(certificates: Certificates) -> None:
    """No hint leads to a certificate alone."""
    old = speaking(certificates)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1
    async with serving(OK, tls=old) as server:
        assert "older TLS than 1.2" in await refusal(secure(server), verify=certificates.ca)


async def test_nobody_listens() -> None:
    """The system's words, the address, and none of the library's."""
    assert await refusal("http://127.0.0.1:1") == "127.0.0.1:1: connection refused"


# --- sockets of the machine


async def test_a_socket_of_the_machine(tmp_path: Path) -> None:
    """base_url gives the path and the Host; no proxy is asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    path = str(tmp_path / "llama.sock")
    async with await asyncio.start_unix_server(answer, path):
        assert await ask("http://localhost/v1", unix_socket=path, proxy="http://unused.invalid") == b"{}"
    assert asked[0].startswith(b"POST /v1/chat HTTP/1.1\r\nHost: localhost\r\n")
    missing = await refusal("http://localhost/v1", unix_socket=str(tmp_path / "none.sock"))
    assert "none.sock: no such file or directory" in missing
    assert "begin with http://" in await refusal("https://localhost/v1", unix_socket=path)


# --- the file


def file(more: str) -> str:
    return f"providers:\n  p: {{kind: openai, api_key: abcdefgh, {more}}}\nroutes: {{chat: p/m}}\n"


async def test_the_file_says_it_all(certificates: Certificates) -> None:
    """CA and certificate by the file, a path alone too."""
    body = b'{"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    two = f"{{cert: {certificates.client}, key: {certificates.locked}, password: '{PASSWORD}'}}"
    async with serving(answer, tls=speaking(certificates, wants_one=True)) as server:
        for shown in (certificates.both, two):
            text = file(f"base_url: '{secure(server)}', verify: {certificates.ca}, client_cert: {shown}")
            async with Router.from_text(text, env={}) as router:
                assert (await router.complete("chat", "hi")).text == "hi"
                assert PASSWORD not in repr(router.plan)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("unix_socket: /run/x.sock", "add base_url: http://localhost"),
        ("unix_socket: /run/x.sock, base_url: https://x/v1", "unix_socket takes plain HTTP"),
        ("proxy: true", "or off for none"),
        ("proxy: socks5://x", "http:// or https:// address"),
        ("client_cert: {key: a.pem}", "cert"),
        ("client_cert: [a.pem]", "client_cert"),
        ("verify: 1", "the path of a CA bundle"),
    ],
)
def test_what_cannot_be(more: str, words: str) -> None:
    """Said when the file is read."""
    with pytest.raises(ConfigError, match=words):
        Router.from_text(file(more), env={})


@pytest.mark.parametrize("more", ["verify: /nonexistent.pem", "client_cert: /nonexistent.pem"])
def test_a_file_that_is_not_here(more: str) -> None:
    """A warning: the file may be meant for another machine."""
    (found,) = load_text(file(more), env={}).diagnostics
    assert found.severity == "warning"
    assert "there is no file /nonexistent.pem here" in found.message


@pytest.mark.parametrize("name", ["\0", "/tmp/\0", "\ud800", "x" * 10_000, "/dev/null", ".\n"])
@pytest.mark.parametrize("what", ["verify", "cert", "key", "password"])
async def test_a_path_that_is_none_is_an_error_of_the_call(what: str, name: str, certificates: Certificates) -> None:
    """Whatever a program gives as the path of a CA or a certificate, or as its password."""
    settings: dict[str, Any] = {"verify": name}
    if what != "verify":
        paths = {"cert": str(certificates.client), "key": str(certificates.client_key), what: name}
        settings = {"client_cert": ClientCertificate(**paths)}
    made = ProviderSettings(name="p", kind="openai", base_url="https://127.0.0.1:1", **settings)
    http = HttpClient(made, default_base_url="https://unused.invalid", headers={})
    with pytest.raises(ProviderError) as caught:
        await http.open("POST", "/chat", b"{}")
    await http.aclose()
    assert caught.value.code is ErrorCode.CONNECTION_FAILED

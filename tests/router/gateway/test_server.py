"""Where a gateway listens, and what it says to browsers and to clients of other kinds."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import stat
from pathlib import Path

import pytest

from router import Router
from router.config.listen import Address
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.listening import CannotListen, listen
from router.gateway.server import Server
from router.gateway.tls import BadCertificate, Certificate
from tests.support.certificates import Certificates, make_certificates
from tests.support.served import CHAT, FILE, Answer, Held, ask, parsed, question, raw, request, served

KEYS = "{keys: {a: {key: sb-0123456789abcdefghij}}}"


def closed(sockets: list[socket.socket]) -> list[Address]:
    addresses = [Address(str(one.getsockname()[0]), one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return addresses


# --- addresses


def test_every_address_of_the_machine_is_one_port_of_both_ips() -> None:
    found = closed(listen([Address("", 0)]))
    assert {address.port for address in found} == {found[0].port}
    assert "0.0.0.0" in {address.host for address in found}


def test_a_taken_port_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address("127.0.0.1", other.getsockname()[1])
        with pytest.raises(CannotListen, match=rf"{re.escape(str(address))}: another program has it.*--listen"):
            listen([Address("127.0.0.1", 0), address])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (Address("192.0.2.1", 0), "no such address"),
        (Address("no-such-host.invalid", 0), "does not know the name"),
        (Address(path="/no/such/folder/sb.sock"), "folder does not exist"),
    ],
)
def test_addresses_that_cant_be_had_are_told(address: Address, words: str) -> None:
    with pytest.raises(CannotListen, match=words):
        listen([address])


# --- Unix sockets


async def over_unix(path: Path, data: bytes) -> Answer:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    answer = parsed(await reader.read())
    writer.close()
    return answer


async def test_a_unix_socket_is_its_groups_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "sb.sock"
    async with Router.from_text(FILE, monitor=False) as router:
        server = Server(server_of(Gateway(router)), [Address(path=str(path)), Address("127.0.0.1", 0)])
        await server.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert (await over_unix(path, request("POST", CHAT, question()))).status == 200
        assert (await ask(server.addresses[1].port, "POST", CHAT, question())).status == 200
        await server.stop()
    assert not path.exists()


def test_what_a_dead_process_left_is_replaced_and_what_lives_is_not(tmp_path: Path) -> None:
    path = tmp_path / "sb.sock"
    address = Address(path=str(path))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    alive = listen([address])
    with pytest.raises(CannotListen, match="another program has it"):
        listen([address])
    alive[0].close()
    path.unlink()
    path.write_text("mine")
    with pytest.raises(CannotListen, match="something else"):
        listen([address])
    assert path.read_text() == "mine"


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


async def shown(port: int, ca: str) -> bytes:
    trusting = ssl.create_default_context(cafile=ca)
    trusting.check_hostname = False
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    try:
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return found.getpeercert(binary_form=True) or b""
    finally:
        writer.close()


async def test_a_renewed_certificate_is_shown_to_the_next_connection(
    certificates: Certificates, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(certificates.server, cert)
    shutil.copy(certificates.server_key, key)
    certificate = Certificate(str(cert), str(key))
    async with served(tls=certificate.context) as here:
        first = await shown(here.port, certificates.ca)
        shutil.copy(certificates.client, cert)
        with pytest.raises(BadCertificate, match="another certificate"):
            certificate.renew()  # half of the pair is new
        assert await shown(here.port, certificates.ca) == first
        shutil.copy(certificates.client_key, key)
        assert certificate.renew()
        assert await shown(here.port, certificates.ca) != first
        assert not certificate.renew()


def test_a_certificate_that_cant_be_used_is_told(certificates: Certificates, tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    for cert, key, words in (
        (str(missing), certificates.server_key, rf"{missing}: No such file"),
        (certificates.server, str(missing), rf"{missing}: No such file"),
        (certificates.server, certificates.client_key, "another certificate"),
        (certificates.client, certificates.locked, "has a password"),
        (certificates.server_key, certificates.server_key, "no pair"),
    ):
        with pytest.raises(BadCertificate, match=words):
            Certificate(cert, key)


# --- browsers


PREFLIGHT = {"access_control_request_method": "POST", "access_control_request_headers": "authorization, x-stainless-os"}


async def test_pages_of_named_origins_may_ask_and_read() -> None:
    async with served("{origins: ['https://a.example'], keys: {a: {key: sb-0123456789abcdefghij}}}") as here:
        asked = await ask(here.port, "OPTIONS", CHAT, origin="https://a.example", **PREFLIGHT)
        assert asked.status == 204
        assert asked.headers["access-control-allow-origin"] == "https://a.example"
        assert asked.headers["access-control-allow-headers"] == "authorization, x-stainless-os"
        assert "access-control-allow-credentials" not in asked.headers
        key = "Bearer sb-0123456789abcdefghij"
        for authorization, status in ((key, 200), ("Bearer wrong", 401)):  # errors are to be read as well
            answer = await ask(
                here.port, "POST", CHAT, question(), origin="https://a.example", authorization=authorization
            )
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == "https://a.example"
            assert "x-request-id" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://b.example", "null", "https://a.example.evil.example", "HTTPS://A.EXAMPLE"])
async def test_pages_of_other_origins_get_nothing(origin: str) -> None:
    async with served("{origins: ['https://a.example']}") as here:
        for answer in (
            await ask(here.port, "OPTIONS", CHAT, origin=origin, **PREFLIGHT),
            await ask(here.port, "POST", CHAT, question(), origin=origin),
        ):
            assert answer.status == 403
            assert "access-control-allow-origin" not in answer.headers
        assert here.provider.requests == []


async def test_a_page_gets_nothing_for_having_no_key_where_others_have_one() -> None:
    async with served(KEYS.replace("{keys", "{anonymous: {routes: [chat]}, keys")) as here:
        assert (await ask(here.port, "POST", CHAT, question())).status == 200
        assert (await ask(here.port, "POST", CHAT, question(), origin="https://evil.example")).status == 403
        assert (await ask(here.port, "POST", CHAT, question(), host="evil.example")).status == 403


async def test_other_machines_need_a_key_wherever_it_listens() -> None:
    async with served() as here:
        mine = next((ip for ip in addresses_of_this_machine() if not ip.startswith("127.")), None)
        if mine is None:
            pytest.skip("this machine has no address but loopback")
        other = Server(server_of(here.gateway), [Address(mine, 0)])
        await other.start()
        answer = parsed(await raw(other.addresses[0].port, request("POST", CHAT, question()), mine))
        assert answer.status == 401
        assert here.provider.requests == []
        await other.stop()


def addresses_of_this_machine() -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # sends nothing; it says which address would
        except OSError:
            return []
        return [one.getsockname()[0]]


# --- other clients


async def test_websockets_are_told_to_ask_by_http() -> None:
    async with served() as here:
        for path in ("/v1/responses", "/responses"):
            answer = await ask(here.port, "GET", path, upgrade="websocket", connection="Upgrade, close")
            assert answer.status == 426


@pytest.mark.parametrize("path", ["/", "/v1/models", "/api/version", "/healthz", "/readyz"])
async def test_head_is_get_without_the_body(path: str) -> None:
    async with served() as here:
        whole, head = await ask(here.port, "GET", path), await ask(here.port, "HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.body))


async def test_a_client_of_http_1_0_gets_its_stream() -> None:
    async with served() as here:
        sent = request("POST", CHAT, question(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0")
        answer = parsed(await raw(here.port, sent))
        assert answer.status == 200
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert "transfer-encoding" not in answer.headers


async def test_health_needs_no_key_and_tells_nothing() -> None:
    async with served(KEYS) as here:
        assert (await ask(here.port, "GET", "/v1/models")).status == 401
        for path in ("/healthz", "/readyz"):
            answer = await ask(here.port, "GET", path, host="anything.example")
            assert (answer.status, answer.body) == (200, b"ok")
            assert not [name for name in answer.headers if name.startswith("x-")]
            refused = await ask(here.port, "POST", path, b"{}")
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_a_client_that_leaves_ends_the_vendors_call() -> None:
    for stream in (True, False):
        async with served(provider=(held := Held())) as here:
            _, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(request("POST", CHAT, question(stream=stream)))
            while not held.requests:
                await asyncio.sleep(0)
            writer.close()
            assert await here.gateway.until_idle(60)
            assert held.cancelled == 1

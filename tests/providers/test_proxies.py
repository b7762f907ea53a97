"""Proxies: from the file, from the usual variables, and none where that is wanted."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from providers import registry
from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.transport.environment import proxy_of
from providers.transport.http import HttpClient
from providers.types import CompletionRequest, Message
from router import Router
from tests.support.raw_server import serving

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *map(str.lower, VARIABLES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


async def ask(base_url: str, **settings: Any) -> bytes:
    made = ProviderSettings(name="p", kind="openai", base_url=base_url, options={"max_retries": 0}, **settings)
    http = HttpClient(made, default_base_url="http://unused.invalid", headers={"authorization": "Bearer hush"})
    try:
        return await (await http.open("POST", "/chat", b"{}")).read()
    finally:
        await http.aclose()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_the_usual_variables_name_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With user and password, and with or without http:// before the host."""
    async with serving(OK) as proxy:
        for value in (f"http://me:pass@127.0.0.1:{proxy.port}", f"127.0.0.1:{proxy.port}"):
            monkeypatch.setenv(name, value)
            assert await ask("http://vendor.invalid/v1") == b"{}"
    with_password, without = proxy.requests
    assert with_password.startswith(b"POST http://vendor.invalid/v1/chat HTTP/1.1\r\n")
    assert b"proxy-authorization: basic" in with_password.lower()
    assert b"proxy-authorization" not in without.lower()


async def test_tls_goes_through_the_proxy_of_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """By CONNECT: what the proxy sees has neither path nor key."""
    async with serving(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTP_PROXY", "http://unused.invalid")
        with pytest.raises(ProviderError, match="the proxy answers 403") as caught:
            await ask("https://vendor.invalid/v1")
    assert (caught.value.code, caught.value.phase) == (ErrorCode.CONNECTION_FAILED, "connect")
    assert proxy.requests[0].startswith(b"CONNECT vendor.invalid:443 HTTP/1.1\r\n")
    assert b"hush" not in proxy.requests[0]


def unknown(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_off_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """`proxy: off` in the file beats the variables; so does another proxy."""
    async with serving(OK) as proxy, serving(OK) as other:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert await ask("http://vendor.invalid", proxy=f"http://127.0.0.1:{other.port}") == b"{}"
        file = (
            "providers: {p: {kind: openai, api_key: k, proxy: off, base_url: http://vendor.invalid}}\nroutes: {r: p/m}"
        )
        async with Router.from_text(file, env={}) as router:
            with pytest.raises(Exception, match="has no address"):
                await router.complete("r", "hi")
    assert not proxy.requests
    assert len(other.requests) == 1


async def test_a_proxy_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the proxy, and not its password."""
    monkeypatch.setenv("ALL_PROXY", "http://me:secret@127.0.0.1:1")
    with pytest.raises(ProviderError) as caught:
        await ask("https://vendor.invalid/v1")
    assert "the proxy 127.0.0.1:1 can't be reached: connection refused" in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_what_a_proxy_echoes_of_its_password_is_blanked_out(
    name: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is in the variable, as it is meant, and as it was sent."""
    said = "no pass+word%2F9 pass+word/9 bWU6cGFzcyt3b3JkLzk= for you"
    head = f"HTTP/1.1 407 No\r\nx-request-id: pass+word/9\r\ncontent-length: {len(said)}\r\n\r\n"
    async with serving(head.encode() + said.encode()) as proxy:
        monkeypatch.setenv(name, f"{scheme}me:pass+word%2F9@127.0.0.1:{proxy.port}")
        provider = registry.create(ProviderSettings(name="p", kind="openai", base_url="http://vendor.invalid/v1"))
        with pytest.raises(ProviderError) as caught:
            await provider.complete(CompletionRequest(model="m", messages=(Message.user("hi"),)))
        await provider.aclose()
    told = f"{caught.value} {vars(caught.value)}"
    assert "for you" in told
    assert "pass" not in told
    assert "bWU6cGFz" not in told


NO_PROXIES = ["socks5://u:secret@127.0.0.1:1080", "ftp://proxy:1", "socks5h://x", "http://u:secret@"]
NO_PROXIES += [f"http://u:secret{odd}@127.0.0.1:1" for odd in "#/?["]
NO_PROXIES += [f"http://u:secret@{place}" for place in ("127.0.0.1:x", "127.0.0.1:99999", "[::1", ":80")]


@pytest.mark.parametrize("value", NO_PROXIES)
async def test_a_variable_that_names_no_http_proxy(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never passed over in silence: the error says which variable, and what to do."""
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(ProviderError, match=r"ALL_PROXY names no HTTP proxy; .*proxy: off") as caught:
        await ask("https://vendor.invalid/v1")
    assert "secret" not in str(caught.value)
    with pytest.raises(ProviderError, match=r"proxy names no HTTP proxy") as caught:
        await ask("https://vendor.invalid/v1", proxy=value)
    assert "secret" not in str(caught.value)
    # A server on this machine is asked directly all the same.
    assert proxy_of("http", "127.0.0.1", 11434, {"ALL_PROXY": value}) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("*", "vendor.example", True),
        ("vendor.example", "vendor.example", True),
        ("vendor.example", "api.vendor.example", True),
        (".vendor.example", "api.vendor.example", True),
        ("*.vendor.example", "api.vendor.example", True),
        ("vendor.example", "othervendor.example", False),
        ("other.example, Vendor.Example", "VENDOR.example", True),
        ("other.example vendor.example", "vendor.example", True),
        ("vendor.example:8443", "vendor.example", False),
        ("vendor.example:443", "vendor.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("fd00::/8", "[fd00::1]", True),
        ("fd00::1", "fd00::1", True),
        ("2.3", "10.1.2.3", False),
        ("", "vendor.example", False),
        (",", "vendor.example", False),
        (".", "vendor.example", False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, direct: bool) -> None:
    """Names with all below them, addresses, networks, ports."""
    found = proxy_of("https", host, None, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": no_proxy})
    assert (found is None) is direct


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1", "127.8.0.1", "::1", "[::1]"])
def test_this_machine_is_asked_directly(host: str) -> None:
    """Ollama on localhost works behind a company's proxy without NO_PROXY."""
    assert proxy_of("http", host, 11434, {"HTTP_PROXY": "http://proxy", "ALL_PROXY": "http://proxy"}) is None


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}, "http://a"),
        ({"ALL_PROXY": "http://a", "HTTPS_PROXY": "http://b"}, "http://b"),
        ({"HTTP_PROXY": "http://a"}, None),
        ({"HTTPS_PROXY": " "}, None),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "https://proxy"}, "https://proxy"),
    ],
)
def test_which_variable_counts(environ: dict[str, str], found: str | None) -> None:
    """The one of the scheme before the one for all, the lower-case one first, and an empty one is none."""
    named = proxy_of("https", "vendor.example", None, environ)
    assert (named and named[1]) == found


def test_a_header_of_a_visitor_names_no_proxy() -> None:
    """In a CGI program HTTP_PROXY is the request's header `Proxy`."""
    environ = {"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}
    assert proxy_of("http", "vendor.example", None, environ) is None
    assert proxy_of("http", "vendor.example", None, environ | {"http_proxy": "http://a"}) == ("http_proxy", "http://a")

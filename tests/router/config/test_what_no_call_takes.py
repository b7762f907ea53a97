"""What every call would fail by is told when the file is loaded: addresses, placeholders, variables of other tools."""

from __future__ import annotations

import pytest

from providers import ProviderError, ProviderSettings
from providers.addresses import basic_auth, check_url
from providers.transport.http import HttpClient
from router.config import load_text
from tests.support.raw_server import serving

BAD = (
    "http://h/v 1", "http://ex ample", "http://h:0", "http://h:65536", "http://h:8x", "http://h/v1#frag", "http://",
    "h:80",     "http:///v1", "ftp://h", "unix:///tmp/x", "ws://h", "//h", "http://☃.net", "http://a..b", "http://-a", "http://[::1",
    "http://[zz]", "http://1.2.3.4.5", "http://256.1.1.1", "http://h\\x", "http://{host}/v1", "http://h/{account}",
    "http://<your-host>/v1", "http://$HOST/v1", "http://h\u200b", "http://h/\x7f", "http://u:p/w@h", "http://h%20x",
)  # fmt: skip
GOOD = (
    "http://h", "https://h:8443/v1/", "http://[::1]:80", "http://127.0.0.1:1", "http://a_b", "http://bücher.de", "http://h/ü",
    "http://h/v1?api-version=1", "http://u:p@h", "http://u%40:p%2F@h/v1", "HTTP://H", "http://a.", "http://h//v1",
)  # fmt: skip


def text(url: str, key: str = "", more: str = "") -> str:
    key = f", api_key: {key!r}" if key else ""
    quoted = '"' + "".join(char if char.isalnum() else f"\\U{ord(char):08x}" for char in url) + '"'
    return f"providers: {{acme-ai: {{kind: openai, base_url: {quoted}{key}{more}}}}}\nroutes: {{r: acme-ai/m}}\n"


@pytest.mark.parametrize("url", BAD, ids=ascii)
def test_an_address_that_no_call_reaches(url: str) -> None:
    """At its place in the file; the client by itself refuses the same."""
    (found,) = load_text(text(url)).diagnostics
    assert (found.severity, found.path) == ("error", "providers.acme-ai.base_url")
    with pytest.raises(ProviderError):
        HttpClient(ProviderSettings(name="p", kind="openai", base_url=url), default_base_url="", headers={})


@pytest.mark.parametrize("url", GOOD, ids=ascii)
async def test_what_is_accepted_can_be_called(url: str) -> None:
    """The call fails at most because nobody is there, and never by an exception of a library."""
    assert load_text(text(url)).file is not None
    settings = ProviderSettings(
        name="p", kind="openai", base_url=url, proxy="http://127.0.0.1:1", options={"max_retries": 0}
    )
    client = HttpClient(settings, default_base_url="", headers={})
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:1"):
        await client.open("GET", "/models")
    await client.aclose()


async def test_a_user_and_password_are_basic_auth() -> None:
    """They are sent as such, and never in the request's line; a key takes their place, with a warning."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    async with serving(answer) as server:
        for headers, sent in (({}, b"Basic dTpwQHc="), ({"authorization": "Bearer k"}, b"Bearer k")):
            url = server.url.replace("://", "://u:p%40w@")
            client = HttpClient(
                ProviderSettings(name="p", kind="openai", base_url=url), default_base_url="", headers=headers
            )
            await (await client.open("GET", "/models")).aclose()
            await client.aclose()
            assert b"authorization: " + sent in server.requests[-1]
            assert server.requests[-1].lower().count(b"authorization:") == 1
            assert b"p%40w" not in server.requests[-1]
    (found,) = load_text(text("http://u:p@h", "k")).diagnostics
    assert (found.severity, "user and password" in found.message) == ("warning", True)
    assert basic_auth(check_url("http://h")) is None


@pytest.mark.parametrize("key", [
    "$OPENAI_API_KEY", "$(OPENAI_API_KEY)", "%OPENAI_API_KEY%", "$env:OPENAI_API_KEY", "os.environ/OPENAI_API_KEY",
    'os.environ["OPENAI_API_KEY"]', 'os.getenv("OPENAI_API_KEY")', "env:OPENAI_API_KEY", "{{ OPENAI_API_KEY }}",
    "{{ env.OPENAI_API_KEY }}", "{env:OPENAI_API_KEY}", "process.env.OPENAI_API_KEY", "OPENAI_API_KEY", "env://OPENAI_API_KEY",
])  # fmt: skip
def test_a_variable_of_another_tool(key: str) -> None:
    """It says how it is written here, with its name."""
    (found,) = load_text(text("http://h", key)).diagnostics
    assert (found.severity, found.path) == ("error", "providers.acme-ai.api_key")
    assert "${OPENAI_API_KEY}" in found.message


@pytest.mark.parametrize("key", [
    "<your key>", "sk-...", "sk-xxxxxxxx", "YOUR_API_KEY", "your-api-key-here", "sk-your-key", "changeme",
    "REPLACE_ME", "…",
])  # fmt: skip
def test_a_placeholder(key: str) -> None:
    """It says so, and which variable to set."""
    (found,) = load_text(text("http://h", key)).diagnostics
    assert "placeholder" in found.message
    assert "${ACME_AI_API_KEY}" in found.message


@pytest.mark.parametrize(
    "key", ["k", "ollama", "none", "EMPTY", "not-needed", "lm-studio", "sk-no-key-required", "sk-a1b2c3d4e5"]
)
def test_keys_of_local_servers_are_keys(key: str) -> None:
    """As is whatever a variable holds."""
    assert not load_text(text("http://h", key)).diagnostics
    assert not load_text(text("http://h", "${K}"), env={"K": "<your key>"}).diagnostics


def test_a_key_with_a_dollar_sign_is_not_repeated() -> None:
    """It may be one after all."""
    (found,) = load_text(text("http://h", "$ecretPassw0rd99")).diagnostics
    assert "ecretPassw0rd99" not in found.render()


def test_no_dump_of_a_file_has_a_secret() -> None:
    """Headers, options, passwords and queries of addresses, and what variables gave to parameters."""
    env = {"K": "KEYSECRET1", "H": "HEADSECRET", "T": "TOKSECRET1", "U": "USERSECRET"}
    loaded = load_text(
        'providers:\n  p: {kind: fake, base_url: "http://user:PASSSECRET@h/v1?key=QUERYSECRET", headers: {X: "${H}"},'
        ' proxy: "http://u:PROXYSECRET@x", options: {t: "${T}"}, api_keys: ["${K}"]}\n'
        'routes: {r: {targets: [{model: p/m, params: {extra_body: {u: "${U}"}}}]}}\n',
        env=env,
    )
    file = loaded.require()
    shown = f"{file!r} {file} {file.model_dump()} {file.model_dump_json()} {loaded!r}"
    assert not [word for word in (*env.values(), "PASSSECRET", "QUERYSECRET", "PROXYSECRET") if word in shown]
    assert "${U}" in shown

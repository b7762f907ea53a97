"""The URL that a request is sent to: of the base URL as it is written, and the vendor's path."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from providers.transport.base_url import BaseUrl

BASES = (
    "http://localhost:8000/v1",
    "https://api.example.com",
    "https://API.Example.com:443/v1/",
    "http://h:80",
    "http://h:443/a//b/",
    "http://[::1]:11434/",
    "http://10.0.0.1/v1?api-version=2025-01-01&x=a b",
    "https://bücher.example/über/v1",
    "https://xn--bcher-kva.example/%C3%BCber/%7e",
    "https://h/a/./b/../c/v1",
    "https://h/../..",
    "https://h/a'b(c)*!;=:@,~^|[x]\\y%2Fz%zz",
    'https://h/"q"`t`',
    "https://h?k=`v`",
)
PATHS = (
    "chat/completions",
    "/chat/completions?beta=true",
    "//api/chat",
    "models/a model/with spaces",
    "models/x:generate?alt=sse&q=`",
    "models/../../x/./y",
    "models/a%2Fb%20c",
    "x?",
    "",
)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("path", PATHS)
def test_it_is_what_httpx_makes_of_it(base: str, path: str) -> None:
    """Whose own URL is what went before, and is what the vendors' SDKs send."""
    url = httpx.URL(base)
    (root, _, own), (route, _, query) = url.raw_path.decode().partition("?"), path.partition("?")
    queries = "&".join(part for part in (own, query) if part)
    root = "" if route.startswith("//") else root.rstrip("/")
    raw = f"{root}/{route.lstrip('/')}" + (f"?{queries}" if queries else "")
    assert BaseUrl.of(urlsplit(base)).with_path(path) == str(url.copy_with(raw_path=raw.encode()))


@pytest.mark.parametrize("odd", ["\r\nx-evil: 1", " HTTP/1.1", "\0", "\n", "\u00fc"])
def test_what_would_end_a_line_is_escaped(odd: str) -> None:
    url = BaseUrl.of(urlsplit("http://h/v1")).with_path(f"chat{odd}?{odd}")
    assert url.isprintable()
    assert url.isascii()
    assert " " not in url

"""What an address holds besides its place is a secret: no diagnostic and no picture of the file shows it."""

from __future__ import annotations

import pytest

from router.config import load_text

PLANTED = "sEcret-planted-1"
LINES = [
    "base_url: 'http://h/v1?code=%s'",
    "base_url: 'http://h/v1?api-version=1&code=%s&b=2'",
    'base_url: "https://h?%s"',
    "base_url: http://h/v1#%s",
    "base_url: http://h/v1?a=b#c=%s",
    "base_url: http://u:%s@h/v1",
    "base_url: http://%s@h/v1",
    "proxy: 'http://h?x=%s'",
    "proxy: http://u:%s@h",
    "base-url: 'https://h?key=%s'",
    "base_url: [https://h?key=%s, x]",
    "client_cert: {cert: c.pem, password: %s}",
    "client_cert:\n      cert: c.pem\n      password: %s",
    "passphrase: %s",
]
BREAKS = ["", "\n  q: {kind: nope, bad: 1}\n", "\nbroken: [\n"]


@pytest.mark.parametrize("broken", BREAKS, ids=["whole", "with mistakes", "no YAML"])
@pytest.mark.parametrize("line", LINES)
def test_no_secret_of_an_address_is_shown(line: str, broken: str) -> None:
    """In a file that is right, has mistakes, or is no YAML at all."""
    provider = f"providers:\n  p:\n    kind: openai\n    zz: 1\n    {line % PLANTED}\n"
    loaded = load_text(f"{provider}{broken}routes: {{r: p/m}}\n", env={})
    assert loaded.diagnostics
    assert loaded.findings is not None
    assert PLANTED not in "".join(found.render() for found in loaded.diagnostics) + loaded.findings.shown()


def test_the_rest_of_an_address_stays() -> None:
    """Its place, the names in its query, variables, and what is no secret."""
    url = "https://${HOST}.example/v1?api-version=2024-10-21&code=${CODE}&key=abcdef"
    loaded = load_text(f"providers: {{p: {{kind: openai, base_url: '{url}'}}}}\n", env={})
    assert loaded.findings is not None
    assert url.replace("abcdef", "******") in loaded.findings.shown()

"""A secret is found by any part of it, in whatever case and among whatever letters it comes back."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from providers.scrub import Scrubber
from providers.settings import ProviderSettings

PLAIN = "abcdefgh12345678"
IN_PIECES = "a-b+c/d=e&f<g>h%i"  # no two of its plain characters stand together
WITHOUT_PLAIN = "-_+/<>&%$!-_+/"
KELVIN = "\u212aey-of-mine-77"  # the sign of the kelvin, whose small letter is a plain k


@pytest.mark.parametrize("secret", [PLAIN, IN_PIECES, WITHOUT_PLAIN, KELVIN])
def test_a_secret_is_found(secret: str) -> None:
    """As it is, in another case, in a URL, in base64, cut off, and in a text that is no ASCII."""
    scrub = Scrubber(ProviderSettings(name="p", kind="openai", api_key=secret))
    in_base64 = base64.b64encode(secret.encode()).decode()
    spelled = [secret, secret.upper(), secret.lower(), quote(secret, safe=""), in_base64, f"{secret[:12]}xyz"]
    for text in spelled:
        assert scrub.own(f"id {text}") != f"id {text}"
        assert scrub.own(f"naïve {text}") != f"naïve {text}"


@pytest.mark.parametrize(
    "name", ["chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "abcdefgh-1234567", "12345678abcdefgh", "é"]
)
def test_other_names_stay(name: str) -> None:
    """Also those that have a part of a secret in another place."""
    assert Scrubber(ProviderSettings(name="p", kind="openai", api_key=PLAIN)).own(name) == name

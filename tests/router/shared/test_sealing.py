"""What is sealed is read by those with the secret alone, and by nobody changed."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.shared.sealing import Sealer

SEALER = Sealer("a secret of the file", "shop")


@given(purpose=st.text(max_size=20), text=st.binary(max_size=300))
def test_what_is_sealed_is_opened(purpose: str, text: bytes) -> None:
    assert SEALER.open(purpose, SEALER.seal(purpose, text)) == text


@pytest.mark.parametrize(
    ("other", "purpose"),
    [
        (Sealer("another secret", "shop"), "brief a"),
        (Sealer("a secret of the file", "other app"), "brief a"),
        (SEALER, "brief b"),
        (SEALER, "snapshot a"),
        (SEALER, ""),
    ],
)
def test_another_secret_app_or_purpose_opens_nothing(other: Sealer, purpose: str) -> None:
    with pytest.raises(ValueError, match="another secret, or changed"):
        other.open(purpose, SEALER.seal("brief a", b"figures"))


@given(text=st.binary(max_size=100), data=st.data())
def test_one_changed_bit_opens_nothing(text: bytes, data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode(SEALER.seal("brief a", text)))
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(ValueError, match="another secret, or changed"):
        SEALER.open("brief a", base64.b64encode(raw).decode())


@pytest.mark.parametrize("nonsense", ["", "-", "AAAA", "no base64!", "ä" * 40, "A" * 64])
def test_what_is_no_seal_at_all_opens_nothing(nonsense: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        SEALER.open("brief a", nonsense)


def test_nothing_of_the_text_shows_and_two_texts_have_nothing_in_common() -> None:
    text = b"groq/llama " * 500
    raw, other = (base64.b64decode(SEALER.seal("snapshot a", text + end)) for end in (b"1", b"2"))
    assert len(zlib.compress(raw, 9)) >= len(raw), "it has no pattern"
    alike = sum(mine == its for mine, its in zip(raw, other, strict=True))
    assert alike < len(raw) / 100, "another stream hides each"

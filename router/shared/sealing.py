"""Seals what may be read by those alone who have the secret of the file (`shared.secret`), and by nobody changed.

The standard library has no cipher, so this is made of its hashes, in the way of SIV (RFC 5297): a tag, which is keyed
BLAKE2b over the purpose and the text, proves the text and begins the stream that hides it, which is SHAKE-256 of
another key and the tag. There is no nonce that could be used twice; equal texts of one purpose are sealed alike.
"""

from __future__ import annotations

import base64
import hmac
from hashlib import blake2b, shake_256

_TAG = 24  # bytes


class Sealer:
    """Seals and opens.

    Args:
        secret: of the file.
        app: who shares; what is sealed for one app is no use to another.
    """

    def __init__(self, secret: str, app: str) -> None:
        words = (word.encode(errors="surrogateescape") for word in (secret, app))
        key, salt = (blake2b(word).digest() for word in words)
        root = blake2b(salt, key=key, person=b"signalbox seal").digest()
        self._proving = blake2b(b"proving", key=root).digest()
        self._hiding = blake2b(b"hiding", key=root, digest_size=32).digest()

    def seal(self, purpose: str, text: bytes) -> str:
        """Return a text sealed, as base64.

        Args:
            purpose: what it is, and whose: it is opened for the same alone.
        """
        tag = self._tag(purpose, text)
        return base64.b64encode(tag + self._hidden(tag, text)).decode()

    def open(self, purpose: str, sealed: str) -> bytes:
        """Return the text. Raises ValueError where this was not sealed for the purpose with the same secret."""
        raw = base64.b64decode(sealed, validate=True)
        tag, hidden = raw[:_TAG], raw[_TAG:]
        text = self._hidden(tag, hidden)
        if not hmac.compare_digest(tag, self._tag(purpose, text)):
            raise ValueError("it was sealed with another secret, or changed")
        return text

    def _tag(self, purpose: str, text: bytes) -> bytes:
        named = purpose.encode()
        return blake2b(len(named).to_bytes(4) + named + text, key=self._proving, digest_size=_TAG).digest()

    def _hidden(self, tag: bytes, text: bytes) -> bytes:
        stream = shake_256(self._hiding + tag).digest(len(text))
        return (int.from_bytes(text) ^ int.from_bytes(stream)).to_bytes(len(text))

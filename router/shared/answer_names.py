"""The names under which answers are shared, and their seal: all of them keyed with the file's `secret`. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

import msgspec

_SEAL = 16  # bytes


class AnswerNames:
    """Names keys, and seals what is stored there.

    Args:
        app: who shares.
        secret: of the file.

    `cleared` is which clearing was the last of each scope, by the scope's name: what was stored before has other names.
    """

    def __init__(self, app: str, secret: str) -> None:
        key = secret.encode(errors="surrogateescape")
        self._names = blake2b(key, person=b"names").digest()
        seals = blake2b(key, person=b"answers").digest()
        self._seal = blake2b(key=seals, digest_size=_SEAL)  # each seal goes on from a copy
        self.prefix = f"sb:{{{app}/0}}:"
        self.scopes_key = f"{self.prefix}cg"
        self.last_key = f"{self.prefix}ct"
        self.cleared: Mapping[str, str] = {}
        self._scopes = lru_cache(maxsize=4096)(self._make_scopes)

    def answer(self, text: str) -> str:
        """Return the key of an answer; `text` is that of `CacheKey`."""
        return f"{self.prefix}c:{self._generation(text)}:{self._hash(text, 18)}"

    def flight(self, text: str) -> str:
        """Return the key of the right to make the call for an answer."""
        return f"{self.prefix}f:{self._hash(text, 18)}"

    def scope(self, route: str | None, namespace: str | None) -> str:
        """Return the name of what a clearing forgets: the answers of a route and a namespace; None is all."""
        return self._hash(msgspec.json.encode((route, namespace)).decode(), 9)

    def scopes(self, text: str) -> tuple[str, ...]:
        """Return the names of the scopes that an answer is in."""
        route, namespaces, _ = msgspec.json.decode(text, type=tuple[str, str, str])
        return self._scopes(route, namespaces)

    def seal(self, key: str, data: bytes) -> bytes:
        """Return data as it is stored under a key, and there only."""
        return data + self._mac(key, data)

    def opened(self, key: str, value: bytes) -> bytes | None:
        """Return what was sealed; None where that was done by nobody who has the secret, or under another key."""
        data, mac = value[:-_SEAL], value[-_SEAL:]
        return data if compare_digest(mac, self._mac(key, data)) else None

    def _mac(self, key: str, data: bytes) -> bytes:
        mac = self._seal.copy()
        mac.update(data)
        mac.update(f"{key} {len(key)}".encode(errors="surrogateescape"))  # the length last: nothing else reads so
        return mac.digest()

    def _make_scopes(self, route: str, namespaces: str) -> tuple[str, ...]:
        known = {name for name in msgspec.json.decode(namespaces, type=list[str | None]) if name is not None}
        return tuple(self.scope(each, name) for each in (None, route) for name in (None, *sorted(known)))

    def _generation(self, text: str) -> str:
        if not self.cleared:
            return "0"
        tokens = [self.cleared.get(scope, "") for scope in self.scopes(text)]
        return self._hash(" ".join(tokens), 6) if any(tokens) else "0"

    def _hash(self, text: str, size: int) -> str:
        digest = blake2b(text.encode(errors="surrogateescape"), key=self._names, digest_size=size).digest()
        return base64.urlsafe_b64encode(digest).decode()

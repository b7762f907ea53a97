"""Whom a simulated vendor lets in: those with a token that it has issued and that has not ended, and those who sign."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from random import Random

from providers.simulator.sigv4 import Keys, SignedRequest, refusal


class Callers:
    """The tokens and AWS keys of a vendor; a vendor without any lets everybody in.

    Attributes:
        ahead: seconds by which the vendor's clock is before the machine's, for signatures.
        refused: how many requests were not let in.
        issued: how many tokens were.
    """

    def __init__(self, seed: int = 0) -> None:
        self.ahead = 0.0
        self.refused = 0
        self.issued = 0
        self._random = Random(seed)
        self._ends: dict[str, float] = {}  # the loop's time, by token
        self._aws: dict[str, Keys] = {}

    def issue(self, seconds: float) -> str:
        """Return a new token, which is good for so many seconds."""
        self.issued += 1
        token = f"sim{self._random.getrandbits(192):048x}"
        self._ends[token] = asyncio.get_running_loop().time() + seconds
        return token

    def revoke(self) -> None:
        """Take back all tokens and keys."""
        self._ends.clear()
        self._aws.clear()

    def add_keys(self, keys: Keys) -> None:
        """Let in who signs with these keys."""
        self._aws[keys.access_key] = keys

    @property
    def date(self) -> float:
        """What time it is for the vendor, in epoch seconds."""
        return time.time() + self.ahead

    def refusal(self, method: str, raw_path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str] | None:
        """Return the status and words by which a request is refused; None for one that is let in.

        Args:
            raw_path: with its query, as it was sent.
            headers: with lower-case names.
        """
        credentials = headers.get("authorization") or headers.get("x-api-key") or headers.get("api-key") or ""
        if credentials.startswith("AWS4-"):
            path, _, query = raw_path.partition("?")
            why = refusal(SignedRequest(method, path, query, headers, body), self._aws, self.date)
            found = (403, why) if why else None
        else:
            ends = self._ends.get(credentials.rpartition(" ")[2])
            is_good = ends is not None and asyncio.get_running_loop().time() < ends
            found = None if is_good else (401, "the access token is missing, unknown or expired")
        self.refused += found is not None
        return found

"""The envelope of what belongs to its maker alone, and ids of tool calls in which such a thing rides.

OpenAI's chat protocol has no field for what Gemini wants back with a call, and clients of any protocol give ids back.
"""

from __future__ import annotations

import base64
import re
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from providers.lenient_json import OF_GOOGLE, OF_LITELLM
from providers.surrogates import encode_json

OF_CALLS = frozenset({OF_GOOGLE, OF_LITELLM})  # where chat has what belongs to a call
IDS = frozenset({"id", "call_id", "tool_call_id", "tool_use_id"})
# Below these fields stand the words of a model or a client.
WORDS_OF_OTHERS = frozenset({"input", "arguments", "parameters", "input_schema", "schema", "metadata"})
DEEPEST = 32  # levels of a body in which is looked; a conversation has some eight
_SEALED_ID = re.compile(r"(.*)~sb1\.([0-9a-f]{8})\.([A-Za-z0-9_-]+)", re.DOTALL)
_LONGEST_ID = 40  # characters, which OpenAI's clients and servers take
_MOST_IDS = 10_000
_MOST_CHARS = 64 * 1024 * 1024  # of all that is kept
_LASTS = 3600.0  # seconds
_decode = msgspec.json.Decoder().decode


@lru_cache(maxsize=4096)
def digest_of(origin: str) -> str:
    """How an envelope names its maker: eight hex digits for a `provider/model`."""
    return sha256(origin.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def seal(value: str, origin: str) -> str:
    """An opaque value in its envelope; `origin` is its maker, as `provider/model`."""
    return f"sb1.{digest_of(origin)}.{value}"


def plain_id(call_id: str) -> str:
    """The id that a vendor gave to a call, without what rides in it."""
    return read_id(call_id)[0] if "~sb1." in call_id else call_id


def read_id(call_id: str) -> tuple[str, str | None, dict[str, Any] | None]:
    """The id, and what rides in it: the digest of its maker, and what that one wants back with the call."""
    found = _SEALED_ID.fullmatch(call_id)
    if found is None:
        return call_id, None, None
    try:
        opaque = _decode(base64.urlsafe_b64decode(found[3] + "=" * (-len(found[3]) % 4)))
    except (ValueError, UnicodeError, RecursionError):
        opaque = None
    is_ours = isinstance(opaque, dict) and opaque.keys() <= OF_CALLS  # a client may write what it wants
    return found[1], found[2], opaque if is_ours else None


class SealedIds:
    """Ids of tool calls in which their opaque fields ride, as in `call_x~sb1.<origin>.<value>`.

    Ids have 40 characters at most, so longer ones are shown by a hash, and kept here: 10,000 of them and 64 million
    characters at most, an hour long.

    Args:
        clock: the loop's time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()  # by what is shown; the oldest first
        self._size = 0  # characters of what is kept

    def __len__(self) -> int:
        return len(self._kept)

    def shown(self, call_id: str, opaque: dict[str, Any], origin: str) -> str:
        """The id that a client gets.

        Args:
            origin: who made the call, as `provider/model`.
        """
        sealed = _sealed_id(call_id, opaque, origin)
        if len(sealed) <= _LONGEST_ID:
            return sealed
        short = "call_" + sha256(sealed.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        self._keep(short, sealed)
        return short

    def keep(self, call_id: str, opaque: dict[str, Any], origin: str) -> None:
        """Take note of what belongs to a call whose id the client has had already: in a stream it comes later."""
        self._keep(call_id, _sealed_id(call_id, opaque, origin))

    def _keep(self, shown: str, sealed: str) -> None:
        kept, now = self._kept, self._clock()
        self._size += len(sealed) - len(kept.pop(shown, (0.0, ""))[1])
        kept[shown] = now, sealed
        while kept and (len(kept) > _MOST_IDS or self._size > _MOST_CHARS or now - _oldest(kept) > _LASTS):
            self._size -= len(kept.popitem(last=False)[1][1])

    def restored(self, body: dict[str, Any]) -> dict[str, Any]:
        """A client's body with the ids as they were sealed; the body itself where it has none of them."""
        if not self._kept:
            return body
        found = {key: self._restored(each) if key in ("messages", "input") else each for key, each in body.items()}
        return body if found == body else found

    def _restored(self, value: Any, depth: int = 0) -> Any:
        if depth > DEEPEST or not isinstance(value, list | dict):
            return value
        if isinstance(value, list):
            return [self._restored(each, depth + 1) for each in value]
        return {
            key: self._sealed(each)
            if key in IDS and isinstance(each, str)
            else each
            if key in WORDS_OF_OTHERS
            else self._restored(each, depth + 1)
            for key, each in value.items()
        }

    def _sealed(self, shown: str) -> str:
        at, sealed = self._kept.get(shown, (0.0, shown))
        return sealed if self._clock() - at <= _LASTS else shown


def _oldest(kept: OrderedDict[str, tuple[float, str]]) -> float:
    return next(iter(kept.values()))[0]


def _sealed_id(call_id: str, opaque: dict[str, Any], origin: str) -> str:
    value = base64.urlsafe_b64encode(encode_json(opaque)).rstrip(b"=").decode()
    return f"{call_id}~{seal(value, origin)}"

"""The vendors' caches of prompts: what of a request a simulated vendor has seen before, by its own rules.

Anthropic keeps a prompt up to each mark and reads what ends at a mark or at most 20 blocks before one (its page on
prompt caching); OpenAI keeps all prompts of 1,024 tokens and more, and reads them by 128 tokens (its guide to that).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from providers.lenient_json import as_dict, as_list, as_str
from providers.wire.reading import BadRequest
from providers.wire.writing import encode

_MOST_MARKS = 4
_LOOK_BACK = 20  # blocks
_LEAST, _STEP = 1_024, 128  # tokens
_SECONDS = {"5m": 300.0, "1h": 3_600.0}
_MEDIA, _IMAGE = frozenset({"image", "document"}), 1_500  # tokens
_KEPT = 50_000  # beginnings, of which the oldest are forgotten
# Tokens that the beginning of a prompt has to have, by what stands in the model's name; the first one counts.
_LEAST_MARKED = (
    *(("opus-4-5", 4_096), ("opus-4-6", 4_096), ("haiku-4-5", 4_096), ("opus-4-7", 2_048), ("3-haiku", 2_048)),
    *(("3-5-haiku", 2_048), ("opus-4-8", 1_024), ("-4", 1_024), ("sonnet-5-5", 512), ("sonnet-5", 1_024)),
    *(("-5", 512), ("", 1_024)),
)


class Cached(NamedTuple):
    """Tokens of a prompt that were read from the cache and written to it, of those how many for an hour, and all that
    it has.
    """

    read: int = 0
    written: int = 0
    written_1h: int = 0
    tokens: int = 0


NOTHING = Cached()


class _Piece(NamedTuple):
    """A block of a prompt: what tells it from others, its tokens, and for how long it is marked."""

    said: bytes
    tokens: int
    ttl: str | None


class PromptCache:
    """What one vendor keeps, each API key's prompts by themselves. `now` is the loop's time in seconds."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[float, float]] = {}  # until when, and for how long, by all up to there

    def marked(self, body: Mapping[str, Any], key: str, now: float) -> Cached:
        """What becomes of a request by Anthropic's rules; raises BadRequest where its marks break them."""
        pieces = list(_blocks(body))
        automatic = as_dict(body.get("cache_control"))
        if automatic and pieces and pieces[-1].ttl is None:  # the vendor sets this mark
            pieces[-1] = pieces[-1]._replace(ttl=as_str(automatic.get("ttl")) or "5m")
        marks = [place for place, piece in enumerate(pieces) if piece.ttl is not None]
        _check(pieces, marks)
        prefixes, lengths = _prefixes(pieces, key), _lengths(pieces)
        least = next(tokens for part, tokens in _LEAST_MARKED if part in str(body.get("model", "")).replace(".", "-"))
        marks = [place for place in marks if lengths[place] >= least]
        seen = {at for place in marks for at in range(max(0, place - _LOOK_BACK), place + 1)}
        read = max((lengths[at] for at in seen if self._has(prefixes[at], now)), default=0)
        written = hour = 0
        for place in marks:
            ttl = pieces[place].ttl or "5m"
            self._keep(prefixes[place], now, _SECONDS[ttl])
            written = max(0, lengths[place] - read)
            hour = written if ttl == "1h" else hour
        return Cached(read, written, hour, lengths[-1]) if marks else NOTHING

    def automatic(self, body: Mapping[str, Any], key: str, now: float) -> Cached:
        """What becomes of a request by OpenAI's rules: any beginning that it has seen is read."""
        pieces = list(_messages(body))
        prefixes, lengths = _prefixes(pieces, key), _lengths(pieces)
        if not lengths or lengths[-1] < _LEAST:
            return NOTHING
        pairs = zip(prefixes, lengths, strict=True)
        read = max((length for prefix, length in pairs if self._has(prefix, now)), default=0)
        for prefix in prefixes:
            self._keep(prefix, now, _SECONDS["5m"])
        return Cached(read // _STEP * _STEP if read >= _LEAST else 0, tokens=lengths[-1])

    def _has(self, prefix: bytes, now: float) -> bool:
        """Whether a beginning is kept; then it is as long again from now on."""
        until, seconds = self._kept.get(prefix, (now, 0.0))
        if until <= now:
            return False
        self._kept[prefix] = now + seconds, seconds
        return True

    def _keep(self, prefix: bytes, now: float, seconds: float) -> None:
        if prefix not in self._kept and len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[prefix] = now + seconds, seconds


def _check(pieces: list[_Piece], marks: list[int]) -> None:
    if len(marks) > _MOST_MARKS:
        raise BadRequest(f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
    times = [pieces[place].ttl for place in marks]
    if "5m" in times and "1h" in times[times.index("5m") :]:
        raise BadRequest("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")


def _prefixes(pieces: Iterable[_Piece], key: str) -> list[bytes]:
    digest = blake2b(key.encode(errors="replace"), digest_size=16)
    found = []
    for piece in pieces:
        digest.update(piece.said + b"\0")
        found.append(digest.digest())
    return found


def _lengths(pieces: Iterable[_Piece]) -> list[int]:
    found, total = [], 0
    for piece in pieces:
        total += piece.tokens
        found.append(total)
    return found


def _blocks(body: Mapping[str, Any]) -> Iterable[_Piece]:
    """The blocks of a prompt in the order in which Anthropic reads them: tools, system, messages."""
    yield from (_piece(tool, "tool") for tool in as_list(body.get("tools")))
    yield from _of_content(body.get("system"), "system")
    for message in as_list(body.get("messages")):
        said = as_dict(message)
        yield from _of_content(said.get("content"), str(said.get("role")))


def _of_content(content: Any, role: str) -> Iterable[_Piece]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for block in as_list(content):
        inner = as_dict(block).get("content")
        marked = [each for each in as_list(inner) if "cache_control" in as_dict(each)]
        if marked:  # a part of a tool's result
            yield from (_piece(each, role) for each in as_list(inner))
            block = {**as_dict(block), "content": None}
        yield _piece(block, role)


def _piece(block: Any, role: str) -> _Piece:
    own = dict(as_dict(block))
    mark = own.pop("cache_control", None)
    if mark is not None:
        if own.get("type") in ("thinking", "redacted_thinking"):
            raise BadRequest("cache_control: Extra inputs are not permitted")
        if own.get("type") == "text" and not own.get("text"):
            raise BadRequest("cache_control cannot be set for empty text blocks")
    said, text = encode(own), own.get("text", own.get("content"))
    size = len(text) // 4 if isinstance(text, str) else _IMAGE if own.get("type") in _MEDIA else len(said) // 4
    ttl = None if mark is None else as_str(as_dict(mark).get("ttl")) or "5m"
    return _Piece(role.encode() + b"\0" + said, size, ttl)


def _messages(body: Mapping[str, Any]) -> Iterable[_Piece]:
    """The messages of a prompt of OpenAI's protocols, the tools before them."""
    for tool in as_list(body.get("tools")):
        yield _piece(tool, "tool")
    said = body.get("messages", body.get("input"))
    for message in [{"content": said}] if isinstance(said, str) else as_list(said):
        own = {name: value for name, value in as_dict(message).items() if value is not None}
        yield _piece(own, str(own.get("role")))

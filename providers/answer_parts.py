"""Lenient readers of what answers hold beside text, thinking and calls, and the place where it is collected.

Servers leave fields out, send null, or numbers as strings: each reader takes what it can use. None raises.
"""

from __future__ import annotations

import math
from typing import Any

from msgspec.structs import replace

from providers.base64_text import decoded
from providers.content import placed
from providers.lenient_json import as_count, as_dict, as_list, as_str
from providers.types import AudioPart, Citation, ImagePart, Placed, ServerToolPart, TokenLogprob

_MOST_PAID = 1e6  # USD: no answer has cost more
Other = ImagePart | AudioPart | ServerToolPart | Citation


def as_bytes(text: object) -> bytes:
    """The bytes of base64, also where its padding is missing; none of what is no base64."""
    if not isinstance(text, str) or not text:
        return b""
    try:
        return decoded(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def read_annotations(raw: object) -> list[Citation]:
    """OpenAI's annotations, nested under their type (chat) or flat (Responses); those that name no source are left."""
    found = []
    for entry in map(as_dict, as_list(raw)):
        kind = as_str(entry.get("type")) or "url_citation"
        told = as_dict(entry.get(kind)) or entry
        url = as_str(told.get("url")) or None
        source = as_str(told.get("file_id")) or as_str(told.get("filename")) or None
        if kind == "file" or not (url or source or as_str(told.get("title"))):
            continue
        found.append(
            Citation(
                url,
                as_str(told.get("title")) or as_str(told.get("filename")) or None,
                as_str(told.get("content")) or as_str(told.get("summary")) or None,
                source,
                as_count(told.get("start_index")),
                as_count(told.get("end_index")),
                entry,
            )
        )
    return found


def read_location(told: dict[str, Any]) -> Citation:
    """A citation of any of Anthropic's kinds: of the web, of a document's characters, pages or blocks."""
    url, source = as_str(told.get("url")), as_str(told.get("source"))
    title = as_str(told.get("title")) or as_str(told.get("document_title"))
    named = source or title or as_str(told.get("file_id"))
    return Citation(url, title, as_str(told.get("cited_text")), None if url else named, opaque=told)


def read_sources(body: dict[str, Any]) -> list[Citation]:
    """The sources of a whole answer, as Perplexity and xAI tell them beside it."""
    results = [one for one in map(as_dict, as_list(body.get("search_results"))) if as_str(one.get("url"))]
    if results:
        return [
            Citation(as_str(one.get("url")), as_str(one.get("title")), as_str(one.get("snippet")), opaque=one)
            for one in results
        ]
    urls = (one if isinstance(one, str) else as_str(as_dict(one).get("url")) for one in as_list(body.get("citations")))
    return [Citation(url) for url in urls if url]


def read_images(raw: object) -> list[ImagePart]:
    """Images as OpenRouter, LiteLLM and Vercel give them: `{"type": "image_url", "image_url": {"url": …}}`."""
    found = (image_of(entry) for entry in as_list(raw))
    return [image for image in found if image is not None]


def image_of(entry: object) -> ImagePart | None:
    """An image of a list or of a content's parts, by URL or as a data URL."""
    held = as_dict(entry).get("image_url")
    url = held if isinstance(held, str) else as_str(as_dict(held).get("url"))
    if not url:
        return None
    head, comma, data = url.partition(",")
    if not (url.startswith("data:") and comma and head.endswith(";base64")):
        return ImagePart(url=url)
    read = as_bytes(data)
    return ImagePart(data=read, media_type=head[5:].partition(";")[0] or "image/png") if read else None


def read_audio(raw: object, origin: str) -> AudioPart | None:
    """OpenAI's audio of a message, or a piece of it; None where there is none."""
    audio = as_dict(raw)
    data, said, name = as_bytes(audio.get("data")), as_str(audio.get("transcript")), as_str(audio.get("id"))
    if not (data or said or name):
        return None
    return AudioPart(data, None, said, name or None, origin if name else None)


def read_logprobs(raw: object) -> tuple[TokenLogprob, ...]:
    """OpenAI's list of tokens, or its object of lists; or the older form of parallel lists, which Together has."""
    told = as_dict(raw)
    tokens = raw if isinstance(raw, list) else as_list(told.get("content")) or as_list(told.get("refusal"))
    found = [one for one in map(_logprob, tokens) if one is not None]
    if not found and told:
        pairs = zip(as_list(told.get("tokens")), as_list(told.get("token_logprobs")), strict=False)
        found = [
            TokenLogprob(token, number)
            for token, likely in pairs
            if isinstance(token, str) and (number := _number(likely)) is not None
        ]
    return tuple(found)


def _logprob(entry: object) -> TokenLogprob | None:
    """A token, which may be the empty one: so some servers show the end."""
    told = as_dict(entry)
    token, number = told.get("token"), _number(told.get("logprob"))
    if not isinstance(token, str) or number is None:
        return None
    top = (
        (word, likely)
        for other in map(as_dict, as_list(told.get("top_logprobs")))
        if isinstance(word := other.get("token"), str) and (likely := _number(other.get("logprob"))) is not None
    )
    return TokenLogprob(token, number, tuple(top))


def _number(value: object) -> float | None:
    """A number that has a JSON form: some servers send -Infinity for what can't be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else -9999.0


def read_cost(usage: object) -> float | None:
    """What the vendor says that the answer costs, in USD; None where it does not.

    OpenRouter and Vercel tell `cost` (with one's own key at another vendor, that vendor's comes on top), Perplexity an
    object with a total, xAI ticks of a ten-billionth of a dollar, Hugging Face and DeepInfra an estimate.
    """
    told = as_dict(usage)
    cost = told.get("cost")
    if isinstance(cost, dict):
        return _paid(cost.get("total_cost"))
    paid = _paid(cost)
    if paid is not None:
        upstream = as_dict(told.get("cost_details")).get("upstream_inference_cost")
        return paid + (_paid(upstream) or 0.0) if told.get("is_byok") is True else paid
    ticks = _paid(told.get("cost_in_usd_ticks"), 1e10)
    return _paid(told.get("estimated_cost")) if ticks is None else ticks


def told_cost(text: str) -> float | None:
    """The same of a number in a header."""
    try:
        return _paid(float(text))
    except ValueError:
        return None


def _paid(value: object, a_dollar: float = 1.0) -> float | None:
    """USD, of which so many of the value are one; None for what can be no cost of an answer."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_PAID * a_dollar:
        return None
    return value / a_dollar


class Others:
    """Collects them for one answer."""

    __slots__ = ("_pieces", "citations", "logprobs", "placed")

    def __init__(self) -> None:
        self.placed: list[Placed] = []
        self.citations: list[Citation] = []
        self.logprobs: list[TokenLogprob] = []
        self._pieces: list[AudioPart] = []  # of the last part, where that is audio, which comes in pieces

    def add(self, part: Other, said: int = 0, called: int = 0, thought: int = 0) -> None:
        """Take a part that comes after so many characters, calls and parts of thinking."""
        if isinstance(part, Citation):
            self.citations.append(part)
            return
        if not isinstance(part, AudioPart):
            self._join()
            self._pieces = []
        elif self._pieces and part.id in (None, self._pieces[0].id):
            self._pieces.append(part)
            return
        else:
            self._join()
            self._pieces = [part]
        self.placed.append(placed(part, (said, called, thought)))

    def _join(self) -> None:
        """Put the pieces of audio together: at once, since each would copy all that came before it."""
        if len(self._pieces) < 2:
            return
        first, words = self._pieces[0], [piece.transcript for piece in self._pieces if piece.transcript is not None]
        data, said = b"".join(piece.data for piece in self._pieces), "".join(words) if words else None
        self._pieces = [replace(first, data=data, transcript=said)]
        self.placed[-1] = replace(self.placed[-1], audio=self._pieces[0])

    def fields(self) -> dict[str, Any]:
        """The fields of a response that are not empty."""
        found: dict[str, Any] = {}
        if self.placed:
            self._join()
            found["others"] = tuple(self.placed)
        if self.citations:
            found["citations"] = tuple(self.citations)
        if self.logprobs:
            found["logprobs"] = tuple(self.logprobs)
        return found

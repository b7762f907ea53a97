"""What simulated answers hold beside text, thinking and calls: sources, searches, pictures, speech, likelihoods.

A search happens where the vendor's own tool for it is offered and there are `sources`; likelihoods and speech come
where they are asked for. All is made out of the text, so that the same answer has the same again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from math import log
from typing import Any, NamedTuple

from providers.content import placed
from providers.parts import is_text
from providers.server_tools import shared_name
from providers.simulator.vendor import VendorKnobs
from providers.types import (
    AudioPart,
    Citation,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    Placed,
    ServerToolPart,
    TokenLogprob,
)

_QUOTED = 40  # characters of a document
_BYTES_A_WORD = 48  # of speech


class Extras(NamedTuple):
    """What goes with one answer: `before` its text, `after` it, what it cites, and of how likely tokens it is."""

    before: tuple[ServerToolPart, ...] = ()
    after: tuple[ImagePart | AudioPart, ...] = ()
    citations: tuple[Citation, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()

    def placed(self, text: str, thoughts: int) -> tuple[Placed, ...]:
        """The parts at their places in a plain answer, of which so many are thinking, before all else."""
        end = (len(text), 0, thoughts)
        return (
            *(placed(part, (0, 0, thoughts)) for part in self.before),
            *(placed(part, end) for part in self.after),
        )


NOTHING = Extras()
Searched = Callable[[str, Sequence[Citation]], tuple[ServerToolPart, ...]]  # a vendor's parts of a search


def extras(
    request: CompletionRequest, knobs: VendorKnobs, pieces: Sequence[str], searched: Searched, *, cites_files: bool
) -> Extras:
    """What goes with an answer of these tokens.

    Args:
        searched: writes a search for these words, with what it found.
        cites_files: whether documents are cited that a request wants cited.
    """
    text = "".join(pieces)
    found = tuple(
        Citation(source.url, source.title or source.url, source.text or None, start=0, end=len(text))
        for source in knobs.sources
    )
    searches = any(shared_name(tool.name) == "web_search" for tool in request.server_tools)
    draws = knobs.image or any(shared_name(tool.name) == "image_generation" for tool in request.server_tools)
    speaks = request.audio is not None or "audio" in request.modalities
    after: list[ImagePart | AudioPart] = []
    if draws or "image" in request.modalities:
        after.append(ImagePart(data=picture(text), media_type="image/png"))
    if speaks:
        after.append(AudioPart(speech(text), None, text, f"audio_{zlib.crc32(text.encode()):08x}"))
    wants = bool(request.logprobs) or bool(request.top_logprobs)
    return Extras(
        searched(_asked(request), found) if searches and found else (),
        tuple(after),
        (*(_of_files(request, len(text)) if cites_files else ()), *found),
        tuple(likelihood(piece, request.top_logprobs or 0) for piece in pieces) if wants else (),
    )


def _asked(request: CompletionRequest) -> str:
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")


def _of_files(request: CompletionRequest, end: int) -> tuple[Citation, ...]:
    """A place of each text document that is to be cited."""
    found = []
    for number, part in enumerate(_files(request.messages)):
        if part.citations and is_text(part):
            quoted = (part.data or b"").decode("utf-8", "replace")[:_QUOTED]
            told: dict[str, Any] = {
                "type": "char_location",
                "cited_text": quoted,
                "document_index": number,
                "document_title": part.filename,
                "start_char_index": 0,
                "end_char_index": len(quoted),
                "file_id": None,
            }
            found.append(Citation(None, part.filename, quoted, part.filename, 0, end, told))
    return tuple(found)


def _files(messages: Sequence[Message]) -> list[FilePart]:
    return [
        part
        for message in messages
        if not isinstance(message.content, str)
        for part in message.content
        if isinstance(part, FilePart)
    ]


def likelihood(token: str, others: int) -> TokenLogprob:
    """How likely a token was, with so many that were likely at its place: itself the first."""
    share = 0.5 + zlib.crc32(token.encode("utf-8", "replace")) % 49 / 100
    top = [(token, log(share)), *((f"{token}{place}", log((1 - share) / 2**place)) for place in range(1, others))]
    return TokenLogprob(token, log(share), tuple(top[:others]))


def picture(text: str) -> bytes:
    """A PNG of one pixel, whose colour is the text's."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = zlib.crc32(text.encode("utf-8", "replace")).to_bytes(4, "big")[:3]
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + colour)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def spoken(after: Sequence[ImagePart | AudioPart], words: Sequence[str]) -> list[AudioPart]:
    """The audio of an answer as streams have it: its words one by one, then the sound in two pieces."""
    found = []
    for part in after:
        if isinstance(part, AudioPart):
            middle = len(part.data) // 2
            found += [AudioPart(b"", None, word, part.id) for word in words]
            found += [AudioPart(data, None, None, part.id) for data in (part.data[:middle], part.data[middle:])]
    return found


def speech(text: str) -> bytes:
    """Sound as long as its words: 16 bits a sample."""
    return b"".join(
        zlib.crc32(word.encode("utf-8", "replace")).to_bytes(4, "little") * (_BYTES_A_WORD // 4)
        for word in text.split() or ["."]
    )

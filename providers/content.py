"""What messages and answers are made of: texts with their sources, images, audio, documents, reasoning, and what a
vendor's own tools did.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, TypeAlias

import msgspec

Thinking: TypeAlias = Literal["off", "minimal", "low", "medium", "high", "xhigh", "max"] | int
EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")  # from little to much


def effort_of(thinking: Thinking) -> str:
    """The effort for a level or for a budget in tokens: none, or a word of `EFFORTS`."""
    if thinking == "off":
        return "none"
    if isinstance(thinking, str):
        return thinking
    return "low" if thinking <= 2048 else "medium" if thinking <= 10_000 else "high"


def nearest_effort(effort: str, known: Collection[str]) -> str:
    """The effort itself where it is known; for those that not all vendors have, the nearest that is."""
    if effort in known or effort not in ("minimal", "xhigh", "max"):
        return effort
    place = EFFORTS.index(effort)
    near = sorted((word for word in EFFORTS if word in known), key=lambda word: abs(EFFORTS.index(word) - place))
    return near[0] if near else effort


class Struct(msgspec.Struct, frozen=True):
    """Base of all types here: immutable, slotted, comparable, printable."""


class Citation(Struct, frozen=True):
    """A source that an answer names. All that is None was not told.

    `text` is what is quoted of the source, `source` what it is called where it has no `url`: a file's id, a document's
    title. `start` and `end` are the characters of the text that it supports, counted in the text of its part, or of the
    whole answer in `reply.citations`. `opaque` is the citation as the vendor told it.
    """

    url: str | None = None
    title: str | None = None
    text: str | None = None
    source: str | None = None
    start: int | None = None
    end: int | None = None
    opaque: dict[str, Any] | None = None


class TextPart(Struct, frozen=True):
    """A run of text. `cache=True` asks the vendor to cache the prompt up to here; "5m" or "1h" says for how long.

    `citations` are the sources that an answer names for it.
    """

    text: str
    cache: bool | Literal["5m", "1h"] = False
    citations: tuple[Citation, ...] = ()


class ImagePart(Struct, frozen=True):
    """An image, by `url`, as `data` (bytes) with its `media_type`, such as `image/png`, or by the `id` of a file that
    is kept at a vendor.

    `detail` is how closely vendors that ask for it look at it. `origin` names the provider that keeps the file; without
    it, whoever is asked is taken for that.
    """

    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    id: str | None = None
    origin: str | None = None


class FilePart(Struct, frozen=True):
    """A document, such as a PDF or a text: as `data` (bytes) with its `media_type`, by `url`, or by the `id` of a file
    that is kept at a vendor.

    `citations` asks vendors that have a switch for it to name the places that they answer from. `origin` names the
    provider that keeps the file; without it, whoever is asked is taken for that.
    """

    data: bytes | None = None
    media_type: str | None = None
    filename: str | None = None
    url: str | None = None
    id: str | None = None
    citations: bool = False
    origin: str | None = None


class AudioPart(Struct, frozen=True):
    """Speech or sound: as `data` with its `media_type`, such as `audio/wav` or `audio/mpeg`.

    `transcript` is what an answer's says; `id` is by what its vendor (`origin`) keeps it for the next turn.
    """

    data: bytes = b""
    media_type: str | None = None
    transcript: str | None = None
    id: str | None = None
    origin: str | None = None


class ServerToolPart(Struct, frozen=True):
    """A call of a tool that the vendor runs itself, or its result: `type` and `data` are the vendor's own.

    `origin` is its maker, `provider/model`; it is sent back only to that provider.
    """

    type: str
    data: dict[str, Any]
    origin: str | None = None


class ThinkingPart(Struct, frozen=True):
    """Reasoning that a model made.

    `origin` is `provider/model`: it is sent back only there, because signatures and encrypted
    reasoning are bound to the model that made them. `after` is its place in the turn: how many characters
    of the text and how many tool calls came before it.
    """

    text: str
    signature: str | None = None
    opaque: dict[str, Any] | None = None
    origin: str | None = None
    after: tuple[int, int] = (0, 0)


Part: TypeAlias = TextPart | ImagePart | FilePart | AudioPart | ServerToolPart | ThinkingPart


class Placed(Struct, frozen=True):
    """What an answer holds beside text, thinking and calls, at its place: one of `image`, `audio` and `server_tool`.

    `after` counts what came before it: characters of the text, tool calls, parts of thinking.
    """

    after: tuple[int, int, int] = (0, 0, 0)
    image: ImagePart | None = None
    audio: AudioPart | None = None
    server_tool: ServerToolPart | None = None

    @property
    def part(self) -> ImagePart | AudioPart | ServerToolPart:
        """The part itself."""
        part = self.image or self.audio or self.server_tool
        assert part is not None, "it is made with one of them"
        return part


def placed(part: ImagePart | AudioPart | ServerToolPart, after: tuple[int, int, int] = (0, 0, 0)) -> Placed:
    """A part at its place."""
    if isinstance(part, ImagePart):
        return Placed(after, image=part)
    return Placed(after, audio=part) if isinstance(part, AudioPart) else Placed(after, server_tool=part)


class TokenLogprob(Struct, frozen=True):
    """How likely a token was (the natural logarithm), and the likeliest ones at its place, each with the same."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class ServerTool(Struct, frozen=True):
    """A tool that the vendor runs itself, such as `web_search`, `web_fetch`, `code_execution` or `file_search`.

    Of the `options`, `allowed_domains`, `blocked_domains`, `user_location`, `max_uses` and `search_context_size` are
    said in each vendor's own words; all others are the vendor's own fields for it. Any other `name` is sent as the
    vendor's `type` of the tool. `optional` says that a vendor without it may answer: it is then among what was
    `left_out`.
    """

    name: str
    options: dict[str, Any] = {}
    optional: bool = False

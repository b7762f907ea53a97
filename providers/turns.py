"""What every encoder asks of a conversation: whose reasoning goes back, in which order, under which call ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, TypeAlias

import msgspec

from providers.types import Message, Part, TextPart, ThinkingPart, ToolCall

Piece: TypeAlias = Part | ToolCall

# What names of models begin with, whoever serves them; names of one row are of one maker.
_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("deepseek",),
    ("kimi", "moonshot"),
    ("glm", "zai-glm", "chatglm"),
    ("minimax", "abab"),
    ("qwen", "qwq", "qvq"),
    ("mistral", "magistral", "ministral", "codestral", "devstral"),
    ("gpt-oss",),
    ("mimo",),
    ("grok",),
)


@lru_cache(maxsize=1_000)
def family(model: str) -> str | None:
    """The maker's family of open models that a model is of, by the last part of its name; None for others."""
    name = model.lower().rpartition("/")[2]
    return next((row[0] for row in _FAMILIES if name.startswith(row)), None)


def made_by(origin: str | None, provider: str | None, model: str) -> bool:
    """Whether reasoning of this origin (`provider/model`) is this provider's and model's own."""
    if origin is None:
        return False
    maker, _, made_by_model = origin.partition("/")
    return made_by_model == model and provider in (None, maker)


def made_by_family(origin: str | None, provider: str | None, model: str) -> bool:
    """Whether reasoning in plain text, bound to nothing, is of this model or of one of its maker's family."""
    if origin is None or made_by(origin, provider, model):
        return origin is not None
    known = family(model)
    return known is not None and known == family(origin.partition("/")[2])


def made_at(origin: str | None, provider: str | None) -> bool:
    """Whether what is of this origin (`provider`, or `provider/model`) is of this provider."""
    return origin is not None and provider is not None and origin.partition("/")[0] == provider


def thoughts_of(message: Message) -> Sequence[ThinkingPart]:
    """All the reasoning of a turn."""
    content = message.content
    if isinstance(content, str):
        return message.thinking
    return [*message.thinking, *(part for part in content if isinstance(part, ThinkingPart))]


def in_order(message: Message, wanted: Callable[[ThinkingPart], bool]) -> list[Piece]:
    """The pieces of an assistant's turn in the order in which they were made, of the reasoning only what is wanted."""
    content = message.content
    left: list[Piece] = []
    if isinstance(content, str):
        left = [TextPart(content)] if content else []
    else:
        left = [part for part in content if not isinstance(part, ThinkingPart) or wanted(part)]
    calls = message.tool_calls
    thoughts = [part for part in message.thinking if wanted(part)]
    if not thoughts or thoughts[-1].after == (0, 0):
        return [*thoughts, *left, *calls]
    found: list[Piece] = []
    said = called = 0
    for thought in thoughts:
        text_before, calls_before = thought.after
        while left and said < text_before:
            piece = left.pop(0)
            if isinstance(piece, TextPart):
                room = text_before - said
                if len(piece.text) > room:
                    left.insert(0, msgspec.structs.replace(piece, text=piece.text[room:]))
                    piece = TextPart(piece.text[:room])
                said += len(piece.text)
            found.append(piece)
        found += calls[called:calls_before]
        called = max(called, calls_before)
        found.append(thought)
    return [*found, *left, *calls[called:]]


def as_object(call: ToolCall) -> dict[str, Any]:
    """The arguments for a wire that takes objects only; malformed ones are wrapped, so that the model can be told."""
    return {"_raw": call.raw_arguments} if call.arguments is None else call.arguments


class CallIds(msgspec.Struct):
    """The ids of a conversation's tool calls as one vendor takes them: in its form, and each there once.

    Calls without an id get one of ours, which is the same in every turn, and Anthropic refuses one that is there twice.

    Args:
        fit: gives an id the vendor's form, always alike.
    """

    fit: Callable[[str], str]
    _newest: dict[str, str] = {}  # of its own: msgspec copies what is empty
    _used: set[str] = set()

    def of_calls(self, calls: Iterable[ToolCall], *, keep: bool = False) -> list[str]:
        """The ids to send for a turn's calls; `keep` leaves them in the form that they have."""
        given = []
        used = self._used
        for call in calls:
            new = call.id if keep else self.fit(call.id)
            if new in used:
                new = next(each for number in count(2) if (each := self.fit(f"{call.id}_{number}")) not in used)
            used.add(new)
            self._newest[call.id] = new
            given.append(new)
        return given

    def of_result(self, call_id: str) -> str:
        """The id to send for the result of a call."""
        return self._newest.get(call_id) or self.fit(call_id)

"""The marks of a request for Anthropic's prompt cache: those that its app has set, and those that are set for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.prompt_cache import block_of, breakpoints, is_on, set_marks
from providers.types import PromptCache

Blocks = list[dict[str, Any]]


def mark(
    tools: Blocks, system: str | Blocks | None, turns: Blocks, wanted: PromptCache | None, least: int | None
) -> str | Blocks | None:
    """Mark what the vendor is to keep, in place; returns the system's words, which have to be blocks to be marked.

    Args:
        turns: each with a list of blocks as its content.
        least: tokens that a model keeps at least; None for a model that is not marked for.
    """
    head = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
    blocks = [*tools, *head]
    blocks += [block for turn in turns for block in _flat(turn["content"])]
    places: tuple[int, ...] = ()
    if is_on(wanted) and least is not None:
        ends = [len(tools) + len(head) + at for at in _ends(turns)]  # of the turns
        this, before = _requests(turns)
        worth = [
            None if this is None else ends[this],
            len(tools) + len(head) - 1 if head else None,
            None if before is None else ends[before],
            len(tools) - 1 if tools else None,
        ]
        places = breakpoints([block_of(block) for block in blocks], worth, least)
    if places or any("cache_control" in block for block in blocks):
        set_marks(blocks, places, wanted)
    return head if any("cache_control" in block for block in head) else system


def _flat(blocks: Blocks) -> Iterator[dict[str, Any]]:
    """Blocks, with the parts of a tool's result before it: an app can have marked these as well."""
    for block in blocks:
        content = block.get("content")
        if isinstance(content, list):
            yield from content
        yield block


def _ends(turns: Blocks) -> Iterator[int]:
    """The place of the last block of each turn, among the blocks of all turns."""
    count = -1
    for turn in turns:
        count += sum(1 for _ in _flat(turn["content"]))
        yield count


def _requests(turns: Blocks) -> tuple[int | None, int | None]:
    """The user's turns with which this request ends and the one before it ended.

    The beginning of an answer, which the model goes on with, is no end: the next request has the whole one there.
    """
    this = _last(turns, "user", len(turns))
    answer = None if this is None else _last(turns, "assistant", this)
    return this, None if answer is None else _last(turns, "user", answer)


def _last(turns: Blocks, role: str, before: int) -> int | None:
    return next((at for at in range(before - 1, -1, -1) if turns[at]["role"] == role), None)

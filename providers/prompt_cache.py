"""Where a prompt is marked for a vendor's prompt cache, and what tells one conversation from another.

A vendor that caches by marks (`cache_control`) keeps a prompt up to each of them. A later prompt that begins the same
way reads the longest beginning that was kept and that ends at one of its own marks, or at most 20 blocks before one. So
a talk of any length needs four marks: the end of the tools and that of the system's words, which many talks share; the
end of the last request, where the cache holds most; and the end of this one, where the next will find it.

Rules: Anthropic's page on prompt caching (platform.claude.com/docs/en/build-with-claude/prompt-caching): at most four
marks, a least length by model, none on thinking and on empty texts, and no longer time after a shorter one. Gateways
have the same for `cache_control` in OpenAI's protocol (openrouter.ai/docs/guides/best-practices/prompt-caching).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Any, NamedTuple

from providers.surrogates import encode_json
from providers.types import CompletionRequest, PromptCache

MOST_MARKS = 4
_LEADING = 1_024  # characters of a message by which a conversation is known
_BYTES = 4  # of text that are a token at least
# At least so many tokens have an image of 600 pixels each way, and a page of a document.
_IMAGE, _PAGE = 480, 1_500
_UNMARKED = frozenset({"thinking", "redacted_thinking"})


class Block(NamedTuple):
    """A piece of a prompt: tokens that it has at least, whether it can be marked, and whether its app has done so."""

    tokens: int
    can_be_marked: bool = True
    is_marked: bool = False


def breakpoints(blocks: Sequence[Block], ends: Iterable[int | None], least: int) -> tuple[int, ...]:
    """The blocks to mark, in their order, beside those that the app has marked.

    What is marked for one end depends on the blocks up to there alone: a talk that grows keeps the places that its last
    request has written.

    Args:
        ends: the last block of each beginning that is worth keeping, the most worthwhile first; None for one that is
            not there. Where such a block can't be marked the nearest one before it is.
        least: tokens that a beginning has to have.
    """
    lengths = list(accumulate(block.tokens for block in blocks))
    left = MOST_MARKS - sum(block.is_marked for block in blocks)
    found: set[int] = set()
    for end in ends:
        if end is None or len(found) >= left:
            continue
        place = next((place for place in range(end, -1, -1) if blocks[place].can_be_marked), None)
        if place is not None and lengths[place] >= least and not blocks[place].is_marked:
            found.add(place)
    return tuple(sorted(found))


def is_on(wanted: PromptCache | None) -> bool:
    """Whether the vendor is asked to keep the prompt."""
    return wanted is not None and wanted != "off"


def conversation(request: CompletionRequest) -> str:
    """What all turns of a conversation have in common, as 32 letters and digits: its `affinity`, else how it begins,
    which are the system's words and the first message after them.
    """
    digest = blake2b(digest_size=16)
    if request.affinity is not None:
        digest.update(request.affinity.encode())
        return digest.hexdigest()
    for message in request.messages:
        said = message.text[:_LEADING]
        digest.update(f"{message.role}\0{len(said)}\0{said}".encode("utf-8", "surrogatepass"))
        if message.role not in ("system", "developer"):
            break
    return digest.hexdigest()


# --- blocks as they go out: dicts of Anthropic's protocol, or of OpenAI's


def block_of(block: dict[str, Any]) -> Block:
    """What counts of a block, or of a tool's declaration."""
    kind = block.get("type")
    is_empty = kind == "text" and not block["text"].strip()
    return Block(_tokens(block), not is_empty and kind not in _UNMARKED, "cache_control" in block)


def _tokens(block: dict[str, Any]) -> int:
    kind = block.get("type")
    if kind == "text":
        return _of_text(block["text"])
    if kind in _UNMARKED:
        return 0  # what was thought before is not always part of the prompt
    if kind in ("image", "image_url"):
        return _IMAGE
    if kind == "document":
        source = block["source"]
        return _of_text(source["data"]) if source["type"] == "text" else _PAGE
    if kind in ("file", "document_url"):
        return _PAGE
    if kind == "tool_result":
        content = block.get("content", "")
        return _of_text(content) if isinstance(content, str) else 0  # its parts are blocks of their own
    return len(encode_json(block)) // _BYTES


def _of_text(text: str) -> int:
    return (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))) // _BYTES


def set_marks(blocks: Sequence[dict[str, Any]], places: Iterable[int], wanted: PromptCache | None) -> None:
    """Mark these blocks beside those that their app has marked, and hold all of them to the rules.

    Of more than four marks of an app the last hold. One that says no time has that of `wanted`.
    """
    own = [block for block in blocks if "cache_control" in block]
    for block in own[:-MOST_MARKS]:
        del block["cache_control"]
    hour = max((at for at, block in enumerate(blocks) if _is_hour(block)), default=-1)
    if wanted == "1h":
        hour = len(blocks)
    for block in own[-MOST_MARKS:]:
        if wanted == "1h":
            block["cache_control"].setdefault("ttl", "1h")
    for at in places:  # what stands before a longer time has to have that
        blocks[at]["cache_control"] = {"type": "ephemeral", **({"ttl": "1h"} if at < hour else {})}
    shorter = False
    for block in blocks:
        if "cache_control" in block:
            if shorter and _is_hour(block):
                block["cache_control"] = {"type": "ephemeral"}
            shorter = shorter or not _is_hour(block)


def _is_hour(block: dict[str, Any]) -> bool:
    return "cache_control" in block and block["cache_control"].get("ttl", "5m") != "5m"

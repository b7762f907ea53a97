"""The content blocks of one of Anthropic's messages, as they are put together. No input or output happens here."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from providers.accumulate import parse_arguments
from providers.answer_parts import Other, Others, read_location
from providers.lenient_json import arguments_text, as_dict, as_list, as_str, as_word
from providers.tool_calls import ToolCallAssembler
from providers.types import Citation, ServerToolPart, ThinkingPart, ToolCallDelta

_TOOL_BLOCKS = frozenset({"tool_use"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
# What may be mixed up: a server that confuses indexes sends the deltas of one of these to another.
MIXED_UP = frozenset({"", "text", "thinking", "tool_use"})


class Block:
    """One content block that is being put together."""

    __slots__ = ("citations", "data", "given", "kind", "parts", "place", "signature", "told")

    def __init__(self, kind: str, place: int) -> None:
        self.kind = kind
        self.place = place  # among all blocks
        self.parts: list[str] = []
        self.signature: str | None = None
        self.data: dict[str, Any] | None = None
        self.given = ""  # a call's input that came whole at the start, in place of deltas
        self.citations: list[Citation] = []
        self.told = False  # whether a chunk has told what the block holds beside text, thinking and calls


class Answer:
    """The blocks of one answer, in the order of their starts.

    Some compatible servers give all blocks the same index, or none: a block that starts takes its index over.
    """

    __slots__ = ("_origin", "blocks", "by_index", "calls")

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.blocks: list[Block] = []
        self.by_index: dict[int, Block] = {}
        self.calls = ToolCallAssembler()

    def open(self, source: dict[str, Any]) -> tuple[Block, ToolCallDelta | None]:
        kind = as_str(source.get("type")) or ""
        block = Block(kind, len(self.blocks))
        self.blocks.append(block)
        if kind == "text":
            block.parts.append(as_str(source.get("text")) or "")
            block.citations += [read_location(told) for told in map(as_dict, as_list(source.get("citations"))) if told]
        elif kind == "thinking":
            block.parts.append(as_str(source.get("thinking")) or "")
            block.signature = as_str(source.get("signature"))
        elif kind == "redacted_thinking":
            block.data = {"type": kind, "data": source.get("data")}
        elif kind in _TOOL_BLOCKS:
            block.given = arguments_text(source.get("input") or "")
            name = as_word(source.get("name"))
            self.calls.begin(block.place)
            return block, self.calls.add(block.place, as_word(source.get("id")), name, "")
        elif kind:
            block.data = dict(source)
        return block, None

    def tell(self, block: Block) -> tuple[Other, ...]:
        """What a finished block holds beside text, thinking and calls; once."""
        if block.told or not (block.citations or (block.data is not None and block.kind not in _THOUGHTS)):
            return ()
        block.told = True
        if block.citations:
            return self._cited(block)
        return (self._server_tool(block),)

    def _server_tool(self, block: Block) -> ServerToolPart:
        """A block of the vendor's own; its input may have come in pieces."""
        data = block.data or {}
        if block.parts and "input" in data:
            data = {**data, "input": parse_arguments("".join(block.parts)) or {}}
        return ServerToolPart(block.kind, data, self._origin)

    def _cited(self, block: Block) -> tuple[Citation, ...]:
        """The citations of a block, which are all for its whole text."""
        start = sum(len(piece) for other in self.blocks[: block.place] if other.kind == "text" for piece in other.parts)
        end = start + sum(map(len, block.parts))
        return tuple(replace(one, start=start, end=end) for one in block.citations)

    def others(self) -> Others:
        found = Others()
        said = called = thought = 0
        for block in self.blocks:
            if block.kind == "text":
                for one in self._cited(block):
                    found.add(one)
                said += sum(map(len, block.parts))
            elif block.kind in _TOOL_BLOCKS:
                called += 1
            elif block.kind in _THOUGHTS:
                thought += 1
            elif block.data is not None:
                found.add(self._server_tool(block), said, called, thought)
        return found

    def close(self, block: Block) -> ToolCallDelta | None:
        """The arguments of a call that came whole at its start."""
        given, block.given = block.given, ""
        return self.calls.add(block.place, None, None, given) if given else None

    def block_for(self, index: object, wanted: str) -> Block | None:
        """The block that a delta belongs to, by its index and its kind; some servers leave the start of a text out."""
        blocks = self.blocks
        block = self.by_index.get(index) if type(index) is int else blocks[-1] if blocks else None
        if block is not None and (block.kind == wanted or block.kind not in MIXED_UP):
            return block if block.kind == wanted else None
        if wanted in _TOOL_BLOCKS:
            return next((other for other in reversed(blocks) if other.kind == wanted), None)
        if blocks and blocks[-1].kind == wanted:
            return blocks[-1]
        opened, _ = self.open({"type": wanted})
        if type(index) is int:
            self.by_index.setdefault(index, opened)
        return opened

    @property
    def text(self) -> str:
        return "".join("".join(block.parts) for block in self.blocks if block.kind == "text")

    def thinking(self) -> tuple[ThinkingPart, ...]:
        found = []
        said = called = 0
        for block in self.blocks:
            if block.kind == "text":
                said += sum(map(len, block.parts))
            elif block.kind in _TOOL_BLOCKS:
                called += 1
            elif block.kind == "redacted_thinking":
                found.append(ThinkingPart("", opaque=block.data, origin=self._origin, after=(said, called)))
            elif block.kind == "thinking":
                text = "".join(block.parts)
                found.append(ThinkingPart(text, block.signature, origin=self._origin, after=(said, called)))
        return tuple(found)

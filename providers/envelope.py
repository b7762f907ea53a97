"""Reasoning that leaves to a client says whose it is, so that it goes back to its maker alone.

Signatures and encrypted reasoning are bound to the model that made them, and no protocol has a field for that. So each
leaves as `sb1.<origin>.<value>`, where the origin is the beginning of a hash of `provider/model`, and is opened when it
comes back: for its maker, else it is dropped. A value without the prefix came from elsewhere and stays as it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from providers.sealed_ids import DEEPEST, IDS, OF_CALLS, WORDS_OF_OTHERS, SealedIds, digest_of, plain_id, read_id, seal
from providers.surrogates import encode_json
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    Part,
    StreamChunk,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
)

_SEAL = re.compile(r"sb1\.([0-9a-f]{8})\.")
_SEAL_BYTES = re.compile(rb"sb1\.[0-9a-f]{8}\.")
# What holds an opaque value, and its field: Anthropic's blocks and the delta of one, the items of Responses,
# OpenRouter's details.
_HOLDERS = {
    "thinking": "signature",
    "signature_delta": "signature",
    "redacted_thinking": "data",
    "reasoning": "encrypted_content",
    "reasoning.text": "signature",
    "reasoning.encrypted": "data",
}
_FIELDS = frozenset({"thought_signature", "reasoning_opaque"})  # in whatever they stand: Gemini's and Copilot's
# In the place of Anthropic's own word for a source: what another vendor has cited is never sent back to Anthropic.
FOREIGN_INDEX = "sb1.00000000."
_PACKED = "~opaque"  # what ends a text of several fields; no base64 has it
_GONE: Any = object()
_decode = msgspec.json.Decoder().decode


def packed(opaque: dict[str, Any] | None) -> str | None:
    """Sealed fields of a protocol as one text, for another that has a field for one; None where none is sealed."""
    maker = _maker(None, opaque)
    if maker is None:
        return None
    return f"sb1.{maker}.{base64.urlsafe_b64encode(encode_json(opaque)).decode()}{_PACKED}"


def unpacked(value: str | None) -> dict[str, Any] | None:
    """The fields that `packed` made a text of; None for all other texts."""
    seal = _SEAL.match(value or "")
    if value is None or seal is None or not value.endswith(_PACKED):
        return None
    try:
        opaque = _decode(base64.urlsafe_b64decode(value[seal.end() :].removesuffix(_PACKED)))
    except (ValueError, UnicodeError, RecursionError):
        return None
    return opaque if isinstance(opaque, dict) and _maker(None, opaque) == seal[1] else None


def is_sealed(data: bytes) -> bool:
    """Whether there is an envelope of ours in a body."""
    return b"sb1." in data and _SEAL_BYTES.search(data) is not None


# --- out


def may_hold(data: bytes) -> bool:
    """Whether there may be opaque values in an answer of a vendor's; in most there are none, and they stay unread."""
    # Several times as fast as one pattern of them all.
    return (
        b"signature" in data
        or b"encrypted_content" in data
        or b"redacted_thinking" in data
        or b"reasoning.encrypted" in data
        or b"reasoning_opaque" in data
    )


def seal_response(response: CompletionResponse, ids: SealedIds | None = None) -> CompletionResponse:
    """The answer with its opaque reasoning sealed.

    Args:
        ids: where what belongs to a tool call rides in its id, for protocols that have no field for it.
    """
    thinking = tuple(_sealed_part(part) for part in response.thinking)
    calls = tuple(_sealed_call(call, ids) for call in response.tool_calls)
    if (thinking, calls) == (response.thinking, response.tool_calls):
        return response
    return replace(response, thinking=thinking, tool_calls=calls)


def _sealed_part(part: ThinkingPart) -> ThinkingPart:
    if part.origin is None:
        return part
    signature = seal(part.signature, part.origin) if part.signature else part.signature
    return replace(part, signature=signature, opaque=_sealed(part.opaque, part.origin, None))


def _sealed_call(call: ToolCall, ids: SealedIds | None) -> ToolCall:
    if call.origin is None or not call.opaque:
        return call
    call_id = call.id if ids is None else ids.shown(call.id, call.opaque, call.origin)
    return replace(call, id=call_id, opaque=_sealed(call.opaque, call.origin, None))


def seal_chunk(chunk: StreamChunk, origin: str) -> StreamChunk:
    """A piece of a streamed answer with what belongs to its tool calls sealed; `raw` is for `seal_raw`.

    A call's opaque fields come after its id: `SealedIds.keep` is for clients that have no field for them.
    """
    if not any(delta.opaque for delta in chunk.tool_calls):
        return chunk
    return replace(chunk, tool_calls=tuple(_sealed_delta(delta, origin) for delta in chunk.tool_calls))


def _sealed_delta(delta: ToolCallDelta, origin: str) -> ToolCallDelta:
    return replace(delta, opaque=_sealed(delta.opaque, origin, None)) if delta.opaque else delta


def seal_body(body: dict[str, Any], origin: str, ids: SealedIds | None = None) -> dict[str, Any]:
    """A vendor's whole answer, or one event of a stream, in any of the protocols; the body itself is not changed."""
    sealed: dict[str, Any] = _sealed(body, origin, ids)
    return sealed


def seal_raw(raw: bytes, origin: str, ids: SealedIds | None = None) -> bytes:
    """Events of a stream as a vendor sent them (`StreamChunk.raw`); nearly all stay the same bytes, unread."""
    if not may_hold(raw):
        return raw
    return b"\n".join(_sealed_line(line, origin, ids) for line in raw.split(b"\n"))


def _sealed_line(line: bytes, origin: str, ids: SealedIds | None) -> bytes:
    if not may_hold(line):
        return line
    start = line.find(b"{")
    try:
        payload = _decode(line[start:])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return line
    sealed = _sealed(payload, origin, ids)
    return line if sealed == payload else line[:start] + encode_json(sealed)


def _sealed(value: Any, origin: str, ids: SealedIds | None, depth: int = 0) -> Any:
    if depth > DEEPEST or not isinstance(value, list | dict):
        return value
    if isinstance(value, list):
        return [_sealed(each, origin, ids, depth + 1) for each in value]
    field = _field_of(value)
    found = {
        key: seal(each, origin)
        if each and isinstance(each, str) and (key == field or key in _FIELDS)
        else each
        if key in WORDS_OF_OTHERS
        else _sealed(each, origin, ids, depth + 1)
        for key, each in value.items()
    }
    if ids is not None and isinstance(value.get("id"), str) and "function" in value:
        opaque = {key: each for key, each in value.items() if key in OF_CALLS and found[key] != each}
        if opaque:
            found["id"] = ids.shown(value["id"], opaque, origin)
    return found


def _field_of(value: dict[str, Any]) -> str | None:
    kind = value.get("type")
    return _HOLDERS.get(kind) if isinstance(kind, str) else None


# --- back


def open_request(request: CompletionRequest, origins: Mapping[str, str]) -> CompletionRequest:
    """The request with its envelopes opened and the makers of what was in them as `origin`.

    Args:
        origins: `provider/model` by `digest_of` it, of all makers that are known; what others made is dropped.
    """
    return replace(request, messages=tuple(_opened_message(message, origins) for message in request.messages))


def _opened_message(message: Message, origins: Mapping[str, str]) -> Message:
    content = message.content
    if not isinstance(content, str):
        content = tuple(part for each in content if (part := _opened_part(each, origins)) is not None)
    return replace(
        message,
        content=content,
        thinking=tuple(
            part
            for each in message.thinking
            if (part := _opened_part(each, origins)) is not None and isinstance(part, ThinkingPart)
        ),
        tool_calls=tuple(_opened_call(call, origins) for call in message.tool_calls),
        tool_call_id=message.tool_call_id and plain_id(message.tool_call_id),
    )


def _opened_part(part: Part, origins: Mapping[str, str]) -> Part | None:
    if not isinstance(part, ThinkingPart):
        return part
    maker = _maker(part.signature, part.opaque)
    if maker is None:
        return part
    origin = origins.get(maker)
    if origin is None:
        return None
    opaque = _opened(part.opaque, maker)
    if opaque is _GONE:  # several makers in one part
        return None
    return replace(part, signature=_without_seal(part.signature, maker), opaque=opaque, origin=origin)


def _opened_call(call: ToolCall, origins: Mapping[str, str]) -> ToolCall:
    call_id, maker, opaque = read_id(call.id)
    if call.opaque and (sealed := _maker(None, call.opaque)) is not None:
        maker, opaque = sealed, _opened(call.opaque, sealed)
    elif call.opaque:
        return replace(call, id=call_id)
    origin = None if maker is None else origins.get(maker)
    if origin is None:
        return replace(call, id=call_id, opaque=None)
    return replace(call, id=call_id, opaque=opaque or None, origin=origin)


def _maker(signature: str | None, opaque: dict[str, Any] | None) -> str | None:
    """The digest of the first envelope's maker."""
    found = _SEAL.match(signature or "") or (_SEAL.search(encode_json(opaque).decode()) if opaque else None)
    return found and found[1]


def _without_seal(value: str | None, digest: str) -> str | None:
    # Pieces of a signature that were sealed one by one have it more than once.
    return value and value.replace(f"sb1.{digest}.", "")


def open_body(body: dict[str, Any], origin: str) -> dict[str, Any]:
    """A client's body for one vendor and model: what that one sealed is opened, what others did is dropped.

    Args:
        origin: of whom it is for, as `provider/model`.
    """
    digest = digest_of(origin)
    opened = {key: _opened(each, digest) if key in ("messages", "input") else each for key, each in body.items()}
    given, kept = body.get("input"), opened.get("input")
    if isinstance(given, list) and isinstance(kept, list) and len(kept) < len(given):
        opened["input"] = _without_item_ids(kept)
    return opened


def _opened(value: Any, digest: str, depth: int = 0) -> Any:
    if depth > DEEPEST or not isinstance(value, list | dict):
        return value
    if isinstance(value, list):
        return [new for each in value if (new := _opened(each, digest, depth + 1)) is not _GONE]
    field = _field_of(value)
    found: dict[str, Any] = {}
    for key, each in value.items():
        if isinstance(each, str):
            seal = _SEAL.match(each) if key == field or key in _FIELDS else None
            if key == "encrypted_index" and each == FOREIGN_INDEX:
                return _GONE
            if seal is None:
                found[key] = plain_id(each) if key in IDS else each
            elif seal[1] == digest:
                found[key] = _without_seal(each, digest)
            elif key == field:
                return _GONE
        elif key in WORDS_OF_OTHERS or not each:
            found[key] = each
        elif (new := _opened(each, digest, depth + 1)) is not _GONE and (new or not isinstance(each, dict | list)):
            found[key] = new
    return _complete(value, found, digest)


def _complete(value: dict[str, Any], found: dict[str, Any], digest: str) -> Any:
    """What is left of an object, with what rode in its id."""
    if "content" in value and "content" not in found and not found.get("tool_calls"):
        return _GONE  # a turn of nothing but others' reasoning: none may be empty
    if "function" in value and isinstance(value.get("id"), str) and OF_CALLS.isdisjoint(found):
        _, maker, opaque = read_id(value["id"])
        if opaque is not None and maker == digest:
            found.update(opaque)
    return found


def without_reasoning(body: dict[str, Any]) -> dict[str, Any]:
    """A client's body without the reasoning of earlier turns; the body itself where there is none."""
    changed = {}
    messages, items = body.get("messages"), body.get("input")
    if isinstance(messages, list):
        kept = [turn for each in messages if (turn := _unthought(each)) is not None]
        if kept != messages:
            changed["messages"] = kept
    if isinstance(items, list):
        kept = [item for item in items if not (isinstance(item, dict) and item.get("type") == "reasoning")]
        if len(kept) < len(items):
            changed["input"] = _without_item_ids(kept)
    return {**body, **changed} if changed else body


_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def _unthought(turn: Any) -> Any:
    """A turn of Anthropic's without its thinking; None where nothing is left of it."""
    content = turn.get("content") if isinstance(turn, dict) else None
    if not isinstance(content, list):
        return turn
    kept = [block for block in content if not (isinstance(block, dict) and block.get("type") in _THOUGHTS)]
    if len(kept) == len(content):
        return turn
    return {**turn, "content": kept} if kept else None


def _without_item_ids(items: list[Any]) -> list[Any]:
    """Items of Responses for a server that is not to miss the reasoning before them, which it knows by their ids."""
    return [
        {key: each for key, each in item.items() if key != "id"}
        if isinstance(item, dict) and (item.get("type") in _MADE or item.get("role") == "assistant")
        else item
        for item in items
    ]


_MADE = frozenset({"function_call", "custom_tool_call", "local_shell_call"})

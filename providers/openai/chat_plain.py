"""The usual chat answer as one type, text and counts, and the usual chunk of a stream as another: text alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from providers.lenient_json import MOST_TOKENS

# What nearly every answer is, read in one go. All fields that `decode_leniently` looks at are here: an answer that has
# more of them, or another form, is read there, in 6 µs in place of 1.3.
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
_Empty = Annotated[list[Any], msgspec.Meta(max_length=0)] | None


class Details(msgspec.Struct):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    reasoning_tokens: None = None
    prompt_cache_hit_tokens: None = None
    cached_tokens: None = None
    cost: None = None
    cost_in_usd_ticks: None = None
    estimated_cost: None = None


class _Message(msgspec.Struct):
    content: _Text
    refusal: None = None
    tool_calls: _Empty = None
    function_call: None = None
    extra_content: None = None
    reasoning_content: None = None
    reasoning: None = None
    reasoning_text: None = None
    thinking: None = None
    reasoning_details: _Empty = None
    thinking_blocks: _Empty = None
    reasoning_opaque: None = None
    annotations: _Empty = None
    images: _Empty = None
    audio: None = None
    executed_tools: _Empty = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: Literal["stop", "length"]
    error: None = None
    logprobs: None = None


class PlainAnswer(msgspec.Struct):
    id: _Text
    object: Literal["chat.completion"]
    model: _Text
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: _Counts
    error: None = None
    success: None = None
    x_groq: None = None
    base_resp: None = None
    citations: _Empty = None
    search_results: _Empty = None


class _ChunkChoice(msgspec.Struct):
    delta: _Message
    finish_reason: Literal[""] | None = None
    index: Literal[0] | None = None
    error: None = None
    logprobs: None = None
    usage: None = None


class TextChunk(msgspec.Struct):
    """A chunk that brings a piece of text and nothing else. Its id and model are those of all chunks of the stream."""

    choices: Annotated[list[_ChunkChoice], msgspec.Meta(min_length=1)]
    usage: None = None
    error: None = None
    success: None = None
    x_groq: None = None
    base_resp: None = None


NO_DETAILS = Details()

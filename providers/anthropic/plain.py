"""The usual answer of Anthropic's protocol as one type: text, and counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from providers.lenient_json import MOST_TOKENS
from providers.types import FinishReason, Usage

# All fields that `decode_leniently` looks at are here: an answer that has more of them, or another form, is read there.
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
_Empty = Annotated[list[Any], msgspec.Meta(max_length=0)] | None

FINISHED: dict[str, FinishReason] = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


class _Block(msgspec.Struct):
    type: Literal["text"]
    text: str
    citations: _Empty = None


class _Made(msgspec.Struct):
    thinking_tokens: _Count | None = None


class _Written(msgspec.Struct):
    ephemeral_1h_input_tokens: _Count | None = None


class Counts(msgspec.Struct):
    input_tokens: _Count
    output_tokens: _Count
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    output_tokens_details: _Made | None = None
    cache_creation: _Written | None = None
    cost: None = None
    cost_in_usd_ticks: None = None
    estimated_cost: None = None

    def usage(self) -> Usage:
        """As ours. The vendor's `input_tokens` leaves cached tokens out, ours holds all."""
        written, read = self.cache_creation_input_tokens, self.cache_read_input_tokens
        return Usage(
            self.input_tokens + (written or 0) + (read or 0),
            self.output_tokens,
            read,
            written,
            None if self.output_tokens_details is None else self.output_tokens_details.thinking_tokens,
            None if self.cache_creation is None else self.cache_creation.ephemeral_1h_input_tokens,
        )


class PlainMessage(msgspec.Struct):
    id: _Text
    type: Literal["message"]
    model: _Text
    content: list[_Block]
    stop_reason: Literal["end_turn", "stop_sequence", "max_tokens"]
    usage: Counts
    request_id: str | None = None
    error: None = None
    object: None = None
    choices: None = None
    success: None = None
    x_groq: None = None
    base_resp: None = None
    code: None = None
    error_code: None = None
    errorCode: None = None
    statusCode: None = None

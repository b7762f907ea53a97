"""The usual answer of Ollama's protocol as one type: text, a thought, and counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from providers.lenient_json import MOST_TOKENS

# All fields that `decode_leniently` looks at are here: an answer that has more of them, or another form, is read there.
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
_Empty = Annotated[list[Any], msgspec.Meta(max_length=0)] | None


class _Message(msgspec.Struct):
    content: str
    thinking: str | None = None
    tool_calls: _Empty = None
    images: _Empty = None


class PlainAnswer(msgspec.Struct):
    model: _Text
    message: _Message
    done: bool
    done_reason: Literal["stop", "length"]
    prompt_eval_count: _Count | None = None
    eval_count: _Count | None = None
    logprobs: _Empty = None
    error: None = None
    object: None = None
    choices: None = None
    success: None = None
    type: None = None
    x_groq: None = None
    base_resp: None = None
    code: None = None
    error_code: None = None
    statusCode: None = None

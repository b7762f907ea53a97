"""The usual question of a chat as one type: what is said, and the few fields that nearly all clients send."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from providers.types import CompletionRequest, Message
from providers.wire.reading import Body

# What can be read in one go, in a sixth of the time that the fields take one by one: a body with any other field, or of
# another form, is read by `openai_chat.read_request`.
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Limit = Annotated[int, msgspec.Meta(ge=1)]


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str
    function_call: None = None
    name: None = None
    refusal: None = None
    tool_calls: None = None


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    model: _Text
    messages: Annotated[list[_Said], msgspec.Meta(min_length=1)]
    max_tokens: _Limit | None = None
    max_completion_tokens: _Limit | None = None
    temperature: int | float | None = None
    top_p: int | float | None = None
    seed: int | None = None
    user: str | None = None
    n: Literal[1] | None = None
    # What is read elsewhere, and what clients send though it says nothing.
    stream: Any = None
    stream_options: Any = None
    store: Any = None
    frequency_penalty: None = None
    metadata: None = None
    presence_penalty: None = None
    response_format: None = None
    stop: None = None
    tool_choice: None = None
    tools: None = None


def plain_question(body: Body) -> CompletionRequest | None:
    """The request of a body, or None for one that is not as usual.

    Args:
        body: as `decode_body` gives it: its texts hold no halves of characters.
    """
    try:
        asked: Any = msgspec.convert(body, _Question)
    except (msgspec.ValidationError, RecursionError):
        return None
    limit = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    return CompletionRequest(
        model=asked.model,
        messages=tuple([Message(said.role, said.content) for said in asked.messages]),
        max_tokens=limit,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        user=asked.user,
    )

"""Whatever JSON comes as a request, it is read or refused, at once or when it is looked at as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ProviderError
from providers.types import CompletionRequest
from providers.validation import validate
from providers.wire import (
    anthropic_messages,
    chat_tools,
    ollama_chat,
    openai_chat,
    openai_completions,
    openai_responses,
)
from providers.wire.reading import BadRequest
from providers.wire.responses_tools import client_tools

pytestmark = pytest.mark.slow

# The names and words that the protocols know, so that most of what is made up is nearly right.
FIELDS = re.findall(
    r"\S+",
    """
    messages input content role text name id system instructions tools tool_choice function functions
    arguments input_schema parameters description strict tool_calls call_id tool_use_id tool_call_id tool_name output
    image_url url source data media_type images thinking signature budget_tokens output_config effort format schema
    response_format json_schema reasoning summary encrypted_content max_tokens stop stop_sequences options num_predict
    think stream stream_options metadata user_id namespace mode action title cache_control is_error prompt suffix
    function_call allowed_tools file file_data detail refusal reasoning_content include_usage n best_of logprobs echo
    modalities seed temperature disable_parallel_tool_use output_format ttl data
    """,
)
WORDS = re.findall(
    r"\S+",
    """
    user assistant tool system developer text input_text output_text image image_url document file thinking tool_use
    tool_result function function_call function_call_output custom custom_tool_call local_shell local_shell_call
    search_result redacted_thinking server_tool_use content input_audio refusal ephemeral
    namespace reasoning message allowed_tools auto none required any base64 url enabled adaptive json json_object
    json_schema data:image/png;base64,eA== eA== {} m
    """,
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats(allow_nan=False) | st.sampled_from(WORDS)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "type"]), inner, max_size=4),
    max_leaves=6,
)
PARTS = st.fixed_dictionaries({"type": st.sampled_from(WORDS)}, optional=dict.fromkeys(FIELDS, JSON)) | JSON
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(WORDS[:5])},
        optional={"content": st.lists(PARTS, max_size=2) | JSON, "tool_calls": JSON, "type": LEAVES, "images": JSON},
    ),
    min_size=1,
    max_size=3,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5).flatmap(
    lambda body: st.fixed_dictionaries(
        {"model": st.just("m"), "messages": MESSAGES, "input": MESSAGES | st.lists(PARTS, min_size=1, max_size=2)}
    ).map(lambda sound: {**body, **sound})
)
READERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "chat": openai_chat.read_request,
    "completions": openai_completions.read_request,
    "responses": openai_responses.read_request,
    "responses' tools": client_tools,
    "anthropic": anthropic_messages.read_request,
    "anthropic's count": lambda body: anthropic_messages.read_request(body, count_only=True),
    "ollama": ollama_chat.read_request,
    "generate": ollama_chat.read_generate_request,
}


@pytest.mark.parametrize("name", READERS)
@given(body=BODIES)
def test_a_request_is_read_or_refused(name: str, body: dict[str, Any]) -> None:
    """Never another error; the same body is read the same after a way through JSON."""
    try:
        found = READERS[name](body)
    except BadRequest:
        return
    assert READERS[name](json.loads(json.dumps(body))) == found
    assert isinstance(found, CompletionRequest | dict)
    if isinstance(found, CompletionRequest):
        with suppress(ProviderError):
            validate(found)


@given(body=BODIES)
def test_what_is_asked_of_a_stream_is_read_or_refused(body: dict[str, Any]) -> None:
    """The same, of what does not belong to the request itself."""
    asks = (openai_chat.wants_stream, openai_chat.wants_usage, anthropic_messages.wants_stream)
    for ask in (*asks, chat_tools.wants_function_call):
        with suppress(BadRequest):
            assert ask(body) in (True, False)

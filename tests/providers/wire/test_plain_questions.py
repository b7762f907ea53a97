"""The usual question of a chat is read in one go, and all others field by field: which way must not be told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers.errors import ProviderError
from providers.wire.chat_plain import plain_question
from providers.wire.openai_chat import read_request

SAID = {"role": "user", "content": "Why is the sky blue?"}
FIELDS = (
    *("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "user", "n", "stop"),
    *("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "response_format", "modalities"),
    *("reasoning_effort", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "service_tier"),
    *("audio", "prediction", "stream", "stream_options", "unheard_of"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 0.5, 1.0, 2**64, "", "x", "auto", "low", [], {}, ["text"], ["a"], [SAID], [1]),
    [{"role": "tool", "content": "x", "tool_call_id": "c"}],
    [{"role": "function", "name": "f", "content": "x"}],
    [{"role": "nobody", "content": "x"}],
    [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    [{"role": "user", "content": None}],
    [{"role": "assistant", "content": "x", "refusal": None, "name": None}],
    [{"role": "assistant", "content": "x", "reasoning_content": "hm"}],
    [{"role": "user", "content": "x", "name": "me"}],
    [{"role": "developer", "content": ""}, SAID],
    [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    {"type": "json_object"},
    {"include_usage": True},
)


def read(body: dict[str, Any]) -> Any:
    try:
        request = read_request(body)
    except ProviderError as error:
        return error.code, error.message
    return request, type(request.temperature), type(request.top_p), type(request.max_tokens)


@given(st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=4))
@example({})
@example({"temperature": 1})
@example({"max_tokens": 3, "max_completion_tokens": 5})
@example({"max_tokens": 1.0})
def test_both_ways_read_the_same(more: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [SAID], **more}
    # No metadata and empty metadata are the same, but empty ones are not usual.
    assert read(body) == read({**body, "metadata": {}})


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_tokens": 9, "stream": True},
        {"temperature": 0, "top_p": 1.0, "seed": 7, "user": "u", "n": 1, "tools": None},
    ],
)
def test_what_nearly_all_clients_send_is_usual(more: dict[str, Any]) -> None:
    told = {"role": "assistant", "content": "It scatters.", "refusal": None}
    assert plain_question({"model": "m", "messages": [{"role": "system", "content": "s"}, SAID, told, SAID], **more})

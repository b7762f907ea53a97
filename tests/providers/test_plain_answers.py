"""The usual answer of chat completions is read in one go, and all others leniently: which way must not be told."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers import ErrorCode, ProviderError
from providers.openai.chat_decode import decode, decode_leniently
from tests.support.changed_bodies import VALUES, changed

NAMES = {"provider": "p", "model": "m", "request_id": "r"}
USUAL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello!", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 12,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
}
SMALL: dict[str, Any] = {**USUAL, "usage": {"prompt_tokens": 9, "completion_tokens": 12}}  # as of small servers
# Where something may stand that changes the answer, and what may stand there.
PLACES: tuple[tuple[Any, ...], ...] = (
    *(("id",), ("object",), ("model",), ("choices",), ("usage",), ("error",), ("success",), ("x_groq",)),
    *(("base_resp",), ("type",), ("code",), ("choices", 0)),
    *(("choices", 0, name) for name in ("message", "finish_reason", "error", "usage", "index")),
    *(("choices", 0, "message", name) for name in ("role", "content", "refusal", "tool_calls", "function_call")),
    *(("choices", 0, "message", name) for name in ("extra_content", "reasoning_content", "reasoning", "thinking")),
    *(("choices", 0, "message", name) for name in ("reasoning_text", "reasoning_details", "thinking_blocks")),
    ("choices", 0, "message", "reasoning_opaque"),
    *(("usage", name) for name in ("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens")),
    *(("usage", name) for name in ("prompt_tokens_details", "completion_tokens_details", "cached_tokens")),
    ("usage", "prompt_cache_hit_tokens"),
    *(("usage", "prompt_tokens_details", name) for name in ("cached_tokens", "cache_write_tokens")),
    ("usage", "completion_tokens_details", "reasoning_tokens"),
)


def outcome(read: Any, body: Any, **more: Any) -> Any:
    try:
        return read(body, **NAMES, **more)
    except ProviderError as error:
        return error.code, error.message, error.request_id


@pytest.mark.parametrize("usual", [USUAL, SMALL], ids=["usual", "small"])
@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_both_ways_of_reading_agree(path: tuple[Any, ...], usual: Any) -> None:
    """Whatever a server changes of the usual answer, at one place."""
    for value in VALUES:
        body = changed(usual, (path, value))
        assert outcome(decode, body) == outcome(decode_leniently, body), f"{value!r} in {path}"


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES)), min_size=2, max_size=4), st.booleans())
@example([(("usage", "completion_tokens_details", "reasoning_tokens"), 7), (("usage", "total_tokens"), 28)], False)
@example([(("choices", 0, "message", "content"), "<think>so</think>Hello!")], True)
def test_both_ways_agree_on_several_changes(changes: list[tuple[tuple[Any, ...], Any]], think_tags: bool) -> None:
    body = changed(USUAL, *changes)
    assert outcome(decode, body, think_tags=think_tags) == outcome(decode_leniently, body, think_tags=think_tags)


@pytest.mark.parametrize("body", [None, [], "text", 3, [{"error": {"message": "no"}}], {}])
def test_what_is_no_answer_is_none_either_way(body: Any) -> None:
    assert outcome(decode, body) == outcome(decode_leniently, body)
    assert isinstance(outcome(decode, body)[0], ErrorCode)


def test_counts_and_names_of_the_usual_answer() -> None:
    answer = decode(USUAL, **NAMES)
    assert (answer.text, answer.finish_reason, answer.model, answer.id) == (
        "Hello!",
        "stop",
        "gpt-4o-2024-08-06",
        "chatcmpl-1",
    )
    assert answer.usage == decode_leniently(USUAL, **NAMES).usage
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.cache_read_tokens) == (9, 12, 4)

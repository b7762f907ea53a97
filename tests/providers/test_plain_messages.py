"""The usual answers of Anthropic and Ollama are read in one go, all others leniently: which way must not be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import CompletionRequest, Message, ProviderError
from providers.anthropic import decode as anthropic
from providers.ollama import chat as ollama
from tests.support.changed_bodies import VALUES, changed

NAMES = {"provider": "p", "model": "m", "request_id": None}
ASKED = CompletionRequest(model="m", messages=(Message.user("Hi"),))
ERRORS = ("error", "object", "choices", "success", "x_groq", "base_resp", "code", "error_code", "errorCode")


class Protocol(NamedTuple):
    """A vendor's usual answer, the places where something else may stand, and both ways of reading it."""

    usual: dict[str, Any]
    places: tuple[tuple[Any, ...], ...]
    quickly: Callable[[Any], Any]
    leniently: Callable[[Any], Any]


ANTHROPIC = Protocol(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Hello!"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 9,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 12,
            "output_tokens_details": {"thinking_tokens": 5},
            "service_tier": "standard",
        },
    },
    (
        *((name,) for name in ("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage")),
        *((name,) for name in (*ERRORS, "statusCode", "message", "detail", "request_id")),
        ("content", 0),
        *(("content", 0, name) for name in ("type", "text", "citations", "thinking", "signature", "input")),
        *(("usage", name) for name in ("input_tokens", "output_tokens", "cost", "cost_in_usd_ticks", "estimated_cost")),
        *(("usage", name) for name in ("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")),
        *(("usage", name) for name in ("output_tokens_details", "is_byok", "cost_details")),
        ("usage", "output_tokens_details", "thinking_tokens"),
        ("usage", "cache_creation", "ephemeral_1h_input_tokens"),
    ),
    lambda body: anthropic.decode(body, **NAMES),
    lambda body: anthropic.decode_leniently(body, **NAMES),
)
OLLAMA = Protocol(
    {
        "model": "qwen3:4b",
        "created_at": "2026-11-23T11:56:16.919831Z",
        "message": {"role": "assistant", "content": "Hello!", "thinking": "A greeting."},
        "done": True,
        "done_reason": "stop",
        "total_duration": 5_000_000,
        "prompt_eval_count": 9,
        "eval_count": 12,
    },
    (
        *((name,) for name in ("model", "created_at", "message", "done", "done_reason", "eval_count", "logprobs")),
        *((name,) for name in (*ERRORS, "type", "statusCode", "msg", "detail", "prompt_eval_count")),
        *(("message", name) for name in ("role", "content", "thinking", "tool_calls", "images")),
    ),
    lambda body: ollama.decode(body, ASKED, provider="p", request_id="r"),
    lambda body: ollama.decode_leniently(body, ASKED, provider="p", request_id="r"),
)
BOTH = {"anthropic": ANTHROPIC, "ollama": OLLAMA}
MORE = (
    *("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "message", "text"),
    *([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], [{"type": "thinking", "thinking": "so"}]),
    *([{"type": "text", "text": "a", "citations": [{"url": "https://a.example"}]}], {"total_cost": 0.5}),
    *({"role": "assistant", "content": ""}, {"role": "assistant", "content": None}, ["aGVsbG8="]),
    *([{"error": {"message": "no"}}], [{"token": "Hello!", "logprob": -0.5}]),
)


def outcome(read: Callable[[Any], Any], body: Any) -> Any:
    try:
        return read(body)
    except ProviderError as error:
        return error.code, error.message, error.request_id


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        pytest.param(protocol, path, id=".".join((name, *map(str, path))))
        for name, protocol in BOTH.items()
        for path in protocol.places
    ],
)
def test_both_ways_of_reading_agree(protocol: Protocol, path: tuple[Any, ...]) -> None:
    """Whatever a server changes of the usual answer, at one place."""
    for value in (*VALUES, *MORE):
        body = changed(protocol.usual, (path, value))
        expected = outcome(protocol.leniently, body)
        assert outcome(protocol.quickly, body) == expected, f"{value!r} in {path}"


@pytest.mark.parametrize("protocol", [pytest.param(each, id=name) for name, each in BOTH.items()])
@pytest.mark.parametrize("code", ["code", "error_code", "errorCode", "statusCode"])
def test_a_code_with_its_sentence_is_an_error_either_way(protocol: Protocol, code: str) -> None:
    body = changed(protocol.usual, ((code,), 1008), (("detail",), "no"))
    assert outcome(protocol.quickly, body) == outcome(protocol.leniently, body)


@pytest.mark.parametrize("protocol", [pytest.param(each, id=name) for name, each in BOTH.items()])
@given(drawn=st.data())
def test_both_ways_agree_on_several_changes(protocol: Protocol, drawn: st.DataObject) -> None:
    one = st.tuples(st.sampled_from(protocol.places), st.sampled_from((*VALUES, *MORE)))
    body = changed(protocol.usual, *drawn.draw(st.lists(one, min_size=2, max_size=4)))
    assert outcome(protocol.quickly, body) == outcome(protocol.leniently, body)


@pytest.mark.parametrize("protocol", [pytest.param(each, id=name) for name, each in BOTH.items()])
@pytest.mark.parametrize("body", [None, [], "text", 3, [{"error": {"message": "no"}}], {}])
def test_what_is_no_answer_is_none_either_way(protocol: Protocol, body: Any) -> None:
    found = outcome(protocol.quickly, body)
    assert found == outcome(protocol.leniently, body)
    assert isinstance(found, tuple)


def test_counts_of_the_usual_answers() -> None:
    message = ANTHROPIC.quickly(ANTHROPIC.usual)
    assert (message.text, message.finish_reason, message.raw_finish_reason) == ("Hello!", "stop", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens, message.usage.reasoning_tokens) == (16, 12, 5)
    assert (message.usage.cache_write_tokens, message.usage.cache_write_1h_tokens) == (3, 2)
    answer = OLLAMA.quickly(OLLAMA.usual)
    assert (answer.text, answer.thinking[0].text, answer.finish_reason) == ("Hello!", "A greeting.", "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.raw["eval_count"]) == (9, 12, 12)

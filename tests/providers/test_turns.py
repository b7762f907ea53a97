"""What goes back to a vendor: reasoning in its place, call ids, signatures, malformed arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.anthropic.decode import decode as decode_anthropic
from providers.anthropic.encode import encode as encode_anthropic
from providers.coerce import coerce_messages
from providers.ollama.chat import encode as encode_ollama
from providers.openai.chat_decode import ChatStreamDecoder
from providers.openai.chat_decode import decode as decode_chat
from providers.openai.chat_encode import encode as encode_chat
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as encode_responses
from providers.transport.lines import SSEEvent
from providers.types import CompletionRequest, Message, TextPart, ThinkingPart, ToolCall
from providers.validation import validate

LONG = "call_" + "x" * 60
SIGNATURE = {"google": {"thought_signature": "SIG"}}


def chat(dialect: str, *messages: Message, model: str = "m", provider: str | None = "p") -> list[dict[str, Any]]:
    request = CompletionRequest(model=model, messages=messages)
    return encode_chat(request, DIALECTS[dialect], stream=False, provider=provider)["messages"]  # type: ignore[no-any-return]  # a list of dicts


def claude(*messages: Message, model: str = "claude-haiku-4-5", **fields: Any) -> dict[str, Any]:
    request = CompletionRequest(model=model, messages=(Message.user("?"), *messages), **fields)
    return encode_anthropic(request, stream=False, provider="p")


def answered(message: dict[str, Any], model: str = "m") -> Message:
    """The message to append, of a plain chat answer."""
    body = {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": "stop"}]}
    return decode_chat(body, provider="p", model=model, request_id=None).message


def streamed(*deltas: dict[str, Any], model: str = "m") -> Message:
    """The same of a stream."""
    decoder = ChatStreamDecoder("p", model, None)
    for delta in deltas:
        data = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        decoder.feed(SSEEvent(None, data.encode()))
    return decoder.response().message


def call(call_id: str | None = "c1", **more: Any) -> dict[str, Any]:
    found = {"type": "function", "function": {"name": "f", "arguments": "{}"}, **more}
    return found if call_id is None else {"id": call_id, **found}


# --- reasoning


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_in_the_field_in_which_it_came(field: str) -> None:
    """To a server of which nothing else is known; plain and streamed."""
    assert chat("generic", answered({"content": "a", field: "hm"}))[0][field] == "hm"
    turn = streamed({field: "h"}, {field: "m"}, {"content": "a"})
    assert chat("generic", turn)[0][field] == "hm"
    assert field not in chat("generic", turn, provider="q")[0]
    assert field not in chat("openai", turn)[0]


def test_plain_reasoning_goes_to_other_models_of_its_maker() -> None:
    """Wherever they are served; sealed reasoning does not, nor goes any to another maker's model."""
    turn = Message("assistant", "a", thinking=(ThinkingPart("hm", origin="p/kimi-k2.5"),))
    assert chat("moonshot", turn, model="kimi-k2.6")[0]["reasoning_content"] == "hm"
    assert chat("together", turn, model="moonshotai/Kimi-K2.5", provider="q")[0]["reasoning_content"] == "hm"
    assert "hm" not in json.dumps(chat("deepseek", turn, model="deepseek-chat"))
    sealed = Message(
        "assistant", "a", thinking=(ThinkingPart("", opaque={"reasoning_details": [1]}, origin="p/glm-5"),)
    )
    assert "reasoning_details" not in chat("openrouter", sealed, model="glm-4.7")[0]


def test_who_demands_reasoning_gets_a_blank_one_for_others_turns() -> None:
    """With tool calls only; behind an unknown server too, where the model has its maker's name."""
    turn = Message.assistant("a", [ToolCall("c1", "f", {})])
    for dialect, model in (("moonshot", "kimi-k2.6"), ("deepseek", "deepseek-chat"), ("generic", "kimi-k2.6")):
        assert chat(dialect, turn, model=model)[0]["reasoning_content"] == " "
        assert "reasoning_content" not in chat(dialect, Message.assistant("a"), model=model)[0]
    assert "reasoning_content" not in chat("generic", turn, model="org/kimi-k2.6")[0]


def test_pieces_of_sealed_reasoning_are_put_together() -> None:
    """OpenRouter's by their index, MiniMax's that repeat what came before, and Claude's behind LiteLLM."""
    detail = {"type": "reasoning.text", "index": 0}
    turn = streamed({"reasoning_details": [{**detail, "text": "h"}]}, {"reasoning_details": [{**detail, "text": "m"}]})
    assert chat("openrouter", turn)[0]["reasoning_details"] == [{**detail, "text": "hm"}]
    whole = {**detail, "format": "MiniMax-response-v1"}
    turn = streamed({"reasoning_details": [{**whole, "text": "h"}]}, {"reasoning_details": [{**whole, "text": "hm"}]})
    assert chat("minimax", turn)[0]["reasoning_details"] == [{**whole, "text": "hm"}]
    blocks = [{"type": "thinking", "thinking": "h"}, {"type": "thinking", "thinking": "m", "signature": "s"}]
    turn = streamed(*({"thinking_blocks": [block]} for block in (*blocks, blocks[0])))
    joined = {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert chat("litellm", turn)[0]["thinking_blocks"] == [joined, blocks[0]]


def test_what_an_app_kept_in_openai_s_shape_survives() -> None:
    """Signatures, sealed and plain reasoning go where they are known or demanded, and nowhere else."""
    (turn,) = coerce_messages(
        [
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "hm",
                "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}],
                "tool_calls": [call(extra_content=SIGNATURE)],
            }
        ]
    )
    assert chat("gemini", turn, model="gemini-3-pro")[0]["tool_calls"][0]["extra_content"] == SIGNATURE
    assert chat("openrouter", turn)[0]["reasoning_details"][0]["data"] == "x"
    assert chat("deepseek", turn)[0]["reasoning_content"] == "hm"
    generic = chat("generic", turn)[0]
    assert {"reasoning_content", "reasoning_details"} <= generic.keys()
    for dialect in ("openai", "mistral", "groq", "gemini"):
        assert not {"reasoning_content", "reasoning_details", "reasoning"} & chat(dialect, turn)[0].keys()
    assert "extra_content" not in json.dumps(chat("openai", turn))
    assert "hm" not in json.dumps(claude(turn, Message.tool("c1", "x")))


# --- order


def test_thinking_text_and_calls_keep_their_order_on_messages() -> None:
    """Also where an app put thoughts among the parts of the content."""
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "text", "text": "one "},
        {"type": "thinking", "thinking": "b", "signature": "s"},
        {"type": "text", "text": "two"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
    ]
    body = {"content": blocks, "stop_reason": "tool_use"}
    turn = decode_anthropic(body, provider="p", model="claude-haiku-4-5", request_id=None).message
    results = (Message.tool("c1", "x"), Message.tool("c2", "x"))
    assert claude(turn, *results)["messages"][1]["content"] == blocks
    # Another's thoughts leave one text.
    kinds = [block["type"] for block in claude(turn, *results, model="claude-opus-4-5")["messages"][1]["content"]]
    assert kinds == ["text", "tool_use", "tool_use"]

    thought = ThinkingPart("b", "s", origin="p/claude-haiku-4-5")
    parts = Message.assistant((TextPart("one "), thought, TextPart("two")))
    sent = claude(parts, Message.user("?"))["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["text", "thinking", "text"]


def test_an_edited_turn_loses_no_text() -> None:
    """An app that shortens or lengthens what was said."""
    thoughts = tuple(ThinkingPart(t, "s", origin="p/claude-haiku-4-5", after=(9, n)) for n, t in enumerate("ab"))
    for text in ("short", "longer than before"):
        turn = Message("assistant", text, (ToolCall("c1", "f", {}),), thoughts)
        sent = claude(turn, Message.tool("c1", "x"))["messages"][1]["content"]
        assert "".join(block.get("text", "") for block in sent) == text
        assert [block["type"] for block in sent if block["type"] != "text"] == ["thinking", "tool_use", "thinking"]


def test_unsigned_thinking_goes_back_to_servers_that_do_not_sign() -> None:
    """DeepSeek, Kimi and MiniMax on the Messages protocol; Claude would refuse it."""
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "f:0", "name": "f", "input": {}}]
    for model in ("deepseek-chat", "kimi-k2.6", "MiniMax-M2.1", "glm-5"):
        body = {"content": blocks, "stop_reason": "tool_use"}
        turn = decode_anthropic(body, provider="p", model=model, request_id=None).message
        assert claude(turn, Message.tool("f:0", "x"), model=model)["messages"][1]["content"] == blocks
    foreign = Message.assistant("", [ToolCall("c1", "f", {})])
    sent = claude(foreign, Message.tool("c1", "x"), model="kimi-k2.6")["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["thinking", "tool_use"]
    cut = Message("assistant", "a", thinking=(ThinkingPart("hm", origin="p/claude-haiku-4-5"),))
    assert "hm" not in json.dumps(claude(cut, Message.user("?")))


def test_claude_does_not_think_within_a_tool_loop_that_another_began() -> None:
    """A budget for thinking is refused there; models of adaptive thinking do not mind."""
    turn = (Message.assistant("", [ToolCall("c1", "f", {})]), Message.tool("c1", "x"))
    assert "thinking" not in claude(*turn, thinking="low")
    assert claude(*turn, Message.assistant("a"), Message.user("?"), thinking="low")["thinking"]["type"] == "enabled"
    assert claude(*turn, thinking="low", model="claude-opus-4-6")["thinking"] == {"type": "adaptive"}


def test_open_reasoning_items_go_back_to_servers_of_open_models() -> None:
    """vLLM's Responses API does not seal them; OpenAI would look for one in its store."""
    item = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    turn = Message("assistant", "a", thinking=(ThinkingPart("hm", opaque=item, origin="p/m"),))
    request = CompletionRequest(model="m", messages=(turn, Message.user("?")))
    assert encode_responses(request, DIALECTS["vllm"], stream=False, provider="p")["input"][0] == item
    assert "hm" not in json.dumps(encode_responses(request, DIALECTS["openai"], stream=False, provider="p"))


# --- ids of calls


def test_long_ids_go_back_unchanged_to_their_maker_only() -> None:
    """Some servers keep in them what they have to know again; others refuse them."""
    turn = answered({"content": None, "tool_calls": [call(LONG)]})
    result = Message.tool(LONG, "x")
    for dialect in ("generic", "openai"):
        sent = chat(dialect, turn, result)
        assert (sent[0]["tool_calls"][0]["id"], sent[1]["tool_call_id"]) == (LONG, LONG)
        there = chat(dialect, turn, result, provider="q")
        assert there[0]["tool_calls"][0]["id"] == there[1]["tool_call_id"] != LONG
    request = CompletionRequest(model="m", messages=(turn, result))
    for provider, kept in (("p", True), ("q", False)):
        items = encode_responses(request, DIALECTS["openai"], stream=False, provider=provider)["input"]
        assert items[0]["call_id"] == items[1]["call_id"]
        assert (items[0]["call_id"] == LONG) is kept


def test_calls_without_ids_are_told_apart_in_later_turns() -> None:
    """Anthropic refuses an id that is there twice; each result keeps its call."""
    turn = answered({"content": None, "tool_calls": [call(None)]})
    one, two = (turn.tool_calls[0].result(text).message() for text in ("one", "two"))
    messages = claude(turn, one, turn, two)["messages"]
    ids = [messages[place]["content"][0]["id"] for place in (1, 3)]
    results = [messages[place]["content"][0]["tool_use_id"] for place in (2, 4)]
    assert ids == results
    assert len(set(ids)) == 2


# --- Gemini's signatures


@pytest.mark.parametrize(
    "deltas",
    [
        [{"tool_calls": [call(None, index=0, extra_content=SIGNATURE)]}],
        [{"tool_calls": [call(index=0)]}, {"tool_calls": [{"index": 0, "extra_content": SIGNATURE}]}],
        [{"tool_calls": [call()]}, {"tool_calls": [{"extra_content": SIGNATURE}]}],
        [{"tool_calls": [call()]}, {"extra_content": SIGNATURE}],
        [{"extra_content": SIGNATURE}, {"tool_calls": [call(None)]}],
        [{"tool_calls": [{"index": 0, "extra_content": SIGNATURE}]}, {"tool_calls": [call(index=0)]}],
    ],
)
def test_a_signature_is_kept_however_it_comes(deltas: list[dict[str, Any]]) -> None:
    """Without an id, in a delta of its own, beside the call or before it."""
    turn = streamed(*deltas, model="gemini-3-pro")
    assert len(turn.tool_calls) == 1
    assert chat("gemini", turn, model="gemini-3-pro")[0]["tool_calls"][0]["extra_content"] == SIGNATURE


def test_a_signature_of_a_plain_answer_without_ids_is_kept() -> None:
    """Of parallel calls only the first has one."""
    turn = answered({"tool_calls": [call(None, extra_content=SIGNATURE), call(None)]}, model="gemini-3-pro")
    first, second = chat("gemini", turn, model="gemini-3-pro")[0]["tool_calls"]
    assert first["extra_content"] == SIGNATURE
    assert "extra_content" not in second


def test_calls_of_others_are_signed_for_gemini_3_with_google_s_dummy() -> None:
    """The first of each turn; not for older models, nor for another vendor."""
    turn = Message.assistant("", [ToolCall("c1", "f", {}), ToolCall("c2", "f", {})])
    for dialect, model in (
        ("gemini", "gemini-3-pro"),
        ("gemini", "gemini-flash-latest"),
        ("vertex", "google/gemini-3-pro"),
        ("generic", "gemini-3-pro"),
    ):
        first, second = chat(dialect, turn, model=model)[0]["tool_calls"]
        assert first["extra_content"] == {"google": {"thought_signature": "skip_thought_signature_validator"}}
        assert "extra_content" not in second
    for dialect, model in (("gemini", "gemini-2.5-pro"), ("openai", "gpt-4o"), ("generic", "m")):
        assert "extra_content" not in json.dumps(chat(dialect, turn, model=model))


# --- malformed arguments


@pytest.mark.parametrize("raw", ['{"city": "Os', "[1]", '"x"'])
def test_malformed_arguments_go_back_so_that_the_model_can_be_told(raw: str) -> None:
    """As they are where the wire takes text, wrapped where it takes objects."""
    turn = answered({"content": None, "tool_calls": [call(function={"name": "f", "arguments": raw})]})
    assert turn.tool_calls[0].arguments is None
    request = CompletionRequest(model="m", messages=(turn, Message.tool("c1", "no valid JSON", is_error=True)))
    validate(request)
    assert chat("generic", *request.messages)[0]["tool_calls"][0]["function"]["arguments"] == raw
    items = encode_responses(request, DIALECTS["openai"], stream=False, provider="p")["input"]
    assert items[0]["arguments"] == raw
    assert claude(*request.messages)["messages"][1]["content"][0]["input"] == {"_raw": raw}
    ollama = encode_ollama(request, stream=False, provider="p", options={})["messages"][0]
    assert ollama["tool_calls"][0]["function"]["arguments"] == {"_raw": raw}

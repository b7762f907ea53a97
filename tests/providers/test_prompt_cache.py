"""Breakpoints of prompt caches: never more than a vendor takes, none below its minimum; each turn finds the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.anthropic.decode import read_usage
from providers.anthropic.encode import encode
from providers.errors import ProviderError
from providers.openai.chat_encode import encode as encode_chat
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as encode_responses
from providers.prompt_cache import MOST_MARKS, Block, breakpoints, conversation
from providers.simulator.prompt_cache import PromptCache
from providers.types import (
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    Native,
    Part,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)
from tests.support.scripted import Vendor, refusal

LOOK_BACK = 20  # blocks before a mark in which a vendor finds what it has kept
MODEL = "claude-sonnet-4-5"  # keeps 1,024 tokens at least
LONG = "Answer in the words of a sailor. " * 160  # some 1,300 tokens
TOOL = Tool("look_up", "Looks something up. " * 250, {"type": "object", "properties": {"what": {"type": "string"}}})


def request(*messages: Message, model: str = MODEL, **fields: Any) -> CompletionRequest:
    fields.setdefault("prompt_cache", "auto")
    return CompletionRequest(model=model, messages=messages, **fields)


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    return encode(request(*messages, **fields), stream=False, provider="anthropic")


def blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All that can be marked of a body, in the order in which it is cached."""
    yield from body.get("tools", ())
    messages = [{"content": body.get("system", [])}, *body["messages"]]
    for message in messages:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            inner = block.get("content")
            yield from inner if isinstance(inner, list) else ()
            yield block


def marks(body: dict[str, Any]) -> list[tuple[int, str]]:
    """The places of the marks and their times."""
    return [
        (place, block["cache_control"].get("ttl", "5m"))
        for place, block in enumerate(blocks(body))
        if "cache_control" in block
    ]


def places(body: dict[str, Any]) -> list[int]:
    return [place for place, _ in marks(body)]


# --- the algorithm by itself

a_block = st.builds(Block, st.integers(0, 3_000), st.booleans(), st.booleans())


@given(st.lists(a_block, min_size=1, max_size=60), st.data())
def test_never_too_many_and_never_too_early(prompt: list[Block], data: st.DataObject) -> None:
    """Beside an app's own marks there are four at most, each on a block that takes one, none below the minimum."""
    end = st.one_of(st.none(), st.integers(0, len(prompt) - 1))
    ends = data.draw(st.lists(end, max_size=6))
    least = data.draw(st.sampled_from([512, 1_024, 2_048, 4_096]))
    found = breakpoints(prompt, ends, least)
    own = sum(block.is_marked for block in prompt)
    assert len(found) <= max(0, MOST_MARKS - own)
    assert list(found) == sorted(set(found))
    for place in found:
        assert prompt[place].can_be_marked
        assert not prompt[place].is_marked
        assert sum(block.tokens for block in prompt[: place + 1]) >= least


@given(st.lists(a_block, min_size=1, max_size=40), st.lists(a_block, max_size=40))
def test_the_same_beginning_has_the_same_breakpoint(prompt: list[Block], more: list[Block]) -> None:
    """What is marked for an end depends on nothing that comes after it."""
    unmarked = [block._replace(is_marked=False) for block in (*prompt, *more)]
    end = len(prompt) - 1
    assert breakpoints(unmarked[: end + 1], [end], 1_024) == breakpoints(unmarked, [end], 1_024)


# --- a talk that grows

words = st.integers(0, 900).map("word ".__mul__)
a_part = st.one_of(
    words.map(TextPart),
    st.builds(ThinkingPart, words, signature=st.just("c2ln"), origin=st.just(f"anthropic/{MODEL}")),
)
question = st.one_of(
    words, st.tuples(st.just(ImagePart(url="https://a.example/b.png")), words.map(TextPart)), st.tuples(a_part, a_part)
)


@st.composite
def a_turn(draw: st.DrawFn) -> tuple[tuple[Message, ...], Message]:
    """What comes before a turn's answer, after the last one; and the answer."""
    asked = draw(st.one_of(st.none(), question))
    answer = Message("assistant", draw(st.one_of(words, st.tuples(a_part, a_part))))
    return (Message("user", "and?" if asked is None else asked),), answer


@st.composite
def a_talk(draw: st.DrawFn) -> tuple[tuple[Message, ...], ...]:
    """The requests of a talk, each longer than the one before; some turns call many tools at once."""
    said: tuple[Message, ...] = (Message("system", draw(st.one_of(words, st.just(LONG)))), Message.user("Begin."))
    found = []
    for number in range(draw(st.integers(2, 6))):
        asked, answer = draw(a_turn())
        said = (*said, *asked)
        found.append(said)
        calls = draw(st.sampled_from([0, 0, 1, 30]))
        if calls:
            made = tuple(ToolCall(f"t{number}_{call}", "look_up", {"what": "it"}) for call in range(calls))
            results = tuple(Message("tool", "found " * 30, tool_call_id=call.id) for call in made)
            said = (*said, Message("assistant", "", made), *results)
            found.append(said)
        said = (*said, answer)
    return tuple(found)


@settings(max_examples=60)
@given(a_talk(), st.booleans())
def test_each_turn_is_marked_where_the_last_one_ended(talk: tuple[tuple[Message, ...], ...], tools: bool) -> None:
    """Whatever is said in it, however many tools are called: what a request writes, the next one asks for."""
    last: list[int] = []
    for messages in talk:
        sent = body(*messages, tools=(TOOL,) if tools else ())
        found = places(sent)
        assert len(found) <= MOST_MARKS
        if last:
            assert any(0 <= place - last[-1] <= LOOK_BACK for place in found)
        for place in found:
            block = list(blocks(sent))[place]
            assert block.get("type") not in ("thinking", "redacted_thinking")
            assert block.get("type") != "text" or block["text"].strip()
        last = found or last


def test_the_head_and_the_tail_are_marked() -> None:
    """The end of the tools, of the system's words, of the last request and of this one."""
    talk = (Message.user("one"), Message.assistant("two"), Message.user("three"))
    sent = body(Message.system(LONG), *talk, tools=(TOOL,))
    assert places(sent) == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        *(("claude-opus-5-5", 512), ("claude-sonnet-5-5", 512), ("claude-opus-5", 512), ("claude-fable-5-1", 512)),
        *(("claude-sonnet-5", 1_024), ("claude-opus-4-8", 1_024), ("claude-sonnet-4-6", 1_024)),
        *(("claude-sonnet-4-20250514", 1_024), ("claude-opus-4-1", 1_024), ("claude-3-7-sonnet-latest", 1_024)),
        *(("claude-opus-4-7", 2_048), ("claude-3-5-haiku-latest", 2_048), ("claude-3-haiku-20240307", 2_048)),
        *(("claude-opus-4-6", 4_096), ("claude-opus-4-5", 4_096), ("claude-haiku-4-5-20251001", 4_096)),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", 4_096),  # as Bedrock has it
    ],
)
def test_nothing_below_a_models_minimum_is_marked(model: str, tokens: int) -> None:
    """At four bytes a token, which no text has more of."""
    short, enough = "ship" * (tokens - 50), "ship" * tokens
    assert marks(body(Message.system(short), Message.user("hi"), model=model)) == []
    assert places(body(Message.system(enough), Message.user("hi"), model=model)) == [0, 1]


def test_off_and_unsaid_mark_nothing() -> None:
    talk = Message.system(LONG), Message.user("hi")
    for wanted in ("off", None):
        sent = body(*talk, prompt_cache=wanted)
        assert marks(sent) == []
        assert isinstance(sent["system"], str)


def test_models_of_other_makers_are_not_marked() -> None:
    """Behind Anthropic's protocol they cache by themselves, or refuse the mark."""
    assert marks(body(Message.system(LONG), Message.user("hi"), model="deepseek-chat")) == []


def test_an_apps_own_marks_count_and_stay() -> None:
    """Two of its own leave two; where it has four none is added."""
    own = tuple(TextPart(f"part {number} {LONG}", cache=True) for number in range(4))
    two = body(Message.user((*own[:2], TextPart(LONG))), Message.assistant("yes"), Message.user("go on"))
    assert places(two) == [0, 1, 2, 4]
    four = body(Message.user((*own, TextPart(LONG))))
    assert places(four) == [0, 1, 2, 3]


def test_marks_within_a_tools_result_count() -> None:
    call = ToolCall("t", "look_up", {})
    parts = tuple(TextPart(LONG, cache=True) for _ in range(6))
    sent = body(Message.user("hi"), Message.assistant("", [call]), Message("tool", parts, tool_call_id="t"))
    assert len(places(sent)) == MOST_MARKS


def test_an_hour_is_asked_for() -> None:
    """`1h` holds for all marks that say no time of their own."""
    sent = body(Message.system((TextPart(LONG, cache=True),)), Message.user("hi"), prompt_cache="1h")
    assert marks(sent) == [(0, "1h"), (1, "1h")]


@pytest.mark.parametrize("wanted", ["auto", "1h"])
def test_no_longer_time_comes_after_a_shorter_one(wanted: str) -> None:
    """An app's hour makes those before it an hour as well, and after its five minutes all have five."""
    hour = body(
        Message.system(LONG), Message.user((TextPart("doc", cache="1h"), TextPart("why?"))), prompt_cache=wanted
    )
    assert [ttl for _, ttl in marks(hour)][:2] == ["1h", "1h"]
    short = body(Message.system((TextPart(LONG, cache="5m"),)), Message.user("hi"), prompt_cache=wanted)
    assert [ttl for _, ttl in marks(short)] == ["5m", "5m"]


def test_an_app_that_has_the_vendor_mark_is_left_alone() -> None:
    sent = body(Message.system(LONG), Message.user("hi"), extra_body={"cache_control": {"type": "ephemeral"}})
    assert marks(sent) == []


def test_the_beginning_of_an_answer_is_not_marked() -> None:
    """It is another one in the next request."""
    sent = body(Message.system(LONG), Message.user("hi"), Message.assistant("Ahoy, I"))
    assert places(sent) == [0, 1]


def test_images_and_documents_count_and_take_marks() -> None:
    image = ImagePart(data=b"\x89PNG", media_type="image/png")
    document = FilePart(b"%PDF-1.7", "application/pdf")
    assert places(body(Message.user((image, image, image)))) == [2]
    assert places(body(Message.user((TextPart("read"), document)))) == [1]


# --- OpenAI's protocols


def chat(*messages: Message, dialect: str, **fields: Any) -> dict[str, Any]:
    return encode_chat(request(*messages, **fields), DIALECTS[dialect], stream=False, provider="p")


def marked_texts(body: dict[str, Any]) -> list[str]:
    contents = (message["content"] for message in body["messages"])
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return [part["text"][:5] for part in parts if "cache_control" in part]


@pytest.mark.parametrize("dialect", ["openai", "azure", "mistral"])
def test_a_conversation_has_one_key(dialect: str) -> None:
    """All of its turns the same, another conversation another one; an app's own key goes before."""
    first = chat(Message.system("s"), Message.user("a"), dialect=dialect, model="m")
    talk = Message.system("s"), Message.user("a"), Message.assistant("b"), Message.user("c")
    key = first["prompt_cache_key"]
    assert len(key) <= 64
    assert chat(*talk, dialect=dialect, model="m")["prompt_cache_key"] == key
    assert chat(Message.system("s"), Message.user("b"), dialect=dialect, model="m")["prompt_cache_key"] != key
    mine = {"prompt_cache_key": "mine"}
    assert chat(*talk, dialect=dialect, model="m", extra_body=mine)["prompt_cache_key"] == "mine"
    assert "prompt_cache_key" not in chat(*talk, dialect=dialect, model="m", prompt_cache=None)


@pytest.mark.parametrize("dialect", ["groq", "gemini", "vertex", "deepseek", "xai", "generic", "vllm", "bedrock"])
def test_who_caches_by_itself_is_asked_for_nothing(dialect: str) -> None:
    talk = Message.system(LONG), Message.user("a")
    assert chat(*talk, dialect=dialect, model="m") == chat(*talk, dialect=dialect, model="m", prompt_cache=None)


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        *(("gpt-4.1", True), ("gpt-5", True), ("gpt-5.1-codex", True), ("gpt-5.5", True)),
        *(("gpt-4o", False), ("gpt-5.6", False), ("gpt-6-sol", False), ("o3", False)),
    ],
)
def test_a_day_is_asked_for_where_a_model_has_it(model: str, kept: bool) -> None:
    for sent in (
        encode_chat(request(Message.user("a"), model=model, prompt_cache="1h"), DIALECTS["openai"], stream=False)
        if "codex" not in model
        else {"prompt_cache_retention": "24h"},
        encode_responses(
            request(Message.user("a"), model=model, prompt_cache="1h"), DIALECTS["openai"], stream=False, provider="p"
        ),
    ):
        assert sent.get("prompt_cache_retention") == ("24h" if kept else None)


@pytest.mark.parametrize(
    ("dialect", "model"),
    [
        *(("openrouter", "anthropic/claude-sonnet-4.5"), ("openrouter", "qwen/qwen3-max"), ("dashscope", "qwen-plus")),
        *(("litellm", "claude-sonnet-4-5"), ("litellm", "bedrock/anthropic.claude-sonnet-4-5-v1:0")),
    ],
)
def test_behind_gateways_texts_are_marked(dialect: str, model: str) -> None:
    talk = Message.system(LONG), Message.user("first"), Message.assistant("answer"), Message.user("third")
    assert marked_texts(chat(*talk, dialect=dialect, model=model)) == ["Answe", "first", "third"]


@pytest.mark.parametrize("model", ["openai/gpt-5.6", "google/gemini-3.8-flash", "x-ai/grok-4", "deepseek/deepseek-v4"])
def test_behind_gateways_others_cache_by_themselves(model: str) -> None:
    assert marked_texts(chat(Message.system(LONG), Message.user("a"), dialect="openrouter", model=model)) == []


def test_an_apps_own_marks_behind_gateways_are_four_at_most() -> None:
    own = tuple(TextPart(LONG, cache=True) for _ in range(6))
    sent = chat(Message.user(own), dialect="openrouter", model="anthropic/claude-sonnet-4.5")
    assert len(marked_texts(sent)) == MOST_MARKS


def test_images_behind_gateways_take_no_marks() -> None:
    """A mark stands on a text: that before an image at the end."""
    parts: tuple[Part, ...] = (TextPart(LONG), ImagePart(url="https://a.example/b.png"))
    sent = chat(Message.user(parts), dialect="openrouter", model="anthropic/claude-sonnet-4.5")
    assert marked_texts(sent) == ["Answe"]


def test_conversations_are_told_apart() -> None:
    """By the system's words and the first message; by `affinity` where the app says it."""
    first = conversation(request(Message.system("s"), Message.user("a")))
    assert first == conversation(request(Message.system("s"), Message.user("a"), Message.assistant("b")))
    assert first != conversation(request(Message.system("t"), Message.user("a")))
    assert first != conversation(request(Message.user("sa")))
    named = conversation(request(Message.user("a"), affinity="u1"))
    assert named == conversation(request(Message.user("b"), affinity="u1"))
    assert conversation(request(Message.user("\ud800")))


# --- vendors that will not have it

MESSAGE = httpx.Response(200, json={"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"})
CHAT = httpx.Response(200, json={"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
TALK = Message.system(LONG), Message.user("hi")


@pytest.mark.parametrize(
    "words",
    [
        "system.0.cache_control: Extra inputs are not permitted",
        "messages.0.content.0.text.cache_control: Extra inputs are not permitted",
        "This model does not support prompt caching",
        "cache_control.ephemeral.ttl: Extra inputs are not permitted",
    ],
)
async def test_refused_marks_are_left_out_and_never_asked_for_again(words: str) -> None:
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    vendor = Vendor("anthropic", httpx.Response(400, json=refused), MESSAGE)
    for calls in (2, 3):
        reply = await vendor.ask(model=MODEL, messages=TALK, prompt_cache="auto")
        assert (reply.text, reply.left_out, len(vendor.sent)) == ("hi", ("cache_control",), calls)
    assert marks(vendor.sent[0])
    assert not marks(vendor.sent[-1])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("prompt_cache_key", "Unrecognized request argument supplied: prompt_cache_key"),
        ("prompt_cache_retention", "This model is compatible only with 24h extended prompt caching"),
        ("prompt_cache_retention", "Unsupported parameter: 'prompt_cache_retention' is not supported with this model."),
        ("prompt_cache_retention", "prompt_cache_retention is not supported on this model"),
    ],
)
async def test_refused_keys_are_left_out(field: str, words: str) -> None:
    vendor = Vendor("openai", refusal(words, param=field, code="unsupported_parameter"), CHAT)
    reply = await vendor.ask(model="gpt-5.1", messages=TALK, prompt_cache="1h")
    assert (reply.text, reply.left_out) == ("hi", (field,))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://bedrock-runtime.eu-west-1.amazonaws.com/anthropic",
        "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/anthropic/models",
        "https://openrouter.ai/api",
    ],
)
async def test_other_endpoints_of_claude_are_marked_alike(base_url: str) -> None:
    vendor = Vendor("anthropic", MESSAGE, base_url=base_url)
    await vendor.ask(model=f"anthropic.{MODEL}", messages=TALK, prompt_cache="auto")
    assert [place for place, _ in marks(vendor.sent[0])] == [0, 1]


@pytest.mark.parametrize("protocol", ["anthropic.messages", "openai.chat", "openai.responses"])
async def test_a_clients_own_body_is_left_as_it_is(protocol: Any) -> None:
    """Its marks, and its key, are its own."""
    native = {
        "anthropic.messages": {"system": LONG, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
        "openai.chat": {"messages": [{"role": "system", "content": LONG}, {"role": "user", "content": "hi"}]},
        "openai.responses": {"instructions": LONG, "input": "hi"},
    }[protocol]
    answer = MESSAGE if protocol == "anthropic.messages" else CHAT
    if protocol == "openai.responses":
        said = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
        answer = httpx.Response(200, json={"status": "completed", "output": [said]})
    kind = protocol.partition(".")[0]
    vendor = Vendor(kind, answer, options={"api": "responses"} if protocol == "openai.responses" else {})
    model = MODEL if kind == "anthropic" else "gpt-4.1"
    own = Native(protocol, {"model": "asked", **native})
    await vendor.ask(model=model, messages=TALK, prompt_cache="1h", native=own)
    assert vendor.sent == [{"model": model, **native}]


def test_a_count_of_what_is_kept_for_an_hour_is_read() -> None:
    usage = read_usage(
        {
            "input_tokens": 5,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 10,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 1,
        }
    )
    assert usage == Usage(45, 1, cache_read_tokens=10, cache_write_tokens=30, cache_write_1h_tokens=20)


# --- the simulated vendor


def blocks_of(*texts: str, marked: int, ttl: str | None = None) -> dict[str, Any]:
    mark = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    parts: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    parts[marked]["cache_control"] = mark
    return {"model": MODEL, "messages": [{"role": "user", "content": parts}]}


def test_the_simulator_reads_what_is_at_most_20_blocks_before_a_mark() -> None:
    """Found 20 blocks before one, not 21; shorter than the minimum is not kept; after five minutes it is forgotten."""
    long = "ship" * 1_024
    for more, found in ((20, True), (21, False)):
        cache = PromptCache()
        cache.marked(blocks_of(long, marked=0), "k", 0.0)
        assert bool(cache.marked(blocks_of(long, *["more"] * more, marked=-1), "k", 1.0).read) is found
    cache = PromptCache()
    assert cache.marked(blocks_of("ship" * 1_000, marked=0), "k", 0.0).written == 0
    assert cache.marked(blocks_of(long, marked=0), "k", 0.0).written == 1_024
    assert cache.marked(blocks_of(long, marked=0), "k", 299.0).read == 1_024
    assert cache.marked(blocks_of(long, marked=0), "k", 598.0).read == 1_024  # a use keeps it as long again
    assert cache.marked(blocks_of(long, marked=0), "k", 900.0).read == 0
    assert cache.marked(blocks_of(long, marked=0), "another", 900.0).read == 0
    cache.marked(blocks_of(long, marked=0, ttl="1h"), "k", 2_000.0)
    assert cache.marked(blocks_of(long, marked=0), "k", 5_000.0).read == 1_024


def test_the_simulator_refuses_what_the_vendor_refuses() -> None:
    five = {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}
    hour = {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    empty = {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}
    thought = {"type": "thinking", "thinking": "t", "cache_control": {"type": "ephemeral"}}
    for content in ([five] * 5, [five, hour], [empty], [thought]):
        with pytest.raises(ProviderError, match="cache_control"):
            PromptCache().marked({"model": MODEL, "messages": [{"role": "user", "content": content}]}, "k", 0.0)

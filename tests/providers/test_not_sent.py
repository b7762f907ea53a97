"""What models and servers are known to refuse is not sent; what cannot be left out is unsupported, by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.coerce import coerce_messages, coerce_tools
from providers.errors import ErrorCode, ProviderError
from providers.types import FilePart, ImagePart, Message, TextPart, ThinkingPart, Tool, ToolCall
from tests.support.sending import sent

SAMPLING = {"temperature": 0.2, "top_p": 0.9, "presence_penalty": 0.5, "frequency_penalty": 0.5}
TOOL = Tool("weather", "tells it", {"type": "object", "properties": {}})
PNG = ImagePart(data=b"xy", media_type="image/png")
PDF = FilePart(b"%PDF", "application/pdf", "a.pdf")
NOTES = FilePart(b"buy milk", "text/plain", "notes.txt")
TABLE = FilePart(b'{"a": 1}', "application/json", "a.json")


async def body_of(spoken: str, model: str, **fields: Any) -> dict[str, Any]:
    return (await sent(spoken, model=model, **fields)).body


async def refusal(spoken: str, model: str, **fields: Any) -> str:
    """The words of the error; it is `unsupported`."""
    with pytest.raises(ProviderError) as caught:
        await sent(spoken, model=model, **fields)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    return caught.value.message


# --- OpenAI's models that reason


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.5", "gpt-6-sol"])
@pytest.mark.parametrize("spoken", ["openai", "azure", "generic", "openrouter"])
async def test_reasoning_models_get_no_sampling(spoken: str, model: str) -> None:
    """By whatever host they are reached, and with its prefix before the name."""
    for name in (model, f"openai/{model}"):
        assert not set(SAMPLING) & set(await body_of(spoken, name, **SAMPLING))


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "llama-3.3-70b", "gpt-oss-120b"])
async def test_other_models_get_it(model: str) -> None:
    body = await body_of("generic", model, **SAMPLING)
    assert {name: body[name] for name in SAMPLING} == SAMPLING


@pytest.mark.parametrize(
    ("model", "thinking", "kept"),
    [
        ("gpt-5.2", None, True),  # it reasons only if it is asked to
        ("gpt-5.1", "off", True),
        ("gpt-5.2", "high", False),
        ("gpt-5.5", None, False),
        ("gpt-5.5", "off", True),
    ],
)
async def test_with_reasoning_off_temperature_is_sent(model: str, thinking: Any, kept: bool) -> None:
    body = await body_of("openai", model, thinking=thinking, **SAMPLING)
    assert ("temperature" in body, "top_p" in body, "presence_penalty" in body) == (kept, kept, False)


async def test_the_responses_api_gets_none_either() -> None:
    body = await body_of("openai", "gpt-5.6", tools=(TOOL,), **SAMPLING)
    assert "input" in body
    assert not set(SAMPLING) & set(body)


@pytest.mark.parametrize("model", ["o3", "gpt-5", "gpt-5.2", "openai/gpt-5-mini"])
@pytest.mark.parametrize("spoken", ["openai", "generic"])
async def test_stop_sequences_at_reasoning_models_are_unsupported(spoken: str, model: str) -> None:
    assert "stop" in await refusal(spoken, model, stop=("END",))


@pytest.mark.parametrize(("spoken", "most"), [("openai", 4), ("groq", 4), ("gemini", 5)])
async def test_more_stop_sequences_than_are_taken_are_unsupported(spoken: str, most: int) -> None:
    assert len((await body_of(spoken, "m", stop=tuple("abcde"[:most])))["stop"]) == most
    assert "stop" in await refusal(spoken, "m", stop=tuple("abcdef"[: most + 1]))


async def test_more_tools_than_are_taken_are_unsupported() -> None:
    tools = tuple(Tool(f"t{n}", "", {"type": "object", "properties": {}}) for n in range(129))
    assert len((await body_of("openai", "gpt-4.1", tools=tools[:128]))["tools"]) == 128
    assert "tools" in await refusal("openai", "gpt-4.1", tools=tools)
    assert len((await body_of("generic", "m", tools=tools))["tools"]) == 129


@pytest.mark.parametrize(("model", "kept"), [("o3", False), ("o4-mini", False), ("gpt-5", True), ("gpt-4.1", True)])
async def test_models_of_one_call_at_a_time_are_not_told(model: str, kept: bool) -> None:
    body = await body_of("openai", model, tools=(TOOL,), parallel_tool_calls=False)
    assert ("parallel_tool_calls" in body) is kept


async def test_openais_efforts_hold_behind_other_hosts() -> None:
    assert "effort" in await refusal("generic", "openai/gpt-5", thinking="off")
    assert "reasoning_effort" not in await body_of("generic", "openai/gpt-4.1", thinking="off")
    assert (await body_of("generic", "openai/gpt-5", thinking="low"))["reasoning_effort"] == "low"
    assert (await body_of("generic", "qwen3", thinking="off"))["reasoning_effort"] == "none"


@pytest.mark.parametrize(
    ("spoken", "model", "field"),
    [
        ("generic", "openai/gpt-5", "max_completion_tokens"),
        ("github", "openai/o4-mini", "max_completion_tokens"),
        ("generic", "gpt-4o", "max_tokens"),
        ("generic", "qwen3", "max_tokens"),
        ("openrouter", "openai/gpt-5", "max_tokens"),  # it translates
    ],
)
async def test_the_limit_has_the_name_that_the_model_takes(spoken: str, model: str, field: str) -> None:
    body = await body_of(spoken, model, max_tokens=100)
    assert {name for name in body if name.startswith("max_")} == {field}


# --- other makers


@pytest.mark.parametrize(
    ("model", "kept"), [("kimi-k2.5", False), ("kimi-k2.6", False), ("moonshotai/kimi-k2.6", True)]
)
async def test_kimi_has_one_temperature_at_its_maker(model: str, kept: bool) -> None:
    body = await body_of("generic", model, **SAMPLING)
    assert ("temperature" in body) is kept


@pytest.mark.parametrize(
    ("spoken", "model", "thinking", "effort"),
    [
        ("groq", "qwen/qwen3-32b", "off", "none"),
        ("groq", "qwen/qwen3-32b", "high", "default"),
        ("groq", "openai/gpt-oss-120b", "medium", "medium"),
        ("groq", "llama-3.3-70b-versatile", "off", None),
        ("xai", "grok-3-mini", "medium", "high"),
        ("xai", "grok-4", "high", None),  # it always thinks, and takes no effort
        ("gemini", "gemini-2.5-flash", "off", "none"),
        ("vertex", "google/gemini-3-pro", "low", "low"),
    ],
)
async def test_efforts_have_the_vendors_own_words(spoken: str, model: str, thinking: Any, effort: str | None) -> None:
    assert (await body_of(spoken, model, thinking=thinking)).get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("spoken", "model", "thinking"),
    [
        ("groq", "openai/gpt-oss-20b", "off"),
        ("groq", "llama-3.3-70b-versatile", "high"),
        ("xai", "grok-4", "off"),
        ("gemini", "gemini-2.5-pro", "off"),
        ("vertex", "google/gemini-3-pro", "off"),
    ],
)
async def test_efforts_that_a_model_cannot_make_are_unsupported(spoken: str, model: str, thinking: Any) -> None:
    assert "think" in await refusal(spoken, model, thinking=thinking)


@pytest.mark.parametrize(("spoken", "model"), [("groq", "m"), ("cerebras", "m"), ("gemini", "gemini-2.5-flash")])
async def test_json_beside_tools_is_unsupported_where_it_is_refused(spoken: str, model: str) -> None:
    wanted = {"name": "a", "schema": {"type": "object", "properties": {}}}
    assert "response_format" in await refusal(spoken, model, tools=(TOOL,), response_format=wanted)
    assert "response_format" in await body_of(spoken, model, response_format=wanted)


async def test_a_thinking_model_is_not_forced_where_that_is_refused() -> None:
    assert "tool_choice" in await refusal(
        "deepseek", "deepseek-chat", tools=(TOOL,), tool_choice="required", thinking="high"
    )
    body = await body_of("deepseek", "deepseek-chat", tools=(TOOL,), tool_choice="required")
    assert body["tool_choice"] == "required"


async def test_google_gets_no_penalties() -> None:
    """It refuses the whole request over an unknown field."""
    assert not {"presence_penalty", "frequency_penalty"} & set(await body_of("gemini", "gemini-2.5-flash", **SAMPLING))


@pytest.mark.parametrize(("spoken", "model"), [("openai", "gpt-4.1"), ("deepseek", "m"), ("openai", "o1-pro")])
async def test_the_word_json_is_said_where_json_is_refused_without_it(spoken: str, model: str) -> None:
    """And only there, and only if nobody said it."""
    body = await body_of(spoken, model, response_format="json")
    assert "JSON" in (body.get("messages") or body["input"])[0]["content"]
    said = (Message.user("Give me json"),)
    body = await body_of(spoken, model, response_format="json", messages=said)
    assert len(body.get("messages") or body["input"]) == 1
    assert len((await body_of("generic", model, response_format="json"))["messages"]) == 1


# --- Claude


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("claude-sonnet-4-5", {"temperature"}),
        ("claude-opus-4-1", {"temperature"}),
        ("claude-opus-4-6", {"temperature"}),
        ("claude-opus-4-7", set()),
        ("claude-sonnet-4-20250514", {"temperature", "top_p"}),
        ("qwen3", {"temperature", "top_p"}),
    ],
)
async def test_claude_takes_one_of_the_two_sampling_fields(model: str, fields: set[str]) -> None:
    body = await body_of("anthropic", model, temperature=0.2, top_p=0.9)
    assert set(body) & {"temperature", "top_p"} == fields


@pytest.mark.parametrize(
    ("model", "thinking", "fields"),
    [
        ("anthropic/claude-sonnet-4.5", None, {"temperature"}),
        ("anthropic/claude-opus-4.7", None, set()),
        ("claude-opus-4-6", "low", set()),
    ],
)
async def test_claude_behind_a_gateway_is_the_same_claude(model: str, thinking: Any, fields: set[str]) -> None:
    assert set(await body_of("openrouter", model, thinking=thinking, **SAMPLING)) & set(SAMPLING) == fields


async def test_claude_gets_top_p_alone() -> None:
    assert (await body_of("anthropic", "claude-sonnet-4-5", top_p=0.9))["top_p"] == 0.9


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6"])
async def test_beside_thinking_claude_gets_no_sampling(model: str) -> None:
    body = await body_of("anthropic", model, thinking="low", temperature=0.2, max_tokens=9000)
    assert "thinking" in body
    assert "temperature" not in body


async def test_claude_takes_no_stop_sequence_of_white_space() -> None:
    """Other makers' models behind the same protocol do."""
    assert "stop[1]" in await refusal("anthropic", "claude-sonnet-4-5", stop=("END", "\n\n"))
    assert (await body_of("anthropic", "qwen3", stop=("\n\n",)))["stop_sequences"] == ["\n\n"]


async def test_strict_tools_go_to_the_claude_models_that_know_them() -> None:
    strict = Tool("f", "", {"type": "object", "properties": {"a": {"type": "string"}}}, True)
    assert (await body_of("anthropic", "claude-sonnet-4-5", tools=(strict,)))["tools"][0]["strict"] is True
    assert "strict" not in (await body_of("anthropic", "claude-sonnet-4-20250514", tools=(strict,)))["tools"][0]


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("place", [0, 2])
async def test_pictures_in_claudes_system_messages_are_not_dropped(role: Any, place: int) -> None:
    turns = [Message.user("Hi"), Message.assistant("Hello"), Message.user("And?")]
    turns.insert(place, Message(role, (TextPart("Be brief"), PNG)))
    assert "system" in await refusal("anthropic", "claude-sonnet-4-5", messages=tuple(turns))


async def test_claude_reads_pictures_of_four_kinds() -> None:
    odd = (Message.user([ImagePart(data=b"x", media_type="image/svg+xml")]),)
    assert "image/svg+xml" in await refusal("anthropic", "claude-sonnet-4-5", messages=odd)
    (turn,) = coerce_messages(
        [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/jpg;base64,eHk="}]}]
    )
    body = await body_of("anthropic", "claude-sonnet-4-5", messages=(turn,))
    assert body["messages"][0]["content"][0]["source"]["media_type"] == "image/jpeg"


# --- parts of messages


async def test_texts_alone_go_as_one_string() -> None:
    """Servers whose templates take strings fail on lists."""
    turns = (Message.system([TextPart("Be brief.")]), Message.user([TextPart("Hi"), TextPart("there")]))
    assert [each["content"] for each in (await body_of("generic", "m", messages=turns))["messages"]] == [
        "Be brief.",
        "Hi\nthere",
    ]
    assert len((await body_of("openai", "m", messages=turns))["messages"][1]["content"]) == 2


def looked_up(*parts: Any) -> tuple[Message, ...]:
    """A tool's result of these parts, between two others."""
    calls = [ToolCall(f"call1234{n}", "look", {}, "{}") for n in range(2)]
    results = [Message("tool", parts, tool_call_id="call12340"), Message.tool("call12341", "nothing")]
    return (Message.user("Look"), Message.assistant("", calls), *results)


@pytest.mark.parametrize("after", [(), (Message.user("So?"),)])
@pytest.mark.parametrize("spoken", ["openai", "generic", "openrouter", "gemini"])
async def test_a_picture_in_a_tools_result_follows_in_a_message(spoken: str, after: tuple[Message, ...]) -> None:
    """The results of a turn stay together; the protocol's hold text alone."""
    messages = (await body_of(spoken, "gpt-4.1", messages=(*looked_up(TextPart("a map"), PNG), *after)))["messages"]
    assert [each["role"] for each in messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
        *["user" for _ in after],
    ]
    assert messages[2]["content"] == "a map"
    assert "call12340" in messages[4]["content"][0]["text"]
    assert messages[4]["content"][1]["image_url"]["url"] == "data:image/png;base64,eHk="


async def test_mistral_gets_it_within_the_result() -> None:
    """A user's message directly after a tool's is refused there."""
    messages = (await body_of("mistral", "m", messages=looked_up(TextPart("a map"), PNG)))["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "tool", "tool"]
    assert [each["type"] for each in messages[2]["content"]] == ["text", "image_url"]


@pytest.mark.parametrize(("spoken", "model"), [("openai", "o3-mini"), ("openai", "gpt-3.5-turbo"), ("deepseek", "m")])
@pytest.mark.parametrize("turns", [looked_up(PNG), (Message.user([PNG]),)])
async def test_pictures_at_models_without_eyes_are_unsupported(
    spoken: str, model: str, turns: tuple[Message, ...]
) -> None:
    assert "images" in await refusal(spoken, model, messages=turns)


@pytest.mark.parametrize(
    ("spoken", "model"), [("openai", "gpt-4.1"), ("openai", "gpt-5.6-pro"), ("anthropic", "claude-sonnet-4-5")]
)
async def test_pictures_that_an_assistant_said_are_not_dropped(spoken: str, model: str) -> None:
    turns = (Message.user("Draw"), Message.assistant([TextPart("Here"), PNG]), Message.user("More"))
    assert "images" in await refusal(spoken, model, messages=turns)


@pytest.mark.parametrize("document", [NOTES, TABLE])
@pytest.mark.parametrize(
    ("spoken", "model"),
    [("openai", "gpt-4.1"), ("openai", "gpt-5.5"), ("groq", "m"), ("mistral", "m"), ("ollama", "m")],
)
async def test_text_documents_go_as_text(spoken: str, model: str, document: FilePart) -> None:
    tools = (TOOL,) if model == "gpt-5.5" else ()  # which goes by the Responses API then
    body = await body_of(spoken, model, messages=(Message.user([TextPart("Read:"), document]),), tools=tools)
    told = json.dumps(body.get("messages") or body["input"])
    assert json.dumps(document.data.decode())[1:-1] in told
    assert document.filename is not None
    assert document.filename in told
    assert "base64" not in told


async def test_a_text_document_is_a_text_like_others() -> None:
    """So a server that takes strings gets one, and a tool's result keeps it."""
    user = (Message.user([TextPart("Read:"), NOTES]),)
    assert "buy milk" in (await body_of("generic", "m", messages=user))["messages"][0]["content"]
    messages = (await body_of("openai", "gpt-4.1", messages=looked_up(NOTES)))["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "tool", "tool"]
    assert "buy milk" in messages[2]["content"]


async def test_text_documents_of_all_kinds_are_documents_at_claude() -> None:
    body = await body_of("anthropic", "claude-sonnet-4-5", messages=(Message.user([TABLE]),))
    assert body["messages"][0]["content"][0]["source"] == {
        "type": "text",
        "media_type": "text/plain",
        "data": '{"a": 1}',
    }


async def test_a_pdf_goes_as_each_vendor_takes_it() -> None:
    turns = (Message.user([TextPart("Read"), PDF]),)
    url = "data:application/pdf;base64,JVBERg=="
    mistral = await body_of("mistral", "m", messages=turns)
    assert mistral["messages"][0]["content"][1] == {
        "type": "document_url",
        "document_url": url,
        "document_name": "a.pdf",
    }
    openai = await body_of("openai", "gpt-4.1", messages=turns)
    assert openai["messages"][0]["content"][1] == {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}
    for spoken in ("groq", "vllm", "llamacpp", "deepseek", "ollama"):
        assert "application/pdf" in await refusal(spoken, "m", messages=turns)


# --- marks for caches, and the detail of a picture


def marked(*marks: Any) -> tuple[Message, ...]:
    parts = [{"type": "text", "text": f"t{n}", "cache_control": mark} for n, mark in enumerate(marks)]
    return coerce_messages([{"role": "user", "content": parts}])


async def test_cache_marks_reach_openrouter() -> None:
    body = await body_of("openrouter", "anthropic/claude-sonnet-4.5", messages=marked({"type": "ephemeral"}))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "t0", "cache_control": {"type": "ephemeral"}}]


async def test_cache_marks_reach_openrouter_in_every_turn() -> None:
    text = TextPart("long", cache=True)
    turns = (Message("tool", (text,), tool_call_id="call12340"), Message.tool("call12341", "x"))
    turns = (*looked_up()[:2], *turns, Message.assistant([text]), Message.user("So?"))
    body = await body_of("openrouter", "anthropic/claude-sonnet-4.5", messages=turns)
    assert [isinstance(each["content"], list) for each in body["messages"]] == [False, False, True, False, True, False]


@pytest.mark.parametrize("spoken", ["openai", "generic", "mistral"])
async def test_cache_marks_do_not_reach_those_who_refuse_them(spoken: str) -> None:
    assert "cache" not in json.dumps(await body_of(spoken, "m", messages=marked({"type": "ephemeral"}, None)))


@pytest.mark.parametrize("spoken", ["anthropic", "openrouter"])
async def test_how_long_a_text_is_kept_is_sent(spoken: str) -> None:
    body = await body_of(spoken, "claude-sonnet-4-5", messages=marked({"type": "ephemeral", "ttl": "1h"}))
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


async def test_claude_gets_four_marks_at_most_and_the_longer_first() -> None:
    """A fifth is refused, and so is an hour after five minutes."""
    five, hour = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
    body = await body_of("anthropic", "claude-sonnet-4-5", messages=marked(hour, hour, hour, five, hour))
    found = [block.get("cache_control") for block in body["messages"][0]["content"]]
    assert found == [None, hour, hour, five, five]


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
async def test_the_detail_of_a_picture_is_sent(detail: str) -> None:
    """In chat's shape and in that of Responses."""
    chat = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eHk=", "detail": detail}}
    flat = {"type": "input_image", "image_url": "data:image/png;base64,eHk=", "detail": detail}
    for part in (chat, flat):
        turns = coerce_messages([{"role": "user", "content": [part]}])
        body = await body_of("openai", "gpt-4.1", messages=turns)
        assert body["messages"][0]["content"] == [chat]
        body = await body_of("openai", "gpt-5.5", messages=turns, tools=(TOOL,))
        assert body["input"][0]["content"] == [flat]


def test_a_detail_that_is_none_is_told() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.test/a.png", "detail": "blurry"}}
    with pytest.raises(ProviderError, match="blurry") as caught:
        coerce_messages([{"role": "user", "content": [part]}])
    assert caught.value.code is ErrorCode.INVALID_REQUEST


# --- halves of surrogate pairs

HALF = "cut \ud83d here"


@pytest.mark.parametrize("spoken", ["openai", "anthropic", "ollama", "mistral", "gemini"])
@pytest.mark.parametrize("stream", [False, True])
async def test_half_a_character_is_replaced_wherever_it_stands(spoken: str, stream: bool) -> None:
    call = ToolCall(HALF, HALF, {HALF: HALF})
    fields: dict[str, Any] = {
        "model": "claude-sonnet-4-5" if spoken == "anthropic" else "m",
        "messages": (
            Message.system(HALF),
            Message("user", (TextPart(HALF), ThinkingPart(HALF)), name=HALF),
            Message.assistant(HALF, [call]),
            Message.tool(HALF, HALF),
        ),
        "tools": (Tool(HALF, HALF, {"type": "object", "properties": {"a": {"type": "string", "title": HALF}}}),),
        "user": HALF,
        "stop": (HALF,),
        "extra_body": {HALF: [HALF]},
    }
    text = json.dumps((await sent(spoken, stream=stream, **fields)).body, ensure_ascii=False)
    assert "cut \ufffd here" in text
    text.encode()


async def test_halves_that_belong_together_are_one_character() -> None:
    body = await body_of("openai", "m", messages=(Message.user("\ud83d\ude00 \ud83d"),))
    assert body["messages"][0]["content"] == "\U0001f600 \ufffd"


def test_a_prompt_with_half_a_character_is_counted() -> None:
    from providers.tokens import count_tokens, tools_tokens

    call = ToolCall("c", "f", {"a": HALF})
    turns = [Message.user(HALF), Message.assistant(HALF, [call]), Message.tool("c", HALF)]
    for model in ("gpt-4o", "claude-sonnet-4-5", "qwen3"):
        assert count_tokens(turns, model).tokens > 10
    assert tools_tokens(coerce_tools([{"name": HALF, "parameters": {"title": HALF}}])) > 5

"""What Ollama's clients rely on beside a chat: loading, names with a tag, pictures, results, lists of models."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import ollama
import pytest

from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionResponse, ImagePart, ModelCapabilities, StreamChunk, TextPart, ToolCall, Usage
from providers.wire import ollama_chat, ollama_lists
from providers.wire.reading import BadRequest
from providers.wire.writing import Head

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend

HEAD = Head("0123abcd", "chat:latest", 1_750_000_000.0)
USER: dict[str, Any] = {"role": "user", "content": "hi"}
BODY: dict[str, Any] = {"model": "chat", "messages": [USER]}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(80))


def read(**fields: Any) -> Any:
    return ollama_chat.read_request({**BODY, **fields})


class Serving:
    """The official SDK, given one answer for all that it asks."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.client = ollama.Client(transport=httpx.MockTransport(self._serve))

    def _serve(self, request: httpx.Request) -> httpx.Response:
        if request.content:
            self.asked.append(json.loads(request.content))
        return httpx.Response(200, content=msgspec.json.encode(self.answer))


@pytest.fixture
def sdk() -> Iterator[Serving]:
    serving = Serving()
    yield serving
    serving.client.close()


# --- in


@pytest.mark.parametrize("name", ["chat", "chat:latest"])
def test_names_with_and_without_the_tag_are_one(name: str) -> None:
    """As at the server; any other tag is part of the name."""
    assert read(model=name).model == "chat"
    assert ollama_chat.read_generate_request({"model": name, "prompt": "hi"}).model == "chat"
    assert read(model="qwen3:8b").model == "qwen3:8b"


LOADS: list[tuple[dict[str, Any], str]] = [
    ({}, "load"),
    ({"messages": []}, "load"),
    ({"prompt": ""}, "load"),
    ({"keep_alive": "5m"}, "load"),
    ({"keep_alive": -1}, "load"),
    ({"keep_alive": "10s"}, "load"),
    ({"keep_alive": 0}, "unload"),
    ({"keep_alive": "0s"}, "unload"),
    ({"keep_alive": "0m0.0s"}, "unload"),
]


@pytest.mark.parametrize(("fields", "reason"), LOADS, ids=str)
def test_a_request_without_a_message_loads_the_model(sdk: Serving, fields: dict[str, Any], reason: str) -> None:
    """No model is asked; the answer is one line, streamed or not."""
    body = {"model": "chat", **fields}
    for generate, reader in ((False, ollama_chat.read_request), (True, ollama_chat.read_generate_request)):
        assert ollama_chat.is_load(body, generate=generate)
        assert reader(body).messages == ()
        sdk.answer = ollama_chat.render_load(HEAD, generate=generate, asked=body)
        (line,) = sdk.client.generate("chat", stream=True) if generate else sdk.client.chat("chat", stream=True)
        assert (line.done, line.done_reason, line.model) == (True, reason, "chat:latest")
    assert not ollama_chat.is_load(BODY)


def test_pictures_come_in_any_usual_form() -> None:
    """In base64, broken into lines, or as data URLs."""
    data = base64.b64encode(PNG).decode()
    forms = [data, base64.encodebytes(PNG).decode(), f"data:image/png;base64,{data}"]
    found = read(messages=[{"role": "user", "content": "see", "images": forms}])
    assert found.messages[0].content == (TextPart("see"), *[ImagePart(data=PNG, media_type="image/png")] * 3)
    found = ollama_chat.read_generate_request({"model": "m", "prompt": "see", "images": forms[:1]})
    assert found.messages[0].content == (TextPart("see"), ImagePart(data=PNG, media_type="image/png"))


def test_calls_and_results_of_several_clients() -> None:
    """Arguments as an object, as JSON text, or none; results by name, by the older name for it, or by id."""
    calls = [
        {"function": {"name": "a", "arguments": {"x": {"y": [1]}}}},
        {"function": {"name": "b", "arguments": '{"x": "ä"}'}},
        {"id": "c_9", "type": "function", "function": {"index": 2, "name": "a"}},
    ]
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "of b", "name": "b"},
        {"role": "tool", "content": "of the second a", "tool_call_id": "c_9"},
        {"role": "tool", "content": "of a", "tool_name": "a"},
    ]
    found = read(messages=messages)
    made = found.messages[1].tool_calls
    assert [call.arguments for call in made] == [{"x": {"y": [1]}}, {"x": "ä"}, {}]
    assert [message.tool_call_id for message in found.messages[2:]] == [made[1].id, "c_9", made[0].id]


def test_options() -> None:
    """Whole numbers may be written as floats; what the server alone has is left out."""
    options = {"num_predict": 42.0, "seed": 7, "temperature": 0, "stop": "x", "num_ctx": 9, "top_k": 3, "mirostat": 1}
    found = read(options=options, keep_alive="5m", truncate=True, logprobs=False)
    assert (found.max_tokens, found.seed, found.temperature, found.stop) == (42, 7, 0, ("x",))
    schema = {"type": "object", "properties": {}}
    assert read(format=schema).response_format == {"schema": schema}
    assert read(format="json").response_format == "json"


UNSUPPORTED: list[dict[str, Any]] = [
    {"suffix": ")"},
    {"raw": True},
    {"template": "{{ .Prompt }}"},
    {"context": [1, 2]},
]


@pytest.mark.parametrize("fields", UNSUPPORTED, ids=str)
def test_what_only_a_server_with_the_model_has(fields: dict[str, Any]) -> None:
    """Is refused by its name; empty it is no wish."""
    with pytest.raises(BadRequest) as caught:
        ollama_chat.read_generate_request({"model": "m", "prompt": "hi", **fields})
    assert (caught.value.param, caught.value.code) == (next(iter(fields)), ErrorCode.UNSUPPORTED)
    empty = {"suffix": "", "raw": False, "template": "", "context": [], "system": "", "images": [], "options": {}}
    assert len(ollama_chat.read_generate_request({"model": "m", "prompt": "hi", **empty}).messages) == 1


def test_what_the_official_sdk_sends(sdk: Serving) -> None:
    """With all that it has a parameter for."""

    def look(at: str) -> str:
        """Looks.

        Args:
            at: where
        """
        return at

    sdk.answer = ollama_chat.render_response(CompletionResponse(text="a", finish_reason="stop"), HEAD)
    call = {"function": {"name": "look", "arguments": {"at": "x"}}}
    messages: Any = [
        {"role": "user", "content": "hi", "images": [PNG]},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_name": "look", "content": "seen"},
    ]
    sdk.client.chat(
        "chat", messages, tools=[look], think="high", format="json", options={"temperature": 0.5}, keep_alive=5
    )
    sdk.client.generate("chat", "hi", system="be brief", images=[PNG], think=False, options={}, suffix="")
    chat, generate = sdk.asked
    found = ollama_chat.read_request(chat)
    assert found.messages[0].content == (TextPart("hi"), ImagePart(data=PNG, media_type="image/png"))
    assert found.messages[2].tool_call_id == found.messages[1].tool_calls[0].id
    assert (found.messages[1].thinking[0].text, found.thinking, found.response_format) == ("hm", "high", "json")
    assert [(tool.name, tool.parameters["required"]) for tool in found.tools] == [("look", ["at"])]
    assert (ollama_chat.wants_stream(chat), found.temperature) == (False, 0.5)
    found = ollama_chat.read_generate_request(generate)
    assert [message.role for message in found.messages] == ["system", "user"]
    assert found.thinking == "off"


# --- out


def test_a_line_of_text_is_one_to_every_reader() -> None:
    """Python's readers of text, the official client's among them, end a line where JSON does not."""
    text = "a\x85b\u2028c\u2029d\x0be\x1cf\r\ng"
    writer = ollama_chat.OllamaStreamWriter(HEAD)
    call = ToolCall("c", text, {"x": text})
    answer = CompletionResponse(tool_calls=(call,))
    data = writer.chunk(StreamChunk(text, thinking=text)) + writer.error(ProviderError(ErrorCode.SERVER_ERROR, text))
    lines = data.decode().splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [
        msgspec.json.decode(line) for line in data.split(b"\n")[:-1]
    ]
    assert len(lines) == 3
    assert msgspec.json.decode(lines[1])["message"]["content"] == text
    whole = ollama_chat.render_response(answer, HEAD)["message"]["tool_calls"][0]["function"]
    assert whole["arguments"] == {"x": text}


def test_the_last_line_has_all_durations() -> None:
    """In nanoseconds, also where nobody took the time: clients add up and divide; counts only where they are known."""
    writer = ollama_chat.OllamaStreamWriter(HEAD)
    writer.chunk(StreamChunk(finish_reason="length", usage=Usage(3, None)))
    last = msgspec.json.decode(writer.end(seconds=0.5))
    durations = {"total_duration": 500_000_000, "load_duration": 0, "prompt_eval_duration": 0}
    assert durations.items() <= last.items()
    assert (last["eval_duration"], last["prompt_eval_count"], last["done_reason"]) == (500_000_000, 3, "length")
    assert "eval_count" not in last
    assert ollama_chat.render_response(CompletionResponse(), HEAD)["total_duration"] == 0


# --- lists


def test_lists_of_models(sdk: Serving) -> None:
    """As the official SDK reads them: full names, the same digest each time, all details."""
    sdk.answer = ollama_lists.render_tags(["chat", "code:latest", "qwen3:8b"], 1_750_000_000.0)
    told = sdk.client.list().models
    assert [model.model for model in told] == ["chat:latest", "code:latest", "qwen3:8b"]
    assert [model["name"] for model in sdk.answer["models"]] == ["chat:latest", "code:latest", "qwen3:8b"]
    assert {len(model.digest or "") for model in told} == {64}
    assert len({model.digest for model in told}) == 3
    assert told[0].modified_at is not None
    assert told[0].modified_at.timestamp() == 1_750_000_000
    details = {"parent_model", "format", "family", "families", "parameter_size", "quantization_level"}
    assert all(set(model["details"]) == details for model in sdk.answer["models"])
    sdk.answer = ollama_lists.render_ps()
    assert sdk.client.ps().models == []


CAPABILITIES: list[tuple[ModelCapabilities, list[str], int]] = [
    (ModelCapabilities(), ["completion", "tools"], 32_768),
    (ModelCapabilities(tools=False, vision=False, context_window=9), ["completion"], 9),
    (ModelCapabilities(tools=True, vision=True, thinking=True), ["completion", "tools", "vision", "thinking"], 32_768),
]


@pytest.mark.parametrize(("can", "told", "window"), CAPABILITIES, ids=lambda value: str(value)[:40])
def test_what_a_model_can_do(sdk: Serving, can: ModelCapabilities, told: list[str], window: int) -> None:
    """The window under the name that clients put together themselves; nothing is null."""
    sdk.answer = ollama_lists.render_show(can, 1_750_000_000.0)
    found = sdk.client.show("chat")
    assert found.capabilities == told
    info = found.modelinfo or {}
    assert info[f"{info['general.architecture']}.context_length"] == window
    assert "null" not in msgspec.json.encode(sdk.answer).decode()


def test_the_version_is_a_number_that_clients_take() -> None:
    """They refuse those before 0.6.4."""
    told = ollama_lists.render_version()["version"]
    assert tuple(map(int, told.split("."))) >= (0, 6, 4)
    assert ollama_lists.ROOT == "Ollama is running"

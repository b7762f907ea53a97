"""What requests may hold and ask for: what each protocol sends of it, and that what it cannot say is named."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from providers.anthropic.encode import encode as to_claude
from providers.errors import ErrorCode, ProviderError
from providers.ollama.chat import encode as to_ollama
from providers.openai.chat_encode import encode as to_chat
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as to_responses
from providers.types import AudioPart, CompletionRequest, FilePart, ImagePart, Message, Part, ServerTool, Tool
from providers.validation import validate

WAV = AudioPart(b"RIFF", "audio/wav")
B64 = base64.b64encode(b"RIFF").decode()
Encoder = Callable[[CompletionRequest], dict[str, Any]]


def chat(dialect: str) -> Encoder:
    return lambda request: to_chat(request, DIALECTS[dialect], stream=False, provider="p")


def responses(request: CompletionRequest) -> dict[str, Any]:
    return to_responses(request, DIALECTS["openai"], stream=False, provider="p")


def claude(request: CompletionRequest) -> dict[str, Any]:
    return to_claude(request, stream=False, provider="p")


def ollama(request: CompletionRequest) -> dict[str, Any]:
    return to_ollama(request, stream=False, provider="p", options={})


def asked(*parts: Part, model: str = "claude-opus-5", **fields: Any) -> CompletionRequest:
    request = CompletionRequest(model=model, messages=(Message.user(parts or "q"),), **fields)
    validate(request)
    return request


def part_of(body: dict[str, Any]) -> Any:
    return (body.get("messages") or body["input"])[0]["content"][0]


@pytest.mark.parametrize(
    ("encode", "part", "sent"),
    [
        (chat("openai"), WAV, {"type": "input_audio", "input_audio": {"data": B64, "format": "wav"}}),
        (chat("mistral"), WAV, {"type": "input_audio", "input_audio": B64}),
        (chat("openai"), FilePart(id="f"), {"type": "file", "file": {"file_id": "f"}}),
        (chat("openrouter"), FilePart(url="u"), {"type": "file", "file": {"filename": "document", "file_data": "u"}}),
        (responses, FilePart(url="u"), {"type": "input_file", "file_url": "u"}),
        (responses, FilePart(id="f"), {"type": "input_file", "file_id": "f"}),
        (responses, ImagePart(id="f"), {"type": "input_image", "file_id": "f", "detail": "auto"}),
        (claude, FilePart(url="u"), {"type": "document", "source": {"type": "url", "url": "u"}}),
        (claude, ImagePart(id="f", origin="p"), {"type": "image", "source": {"type": "file", "file_id": "f"}}),
        (
            claude,
            FilePart(b"a", "text/plain", citations=True),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a"},
                "citations": {"enabled": True},
            },
        ),
    ],
)
def test_parts_are_sent_in_each_ones_words(encode: Encoder, part: Part, sent: dict[str, Any]) -> None:
    assert part_of(encode(asked(part, model="gpt-4o" if encode is not claude else "claude-opus-5"))) == sent


@pytest.mark.parametrize(
    ("encode", "request_", "named"),
    [
        (claude, asked(WAV), "audio"),
        (ollama, asked(WAV), "audio"),
        (responses, asked(WAV), "audio"),
        (chat("groq"), asked(WAV), "audio"),
        (chat("openai"), asked(FilePart(url="u")), "by URL"),
        (chat("openai"), asked(ImagePart(id="f")), "by the id"),
        (ollama, asked(FilePart(id="f")), "id"),
        (claude, asked(FilePart(id="f", origin="elsewhere")), "elsewhere"),
        (claude, asked(logprobs=True), "logprobs"),
        (chat("groq"), asked(logprobs=True), "logprobs"),
        (responses, asked(model="gpt-5.6", logprobs=True), "logprobs"),
        (claude, asked(audio={"voice": "alloy"}), "modalities"),
        (ollama, asked(modalities=("text", "image")), "modalities"),
        (chat("groq"), asked(modalities=("text", "audio")), "modalities"),
        (ollama, asked(server_tools=(ServerTool("web_search"),)), "server_tools"),
        (chat("mistral"), asked(server_tools=(ServerTool("web_search"),)), "server_tools"),
    ],
)
def test_what_cannot_be_said_is_unsupported_by_name(encode: Encoder, request_: CompletionRequest, named: str) -> None:
    with pytest.raises(ProviderError) as caught:
        encode(request_)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert named in caught.value.message


@pytest.mark.parametrize(
    ("encode", "fields", "sent"),
    [
        (chat("openai"), {"service_tier": "flex"}, {"service_tier": "flex"}),
        (chat("openai"), {"prediction": "x"}, {"prediction": {"type": "content", "content": "x"}}),
        (chat("openai"), {"top_logprobs": 2, "logprobs": True}, {"logprobs": True, "top_logprobs": 2}),
        (
            chat("openai"),
            {"audio": {"voice": "alloy", "format": "wav"}},
            {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        ),
        (responses, {"logprobs": True}, {"include": ["message.output_text.logprobs"]}),
        (responses, {"server_tools": (ServerTool("web_search"),)}, {"tools": [{"type": "web_search"}]}),
        (
            claude,
            {"server_tools": (ServerTool("web_search", {"max_uses": 2}),)},
            {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]},
        ),
        (claude, {"server_tools": (ServerTool("x_20260101"),)}, {"tools": [{"type": "x_20260101", "name": "x"}]}),
        (claude, {"service_tier": "priority"}, {"service_tier": "auto"}),
        (
            chat("openrouter"),
            {"server_tools": (ServerTool("web_search"),)},
            {"tools": [{"type": "openrouter:web_search"}]},
        ),
        (chat("dashscope"), {"server_tools": (ServerTool("web_search"),)}, {"enable_search": True}),
        (chat("groq"), {"thinking": "max", "model": "openai/gpt-oss-20b"}, {"reasoning_effort": "high"}),
        (chat("deepseek"), {"thinking": "xhigh", "model": "deepseek-v4-pro"}, {"reasoning_effort": "max"}),
        (chat("openrouter"), {"thinking": "minimal", "model": "x/y"}, {"reasoning": {"effort": "minimal"}}),
        (chat("openai"), {"thinking": "max", "model": "gpt-5.4"}, {"reasoning_effort": "xhigh"}),
        (ollama, {"thinking": "max"}, {"think": "high"}),
        (claude, {"thinking": "minimal", "model": "claude-opus-5"}, {"output_config": {"effort": "low"}}),
        (
            claude,
            {"thinking": "high", "thinking_display": "omitted", "model": "claude-opus-5"},
            {"thinking": {"type": "adaptive", "display": "omitted"}},
        ),
    ],
)
def test_fields_are_sent_in_each_ones_words(encode: Encoder, fields: dict[str, Any], sent: dict[str, Any]) -> None:
    body = encode(asked(**{"model": "gpt-4o", **fields}))
    assert {key: body.get(key) for key in sent} == sent


@pytest.mark.parametrize("encode", [chat("openai"), chat("groq"), responses, claude, ollama])
def test_only_allowed_tools_may_be_called(encode: Encoder) -> None:
    """By OpenAI's word for it, else by offering no others."""
    body = encode(asked(model="gpt-4o", tools=(Tool("a"), Tool("b")), allowed_tools=("b",)))
    choice = body.get("tool_choice")
    if choice is not None:
        assert choice["type"] == "allowed_tools"
        assert '"b"' in str(choice).replace("'", '"')
        assert '"a"' not in str(choice).replace("'", '"')
    else:
        assert "'a'" not in str(body["tools"])
        assert "'b'" in str(body["tools"])


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"allowed_tools": ("x",)}, "allowed_tools"),
        ({"modalities": ("smell",)}, "modalities"),
        ({"top_logprobs": 99}, "top_logprobs"),
        ({"server_tools": ("web_search",)}, "server_tools"),
        ({"thinking": "much"}, "thinking"),
    ],
)
def test_what_makes_no_sense_is_invalid(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ProviderError, match=named) as caught:
        asked(**fields)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("part", [FilePart(), FilePart(b"a"), FilePart(b"a", "a/b", url="u"), ImagePart(), AudioPart()])
def test_a_part_is_held_in_one_way(part: Part) -> None:
    with pytest.raises(ProviderError, match=r"messages\[0\].content\[0\]"):
        asked(part)

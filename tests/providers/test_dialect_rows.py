"""Dialects as data: where they are spoken, what they are called, how they are asked to think, how docs/ tells them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from providers import registry
from providers.anthropic.endpoints import ENDPOINTS, endpoint_for
from providers.anthropic.provider import AnthropicProvider
from providers.openai.chat_encode import encode
from providers.openai.dialects import DIALECTS, dialect_for, thinking_fields
from providers.openai.provider import OpenAIProvider
from providers.registry import UnknownKind
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, Message, Thinking
from router.config import Diagnostic, load_text
from tests.support import dialect_tables


def settings(kind: str, **fields: Any) -> ProviderSettings:
    return ProviderSettings(name="p", kind=kind, **fields)


def filled(url: str) -> str:
    """A base URL with its places filled in."""
    return re.sub(r"{\w+}", "eu-1", url)


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - {"generic"}))
def test_a_dialect_is_told_by_its_own_base_url(name: str) -> None:
    """Each row's default URL leads back to the row."""
    assert dialect_for(filled(DIALECTS[name].base_url)).name == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.moonshot.cn/v1", "moonshot"),
        ("https://open.bigmodel.cn/api/paas/v4", "zai"),
        ("https://api.minimaxi.com/v1", "minimax"),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "bedrock"),
        ("https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi", "vertex"),
        ("https://models.inference.ai.azure.com", "github"),
        ("https://us.api.openai.com/v1", "openai"),
        ("https://ec2-1-2-3-4.compute.amazonaws.com/v1", "generic"),
        ("https://box.ai/v1", "generic"),
        ("http://192.168.0.3:8000/v1", "generic"),
    ],
)
def test_a_dialect_is_told_by_the_host(url: str, name: str) -> None:
    """A vendor's other hosts are known, and names that only look alike are not taken for it."""
    assert dialect_for(url).name == name


def test_names_lead_to_one_row_each() -> None:
    """No vendor's name stands for two dialects or two endpoints."""
    for rows in (DIALECTS.values(), ENDPOINTS):
        names = [name for row in rows for name in (row.name, *row.also)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        ("gemini", ["kind: openai with base_url: https://generativelanguage.googleapis.com/v1beta/openai"]),
        ("azure", ["kind: openai with base_url: https://{resource}.openai.azure.com/openai/v1"]),
        ("mistral", ["kind: openai with base_url: https://api.mistral.ai/v1"]),
        ("groq", ["kind: openai with base_url: https://api.groq.com/openai/v1"]),
        ("OpenRouter", ["kind: openai with base_url: https://openrouter.ai/api/v1"]),
        ("bedrock", ["kind: openai with base_url", "kind: anthropic with base_url"]),
        ("Z.ai", ["https://api.z.ai/api/paas/v4", "https://api.z.ai/api/anthropic"]),
        ("llama.cpp", ["kind: openai with base_url: http://localhost:8080/v1"]),
        ("openai-compatible", ["kind: openai with the server's base_url"]),
        ("claude", ["kind: anthropic with base_url: https://api.anthropic.com"]),
    ],
)
def test_a_vendor_that_is_no_kind_is_told_with_its_remedy(kind: str, ways: list[str]) -> None:
    """In code and in a file."""
    with pytest.raises(UnknownKind) as caught:
        registry.create(settings(kind))
    told = [diagnostic.message for diagnostic in found_in(f"providers: {{a: {{kind: {kind}}}}}\nroutes: {{r: a/m}}\n")]
    for way in ways:
        assert way in str(caught.value)
        assert any(way in message for message in told)


def found_in(text: str) -> list[Diagnostic]:
    return list(load_text(text).diagnostics)


def test_a_dialect_brings_its_base_url() -> None:
    """So a key is not sent to OpenAI because a URL was left out; a URL with places has to be given."""
    assert OpenAIProvider(settings("openai", options={"dialect": "groq"})).base_url == DIALECTS["groq"].base_url
    assert OpenAIProvider(settings("openai")).base_url == "https://api.openai.com/v1"
    told = found_in("providers: {a: {kind: openai, dialect: azure}}\nroutes: {r: a/m}\n")
    assert "https://{resource}.openai.azure.com" in told[0].message


@pytest.mark.parametrize(
    ("name", "asked", "fields"),
    [
        ("moonshot", "off", {"thinking": {"type": "disabled"}}),
        ("zai", "high", {"thinking": {"type": "enabled"}}),
        ("minimax", "low", {"thinking": {"type": "adaptive"}}),
        ("dashscope", 4000, {"enable_thinking": True, "thinking_budget": 4000}),
        ("dashscope", "off", {"enable_thinking": False}),
        ("sglang", "off", {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("vercel", 4000, {"reasoning": {"max_tokens": 4000}}),
        ("cohere", "low", {"reasoning_effort": "high"}),
        ("huggingface", "low", {"reasoning_effort": "low"}),
    ],
)
def test_thinking_is_asked_for_in_the_dialect_s_form(name: str, asked: Thinking, fields: dict[str, Any]) -> None:
    """As each vendor documents it."""
    assert thinking_fields(DIALECTS[name], asked) == fields


def test_mistral_s_models_have_no_template_to_be_told() -> None:
    """vLLM refuses chat_template_kwargs for them."""
    assert thinking_fields(DIALECTS["vllm"], "high", "mistralai/Magistral-Small") == {"reasoning_effort": "high"}
    assert "chat_template_kwargs" in thinking_fields(DIALECTS["vllm"], "high", "Qwen/Qwen3-8B")


def test_what_a_dialect_always_and_never_sends() -> None:
    """MiniMax is asked to keep reasoning apart; Cohere's endpoint takes no stream_options."""
    request = CompletionRequest(model="m", messages=(Message.user("Hi"),), user="u", max_tokens=5)
    minimax = encode(request, DIALECTS["minimax"], stream=True)
    assert minimax["reasoning_split"] is True
    assert minimax["max_completion_tokens"] == 5
    assert not {"user", "stream_options"} & encode(request, DIALECTS["cohere"], stream=True).keys()


def test_claude_on_vertex_is_asked_in_google_s_form() -> None:
    """The model in the path, the API's version in the body, the key as a bearer token."""
    url = next(row.base_url for row in ENDPOINTS if row.name == "vertex")
    provider = AnthropicProvider(settings("anthropic", base_url=filled(url), api_key="k"))
    request = CompletionRequest(model="claude-sonnet-4-5@20250929", messages=(Message.user("Hi"),))
    path, body = provider.encode(request, stream=True)
    assert path == "/claude-sonnet-4-5@20250929:streamRawPredict"
    assert provider.encode(request, stream=False)[0].endswith(":rawPredict")
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    assert provider.auth_headers()["authorization"] == "Bearer k"


def test_the_key_goes_as_the_endpoint_wants_it() -> None:
    """By the host, unless the options say otherwise."""
    bedrock = filled(next(row.base_url for row in ENDPOINTS if row.name == "bedrock"))
    assert endpoint_for(bedrock).name == "bedrock"

    def headers(**fields: Any) -> dict[str, str]:
        return AnthropicProvider(settings("anthropic", api_key="k", **fields)).auth_headers()

    assert "authorization" in headers(base_url=bedrock)
    assert "x-api-key" in headers(base_url=bedrock, options={"auth": "x-api-key"})
    assert "x-api-key" in headers()


def test_the_documentation_has_the_rows() -> None:
    """`python -m tests.support.dialect_tables` renews its tables."""
    page = dialect_tables.PAGE.read_text()
    assert page == dialect_tables.renewed(page)
    assert all(line in page for line in dialect_tables.chat_table())

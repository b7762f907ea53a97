"""How the three clouds are told who asks, at their OpenAI- and Anthropic-shaped endpoints."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers import CompletionRequest, Message, ProviderSettings, registry
from providers.sources import Issued
from providers.types import Timeout

OPENAI = {"choices": [{"index": 0, "message": {"content": "well"}, "finish_reason": "stop"}]}
ANTHROPIC = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "well"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"
AZURE = "https://res.openai.azure.com/openai/v1"
CLASSIC = "https://res.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21"
FOUNDRY = "https://res.services.ai.azure.com/anthropic"
GOOGLE = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"
AWS = "https://bedrock-runtime.us-east-1.amazonaws.com"


class Given:
    name = "a test"
    shape = "a test"

    def __init__(self, issued: Issued) -> None:
        self.issued = issued

    async def fetch(self) -> Issued:
        return self.issued


async def sent(kind: str, url: str, **who: Any) -> httpx.Request:
    """The request that a provider sends."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=OPENAI if kind == "openai" else ANTHROPIC)

    options = {"transport": httpx.MockTransport(answer), "api": "chat"}
    off = Timeout(first_token=None, idle=None, answer=None, total=None)
    made = registry.create(ProviderSettings(name="a", kind=kind, base_url=url, options=options, timeout=off, **who))
    reply = await made.complete(CompletionRequest(model="m", messages=(Message.user("Hi"),), max_tokens=5))
    assert reply.text == "well"
    [request] = requests
    return request


TOKEN, KEY = Issued(token="t0ken", bearer=True), Issued(token="plainkey0123456789")


@pytest.mark.parametrize(
    ("kind", "url", "who", "header", "path"),
    [
        ("openai", AZURE, TOKEN, ("authorization", "Bearer t0ken"), "/openai/v1/chat/completions"),
        ("openai", AZURE, Issued(token=JWT), ("authorization", f"Bearer {JWT}"), "/openai/v1/chat/completions"),
        ("openai", AZURE, KEY, ("api-key", KEY.token), "/openai/v1/chat/completions"),
        ("openai", CLASSIC, TOKEN, ("authorization", "Bearer t0ken"), "/openai/deployments/gpt/chat/completions"),
        ("anthropic", FOUNDRY, TOKEN, ("authorization", "Bearer t0ken"), "/anthropic/v1/messages"),
        ("anthropic", FOUNDRY, KEY, ("x-api-key", KEY.token), "/anthropic/v1/messages"),
        ("openai", f"{GOOGLE}/endpoints/openapi", TOKEN, ("authorization", "Bearer t0ken"), "/chat/completions"),
        (
            "anthropic",
            f"{GOOGLE}/publishers/anthropic/models",
            TOKEN,
            ("authorization", "Bearer t0ken"),
            "/m:rawPredict",
        ),
        ("openai", f"{AWS}/openai/v1", KEY, ("authorization", f"Bearer {KEY.token}"), "/openai/v1/chat/completions"),
        ("anthropic", f"{AWS}/anthropic", KEY, ("authorization", f"Bearer {KEY.token}"), "/anthropic/v1/messages"),
    ],
)
async def test_a_token_goes_where_its_endpoint_looks_for_it(
    kind: str, url: str, who: Issued, header: tuple[str, str], path: str
) -> None:
    request = await sent(kind, url, credential=Given(who))
    name, value = header
    assert request.headers[name] == value
    others = {"authorization", "api-key", "x-api-key"} - {name}
    assert not others & set(request.headers)
    assert request.url.path.endswith(path)


@pytest.mark.parametrize(
    ("kind", "url", "key", "header"),
    [
        ("openai", AZURE, "plainkey0123456789", "api-key"),
        ("openai", AZURE, JWT, "authorization"),
        ("openai", "https://api.openai.com/v1", "sk-x", "authorization"),
        ("anthropic", "https://api.anthropic.com", JWT, "x-api-key"),
        ("anthropic", FOUNDRY, "plainkey0123456789", "x-api-key"),
    ],
)
async def test_a_key_of_the_file_goes_as_ever(kind: str, url: str, key: str, header: str) -> None:
    request = await sent(kind, url, api_key=key)
    assert key in request.headers[header]


async def test_a_login_in_the_address_gives_way_to_a_credential() -> None:
    request = await sent("openai", "https://user:word@gateway.example/v1", credential=Given(TOKEN))
    assert request.headers["authorization"] == "Bearer t0ken"


def test_one_or_the_other() -> None:
    with pytest.raises(ValueError, match="either an api_key or a credential"):
        ProviderSettings(name="a", kind="openai", api_key="k", credential=Given(TOKEN))

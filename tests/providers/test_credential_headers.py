"""A key belongs to one provider: headers that authenticate never go along with one call, whoever answers it."""

from __future__ import annotations

import httpx
import pytest

from providers import CompletionRequest, FakeProvider, Message, ProviderError, ProviderSettings, registry
from providers.errors import ErrorCode
from router import Router
from router.config import load_text
from router.testing import run
from tests.support.sending import CHAT, sent

NAMES = [
    *("Authorization", "authorization", "AUTHORIZATION", " Authorization", "Authorization ", "Author\tization"),
    *("x-api-key", "X-API-Key", "x_api_key", "api-key", "Api_Key", "apikey", "x-goog-api-key", "Cookie", "cookie2"),
    *("Proxy-Authorization", "X-Auth-Token", "Ocp-Apim-Subscription-Key", "X-Amz-Security-Token"),
    *("CF-Access-Client-Secret", "x-litellm-api-key", "X-Forwarded-Access-Token", "x-functions-key"),
    *("Helicone-Auth", "X-Auth", "X-Token", "token", "key", "Private-Token", "X-Vault-Token", "x-litellm-key"),
]
FRAMING = ["Content-Length", "transfer_encoding", "HOST", "Connection ", "TE", "Upgrade", "Expect", "Trailer"]
HARMLESS = [
    "X-Trace",
    "Idempotency-Key",
    "OpenAI-Organization",
    "anthropic-beta",
    "HTTP-Referer",
    "X-Title",
    "helicone-id",
    "X-CSRF-Token",
    "continuation-token",
    "x-author",
]
KEY = "sk-of-another-vendor-123456"


@pytest.mark.parametrize("name", NAMES + FRAMING)
@pytest.mark.parametrize("spoken", ["openai", "anthropic", "ollama"])
async def test_a_call_cannot_bring_them(spoken: str, name: str) -> None:
    """They are refused before anything is sent, and the value shows nowhere."""
    with pytest.raises(ProviderError) as caught:
        await sent(spoken, extra_headers={name: KEY})
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert KEY not in f"{caught.value!r}"


@pytest.mark.parametrize("name", NAMES + FRAMING)
@pytest.mark.parametrize("streamed", [False, True])
def test_no_vendor_of_a_chain_gets_them(name: str, streamed: bool) -> None:
    """A router refuses the request as a whole: no vendor is called, and none counts it."""
    fakes = {vendor: FakeProvider.scripted(name=vendor) for vendor in "ab"}
    text = "providers: {a: {kind: fake}, b: {kind: fake}}\nroutes: {chat: {targets: [a/m], fallbacks: [b/m]}}\n"

    async def story() -> ProviderError:
        router = Router.from_text(text, env={}, providers=fakes)
        with pytest.raises(ProviderError) as caught:
            if streamed:
                async with router.stream("chat", "hi", extra_headers={name: KEY}) as stream:
                    [chunk async for chunk in stream]
            else:
                await router.complete("chat", "hi", extra_headers={name: KEY})
        return caught.value

    error = run(story())
    assert error.code is ErrorCode.INVALID_REQUEST
    assert [fake.requests for fake in fakes.values()] == [[], []]


async def test_the_error_says_where_a_key_belongs() -> None:
    with pytest.raises(ProviderError, match="api_key"):
        await sent("openai", extra_headers={"Authorization": f"Bearer {KEY}"})


@pytest.mark.parametrize("name", HARMLESS)
async def test_others_are_sent(name: str) -> None:
    assert (await sent("openai", extra_headers={name: "1"})).reply.text == "hi"


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_a_provider_may_have_its_own(name: str) -> None:
    """What the file says of one provider is sent to that one, once, in the place of what its kind would send."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=CHAT)

    options = {"transport": httpx.MockTransport(handle), "max_retries": 0}
    settings = ProviderSettings(
        name="p", kind="openai", api_key="sk-unused-12345", headers={name: "Basic x"}, options=options
    )
    await registry.create(settings).complete(CompletionRequest(model="m", messages=(Message.user("Hi"),)))
    assert seen[0].headers.get_list("authorization") == ["Basic x"]


@pytest.mark.parametrize("name", [name.strip() for name in FRAMING])
def test_the_file_is_told_with_its_place(name: str) -> None:
    text = (
        f"providers:\n  a:\n    kind: openai\n    headers:\n      X-Ok: '1'\n      {name}: x\nroutes: {{chat: a/m}}\n"
    )
    loaded = load_text(text, env={})
    assert [(found.line, found.column, found.severity) for found in loaded.diagnostics] == [(6, 7, "error")]
    assert name in loaded.diagnostics[0].message


def test_params_of_the_file_cannot_bring_them() -> None:
    model = "m: {provider: a, id: m, params: {extra_headers: {x-api-key: k}}}"
    text = f"providers: {{a: {{kind: openai}}}}\nmodels:\n  {model}\nroutes: {{chat: m}}\n"
    assert [(found.line, found.column) for found in load_text(text, env={}).diagnostics] == [(3, 52)]


def test_a_file_may_give_a_provider_its_authorization() -> None:
    text = "providers: {a: {kind: openai, headers: {Authorization: 'Basic x'}}}\nroutes: {chat: a/m}\n"
    assert load_text(text, env={}).diagnostics == ()

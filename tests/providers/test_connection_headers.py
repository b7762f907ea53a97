"""Headers that belong to the connection cannot be set by a request or by a file."""

from __future__ import annotations

import httpx
import pytest

from providers import CompletionRequest, Message, ProviderError, ProviderSettings, registry
from providers.errors import ErrorCode
from tests.support.sending import CHAT, sent

NAMES = ["Content-Length", "content-length", "Transfer-Encoding", "Host", "Connection", "Upgrade", "TE", "Keep-Alive"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_request_cannot_set_them(name: str) -> None:
    """A length of its own would smuggle a second request behind the first."""
    with pytest.raises(ProviderError) as caught:
        await sent("openai", extra_headers={name: "1"})
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert name in caught.value.message


@pytest.mark.parametrize("name", NAMES)
async def test_settings_cannot_set_them(name: str) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=CHAT))
    options = {"transport": transport, "max_retries": 0}
    provider = registry.create(ProviderSettings(name="p", kind="openai", headers={name: "1"}, options=options))
    with pytest.raises(ProviderError) as caught:
        await provider.complete(CompletionRequest(model="m", messages=(Message.user("Hi"),)))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert name in caught.value.message


async def test_others_are_sent() -> None:
    assert (await sent("openai", extra_headers={"X-Trace": "1"})).reply.text == "hi"

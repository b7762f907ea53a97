"""Grok's conversations are taken to their cache by a header, in Responses by the key; nobody else gets the header."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers import CompletionRequest, Message, ProviderSettings
from providers.openai.provider import OpenAIProvider

HEADER = "x-grok-conv-id"
CHAT = {"choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
RESPONSES = {
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}],
}


class Vendor:
    """Remembers the last request."""

    def __init__(self, dialect: str = "xai", **options: Any) -> None:
        self.seen: httpx.Request | None = None
        options |= {"dialect": dialect, "transport": httpx.MockTransport(self.answer)}
        settings = ProviderSettings(name="p", kind="openai", api_key="sk-0123456789", options=options)
        self.provider = OpenAIProvider(settings)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen = request
        return httpx.Response(200, json=RESPONSES if request.url.path.endswith("/responses") else CHAT)

    async def ask(self, *messages: Message, **fields: Any) -> httpx.Request:
        fields.setdefault("prompt_cache", "auto")
        await self.provider.complete(CompletionRequest(model="grok-4.6", messages=messages, **fields))
        assert self.seen is not None
        return self.seen


async def test_all_turns_of_a_conversation_have_one_header() -> None:
    vendor = Vendor()
    talk = [Message.system("s"), Message.user("a")]
    first = (await vendor.ask(*talk)).headers[HEADER]
    later = await vendor.ask(*talk, Message.assistant("b"), Message.user("c"))
    assert later.headers[HEADER] == first
    assert b"prompt_cache_key" not in later.content
    assert (await vendor.ask(Message.system("s"), Message.user("other"))).headers[HEADER] != first
    assert (await vendor.ask(Message.user("b"), affinity="x")).headers[HEADER] == (
        await vendor.ask(Message.user("c"), affinity="x")
    ).headers[HEADER]


@pytest.mark.parametrize("off", [None, "off"])
async def test_who_asks_for_no_cache_sends_none(off: Any) -> None:
    assert HEADER not in (await Vendor().ask(Message.user("a"), prompt_cache=off)).headers


async def test_the_callers_own_goes_before() -> None:
    sent = await Vendor().ask(Message.user("a"), extra_headers={"X-Grok-Conv-Id": "mine"})
    assert sent.headers.get_list(HEADER) == ["mine"]


async def test_in_responses_it_is_the_key() -> None:
    sent = await Vendor(api="responses").ask(Message.user("a"))
    assert HEADER not in sent.headers
    assert b"prompt_cache_key" in sent.content


@pytest.mark.parametrize("dialect", ["openai", "groq", "openrouter", "generic"])
async def test_others_never_see_it(dialect: str) -> None:
    assert HEADER not in (await Vendor(dialect).ask(Message.user("a"))).headers

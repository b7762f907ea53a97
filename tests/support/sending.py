"""What a provider sends for a request, and what it makes of the answer; no network."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx

from providers import CompletionRequest, Message, ProviderSettings, registry
from providers.base import Provider
from providers.types import CompletionResponse, StreamChunk

CHAT = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
MESSAGE = {"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
RESPONSE = {
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}],
}
LINE = {"message": {"content": "hi"}, "done": True, "done_reason": "stop"}


class Sent(NamedTuple):
    """The body that went out, the answer, and its chunks where it was streamed."""

    body: dict[str, Any]
    reply: CompletionResponse
    chunks: list[StreamChunk]


def speaker(spoken: str, answer: Any = None) -> tuple[Provider, list[httpx.Request]]:
    """A provider of a kind or dialect whose vendor answers every request alike, and the requests that it got."""
    seen: list[httpx.Request] = []
    kind = spoken if spoken in ("anthropic", "ollama") else "openai"
    options = {"dialect": spoken} if kind == "openai" else {}

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(answer, str):
            return httpx.Response(200, text=answer, headers={"content-type": "text/event-stream"})
        usual = {"anthropic": MESSAGE, "ollama": LINE}.get(kind, CHAT)
        if request.url.path.endswith("/responses"):
            usual = RESPONSE
        return httpx.Response(200, json=answer or usual)

    given = {**options, "transport": httpx.MockTransport(handle), "max_retries": 0}
    return registry.create(
        ProviderSettings(name="p", kind=kind, base_url="https://vendor.test/v1", options=given)
    ), seen


async def sent(spoken: str, answer: Any = None, *, stream: bool = False, **fields: Any) -> Sent:
    """Ask a vendor by the name of its kind or dialect."""
    provider, seen = speaker(spoken, answer)
    fields = {"model": "m", "messages": (Message.user("Hi"),), **fields}
    request = CompletionRequest(**fields)
    chunks: list[StreamChunk] = []
    if stream:
        async with provider.stream(request) as answered:
            chunks = [chunk async for chunk in answered]
            reply = answered.response
    else:
        reply = await provider.complete(request)
    return Sent(json.loads(seen[-1].content), reply, chunks)

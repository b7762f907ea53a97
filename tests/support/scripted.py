"""A vendor that answers by a script: what a provider sends is seen, what it makes of each answer is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from providers import CompletionRequest, CompletionResponse, Message, ProviderError, ProviderSettings, registry
from providers.base import Provider

Answer = httpx.Response | Callable[[dict[str, Any]], httpx.Response]


class Vendor:
    """One provider of a kind, and the bodies that it sent. The script's last answer goes on for ever.

    Args:
        kind: of provider.
        script: the answers, each a response or a function of the request's body.
        settings: further ones of the provider, `options` among them.
    """

    def __init__(self, kind: str, *script: Answer, **settings: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self._script = list(script)
        options = {**settings.pop("options", {}), "transport": httpx.MockTransport(self._answer), "max_retries": 0}
        self.provider: Provider = registry.create(ProviderSettings(name="p", kind=kind, options=options, **settings))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.sent.append(body)
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if callable(answer):
            return answer(body)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    async def ask(self, *, stream: bool = False, **fields: Any) -> CompletionResponse:
        """The whole answer, or its error."""
        request = CompletionRequest(**{"model": "m", "messages": (Message.user("hi"),), **fields})
        if not stream:
            return await self.provider.complete(request)
        async with self.provider.stream(request) as chunks:
            async for _ in chunks:
                pass
            return chunks.response

    async def fails(self, *, stream: bool = False, **fields: Any) -> ProviderError:
        """The error that a call ends in."""
        try:
            answer = await self.ask(stream=stream, **fields)
        except ProviderError as error:
            return error
        raise AssertionError(f"it was answered: {answer}")


def sse(*events: Any) -> httpx.Response:
    """A stream of events; a string stands as it is."""
    text = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def refusal(message: str, status: int = 400, **more: Any) -> httpx.Response:
    """An error in OpenAI's form."""
    return httpx.Response(status, json={"error": {"message": message, **more}})

"""Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from providers.errors import ProviderError
from providers.types import CompletionRequest, CompletionResponse
from providers.wire import anthropic_messages as wire
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter, event
from router.gateway.faces.face import Face, Protocol, Thinking


class AnthropicMessages(Face):
    name = "messages"
    protocol: ClassVar[Protocol | None] = "anthropic.messages"
    keepalive = event({"type": "ping"}, "ping")
    counts_first = True  # clients show it, and make their conversation shorter by it

    def read(self, body: Body) -> CompletionRequest:
        return wire.read_request(body)

    def wants_stream(self, body: Body) -> bool:
        return wire.wants_stream(body)

    def plain(self, body: Body, response: CompletionResponse, head: Head, seconds: float) -> dict[str, Any]:
        return wire.render_response(response, head)

    def writer(self, body: Body, head: Head, thinking: Thinking) -> StreamWriter:
        return wire.MessagesStreamWriter(head, thinking)

    def error(self, error: ProviderError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error, request_id)

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        return {"x-request-id": request_id, "request-id": request_id}

"""OpenAI's older completions: one prompt, asked as a message."""

from __future__ import annotations

from typing import Any

from providers.errors import ProviderError
from providers.types import CompletionRequest, CompletionResponse
from providers.wire import openai_completions as wire
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter
from router.gateway.faces.face import Face, Thinking


class OpenAICompletions(Face):
    name = "completions"

    def read(self, body: Body) -> CompletionRequest:
        return wire.read_request(body)

    def wants_stream(self, body: Body) -> bool:
        return wire.wants_stream(body)

    def plain(self, body: Body, response: CompletionResponse, head: Head, seconds: float) -> dict[str, Any]:
        return wire.render_response(response, head)

    def writer(self, body: Body, head: Head, thinking: Thinking) -> StreamWriter:
        return wire.CompletionStreamWriter(head, usage=wire.wants_usage(body))

    def error(self, error: ProviderError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error)

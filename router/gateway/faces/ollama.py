"""Ollama's chat and generate."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec.structs import replace

from providers.errors import ProviderError
from providers.types import CompletionRequest, CompletionResponse
from providers.wire import ollama_chat as wire
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter
from router.gateway.faces.face import Face, Protocol, Thinking


class OllamaChat(Face):
    """Nothing breaks the silence of its streams: ollama-python reads every line as JSON."""

    name = "ollama"
    protocol: ClassVar[Protocol | None] = "ollama.chat"
    keepalive = b""
    keeps_name = True  # clients compare it
    stream_type = "application/x-ndjson"
    generate: ClassVar[bool] = False

    def read(self, body: Body) -> CompletionRequest:
        return wire.read_request(body)

    def wants_stream(self, body: Body) -> bool:
        return wire.wants_stream(body)

    def plain(self, body: Body, response: CompletionResponse, head: Head, seconds: float) -> dict[str, Any]:
        return wire.render_response(response, head, seconds=seconds, generate=self.generate)

    def writer(self, body: Body, head: Head, thinking: Thinking) -> StreamWriter:
        return wire.OllamaStreamWriter(head, generate=self.generate)

    def error(self, error: ProviderError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error)

    def without_model(self, body: Body, head: Head) -> dict[str, Any] | None:
        if not wire.is_load(body, generate=self.generate):
            return None
        told = replace(head, model=self.model_told(body, ""))
        return wire.render_load(told, generate=self.generate, asked=body)


class OllamaGenerate(OllamaChat):
    name = "generate"
    protocol: ClassVar[Protocol | None] = None
    generate = True

    def read(self, body: Body) -> CompletionRequest:
        return wire.read_generate_request(body)

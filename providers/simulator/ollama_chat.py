"""Ollama's chat as the simulated vendor speaks it: its errors and small endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from providers.errors import ErrorCode, ProviderError
from providers.simulator.dialect import Answer, Dialect, Frame, seconds_of
from providers.simulator.refusals import check_ollama
from providers.simulator.vendor import ErrorKind, VendorKnobs
from providers.types import CompletionRequest, CompletionResponse
from providers.wire import ollama_chat as wire
from providers.wire.writing import Head, StreamWriter, encode

FAULTS: dict[ErrorKind, str] = {
    "server_error": "an error was encountered while running the model",
    "bad_gateway": "cloud model is unreachable",
    "overloaded": "server busy, please try again.  maximum pending requests exceeded",
    "timeout504": "timed out waiting for the model to load",
    "rate_limited": "too many requests, rate limit reached",
    "quota": "you have used up your cloud quota",
    "authentication": "unauthorized",
    "permission": "this model requires a subscription",
    "model_not_found": "model '{model}' not found",
    "context_length": "the input length exceeds the context length",
    "content_filtered": "prompt blocked by content filter",
    "invalid_request": "invalid think value",
}
MODELS = ("llama3.2:3b", "qwen3:8b")


class OllamaChat(Dialect):
    chat = "/api/chat"
    faults = FAULTS
    whole_calls = True

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], knobs: VendorKnobs) -> CompletionRequest:
        request = wire.read_request(body)
        check_ollama(body, request, knobs)
        return request

    def wants_stream(self, body: Mapping[str, Any]) -> bool:
        return wire.wants_stream(body)

    def plain(
        self, body: Mapping[str, Any], request: CompletionRequest, response: CompletionResponse, head: Head
    ) -> dict[str, Any]:
        if not request.messages:
            return wire.render_load(head)
        return wire.render_response(response, head, seconds=seconds_of(response.usage))

    def writer(self, body: Mapping[str, Any], head: Head, answer: Answer) -> StreamWriter:
        return wire.OllamaStreamWriter(head)

    def frames(self, request: CompletionRequest, writer: StreamWriter, answer: Answer, ident: str) -> Iterator[Frame]:
        if not request.messages:
            return iter([Frame(encode(wire.render_load(writer.head)) + b"\n", False)])
        return super().frames(request, writer, answer, ident)

    def render_error(self, error: ProviderError, ident: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error)

    def not_found(self, method: str, path: str) -> ProviderError:
        return ProviderError(ErrorCode.INVALID_REQUEST, f"path {path!r} not found")

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        return {}  # the vendor sends neither ids nor limits

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) == ("GET", "/api/version"):
            return {"version": "0.12.6"}
        if (method, path) != ("GET", "/api/tags"):
            return None
        modified = "2026-01-31T12:00:00Z"
        listed = [{"name": name, "model": name, "modified_at": modified, "size": 2_019_393_189} for name in MODELS]
        return {"models": listed}

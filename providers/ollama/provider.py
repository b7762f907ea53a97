"""Ollama's own protocol: unlike its imitation of OpenAI's, it tells errors in mid-stream and takes `num_ctx`."""

from __future__ import annotations

from typing import Any, ClassVar

from providers.embeddings import EmbeddingRequest, EmbeddingResponse
from providers.http_embeddings import HttpEmbeddings
from providers.ollama import chat, embeddings
from providers.schemas.rules import OLLAMA, VendorSchemas
from providers.transport.lines import NDJSONDecoder
from providers.types import CompletionRequest, CompletionResponse, ModelCapabilities, WireProtocol


class OllamaProvider(HttpEmbeddings):
    """Chat, and embeddings. Options: `num_ctx`, `keep_alive` (seconds, or `5m`), `options` with any of the server's
    own, and `think_tags` (true takes `<think>…</think>` out of the text of servers and models that leave it there).

    A key is sent as a bearer token; a local server needs none.
    """

    default_base_url: ClassVar[str] = "http://127.0.0.1:11434"
    models_path = "/api/tags"
    line_decoder = NDJSONDecoder
    whole_types = frozenset({"text/html"})  # a whole JSON answer is a line as well, and some proxies name lines JSON

    @property
    def _think_tags(self) -> bool:
        return bool(self.settings.options.get("think_tags"))

    def key_headers(self, key: str, *, bearer: bool = False) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"}

    @property
    def schema_rules(self) -> VendorSchemas:
        return OLLAMA

    def keeps_files(self, request: CompletionRequest) -> bool:
        return False

    def wire(self, request: CompletionRequest) -> WireProtocol | None:
        return None if self._think_tags else "ollama.chat"

    def placed(self, body: dict[str, Any], request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        return "/api/chat", body

    def encode(self, request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        body = chat.encode(request, stream=stream, provider=self.name, options=self.settings.options)
        return "/api/chat", body

    def decode(self, body: Any, request: CompletionRequest, request_id: str | None) -> CompletionResponse:
        return chat.decode(body, request, provider=self.name, request_id=request_id, think_tags=self._think_tags)

    def stream_decoder(self, request: CompletionRequest, request_id: str | None) -> chat.ChatStreamDecoder:
        return chat.ChatStreamDecoder(self.name, request, request_id, think_tags=self._think_tags)

    def encode_embedding(self, request: EmbeddingRequest) -> tuple[str, dict[str, Any]]:
        return "/api/embed", embeddings.encode(request, self.settings.options)

    def decode_embedding(self, body: Any, request: EmbeddingRequest) -> EmbeddingResponse:
        return embeddings.decode(body, request)

    def capabilities(self, model: str) -> ModelCapabilities:
        return ModelCapabilities(json_mode=True, json_schema=True, streaming=True)

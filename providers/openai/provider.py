"""OpenAI, and every server that speaks its chat completions protocol."""

from __future__ import annotations

from typing import Any, ClassVar

from providers.http_provider import HttpProvider
from providers.openai import chat
from providers.openai.dialects import dialect_for
from providers.settings import ProviderSettings
from providers.transport.lines import SSEDecoder
from providers.types import CompletionRequest, CompletionResponse


class OpenAIProvider(HttpProvider):
    """Chat completions. `options.dialect` names the dialect where the base URL does not tell it.

    Raises:
        ValueError: `options.dialect` is not a known dialect.
    """

    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    line_decoder = SSEDecoder

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self.dialect = dialect_for(self.base_url, settings.options.get("dialect"))

    def auth_headers(self) -> dict[str, str]:
        key = self.settings.secret
        if not key:
            return {}
        if self.dialect.key_header is not None:
            return {self.dialect.key_header: key}
        return {"authorization": f"Bearer {key}"}

    def encode(self, request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        return "/chat/completions", chat.encode(request, self.dialect, stream=stream, provider=self.name)

    def decode(self, body: Any, request: CompletionRequest, request_id: str | None) -> CompletionResponse:
        return chat.decode(body, provider=self.name, model=request.model, request_id=request_id)

    def stream_decoder(self, request: CompletionRequest, request_id: str | None) -> chat.ChatStreamDecoder:
        return chat.ChatStreamDecoder(self.name, request.model, request_id)

"""What asks for vectors and ranks. Each is a face for its errors, its name and its ids; the rest is in
`router.gateway.embedding`.
"""

from __future__ import annotations

from typing import Any

from providers.errors import ProviderError
from router.gateway.faces.ollama import OllamaChat
from router.gateway.faces.openai_chat import OpenAIChat


class OpenAIEmbeddings(OpenAIChat):
    name = "embeddings"


class OllamaEmbed(OllamaChat):
    name = "embed"
    old = False


class OllamaEmbeddings(OllamaEmbed):
    name = "old_embeddings"
    old = True


class Rerank(OpenAIChat):
    """Cohere's clients read `message`, all others OpenAI's errors."""

    name = "rerank"

    def error(self, error: ProviderError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        status, headers, body = super().error(error, request_id)
        return status, headers, {"message": body["error"]["message"], **body}

"""OpenAI, and every server that speaks its protocols: chat completions, and Responses where that serves better."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from providers import catalog
from providers.embeddings import (
    AnyRequest,
    EmbeddingLimits,
    EmbeddingRequest,
    EmbeddingResponse,
    RerankRequest,
    RerankResponse,
)
from providers.errors import ProviderError
from providers.header_names import is_token
from providers.http_embeddings import HttpEmbeddings
from providers.lenient_json import as_dict
from providers.native import without_thinking
from providers.openai import chat_decode as chat
from providers.openai import embeddings
from providers.openai import responses_decode as responses
from providers.openai.dialects import dialect_for, model_capabilities, needs_responses
from providers.openai.embedding_rows import limits, row_for
from providers.openai.more_fields import runs
from providers.openai.parts import keeps_files
from providers.openai.responses_encode import encode as encode_responses
from providers.prompt_cache import conversation, is_on
from providers.schemas.rules import BY_DIALECT, GENERIC, VendorSchemas
from providers.server_tools import has, in_own_words
from providers.settings import ProviderSettings
from providers.stream_reading import StreamDecoder
from providers.transport.lines import SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, ModelCapabilities, ServerTool, WireProtocol
from providers.vectors import of_base64

if TYPE_CHECKING:
    pass

_STALE = re.compile(r"(?i)encrypted content .{0,80}could not be (?:verified|decrypted)")


class OpenAIProvider(HttpEmbeddings):
    """Chat completions and Responses, embeddings, and reranking where the server has it.

    Options: `dialect` (where the base URL does not tell it; without a base URL it tells that), `api` ("chat" or
    "responses"; otherwise chosen per request: Responses for OpenAI's models that chat completions cannot serve),
    `reasoning_summary` ("auto", "concise", "detailed"; Responses only), `think_tags` (true takes `<think>…</think>` out
    of the text of local servers).

    Raises:
        ValueError: `dialect` or `api` is not one of the known ones.
    """

    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    line_decoder = SSEDecoder

    def __init__(self, settings: ProviderSettings) -> None:
        named = settings.options.get("dialect")
        if named is not None and settings.base_url is None:  # the key of one vendor is not for another's host
            usual = dialect_for("", named).base_url
            settings = dataclasses.replace(settings, base_url=None if "{" in usual else usual)
        super().__init__(settings)
        self.dialect = dialect_for(self.base_url, named)
        self.cache_header = self.dialect.cache_header
        self.cost_header = "x-litellm-response-cost" if self.dialect.name == "litellm" else None
        self._embeddings = row_for(self.dialect.name, self.base_url)
        self._think_tags = bool(settings.options.get("think_tags"))
        self._api: str | None = settings.options.get("api")
        if self._api not in (None, "chat", "responses"):
            raise ValueError(f'options.api is "chat" or "responses", not {self._api!r}')
        if self._api is None and (not self.dialect.openai_models or "/deployments/" in self.base_url):
            self._api = "chat"  # Azure's classic deployments have no Responses API below them

    def key_headers(self, key: str, *, bearer: bool = False) -> dict[str, str]:
        if self.dialect.key_header is not None and not bearer and not is_token(key):
            return {self.dialect.key_header: key}
        return {"authorization": f"Bearer {key}"}

    @property
    def schema_rules(self) -> VendorSchemas:
        return BY_DIALECT.get(self.dialect.name, GENERIC)

    def encode(self, request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        if not self._by_responses(request):
            return "/chat/completions", chat.encode(request, self.dialect, stream=stream, provider=self.name)
        summary = self.settings.options.get("reasoning_summary")
        body = encode_responses(request, self.dialect, stream=stream, provider=self.name, summary=summary)
        return "/responses", body

    def headers_of(self, request: AnyRequest) -> dict[str, str]:
        own, name = super().headers_of(request), self.cache_header
        if name is None or not isinstance(request, CompletionRequest) or not is_on(request.prompt_cache):
            return own
        return own if self._by_responses(request) else {name: conversation(request), **own}

    def runs(self, tool: ServerTool, request: CompletionRequest) -> bool:
        if self._by_responses(request):
            return has(tool, "openai.responses", request.model)
        return runs(tool, request, self.dialect)

    def keeps_files(self, request: CompletionRequest) -> bool:
        return self._by_responses(request) or keeps_files(self.dialect)

    def wire(self, request: CompletionRequest) -> WireProtocol | None:
        if self._by_responses(request):
            return "openai.responses"
        return None if self._think_tags or self._says_otherwise(request) else "openai.chat"

    def _says_otherwise(self, request: CompletionRequest) -> bool:
        """Whether a client's own chat asks for a tool of the vendor's in another vendor's words."""
        native = request.native
        if not request.server_tools or native is None or native.protocol != "openai.chat":
            return False
        name, model = self.dialect.name, request.model
        return not all(in_own_words(tool, name, model, native.body) for tool in request.server_tools)

    def placed(self, body: dict[str, Any], request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        if self._by_responses(request):
            return "/responses", body
        if stream and "stream_options" not in self.dialect.never:
            body["stream_options"] = {**as_dict(body.get("stream_options")), "include_usage": True}
        return "/chat/completions", body

    def without_rejected_fields(self, request: CompletionRequest, error: ProviderError) -> CompletionRequest | None:
        """Sealed reasoning is bound to the key, or to its organisation."""
        stale = error.vendor_code == "invalid_encrypted_content" or _STALE.search(error.message)
        return without_thinking(request) if stale and self._by_responses(request) else None

    def decode(self, body: Any, request: CompletionRequest, request_id: str | None) -> CompletionResponse:
        if self._by_responses(request):
            return responses.decode(body, provider=self.name, model=request.model, request_id=request_id)
        return chat.decode(
            body, provider=self.name, model=request.model, request_id=request_id, think_tags=self._think_tags
        )

    def stream_decoder(self, request: CompletionRequest, request_id: str | None) -> StreamDecoder:
        if self._by_responses(request):
            return responses.ResponsesStreamDecoder(self.name, request.model, request_id)
        return chat.ChatStreamDecoder(self.name, request.model, request_id, think_tags=self._think_tags)

    def embedding_limits(self, model: str) -> EmbeddingLimits:
        return limits(model, self._embeddings)

    def encode_embedding(self, request: EmbeddingRequest) -> tuple[str, dict[str, Any]]:
        return embeddings.encode(request, self._embeddings, user="user" not in self.dialect.never)

    def decode_embedding(self, body: Any, request: EmbeddingRequest) -> EmbeddingResponse:
        return embeddings.decode(body, request)

    def parsed(self, data: bytes, request: EmbeddingRequest | RerankRequest) -> Any:
        quickly = of_base64(data) if self._embeddings.base64 and isinstance(request, EmbeddingRequest) else None
        return super().parsed(data, request) if quickly is None else quickly

    def encode_rerank(self, request: RerankRequest) -> tuple[str, dict[str, Any]]:
        return embeddings.encode_rerank(request, self._embeddings)

    def decode_rerank(self, body: Any, request: RerankRequest) -> RerankResponse:
        return embeddings.decode_rerank(body, request, self._embeddings)

    def encode_count(self, request: CompletionRequest) -> tuple[str, dict[str, Any]] | None:
        if self.dialect.name != "openai" and self._api != "responses":
            return None
        body = encode_responses(replace(request, stop=()), self.dialect, stream=False, provider=self.name)
        counted = ("model", "input", "tools", "tool_choice", "text", "reasoning", "parallel_tool_calls")
        return "/responses/input_tokens", {key: value for key, value in body.items() if key in counted}

    def capabilities(self, model: str) -> ModelCapabilities:
        rules = model_capabilities(model) if self.dialect.openai_models else ModelCapabilities(streaming=True)
        return catalog.known(self.base_url, model, rules)

    def _by_responses(self, request: CompletionRequest) -> bool:
        if self._api is not None:
            return self._api == "responses"
        if request.stop:
            return False  # the Responses API has no stop sequences
        if request.native is not None and request.native.protocol == "openai.responses":
            return True
        if request.server_tools and "-search" not in request.model:  # chat completions have none
            return any(has(tool, "openai.responses", request.model) for tool in request.server_tools)
        return needs_responses(request.model, request.thinking, tools=bool(request.tools))

"""Anthropic, and every server that speaks its Messages protocol."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from msgspec.structs import replace

from providers import catalog
from providers.anthropic import models
from providers.anthropic.blocks import names_files
from providers.anthropic.decode import MessagesStreamDecoder, decode
from providers.anthropic.encode import PLACE, PLAIN_MAX_TOKENS, encode
from providers.anthropic.endpoints import endpoint_for
from providers.errors import ErrorCode, ProviderError
from providers.http_provider import HttpProvider
from providers.native import without_thinking
from providers.schemas.rules import ANTHROPIC, VendorSchemas
from providers.server_tools import has
from providers.settings import ProviderSettings
from providers.stream_reading import LineDecoder
from providers.transport.event_stream import EventStreamDecoder
from providers.transport.lines import SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, ModelCapabilities, ServerTool, WireProtocol

if TYPE_CHECKING:
    from providers.transport.response import HttpResponse

# The version that every compatible server knows, and that keeps sampling for the models that take it.
DEFAULT_VERSION = "2023-06-01"
_FILES = "files-api-2025-04-14"  # without it some endpoints know no ids of files
_STALE = re.compile(r"bound to a different conversation|(?i:invalid `?signature`? in `?thinking)|cannot be modified")


class AnthropicProvider(HttpProvider):
    """Messages. Options: `version` (of the API, a date), `betas` (a list), `auth` (`bearer` or `x-api-key`; otherwise
    by the host), `endpoint` (the name of a row of `endpoints`, where the base URL does not tell it).

    Plain calls with `max_tokens` above 21,333 are streamed underneath, because such answers take longer than
    a silent connection lives. Not so a client's own body: what its vendor answers would have to be written anew.
    """

    default_base_url: ClassVar[str] = "https://api.anthropic.com"

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self._version = str(settings.options.get("version", DEFAULT_VERSION))
        endpoint = self._endpoint = endpoint_for(self.base_url, settings.options.get("endpoint"))
        self._bearer = settings.options.get("auth", "bearer" if endpoint.bearer else None) == "bearer"
        self._path = "/messages" if self.base_url.rstrip("/").endswith("/v1") else "/v1/messages"

    def auth_headers(self) -> dict[str, str]:
        headers = {"anthropic-version": self._version}
        betas = self.settings.options.get("betas")
        if betas:
            headers["anthropic-beta"] = betas if isinstance(betas, str) else ",".join(betas)
        return headers | super().auth_headers()

    @property
    def line_decoder(self) -> type[LineDecoder]:  # type: ignore[override]  # it depends on the base URL here
        return EventStreamDecoder if self._endpoint.event_stream else SSEDecoder

    def key_headers(self, key: str, *, bearer: bool = False) -> dict[str, str]:
        if bearer or self._bearer:
            return {"authorization": f"Bearer {key}"}
        return {"x-api-key": key}

    @property
    def schema_rules(self) -> VendorSchemas:
        return ANTHROPIC

    def encode(self, request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        keep_sampling = self._version < "2026-10-21"  # which refuses temperature and top_p
        body = encode(request, stream=stream, provider=self.name, keep_sampling=keep_sampling)
        return self.placed(body, request, stream=stream)

    def runs(self, tool: ServerTool, request: CompletionRequest) -> bool:
        return has(tool, PLACE, request.model)

    def keeps_files(self, request: CompletionRequest) -> bool:
        return True

    def wire(self, request: CompletionRequest) -> WireProtocol | None:
        return "anthropic.messages"

    def placed(self, body: dict[str, Any], request: CompletionRequest, *, stream: bool) -> tuple[str, dict[str, Any]]:
        endpoint = self._endpoint
        if not endpoint.model_in_path:
            return self._path, body
        method = endpoint.stream_method if stream else endpoint.method
        path = f"/{quote(str(body.pop('model')), safe='@')}{method}"
        body = {"anthropic_version": endpoint.model_in_path, **body}
        if endpoint.event_stream:
            body.pop("stream", None)  # the path says it
            if betas := _betas(self.settings.options.get("betas"), request):
                body = {**body, "anthropic_beta": betas}
        return path, body

    @property
    def models_path(self) -> str:  # type: ignore[override]  # it depends on the base URL here
        return self._path.replace("messages", "models")

    def supports_prefill(self, model: str) -> bool:
        return models.rule_for(model).prefill

    def without_rejected_fields(self, request: CompletionRequest, error: ProviderError) -> CompletionRequest | None:
        """Newer models bind thinking to all that came before it, and signatures to the key: then it is stale."""
        stale = error.code in (ErrorCode.INVALID_REQUEST, ErrorCode.UNSUPPORTED) and _STALE.search(error.message)
        return without_thinking(request) if stale else None

    def encode_count(self, request: CompletionRequest) -> tuple[str, dict[str, Any]] | None:
        if self._endpoint.model_in_path:
            return None
        path, body = self.encode(request, stream=False)
        refused = ("max_tokens", "stop_sequences", "metadata", "temperature", "top_p")
        return f"{path}/count_tokens", {key: value for key, value in body.items() if key not in refused}

    def _open(
        self, request: CompletionRequest, *, stream: bool
    ) -> Coroutine[Any, Any, tuple[HttpResponse, tuple[str, ...]]]:
        if self._native(request) is None and names_files(request):
            given = {name.lower(): value for name, value in (request.extra_headers or {}).items()}
            told = given.get("anthropic-beta") or self.auth_headers().get("anthropic-beta")
            given["anthropic-beta"] = f"{told},{_FILES}" if told else _FILES
            request = replace(request, extra_headers=given)
        return super()._open(request, stream=stream)

    def complete(self, request: CompletionRequest) -> Coroutine[Any, Any, CompletionResponse]:
        if request.max_tokens is None or request.max_tokens <= PLAIN_MAX_TOKENS or self._native(request) is not None:
            return super().complete(request)
        return self._streamed(request)

    async def _streamed(self, request: CompletionRequest) -> CompletionResponse:
        async with self.stream(request) as stream:
            async for _ in stream:
                pass
            return stream.response

    def decode(self, body: Any, request: CompletionRequest, request_id: str | None) -> CompletionResponse:
        return decode(body, provider=self.name, model=request.model, request_id=request_id)

    def stream_decoder(self, request: CompletionRequest, request_id: str | None) -> MessagesStreamDecoder:
        return MessagesStreamDecoder(self.name, request.model, request_id)

    def capabilities(self, model: str) -> ModelCapabilities:
        return catalog.known(self.base_url, model, models.capabilities(model))


def _betas(own: object, request: CompletionRequest) -> list[str]:
    """The betas of the settings, and those of a client's own request."""
    asked = [own] if isinstance(own, str) else own if isinstance(own, list) else []
    if request.native is not None:
        asked = [*asked, request.native.headers.get("anthropic-beta", "")]
    return list(dict.fromkeys(name.strip() for each in asked for name in str(each).split(",") if name.strip()))

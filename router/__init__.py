"""Decides which vendor answers a call, and what to do when it fails.

Names are loaded when first used, so that `import router` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from providers.embeddings import EmbeddingResponse, RerankResponse
    from providers.errors import ErrorCode, ProviderError, SignalboxError
    from providers.types import (
        CompletionResponse,
        Message,
        StreamChunk,
        TextPart,
        Tool,
        ToolCall,
        Usage,
    )
    from router.config import ConfigError, Diagnostic, UnreadableFile
    from router.engine.params import EmbeddingParams, RequestParams, RerankParams
    from router.engine.stream import RouterStream
    from router.errors import RouteExhausted, RouterClosed, UnknownRoute, WrongLoop
    from router.router import Router
    from router.sync import SyncRouter
    from router.views.reply import Reply
    from router.views.trace import Trace

_HOME = {
    "CompletionResponse": "providers.types",
    "ConfigError": "router.config",
    "Diagnostic": "router.config",
    "EmbeddingParams": "router.engine.params",
    "EmbeddingResponse": "providers.embeddings",
    "ErrorCode": "providers.errors",
    "Message": "providers.types",
    "ProviderError": "providers.errors",
    "Reply": "router.views.reply",
    "RequestParams": "router.engine.params",
    "RerankParams": "router.engine.params",
    "RerankResponse": "providers.embeddings",
    "RouteExhausted": "router.errors",
    "Router": "router.router",
    "RouterClosed": "router.errors",
    "RouterStream": "router.engine.stream",
    "SignalboxError": "providers.errors",
    "StreamChunk": "providers.types",
    "SyncRouter": "router.sync",
    "TextPart": "providers.types",
    "Tool": "providers.types",
    "ToolCall": "providers.types",
    "Trace": "router.views.trace",
    "UnknownRoute": "router.errors",
    "UnreadableFile": "router.config",
    "Usage": "providers.types",
    "WrongLoop": "router.errors",
}

__all__ = [
    "CompletionResponse",
    "ConfigError",
    "Diagnostic",
    "EmbeddingParams",
    "EmbeddingResponse",
    "ErrorCode",
    "Message",
    "ProviderError",
    "Reply",
    "RequestParams",
    "RerankParams",
    "RerankResponse",
    "RouteExhausted",
    "Router",
    "RouterClosed",
    "RouterStream",
    "SignalboxError",
    "StreamChunk",
    "SyncRouter",
    "TextPart",
    "Tool",
    "ToolCall",
    "Trace",
    "UnknownRoute",
    "UnreadableFile",
    "Usage",
    "WrongLoop",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'router' has no attribute {name!r}")
    from router.imports import without_collector  # here: `import router` alone does without

    with without_collector():
        value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

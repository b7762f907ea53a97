"""Talks to one LLM vendor at a time: types, errors, transport and wire formats. Usable without a router."""

from providers import registry
from providers.base import ChunkStream, CountsExactly, ListsModels, Provider, ReportsQuota, SupportsPrefill
from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.fake import FakeProvider
from providers.settings import ClientCertificate, ProviderSettings
from providers.tokens import count_tokens
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FilePart,
    ImagePart,
    Message,
    ModelCapabilities,
    Native,
    Price,
    RemainingQuota,
    Routing,
    StreamChunk,
    TextPart,
    ThinkingPart,
    Timeout,
    TokenCount,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolInvocation,
    Usage,
)

__all__ = [
    "ChunkStream",
    "ClientCertificate",
    "CompletionRequest",
    "CompletionResponse",
    "CountsExactly",
    "ErrorCode",
    "FakeProvider",
    "FilePart",
    "ImagePart",
    "ListsModels",
    "Message",
    "ModelCapabilities",
    "Native",
    "Price",
    "Provider",
    "ProviderError",
    "ProviderSettings",
    "RemainingQuota",
    "ReportsQuota",
    "Routing",
    "SignalboxError",
    "StreamChunk",
    "SupportsPrefill",
    "TextPart",
    "ThinkingPart",
    "Timeout",
    "TokenCount",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolInvocation",
    "Usage",
    "count_tokens",
    "registry",
]

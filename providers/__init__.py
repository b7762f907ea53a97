"""Talks to one LLM vendor at a time: types, errors, transport and wire formats. Usable without a router."""

from providers import registry
from providers.base import ChunkStream, Provider
from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.fake import FakeProvider
from providers.settings import ProviderSettings
from providers.tokens import count_tokens
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FilePart,
    ImagePart,
    Message,
    ModelCapabilities,
    Price,
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
    "CompletionRequest",
    "CompletionResponse",
    "ErrorCode",
    "FakeProvider",
    "FilePart",
    "ImagePart",
    "Message",
    "ModelCapabilities",
    "Price",
    "Provider",
    "ProviderError",
    "ProviderSettings",
    "SignalboxError",
    "StreamChunk",
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

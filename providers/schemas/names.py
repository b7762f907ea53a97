"""Names of tools and schemas that every vendor takes, and back from them to the caller's own.

OpenAI, Anthropic, Mistral and Google take letters, digits, dashes and underscores, 64 at most; Google's begin with a
letter or an underscore.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from providers.types import CompletionRequest, CompletionResponse, StreamChunk, ToolCall, ToolCallDelta

LONGEST = 64
Call = TypeVar("Call", ToolCall, ToolCallDelta)
_fits = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}").fullmatch
_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")


def allowed(name: str) -> bool:
    return _fits(name) is not None


def safe(name: str) -> str:
    """The name if it is allowed, else one like it: the same for the same name always, another for every other."""
    if _fits(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    like = _OTHERS.sub("_", name).strip("_") or "tool"
    if not (like[0].isalpha() or like[0] == "_"):
        like = f"_{like}"
    return f"{like[: LONGEST - len(digest) - 1]}_{digest}"


def renamed(request: CompletionRequest) -> dict[str, str]:
    """The names in a request that are not allowed, by what is sent in their place; empty nearly always."""
    names = [tool.name for tool in request.tools]
    for message in request.messages:
        if message.tool_calls:
            names += [call.name for call in message.tool_calls]
    return {safe(name): name for name in names if not _fits(name)}


class NamesBack:
    """A stream's decoder that gives tool calls the caller's names again."""

    def __init__(self, decoder: Any, names: Mapping[str, str]) -> None:
        self._decoder = decoder
        self._names = names

    def feed(self, event: Any) -> StreamChunk | None:
        chunk: StreamChunk | None = self._decoder.feed(event)
        return chunk if chunk is None or not chunk.tool_calls else self._back(chunk)

    def finish(self) -> StreamChunk:
        return self._back(self._decoder.finish())

    def response(self) -> CompletionResponse:
        return answer_back(self._decoder.response(), self._names)

    def _back(self, chunk: StreamChunk) -> StreamChunk:
        return replace(chunk, tool_calls=_calls_back(chunk.tool_calls, self._names)) if chunk.tool_calls else chunk


def answer_back(response: CompletionResponse, names: Mapping[str, str]) -> CompletionResponse:
    """The answer with the caller's names of tools; what the vendor sent stays as it is in `raw`."""
    if not names or not response.tool_calls:
        return response
    return replace(response, tool_calls=_calls_back(response.tool_calls, names))


def _calls_back(calls: Iterable[Call], names: Mapping[str, str]) -> tuple[Call, ...]:
    return tuple(replace(call, name=names.get(call.name, call.name)) if call.name else call for call in calls)

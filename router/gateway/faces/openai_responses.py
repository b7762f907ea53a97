"""OpenAI's Responses."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from providers.types import CompletionRequest, CompletionResponse
from providers.wire import openai_responses as wire
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter
from router.gateway.faces.face import Protocol, Thinking
from router.gateway.faces.openai_chat import OpenAIChat

_ID = re.compile(rb'"id"\s*:\s*"resp_([^"\\]+)"')


class OpenAIResponses(OpenAIChat):
    """Its errors are those of chat completions."""

    name = "responses"
    protocol: ClassVar[Protocol | None] = "openai.responses"
    begins_errors = True

    def read(self, body: Body) -> CompletionRequest:
        return wire.read_request(body)

    def wants_stream(self, body: Body) -> bool:
        return wire.wants_stream(body)

    def ident_of(self, raw: bytes) -> str | None:
        """The SDKs refuse an end that is not called as its beginning."""
        found = _ID.search(raw)
        return found[1].decode(errors="replace") if found else None

    def plain(self, body: Body, response: CompletionResponse, head: Head, seconds: float) -> dict[str, Any]:
        return wire.render_response(response, head, asked=body)

    def writer(self, body: Body, head: Head, thinking: Thinking) -> StreamWriter:
        return wire.ResponsesStreamWriter(head, thinking, asked=body)

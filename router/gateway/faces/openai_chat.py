"""OpenAI chat completions."""

from __future__ import annotations

from typing import Any, ClassVar

from providers.errors import ProviderError
from providers.types import CompletionRequest, CompletionResponse
from providers.wire import openai_chat as wire
from providers.wire.chat_tools import custom_tools, wants_function_call
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter
from router.gateway.faces.face import Face, Protocol, Thinking


class OpenAIChat(Face):
    name = "chat"
    draws = True
    protocol: ClassVar[Protocol | None] = "openai.chat"

    def read(self, body: Body) -> CompletionRequest:
        return wire.read_request(body)

    def wants_stream(self, body: Body) -> bool:
        return wire.wants_stream(body)

    def plain(self, body: Body, response: CompletionResponse, head: Head, seconds: float) -> dict[str, Any]:
        function_call, custom = wants_function_call(body), custom_tools(body)
        return wire.render_response(response, head, function_call=function_call, custom=custom)

    def writer(self, body: Body, head: Head, thinking: Thinking) -> StreamWriter:
        function_call, custom = wants_function_call(body), custom_tools(body)
        return wire.ChatStreamWriter(head, usage=wire.wants_usage(body), function_call=function_call, custom=custom)

    def error(self, error: ProviderError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error)

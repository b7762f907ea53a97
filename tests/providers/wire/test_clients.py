"""Requests that real clients sent (coding agents, editors' plugins, SDKs), read by the protocol that they spoke.

The recordings are not part of this project. Their folder is `clients` beside the recorded vendor traffic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from providers.anthropic.encode import encode as encode_anthropic
from providers.openai.chat_encode import encode as encode_chat
from providers.openai.dialects import DIALECTS
from providers.server_tools import without_optional
from providers.types import CompletionRequest
from providers.validation import validate
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from tests.support.corpus import FOLDER

CLIENTS = FOLDER / "clients"
READERS: dict[str, Callable[[dict[str, Any]], CompletionRequest]] = {
    "/v1/chat/completions": openai_chat.read_request,
    "/v1/responses": openai_responses.read_request,
    "/v1/messages": anthropic_messages.read_request,
    "/v1/messages/count_tokens": lambda body: anthropic_messages.read_request(body, count_only=True),
    "/api/chat": ollama_chat.read_request,
    "/api/generate": ollama_chat.read_generate_request,
}
OTHERS = {"/v1/embeddings", "/api/embed", "/api/show"}  # no chat
pytestmark = pytest.mark.skipif(
    not CLIENTS.is_dir(), reason=f"the recorded clients' requests are not at {CLIENTS} (SIGNALBOX_CORPUS)"
)


def recorded() -> list[Any]:
    """Name, path and body of each request that has one."""
    found = []
    for path in sorted(CLIENTS.glob("*.json")):
        source = json.loads(path.read_text(encoding="utf-8"))
        if source["body"] is not None:
            found.append(pytest.param(source["path"].partition("?")[0], source["body"], id=path.stem))
    return found


def texts(value: object) -> list[str]:
    """All texts of the conversation in a body, in order."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + texts(value.get("content")) + texts(value.get("output"))
    if isinstance(value, list):
        return [text for entry in value for text in texts(entry)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(("path", "body"), recorded())
def test_a_real_request_is_read(path: str, body: dict[str, Any]) -> None:
    """Without an error, with all its text and tools; it makes sense, and goes out again to other vendors."""
    if path not in READERS:
        assert path in OTHERS
        return
    request = READERS[path](body)
    validate(request)
    said = "".join(message.text for message in request.messages)
    wanted = [*texts(body.get("system")), *texts(body.get("messages") or body.get("input") or body.get("prompt"))]
    assert wanted
    assert all(text in said for text in wanted if not text.startswith("x-anthropic-billing-header:"))
    offered = [tool for tool in body.get("tools") or () if tool.get("type") in (None, "function")]
    assert {tool.get("function", tool)["name"] for tool in offered} <= {tool.name for tool in request.tools}
    request, _ = without_optional(request, lambda *_: False)
    assert request.server_tools == ()  # an agent goes without those of vendors
    assert encode_chat(request, DIALECTS["generic"], stream=True)["messages"]
    assert encode_anthropic(request, stream=True, provider="p")["messages"]


def test_codex_calls_of_a_namespace_are_its_tools_calls() -> None:
    """A call that comes back with its namespace is a call of the tool that models were offered."""
    source = json.loads((CLIENTS / "codex-responses-tool-results.json").read_text(encoding="utf-8"))
    request = openai_responses.read_request(source["body"])
    (turn,) = (message for message in request.messages if message.tool_calls)
    assert [call.name for call in turn.tool_calls][1] == "multi_agent_v1__close_agent"
    assert "multi_agent_v1__close_agent" in {tool.name for tool in request.tools}

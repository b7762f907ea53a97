"""OpenAI's Responses API, the server's side, stateless: nothing is stored, every request brings its conversation.

Protocol: https://platform.openai.com/docs/api-reference/responses and its streaming guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers import coerce
from providers.accumulate import parse_arguments
from providers.errors import ErrorCode, ProviderError
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    ThinkingPart,
    ToolCall,
    Usage,
)
from providers.wire import openai_chat
from providers.wire.reading import (
    Body,
    about,
    count,
    effort,
    flag,
    mapping,
    number,
    required_text,
    text,
    unsupported,
)
from providers.wire.responses_input import read_input
from providers.wire.responses_tools import ClientTool, chosen_tools, offered_tools
from providers.wire.writing import Block, BlockWriter, Head, arguments_of, event, filled, template

# What only a server that keeps conversations could answer.
_STORED = ("previous_response_id", "conversation", "background", "prompt")


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what needs a server that stores conversations.

    Hosted tools (`web_search`, `mcp`, …) are left out: other models answer without them.
    """
    for name in _STORED:
        if body.get(name):
            raise unsupported("nothing is stored here; send the whole conversation", name)
    offered = offered_tools(body)
    return CompletionRequest(
        model=required_text(body, "model"),
        messages=read_input(body, {tool: name for name, (tool, _) in offered.items()}),
        **chosen_tools(body, offered),
        parallel_tool_calls=flag(body, "parallel_tool_calls"),
        response_format=_format(mapping(body, "text")),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=count(body, "max_output_tokens"),
        thinking=effort(mapping(body, "reasoning").get("effort"), "reasoning.effort"),
        user=text(body, "user"),
        metadata=mapping(body, "metadata") or None,
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def _format(wanted: Body) -> str | dict[str, Any] | None:
    with about("text"):
        return coerce.coerce_response_format(mapping(wanted, "format") or None)


# --- the answer


def render_response(
    response: CompletionResponse, head: Head, *, tools: Mapping[str, ClientTool] | None = None
) -> dict[str, Any]:
    """A plain answer; `tools` is what `responses_tools.client_tools` said of the request."""
    items: list[dict[str, Any]] = []
    for part in response.thinking:
        item = _sealed_item(part) or (_reasoning_item(_id("rs", head, len(items)), part.text) if part.text else None)
        items += [item] if item else []
    if response.text:
        items.append(_message_item(_id("msg", head, len(items)), response.text, "completed"))
    for call in response.tool_calls:
        items.append(_call_item(head, len(items), call, (tools or {}).get(call.name)))
    return _response(head, items, response.finish_reason, response.usage)


def _id(kind: str, head: Head, place: int) -> str:
    return f"{kind}_{head.ident}{place:02x}"


def _message_item(item_id: str, said: str, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}] if said else []
    return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content}


def _reasoning_item(item_id: str, said: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": said}] if said else []
    return {"type": "reasoning", "id": item_id, "summary": summary}


def _sealed_item(part: ThinkingPart) -> dict[str, Any] | None:
    """Reasoning as its maker sealed it: bound to its own id."""
    is_item = part.opaque is not None and part.opaque.get("type") == "reasoning"
    return part.opaque if is_item else None


def _call_item(head: Head, place: int, call: ToolCall, tool: ClientTool | None, status: str = "completed") -> Any:
    """The item of a call, with the client's own name for the tool."""
    kind = tool.kind if tool else "function"
    if kind == "local_shell":
        action = {"type": "exec", "env": {}, **(call.arguments or {})}
        item_id = _id("lsh", head, place)
        return {"type": "local_shell_call", "id": item_id, "call_id": call.id, "action": action, "status": status}
    item: dict[str, Any] = {"call_id": call.id, "name": tool.name if tool else call.name, "status": status}
    if tool is not None and tool.namespace is not None:
        item["namespace"] = tool.namespace
    if kind == "custom":
        said = str((call.arguments or {}).get("input", ""))
        return {"type": "custom_tool_call", "id": _id("ctc", head, place), **item, "input": said}
    return {"type": "function_call", "id": _id("fc", head, place), **item, "arguments": arguments_of(call)}


def _response(head: Head, items: Sequence[Any], reason: FinishReason, usage: Usage) -> dict[str, Any]:
    """The whole response at its end."""
    body = _begun(head)
    incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)
    failed = {"code": "server_error", "message": "The answer broke off."} if reason == "error" else None
    return {
        **body,
        "status": "failed" if failed else "incomplete" if incomplete else "completed",
        "error": failed,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "output": list(items),
        "usage": _usage(usage),
    }


def _begun(head: Head) -> dict[str, Any]:
    return {
        "id": f"resp_{head.ident}",
        "object": "response",
        "created_at": int(head.created),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": head.model,
        "output": [],
        "parallel_tool_calls": True,
        "store": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def _usage(usage: Usage) -> dict[str, Any] | None:
    """None where nothing is known; clients take all fields for given, so that an unknown one is told as 0."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    details: dict[str, Any] = {"cached_tokens": usage.cache_read_tokens or 0}
    if usage.cache_write_tokens is not None:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "input_tokens": given,
        "input_tokens_details": details,
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made,
    }


# What is told of a part of text: its events' name, the index beside the item's, and the name and fields of its frame.
_PARTS: dict[str | int, tuple[str, str, str, dict[str, Any]]] = {
    "text": ("output_text", "content_index", "content_part", {"logprobs": []}),
    "thinking": ("reasoning_summary_text", "summary_index", "reasoning_summary_part", {}),
}


def _part(key: str | int, said: str) -> dict[str, Any]:
    if key == "text":
        return {"type": "output_text", "text": said, "annotations": []}
    return {"type": "summary_text", "text": said}


class ResponsesStreamWriter(BlockWriter):
    """Events of a response. A call of another kind than a function comes in one piece, when it is whole.

    Args:
        tools: what `responses_tools.client_tools` said of the request.
    """

    def __init__(
        self,
        head: Head,
        thinking: Callable[[], Sequence[ThinkingPart]] = tuple,
        *,
        tools: Mapping[str, ClientTool] | None = None,
    ) -> None:
        super().__init__(head, thinking)
        self._tools = tools or {}
        self._items: list[dict[str, Any]] = []
        self._number = 0
        self._start: bytes | None = None  # of a piece's event, up to its number; None where pieces are not sent

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return event({"type": kind, "sequence_number": self._number - 1, **fields}, kind)

    def _set_pieces(self, kind: str, **fields: Any) -> None:
        before, after = template(
            lambda mark: event({"type": kind, "sequence_number": 0, **fields, "delta": mark}, kind)
        )
        start, numbered, rest = before.partition(b'"sequence_number":')
        self._start, self._template = start + numbered, (rest.removeprefix(b"0"), after)

    def _piece_of(self, text: str) -> bytes:
        if self._start is None:
            return b""
        self._number += 1
        return self._start + str(self._number - 1).encode() + filled(self._template, text)

    def start(self) -> bytes:
        opening = _begun(self.head)
        created = self._event("response.created", response=opening)
        return created + self._event("response.in_progress", response=opening)

    def _opened(self, block: Block) -> bytes:
        if block.key not in _PARTS:
            return self._opened_call(block)
        kind, index, part, more = _PARTS[block.key]
        item = self._item(block, "", "in_progress")
        where = {"item_id": item["id"], "output_index": block.place, index: 0}
        self._set_pieces(f"response.{kind}.delta", **where, **more)
        added = self._event("response.output_item.added", output_index=block.place, item=item)
        return added + self._event(f"response.{part}.added", **where, part=_part(block.key, ""))

    def _opened_call(self, block: Block) -> bytes:
        call = ToolCall(block.call_id, block.name, {})
        item = _call_item(self.head, block.place, call, self._tools.get(block.name), "in_progress")
        self._start = None
        if item["type"] == "function_call":
            item["arguments"] = ""
            self._set_pieces("response.function_call_arguments.delta", item_id=item["id"], output_index=block.place)
        return self._event("response.output_item.added", output_index=block.place, item=item)

    def _closed(self, block: Block) -> bytes:
        if block.key not in _PARTS:
            return self._closed_call(block)
        kind, index, part, more = _PARTS[block.key]
        item = self._item(block, block.text, "completed")
        where = {"item_id": item["id"], "output_index": block.place, index: 0}
        out = self._event(f"response.{kind}.done", **where, text=block.text, **more)
        out += self._event(f"response.{part}.done", **where, part=_part(block.key, block.text))
        sealed = self._sealed(block) if block.key == "thinking" else None
        return out + self._item_done(block.place, (_sealed_item(sealed) if sealed else None) or item)

    def _closed_call(self, block: Block) -> bytes:
        raw = block.text
        call = ToolCall(block.call_id, block.name, parse_arguments(raw), raw)
        item = _call_item(self.head, block.place, call, self._tools.get(block.name))
        where = {"item_id": item["id"], "output_index": block.place}
        out = b""
        if item["type"] == "function_call":
            out = self._event("response.function_call_arguments.done", **where, arguments=item["arguments"])
        elif item["type"] == "custom_tool_call":
            out = self._event("response.custom_tool_call_input.delta", **where, delta=item["input"])
            out += self._event("response.custom_tool_call_input.done", **where, input=item["input"])
        return out + self._item_done(block.place, item)

    def _sealed_block(self, part: ThinkingPart) -> bytes:
        item = _sealed_item(part)
        if item is None:
            return b""
        place = self._places
        self._places += 1
        added = self._event("response.output_item.added", output_index=place, item=item)
        return added + self._item_done(place, item)

    def _item(self, block: Block, said: str, status: str) -> dict[str, Any]:
        if block.key == "text":
            return _message_item(_id("msg", self.head, block.place), said, status)
        return _reasoning_item(_id("rs", self.head, block.place), said)

    def _item_done(self, place: int, item: dict[str, Any]) -> bytes:
        self._items.append(item)
        return self._event("response.output_item.done", output_index=place, item=item)

    def end(self, *, seconds: float | None = None) -> bytes:
        out = self._close_all()
        body = _response(self.head, self._items, self._finish, self._usage)
        return out + self._event(f"response.{body['status']}", response=body)

    def error(self, error: ProviderError) -> bytes:
        fault = openai_chat.error_body(error)["error"]
        message = fault["message"]
        if error.code is ErrorCode.RATE_LIMITED and error.retry_after is not None:
            message = f"{message} Please try again in {error.retry_after:g}s."  # where Codex reads the wait
        told = {"code": fault["code"] or fault["type"], "message": message}
        body = {**_begun(self.head), "status": "failed", "error": told, "output": self._items}
        return self._event("response.failed", response=body)


# --- the error

render_error = openai_chat.render_error

"""The output items of a Responses answer: messages, reasoning, and calls as the client knows its tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from providers.envelope import packed
from providers.lenient_json import as_json
from providers.types import ThinkingPart, TokenLogprob, ToolCall, Usage
from providers.wire.answer_parts import logprobs
from providers.wire.responses_input import OWN_REASONING, REDACTED, SIGNATURE
from providers.wire.responses_tools import ClientTool
from providers.wire.writing import Head, arguments_of


def own_id(kind: str, head: Head, place: int) -> str:
    """The id of an item, by its place in the answer; `kind` is what ids of such items begin with."""
    return f"{kind}_{head.ident}{place:02x}"


def reasoning_id(head: Head, place: int) -> str:
    """The id of reasoning whose maker gave it none, or none yet."""
    return f"{OWN_REASONING}{head.ident}{place:02x}"


def message_item(
    item_id: str,
    said: str,
    status: str,
    annotations: Sequence[dict[str, Any]] = (),
    tokens: Sequence[TokenLogprob] = (),
) -> dict[str, Any]:
    text = {"type": "output_text", "text": said, "annotations": list(annotations), "logprobs": logprobs(tokens)}
    content = [text] if said else []
    return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content}


def reasoning_item(item_id: str, said: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": said}] if said else []
    return {"type": "reasoning", "id": item_id, "summary": summary}


def seal_of(part: ThinkingPart) -> dict[str, Any]:
    """What goes back unread with reasoning: its maker's own item, or Anthropic's seals in the place of one."""
    opaque = part.opaque or {}
    if opaque.get("type") == "reasoning":
        return opaque
    if part.signature:
        return {"encrypted_content": part.signature + SIGNATURE}
    if opaque.get("type") == "redacted_thinking":
        return {"encrypted_content": str(opaque.get("data")) + REDACTED}
    others = packed(opaque)
    return {"encrypted_content": others} if others else {}


def sealed_item(item_id: str, part: ThinkingPart) -> dict[str, Any]:
    """Reasoning, with its seal and its maker's id where it has them: a seal may be bound to the id."""
    return {**reasoning_item(item_id, part.text), **seal_of(part)}


def call_item(head: Head, place: int, call: ToolCall, tool: ClientTool | None, status: str = "completed") -> Any:
    """The item of a call, with the client's own name for the tool."""
    kind = tool.kind if tool else "function"
    if kind == "local_shell":
        item_id = own_id("lsh", head, place)
        return {
            "type": "local_shell_call",
            "id": item_id,
            "call_id": call.id,
            "action": _shell_action(call),
            "status": status,
        }
    item: dict[str, Any] = {"call_id": call.id, "name": tool.name if tool else call.name, "status": status}
    if tool is not None and tool.namespace is not None:
        item["namespace"] = tool.namespace
    if kind == "custom":
        return {"type": "custom_tool_call", "id": own_id("ctc", head, place), **item, "input": custom_input(call)}
    return {"type": "function_call", "id": own_id("fc", head, place), **item, "arguments": arguments_of(call)}


def custom_input(call: ToolCall) -> str:
    """The text that a custom tool is called with; models that write it bare, not as `input`, mean the same."""
    given = call.arguments
    said = call.raw_arguments if given is None else given.get("input", given or "")
    return said if isinstance(said, str) else as_json(said)


def _shell_action(call: ToolCall) -> dict[str, Any]:
    """What a shell is to do; a command in one string is a line for it."""
    given = call.arguments or {}
    command = given.get("command") or []
    words = command if isinstance(command, list) else ["bash", "-lc", str(command)]
    return {**given, "type": "exec", "command": words, "env": given.get("env") or {}}


def told_usage(usage: Usage) -> dict[str, Any] | None:
    """None where nothing is known; clients take all fields for given, so that an unknown one is told as 0."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    details = {"cached_tokens": usage.cache_read_tokens or 0, "cache_write_tokens": usage.cache_write_tokens or 0}
    return {
        "input_tokens": given,
        "input_tokens_details": details,
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made,
    }

"""Why an answer ended, in one vocabulary: compatible servers use each other's words."""

from __future__ import annotations

from providers.types import FinishReason

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "stop_token": "stop",
    "completed": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_call": "tool_calls",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "function_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "sensitive": "content_filter",
    "blocklist": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}


def words(raw: str | None) -> tuple[str, ...]:
    """The reason in lower case, whole and in parts: Gemini behind OpenAI's protocol says `filter: ITS_OWN_REASON`."""
    text = (raw or "")[:100].lower()
    return (text, *(part.strip() for part in reversed(text.split(":")))) if ":" in text else (text,)


def finish_reason(raw: str | None, *, has_calls: bool, refused: bool = False) -> FinishReason:
    """The unified reason.

    Whether the answer asks for tools is told by its calls, not by the word: Gemini, vLLM and others say `stop` or
    `end_turn` after calls, some say `tool_calls` without any. An answer that was cut stays one.
    """
    if not raw:
        raw = "stop"
    reason: FinishReason = next((_FINISH[word] for word in words(raw) if word in _FINISH), "unknown")
    if reason in ("stop", "tool_calls"):
        return "content_filter" if refused else "tool_calls" if has_calls else "stop"
    return reason

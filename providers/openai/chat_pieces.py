"""Lenient readers of the pieces that plain and streamed chat answers share.

Servers send null, strings, lists and objects where the protocol says otherwise: each reader takes what it
can use and leaves the rest out. None raises.
"""

from __future__ import annotations

from typing import Any

from providers.answer_parts import Other, image_of, read_annotations, read_audio, read_images
from providers.lenient_json import arguments_text, as_count, as_dict, as_list, as_str, as_word, opaque_of_call
from providers.tool_calls import ToolCallAssembler
from providers.types import ServerToolPart, ToolCallDelta, Usage

# Where reasoning comes, the usual first; the last two are Copilot's and small servers'.
_THINKING = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
DETAILS = "reasoning_details"


def text_and_thinking(message: dict[str, Any]) -> tuple[str, str]:
    """What is said and what is thought, of a message or a delta."""
    content = message.get("content")
    thinking = next((said for field in _THINKING if (said := _thought(message.get(field)))), "") or detailed(message)
    if isinstance(content, str):
        return content, thinking
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return "", thinking
    text = ""
    for part in content:  # Mistral's thinking models, and some gateways
        if isinstance(part, str):
            text += part
        elif isinstance(part, dict):
            text += as_str(part.get("text")) or ""
            thought = part.get("thinking")
            thinking += thought if isinstance(thought, str) else _joined(thought)
            thinking += _joined(part.get("summary"))  # Databricks
    return text, thinking


def _thought(held: object) -> str:
    """What is thought, of a field that holds a text; or an object or a list with texts, as some gateways send it."""
    if isinstance(held, dict):
        return as_str(held.get("content")) or as_str(held.get("summary")) or as_str(held.get("text")) or ""
    return _joined(held) if isinstance(held, list) else as_str(held) or ""


def detailed(message: dict[str, Any]) -> str:
    """What is thought, where only the details tell it: MiniMax, as `reasoning_split` has it."""
    details = map(as_dict, as_list(message.get(DETAILS)))
    return "".join(as_str(one.get("text")) or as_str(one.get("summary")) or "" for one in details)


def _joined(parts: object) -> str:
    return "".join(as_str(as_dict(part).get("text")) or "" for part in as_list(parts))


_OTHERS = frozenset({"annotations", "images", "audio", "executed_tools"})


def others_in(message: dict[str, Any], origin: str) -> list[Other]:
    """What a message or a delta holds beside text, thinking and calls."""
    content = message.get("content")
    found: list[Other] = []
    if isinstance(content, list):
        found += [image for image in map(image_of, content) if image is not None]
    if _OTHERS.isdisjoint(message):
        return found
    ran = [as_dict(tool) for tool in as_list(message.get("executed_tools"))]  # Groq's own
    found += [ServerToolPart(as_str(tool.get("type")) or "tool", tool, origin) for tool in ran if tool]
    found += read_images(message.get("images"))
    audio = read_audio(message.get("audio"), origin.partition("/")[0])
    if audio is not None:
        found.append(audio)
    return found + read_annotations(message.get("annotations"))


def read_usage(raw: object) -> Usage | None:
    """The token counts, None when there are none."""
    if not isinstance(raw, dict):
        return None
    prompt = as_dict(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    output = _counted(raw, "completion_tokens", "output_tokens")
    made = as_dict(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    reasoning = as_count(made.get("reasoning_tokens"))
    if reasoning is None:
        reasoning = as_count(raw.get("reasoning_tokens"))
    given = _counted(raw, "prompt_tokens", "input_tokens")
    if given is not None and output is not None and reasoning and raw.get("total_tokens") == given + output + reasoning:
        output += reasoning  # xAI counts reasoning beside the output, all others inside: the total tells which
    cached = as_count(prompt.get("cached_tokens"))
    for name in ("prompt_cache_hit_tokens", "cached_tokens"):  # DeepSeek; Moonshot
        cached = as_count(raw.get(name)) if cached is None else cached
    if given is None and output is None:
        return None
    return Usage(given, output, cached, as_count(prompt.get("cache_write_tokens")), reasoning)


def _counted(raw: dict[str, Any], name: str, other: str) -> int | None:
    """A count by its name, or by that of the Responses protocol: some gateways mix them up."""
    found = as_count(raw.get(name))
    return as_count(raw.get(other)) if found is None else found


def calls_in(message: dict[str, Any]) -> list[Any]:
    """The entries of a message or a delta that speak of calls; the old `function_call` is one."""
    held = message.get("tool_calls")
    entries = [held] if isinstance(held, dict) else as_list(held)
    legacy = message.get("function_call")
    return [{"index": 0, "function": legacy}] if not entries and isinstance(legacy, dict) else entries


# OpenRouter's, MiniMax's and Vercel's reasoning, and Claude's behind LiteLLM: to be sent back unread.
_UNREAD = (DETAILS, "thinking_blocks")
SEALED = "reasoning_opaque"  # Copilot's, a string


def opaque_of(message: dict[str, Any]) -> dict[str, Any]:
    """What of a message or a delta has to go back unread."""
    found: dict[str, Any] = {key: message[key] for key in _UNREAD if as_list(message.get(key))}
    if sealed := as_str(message.get(SEALED)):
        found[SEALED] = sealed
    return found


def came_in(message: dict[str, Any]) -> dict[str, Any]:
    """The field in which reasoning came, where it is not the common `reasoning_content`."""
    if as_str(message.get("reasoning")) and not as_str(message.get("reasoning_content")):
        return {"field": "reasoning"}
    is_told = any(_thought(message.get(field)) for field in _THINKING)
    return {"field": DETAILS} if not is_told and detailed(message) else {}


def add_call(calls: ToolCallAssembler, index: object, entry: object) -> ToolCallDelta | None:
    """Take one entry of `tool_calls`, a function's or a custom tool's; None when it brought nothing."""
    if not isinstance(entry, dict):
        return None
    custom = entry.get("custom")
    # Some servers leave the wrapping `function` out.
    function = custom if isinstance(custom, dict) else as_dict(entry.get("function")) or entry
    arguments = function.get("input") if function is custom else function.get("arguments")
    index = index if isinstance(index, int | str) else None
    call_id = as_word(entry.get("id"))
    name = as_word(function.get("name"))
    found = calls.add(index, call_id, name, arguments_text(arguments), literal=function is custom)
    opaque = opaque_of_call(entry)
    if opaque is not None:
        calls.attach(index, call_id, opaque)
    return found


def join_details(kept: list[Any], new: list[Any]) -> None:
    """OpenRouter streams reasoning_details in pieces; pieces of one index and type make one entry."""
    for entry in new:
        last = kept[-1] if kept else None
        if not isinstance(entry, dict) or not isinstance(last, dict) or not _continues(entry, last):
            kept.append(dict(entry) if isinstance(entry, dict) else entry)
            continue
        for key, value in entry.items():
            if key in _PIECES and isinstance(value, str) and isinstance(last.get(key), str):
                last[key] = value if _is_whole(entry, value, last[key]) else last[key] + value
            elif value is not None:
                last[key] = value


_PIECES = frozenset({"text", "summary", "data", "thinking"})


def _is_whole(entry: dict[str, Any], value: str, before: str) -> bool:
    """MiniMax sends with each piece all that came before."""
    return bool(before) and value.startswith(before) and str(entry.get("format")).startswith("MiniMax")


def is_cumulative(message: dict[str, Any]) -> bool:
    """Whether each piece of the reasoning has all that came before, as MiniMax's have."""
    return any(str(as_dict(entry).get("format")).startswith("MiniMax") for entry in as_list(message.get(DETAILS)))


def _continues(entry: dict[str, Any], last: dict[str, Any]) -> bool:
    index, kind = entry.get("index"), entry.get("type")
    if index is None:  # Claude's blocks behind LiteLLM: a signature ends one
        return kind == "thinking" == last.get("type") and not last.get("signature")
    return bool((index, kind) == (last.get("index"), last.get("type")))

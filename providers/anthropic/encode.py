"""A request as the JSON body of POST /v1/messages.

Protocol: Anthropic's Messages API reference, and its pages on tool use, extended thinking and structured outputs.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from providers.anthropic.blocks import blocks, check_more, said_blocks, text_block, unsupported
from providers.anthropic.cache_marks import mark
from providers.anthropic.models import ClaudeRule, least_cached, rule_for
from providers.content import nearest_effort
from providers.server_tools import fields_of
from providers.turns import CallIds, as_object, family, in_order, made_by, made_by_family
from providers.types import (
    AudioPart,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    effort_of,
)

# Above this many tokens a plain answer may take longer than proxies keep a silent connection (the anthropic
# package refuses it), so it is the limit where the caller gives none.
PLAIN_MAX_TOKENS = 21_333
LEAST_BUDGET = 1_024
PLACE = "anthropic.messages"  # among those of `providers.server_tools`
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 10_000, "high": 16_384, "xhigh": 32_768, "max": 65_536}
_ID = re.compile(r"[^a-zA-Z0-9_-]")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def encode(request: CompletionRequest, *, stream: bool, provider: str, keep_sampling: bool = True) -> dict[str, Any]:
    """The body to send. None fields are left out; `extra_body` is merged last and wins.

    Sampling hints that a model refuses (temperature, top_p; all penalties and seeds) are left out.

    Args:
        provider: whose thinking is sent back.
        keep_sampling: False for API versions that take no sampling fields at all.

    Raises:
        ProviderError: UNSUPPORTED when this model cannot carry the request.
    """
    rule = rule_for(request.model)
    check_more(request)
    limit = request.max_tokens
    if limit is None:
        limit = rule.max_output if stream else min(rule.max_output, PLAIN_MAX_TOKENS)
    for place, text in enumerate(request.stop):
        if not rule.blank_stop and not text.strip():
            raise unsupported(request, f"takes no stop sequence of white space only (stop[{place}])")
    tools = _tools(request, rule)
    system, messages = _conversation(request, rule, provider, tools)
    thinking, effort = _thinking(request, rule, limit)
    if thinking and thinking["type"] == "enabled" and rule.signed and _is_in_unthought_turn(messages):
        thinking = None
    output: dict[str, Any] = {}
    if effort is not None:
        output["effort"] = effort
    if request.response_format is not None:
        output["format"] = _format(request, rule)
    # Beside thinking there is one temperature.
    thinks = thinking is not None and thinking["type"] in ("enabled", "adaptive")
    sampling = rule.sampling if keep_sampling and not thinks else "none"
    top_p = sampling == "both" or (sampling == "one" and request.temperature is None)
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": limit,
        "system": system,
        "messages": messages,
        "stop_sequences": list(request.stop) or None,
        "temperature": _temperature(request) if sampling != "none" else None,
        "top_p": request.top_p if top_p else None,
        "thinking": thinking,
        "output_config": output or None,
        "tools": tools or None,
        "tool_choice": _tool_choice(request, rule),
        "service_tier": _TIERS.get(request.service_tier or ""),
        "metadata": {"user_id": request.user} if request.user else None,
        "stream": stream or None,
    }
    kept = {key: value for key, value in body.items() if value is not None}
    return {**kept, **(request.extra_body or {})}


def _temperature(request: CompletionRequest) -> float | None:
    """At most 1 here, where other vendors go to 2."""
    return None if request.temperature is None else min(request.temperature, 1.0)


# --- the conversation


def _conversation(
    request: CompletionRequest, rule: ClaudeRule, provider: str, tools: list[dict[str, Any]]
) -> tuple[str | list[dict[str, Any]] | None, list[dict[str, Any]]]:
    """The leading system messages, and the turns: same roles merged, all results of a turn's calls in one message.
    Tools too are marked for the cache, in place.
    """
    messages = request.messages
    ids = CallIds(_call_id)
    start = 0
    while start < len(messages) and messages[start].role in ("system", "developer"):
        start += 1
    turns: list[dict[str, Any]] = []
    for place in range(start, len(messages)):
        message = messages[place]
        if message.role in ("system", "developer"):
            _check_system(message, request)
            _add_system(turns, message, messages[place + 1 :], rule)
        elif message.role == "assistant":
            _add(turns, "assistant", _assistant_blocks(message, request, rule, provider, ids))
        elif message.role == "tool":
            _add(turns, "user", [_tool_result(message, request, ids, provider)])
        else:
            _add(turns, "user", blocks(message.content, request, provider))
    if not turns:
        raise unsupported(request, "needs at least one message that is not empty beside the system's")
    _end(turns, request, rule)
    system = _system(messages[:start], request)
    # An app that has the vendor set the marks has none set here.
    wanted = None if "cache_control" in (request.extra_body or {}) else request.prompt_cache
    system = mark(tools, system, turns, wanted, least_cached(request.model))
    return system, [_simplified(turn) for turn in turns]


def _system(messages: tuple[Message, ...], request: CompletionRequest) -> str | list[dict[str, Any]] | None:
    for message in messages:
        _check_system(message, request)
    if all(isinstance(message.content, str) for message in messages):
        return "\n\n".join(message.text for message in messages if message.text.strip()) or None
    found: list[dict[str, Any]] = []
    for message in messages:
        parts = (TextPart(message.content),) if isinstance(message.content, str) else message.content
        found += [text_block(part) for part in parts if isinstance(part, TextPart) and part.text.strip()]
    return found or None


_MEDIA = ImagePart | FilePart | AudioPart


def _check_system(message: Message, request: CompletionRequest) -> None:
    if any(isinstance(p, _MEDIA) for p in message.content):
        raise unsupported(request, "takes text only in system messages")


def _add_system(turns: list[dict[str, Any]], message: Message, after: tuple[Message, ...], rule: ClaudeRule) -> None:
    """A system message between turns: real where the model honours it, else marked as such in the user's turn."""
    if not message.text.strip():
        return
    well_placed = turns and turns[-1]["role"] == "user" and (not after or after[0].role == "assistant")
    if rule.system_in_middle and well_placed:
        turns.append({"role": "system", "content": [{"type": "text", "text": message.text}]})
    else:
        _add(turns, "user", [{"type": "text", "text": f"<system>\n{message.text}\n</system>"}])


def _add(turns: list[dict[str, Any]], role: str, blocks: list[dict[str, Any]]) -> None:
    if not blocks:
        return  # an empty message is refused
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _end(turns: list[dict[str, Any]], request: CompletionRequest, rule: ClaudeRule) -> None:
    """A last assistant turn is the beginning of the answer, where the model takes that."""
    last = turns[-1]
    if last["role"] != "assistant":
        return
    if not rule.prefill:
        raise unsupported(request, "does not continue an assistant message; end with a user message")
    block = last["content"][-1]
    if block["type"] == "text":
        block["text"] = block["text"].rstrip()  # white space at its end is refused


def _simplified(turn: dict[str, Any]) -> dict[str, Any]:
    """A single text goes as a string, which every compatible server reads."""
    content = turn["content"]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return {"role": turn["role"], "content": content[0]["text"]}
    return turn


def _assistant_blocks(
    message: Message, request: CompletionRequest, rule: ClaudeRule, provider: str, ids: CallIds
) -> list[dict[str, Any]]:
    """The turn's blocks in the order in which they were made; its own thinking goes back as it came."""
    content = message.content
    if not isinstance(content, str) and any(isinstance(part, (ImagePart, FilePart)) for part in content):
        raise unsupported(request, "takes images and documents in user messages only")

    def own(part: ThinkingPart) -> bool:
        if part.signature or _is_block(part):
            return made_by(part.origin, provider, request.model)
        return not rule.signed and made_by_family(part.origin, provider, request.model)

    # Other servers than Claude's own get their ids back as they are.
    sent_ids = iter(ids.of_calls(message.tool_calls, keep=message.origin == provider and not rule.signed))
    found: list[dict[str, Any]] = []
    for piece in in_order(message, own):
        if isinstance(piece, ThinkingPart):
            found.append(_thought(piece))
        elif isinstance(piece, ToolCall):
            found.append(_tool_use(piece, next(sent_ids)))
        else:
            found += said_blocks(piece, message, provider)
    needs_thought = message.tool_calls and request.thinking != "off" and family(request.model) in _NEEDING
    if needs_thought and not any(block["type"] in _THOUGHTS for block in found):
        found.insert(0, {"type": "thinking", "thinking": " "})
    return found


_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
# Families whose servers refuse a turn of tool calls without the thinking that led to it; a blank one does for others'.
_NEEDING = frozenset({"deepseek", "kimi"})


def _is_in_unthought_turn(turns: list[dict[str, Any]]) -> bool:
    """Whether tool results are awaited for by a turn without thinking, such as one of another vendor.

    With a budget for thinking such a turn is refused: "Expected `thinking` or `redacted_thinking`, but found ...".
    """
    if len(turns) < 2 or turns[-2]["role"] != "assistant" or isinstance(turns[-1]["content"], str):
        return False
    answered = any(block["type"] == "tool_result" for block in turns[-1]["content"])
    return answered and turns[-2]["content"][0]["type"] not in _THOUGHTS


def _is_block(part: ThinkingPart) -> bool:
    """Whether the part holds a block of this protocol as it came."""
    return bool(part.opaque and part.opaque.get("type") in _THOUGHTS)


def _thought(part: ThinkingPart) -> dict[str, Any]:
    if part.opaque and _is_block(part):
        return dict(part.opaque)
    block = {"type": "thinking", "thinking": part.text}
    return {**block, "signature": part.signature} if part.signature else block


def _tool_use(call: ToolCall, call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": call.name, "input": as_object(call)}


def _tool_result(message: Message, request: CompletionRequest, ids: CallIds, provider: str) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": ids.of_result(message.tool_call_id or "")}
    content = message.content
    block["content"] = content if isinstance(content, str) else blocks(content, request, provider)
    if not block["content"]:
        del block["content"]
    if message.is_error:
        block["is_error"] = True
    return block


def _call_id(call_id: str) -> str:
    """Ids may hold letters, digits, dash and underscore; those of other vendors are renamed, always alike."""
    return _ID.sub("_", call_id)


# --- tools, format, thinking


# The words of other vendors for what is asked here: more is not paid for than asked.
_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "fast": "auto",
    "standard_only": "standard_only",
    "default": "standard_only",
}


def _tools(request: CompletionRequest, rule: ClaudeRule) -> list[dict[str, Any]]:
    """The tools that may be called now, and the vendor's own."""
    may = request.allowed_tools
    offered = [_tool(tool, rule) for tool in request.tools if may is None or tool.name in may]
    own = (fields_of(tool, PLACE, request.model)["tools"] for tool in request.server_tools)
    return [*offered, *chain.from_iterable(own)]


def _tool(tool: Tool, rule: ClaudeRule) -> dict[str, Any]:
    body: dict[str, Any] = {"name": tool.name}
    if tool.description:
        body["description"] = tool.description
    body["input_schema"] = {"type": "object", **(tool.parameters or {"properties": {}})}
    if tool.strict is not None and rule.json_schema:  # both came together
        body["strict"] = tool.strict
    return body


def _tool_choice(request: CompletionRequest, rule: ClaudeRule) -> dict[str, Any] | None:
    if not request.tools or request.allowed_tools == ():
        return None
    choice = request.tool_choice
    single = request.parallel_tool_calls is False
    if choice == "none":
        return {"type": "none"}
    if _is_forced(request) and not rule.forced_tool:
        raise unsupported(request, f'takes no forced tool (tool_choice "{choice}")')
    wanted: dict[str, Any]
    if choice in (None, "auto"):
        if choice is None and not single:
            return None
        wanted = {"type": "auto"}
    elif choice == "required":
        wanted = {"type": "any"}
    else:
        wanted = {"type": "tool", "name": choice}
    if single:
        wanted["disable_parallel_tool_use"] = True
    return wanted


def _is_forced(request: CompletionRequest) -> bool:
    return bool(request.tools) and request.tool_choice not in (None, "auto", "none")


def _format(request: CompletionRequest, rule: ClaudeRule) -> dict[str, Any]:
    wanted = request.response_format
    if not isinstance(wanted, dict):
        raise unsupported(request, "has no JSON mode without a schema; give response_format a schema")
    if not rule.json_schema:
        raise unsupported(request, "takes no JSON schema for its answer")
    return {"type": "json_schema", "schema": wanted["schema"]}


def _thinking(request: CompletionRequest, rule: ClaudeRule, limit: int) -> tuple[dict[str, Any] | None, str | None]:
    """The `thinking` field and the effort."""
    asked = request.thinking
    if asked is None:
        return None, None
    if asked == "off":
        return _off(request, rule), None
    if not rule.thinking:
        raise unsupported(request, "does not think")
    if _is_forced(request) and "adaptive" not in rule.thinking:
        return None, None  # a forced tool and a thinking budget exclude each other: that turn is not thought about
    shown = {} if request.thinking_display is None else {"display": request.thinking_display}
    if "adaptive" in rule.thinking:
        return {"type": "adaptive", **shown}, nearest_effort(effort_of(asked), _EFFORTS)
    budget = asked if isinstance(asked, int) else min(_BUDGETS[asked], max(LEAST_BUDGET, limit // 2))
    budget = max(budget, LEAST_BUDGET)
    if budget >= limit:
        raise unsupported(request, f"needs max_tokens above the thinking budget of {budget} (max_tokens is {limit})")
    return {"type": "enabled", "budget_tokens": budget, **shown}, None


def _off(request: CompletionRequest, rule: ClaudeRule) -> dict[str, Any] | None:
    if not rule.thinks_by_default:
        return None
    if "disabled" in rule.thinking:
        return {"type": "disabled"}
    if "between_tools" in rule.thinking:
        return {"type": "between_tools"}
    raise unsupported(request, "always thinks")

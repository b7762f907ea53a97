"""What each Claude model accepts, as rows of data.

Source: Anthropic's model overview, migration guides, and pages on extended thinking and prompt caching
(platform.claude.com/docs, 2026).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from providers.types import ModelCapabilities

ThinkingType = Literal["enabled", "adaptive", "disabled", "between_tools"]

_BUDGET: tuple[ThinkingType, ...] = ("enabled", "disabled")
_EITHER: tuple[ThinkingType, ...] = ("adaptive", "enabled", "disabled")
_ADAPTIVE: tuple[ThinkingType, ...] = ("adaptive", "disabled")
_ALWAYS: tuple[ThinkingType, ...] = ("adaptive",)


class ClaudeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the defaults are those of the newest generation.

    Args:
        thinking: the values of `thinking.type` that it takes; none for a model that does not think.
        thinks_by_default: whether it thinks when `thinking` is not sent.
        sampling: which of temperature and top_p it takes: "both", "one" of them at a time, or "none".
        blank_stop: whether a stop sequence may be white space only.
        forced_tool: whether `tool_choice` may be any or tool.
        prefill: whether the last message may be the assistant's.
        system_in_middle: whether a system message may stand between turns.
        json_schema: whether `output_config.format` works.
        signed: whether its thinking is signed, and refused without a signature.
        max_output, window: tokens.
        least_cached: the shortest beginning of a prompt that the vendor keeps, in tokens; a shorter one is passed over
            without a word.
    """

    thinking: tuple[ThinkingType, ...] = _ADAPTIVE
    thinks_by_default: bool = True
    sampling: Literal["both", "one", "none"] = "none"
    blank_stop: bool = False
    forced_tool: bool = True
    prefill: bool = False
    system_in_middle: bool = True
    json_schema: bool = True
    signed: bool = True
    max_output: int = 128_000
    window: int = 1_000_000
    least_cached: int = 512


_OLD = ClaudeRule(
    thinking=(),
    thinks_by_default=False,
    sampling="both",
    prefill=True,
    system_in_middle=False,
    json_schema=False,
    max_output=8_192,
    window=200_000,
    least_cached=1_024,
)
_CLAUDE_4 = msgspec.structs.replace(_OLD, thinking=_BUDGET, max_output=64_000)
_CLAUDE_4_5 = msgspec.structs.replace(_CLAUDE_4, json_schema=True, sampling="one")
_CLAUDE_4_6 = msgspec.structs.replace(
    _CLAUDE_4_5, thinking=_EITHER, prefill=False, max_output=128_000, window=1_000_000
)
_CLAUDE_4_7 = msgspec.structs.replace(_CLAUDE_4_6, thinking=_ADAPTIVE, sampling="none", least_cached=2_048)

# The first name that stands in the model's decides.
_RULES: tuple[tuple[str, ClaudeRule], ...] = (
    ("fable-5-1", ClaudeRule(thinking=_ALWAYS, forced_tool=False)),
    ("fable-5-2", ClaudeRule(thinking=_ALWAYS, forced_tool=False)),
    ("mythos-5-1", ClaudeRule(thinking=_ALWAYS, forced_tool=False)),
    ("mythos-5-2", ClaudeRule(thinking=_ALWAYS, forced_tool=False)),
    ("fable-5", ClaudeRule(thinking=_ALWAYS)),
    ("mythos-5", ClaudeRule(thinking=_ALWAYS)),
    ("opus-5-5", ClaudeRule(thinking=_ALWAYS, forced_tool=False)),
    ("sonnet-5-5", ClaudeRule(thinking=("adaptive", "between_tools"), forced_tool=False)),
    ("haiku-5-5", ClaudeRule()),
    ("opus-5", ClaudeRule()),
    ("sonnet-5", ClaudeRule(system_in_middle=False, least_cached=1_024)),
    ("opus-4-8", msgspec.structs.replace(_CLAUDE_4_7, system_in_middle=True, least_cached=1_024)),
    ("opus-4-7", _CLAUDE_4_7),
    ("opus-4-6", msgspec.structs.replace(_CLAUDE_4_6, least_cached=4_096)),
    ("sonnet-4-6", _CLAUDE_4_6),
    ("opus-4-5", msgspec.structs.replace(_CLAUDE_4_5, least_cached=4_096)),
    ("haiku-4-5", msgspec.structs.replace(_CLAUDE_4_5, least_cached=4_096)),
    ("sonnet-4-5", _CLAUDE_4_5),
    ("opus-4-1", msgspec.structs.replace(_CLAUDE_4, sampling="one", max_output=32_000)),
    ("opus-4", msgspec.structs.replace(_CLAUDE_4, max_output=32_000)),
    ("sonnet-4", _CLAUDE_4),
    ("claude-3-7", _CLAUDE_4),
    ("claude-3-5-haiku", msgspec.structs.replace(_OLD, least_cached=2_048)),
    ("claude-3-haiku", msgspec.structs.replace(_OLD, max_output=4_096, least_cached=2_048)),
    ("claude-3-5", _OLD),
    ("claude-3", msgspec.structs.replace(_OLD, max_output=4_096)),
    ("claude-2", msgspec.structs.replace(_OLD, max_output=4_096, window=100_000)),
    ("claude-instant", msgspec.structs.replace(_OLD, max_output=4_096, window=100_000)),
)

# Models of other makers behind this protocol (Ollama, llama.cpp, OpenRouter): everything is sent as asked.
_FOREIGN = ClaudeRule(
    thinking=_BUDGET,
    thinks_by_default=False,
    sampling="both",
    blank_stop=True,
    prefill=True,
    system_in_middle=False,
    signed=False,
    max_output=4_096,
)
_NEWEST = ClaudeRule(thinks_by_default=False, least_cached=1_024)


@lru_cache(maxsize=1_000)
def rule_for(model: str) -> ClaudeRule:
    """The row of a model, by its name with or without a gateway's prefix, a date, or dots for dashes."""
    name = model.lower().replace(".", "-")
    for part, rule in _RULES:
        if part in name:
            return rule
    return _NEWEST if "claude" in name else _FOREIGN


def least_cached(model: str) -> int | None:
    """The tokens of a prompt's beginning that are kept at least; None for other makers' models, which are not marked
    for: those that cache at all do so by themselves.
    """
    rule = rule_for(model)
    return rule.least_cached if rule.signed else None


def capabilities(model: str) -> ModelCapabilities:
    """What is known of a model; all unknown for other makers' models."""
    rule = rule_for(model)
    if rule is _FOREIGN or rule is _NEWEST:
        return ModelCapabilities(streaming=True)
    return ModelCapabilities(
        context_window=rule.window,
        max_output_tokens=rule.max_output,
        tools=True,
        parallel_tools=True,
        vision=not any(old in model for old in ("claude-2", "claude-instant")),
        json_mode=False,
        json_schema=rule.json_schema,
        streaming=True,
        thinking=bool(rule.thinking),
        prompt_cache=True,
    )

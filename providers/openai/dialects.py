"""What the dialects of OpenAI's chat protocol mean for a request, and what OpenAI's models accept.

From the vendors' documentation, the sources of vLLM, llama.cpp and Ollama, and recorded traffic.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from providers.content import nearest_effort
from providers.errors import ErrorCode, ProviderError
from providers.openai.dialect_rows import DIALECTS, Dialect
from providers.turns import family
from providers.types import ModelCapabilities, Thinking, effort_of

__all__ = ["DIALECTS", "Dialect", "dialect_for"]

_LOCAL = ("localhost", "127.0.0.1", "::1")


def dialect_for(base_url: str, name: str | None = None) -> Dialect:
    """The dialect of that name, else the one spoken at the URL's host, else `generic`.

    Raises:
        ValueError: no dialect has that name; the message lists them.
    """
    if name is not None:
        if name not in DIALECTS:
            raise ValueError(f'no dialect is named "{name}"; known: {", ".join(sorted(DIALECTS))}')
        return DIALECTS[name]
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    for row in DIALECTS.values():
        if host in _LOCAL:
            if row.port is not None and row.port == parts.port:
                return row
        elif any(fnmatchcase(host, end) or fnmatchcase(host, f"*.{end}") for end in row.hosts):
            return row
    return DIALECTS["generic"]


class ModelRule(msgspec.Struct, frozen=True):
    """What a family of OpenAI models accepts on chat completions.

    `efforts` are the values of reasoning_effort. `tools` is "yes", "effort_none" (only with an explicit
    `reasoning_effort: none`), "no_effort" (only while reasoning is off) or "responses" (never here).
    """

    efforts: tuple[str, ...]
    tools: Literal["yes", "effort_none", "no_effort", "responses"] = "yes"
    chat: bool = True


_LOW_UP = ("low", "medium", "high", "xhigh")
_NONE_UP = ("none", *_LOW_UP)

_RESPONSES = ModelRule(("low", "medium", "high"), "responses", chat=False)

# The first prefix that matches decides. A model of no row is sent as asked.
MODEL_RULES: tuple[tuple[str, ModelRule], ...] = (
    ("gpt-6-astra", ModelRule(_LOW_UP, "responses")),
    ("gpt-6.1-sol", ModelRule(_LOW_UP, "responses")),
    ("gpt-6.2-", ModelRule(_LOW_UP, "responses")),  # assumed to be like its elders
    ("gpt-6-sol", ModelRule(_NONE_UP, "effort_none")),
    ("gpt-6-luna", ModelRule(_NONE_UP, "effort_none")),
    ("gpt-6.1-terra", ModelRule(_NONE_UP, "effort_none")),
    ("gpt-5-search", ModelRule(())),
    *((f"gpt-5{minor}-codex", _RESPONSES) for minor in ("", ".1", ".2", ".3")),
    *((name, _RESPONSES) for name in ("o3-pro", "o3-deep-research", "o4-mini-deep-research", "codex-mini")),
    ("o1-pro", ModelRule(("low", "medium", "high"), "responses", chat=False)),
    ("gpt-5-pro", ModelRule(("high",), "responses", chat=False)),
    *((f"gpt-5.{minor}-pro", ModelRule(_LOW_UP[1:], "responses", chat=False)) for minor in range(1, 7)),
    *((f"gpt-5.{minor}-chat", ModelRule(("medium",))) for minor in range(1, 7)),
    ("gpt-5.6", ModelRule(_NONE_UP, "effort_none")),
    ("gpt-5.5", ModelRule(_NONE_UP, "effort_none")),
    ("gpt-5.4", ModelRule(_NONE_UP, "no_effort")),
    ("gpt-5.3", ModelRule(_NONE_UP, "no_effort")),
    ("gpt-5.2", ModelRule(_NONE_UP, "no_effort")),
    ("gpt-5.1", ModelRule(("none", "low", "medium", "high"), "no_effort")),
    ("gpt-5-chat", ModelRule(())),
    ("gpt-5", ModelRule(("minimal", "low", "medium", "high"))),
    ("o1", ModelRule(("low", "medium", "high"))),
    ("o3", ModelRule(("low", "medium", "high"))),
    ("o4", ModelRule(("low", "medium", "high"))),
    ("gpt-4", ModelRule(())),
    ("chatgpt-4o", ModelRule(())),
    ("gpt-3.5", ModelRule(())),
)


@lru_cache(maxsize=1_000)
def rule_for(model: str) -> ModelRule | None:
    """The row of a model; None for one of no row."""
    return next((rule for prefix, rule in MODEL_RULES if model.startswith(prefix)), None)


def reasons(model: str) -> bool:
    """Whether an OpenAI model reasons; one of no row is taken for a new one, which does."""
    rule = rule_for(model)
    return rule is None or bool(rule.efforts)


# Families that read no images, or cannot be held to a schema; the first prefix that matches decides.
_BLIND = ("gpt-3.5", "gpt-35", "o1-mini", "o1-preview", "o3-mini", "gpt-4-0", "gpt-4-32k", "gpt-4-1106", "gpt-oss")
_NO_SCHEMA = ("gpt-3.5", "gpt-35", "gpt-4-", "o1-mini", "o1-preview", "gpt-4o-2024-05-13")


def model_capabilities(model: str) -> ModelCapabilities:
    """What is known of OpenAI's own models by their family; all unknown for a model of no row."""
    rule = rule_for(model)
    if rule is None:
        return ModelCapabilities(streaming=True)
    schema = model != "gpt-4" and not model.startswith(_NO_SCHEMA)
    return ModelCapabilities(
        tools=not model.startswith(("o1-mini", "o1-preview")),
        parallel_tools=not model.startswith(("o1", "o3", "o4")),
        vision=model != "gpt-4" and not model.startswith(_BLIND),
        json_mode=True,
        json_schema=schema,
        streaming=True,
        thinking=bool(rule.efforts),
        prompt_cache=True,
    )


def needs_responses(model: str, thinking: Thinking | None, *, tools: bool) -> bool:
    """Whether chat completions cannot serve this (or only with the reasoning switched off that the model has)."""
    rule = rule_for(model)
    if rule is None or (rule.chat and (not tools or rule.tools == "yes")):
        return False
    if not rule.chat or rule.tools == "responses":
        return True
    return thinking != "off" and (thinking is not None or rule.tools == "effort_none")


def effort_for(model: str, effort: str) -> str | None:
    """The effort to send to an OpenAI model; None is: do not send the field.

    Raises:
        ProviderError: UNSUPPORTED when the model does not take this effort.
    """
    rule = rule_for(model)
    effort = effort if rule is None else nearest_effort(effort, rule.efforts)
    if rule is None or effort in rule.efforts:
        return effort
    if effort == "none" and not rule.efforts:
        return None  # it never reasons
    known = ", ".join(rule.efforts) or "none at all"
    raise _unsupported(model, f'{model} does not take reasoning effort "{effort}" (it takes: {known})')


def chat_effort(model: str, effort: str | None, *, tools: bool) -> str | None:
    """The reasoning_effort to send on chat completions; None is: do not send the field.

    Raises:
        ProviderError: UNSUPPORTED when chat completions cannot carry this request for this model.
    """
    rule = rule_for(model)
    if rule is None:
        return effort
    if not rule.chat:
        raise _unsupported(model, f"{model} is offered on OpenAI's Responses API only")
    effort = None if effort is None else effort_for(model, effort)
    if not tools or rule.tools == "yes":
        return effort
    if rule.tools == "responses":
        raise _unsupported(model, f"{model} takes tools on OpenAI's Responses API only")
    if effort not in (None, "none"):
        raise _unsupported(model, f"{model} on chat completions takes tools only with reasoning off")
    return "none" if rule.tools == "effort_none" else effort


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, message, model=model)


_DEEPSEEK = {"minimal": "low", "low": "low", "xhigh": "max", "max": "max"}
_HANDED_ON = ("minimal", "low", "medium", "high", "xhigh")  # to whoever makes the model


def thinking_fields(dialect: Dialect, thinking: Thinking, model: str = "") -> dict[str, Any]:
    """The body fields that ask for this much reasoning (OpenAI's models' own rules not applied)."""
    effort = effort_of(thinking)
    on = effort != "none"
    form = dialect.thinking
    if form == "reasoning":
        if not on:
            return {"reasoning": {"enabled": False}}
        asked = {"effort": nearest_effort(effort, _HANDED_ON)}
        return {"reasoning": {"max_tokens": thinking} if isinstance(thinking, int) else asked}
    if form in ("type", "adaptive"):
        return {"thinking": {"type": ("adaptive" if form == "adaptive" else "enabled") if on else "disabled"}}
    if form == "type_and_effort":
        if not on:
            return {"thinking": {"type": "disabled"}}
        return {"thinking": {"type": "enabled"}, "reasoning_effort": _DEEPSEEK.get(effort, "high")}
    if form == "enable_thinking":
        budget = {"thinking_budget": thinking} if isinstance(thinking, int) else {}
        return {"enable_thinking": on, **budget}
    if form == "template" and family(model) != "mistral":  # whose models have no template there: vLLM refuses the field
        # Which of the two names a model's own template reads depends on the model; the other is not looked at.
        kwargs = {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
        return {"reasoning_effort": effort, **kwargs} if on else kwargs
    if form == "high_or_none":
        return {"reasoning_effort": "high" if on else "none"}
    return {"reasoning_effort": effort}

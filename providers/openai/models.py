"""What models refuse of a request, wherever they are served: rows of data, by the beginning of the model's name.

Sampling hints that are refused are left out, because an answer without them is still an answer to the question; what
carries meaning is UNSUPPORTED. Sources: the vendors' pages on reasoning models, and the words of their refusals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from providers.anthropic.models import rule_for as claude_rule
from providers.content import nearest_effort
from providers.errors import ErrorCode, ProviderError
from providers.openai.dialect_rows import Dialect
from providers.openai.dialects import ModelRule, effort_for, rule_for
from providers.types import CompletionRequest, Thinking

_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_SAMPLING = _PENALTIES | {"temperature", "top_p"}
_NOTHING: frozenset[str] = frozenset()

# Moonshot's own models of these families have one temperature; elsewhere they are named moonshotai/….
_FIXED_SAMPLING = ("kimi-k2.5", "kimi-k2.6", "kimi-k2.7", "kimi-k2-thinking", "kimi-k3", "kimi-latest")

# They make one call at a time, and refuse to be told so.
_SINGLE_CALLS = ("o1", "o3", "o4")
_SINGLE = frozenset({"parallel_tool_calls"})
HINTS = _SAMPLING | _SINGLE  # all fields that some model refuses although the answer does not depend on them

# Those that search the web take no sampling at all.
_SEARCHING = ("gpt-4o", "gpt-5")
_GREEDY = frozenset({"top_p"})  # Mistral: "top_p must be 1 when using greedy sampling"

# Gateways that translate the older name of the limit themselves.
_TRANSLATES = frozenset({"openrouter", "vercel"})

# The greatest number of tools, and of stop sequences.
_TOOLS = {"openai": 128, "azure": 128, "groq": 128, "deepseek": 128}
_STOPS = {"openai": 4, "azure": 4, "groq": 4, "gemini": 5, "vertex": 5, "deepseek": 16}

# Dialect, beginning of the model's name (with * for any text), and what each effort is called there: None is not sent,
# because nothing else is possible; an effort that is missing is UNSUPPORTED. The first row that matches decides.
_LEVELS = {"low": "low", "medium": "medium", "high": "high"}
_MINIMAL_UP = ("minimal", *_LEVELS)
_ALL = (*_MINIMAL_UP, "xhigh", "max")
_ALWAYS = dict.fromkeys(_LEVELS)
_NEVER = {"none": None}
_EFFORTS: tuple[tuple[str, str, Mapping[str, str | None]], ...] = (
    ("groq", "qwen", {"none": "none", **dict.fromkeys(_LEVELS, "default")}),
    ("groq", "gpt-oss", _LEVELS),
    ("groq", "deepseek-r1", _ALWAYS),
    *(("groq", prefix, _NEVER) for prefix in ("llama", "gemma", "kimi", "allam", "mistral")),
    ("xai", "*non-reasoning", _NEVER),
    ("xai", "grok-3-mini", {"low": "low", "medium": "high", "high": "high"}),
    ("xai", "grok-4.3", {"none": "none", **_LEVELS}),
    *(("xai", prefix, _LEVELS) for prefix in ("grok-4.5", "grok-4.6", "grok-4.20-multi-agent")),
    ("xai", "grok-4", _ALWAYS),
    ("xai", "grok-code", _ALWAYS),
    ("xai", "grok-3", _NEVER),
    ("xai", "grok-2", _NEVER),
    ("gemini", "gemini-2.5-pro", _LEVELS),
    ("gemini", "gemini-3", _LEVELS),
    ("gemini", "gemini-2.0", _NEVER),
    ("gemini", "gemini-1", _NEVER),
)

# Without a schema, these refuse to answer in JSON where no message has the word in it.
_WANT_THE_WORD = frozenset({"openai", "azure", "groq", "deepseek", "dashscope"})
_HAND_ON = frozenset({"openrouter", "vercel", "github", "litellm"})  # to OpenAI, for its models
JSON_WORD = "Answer in JSON."

# Dialect and beginnings of the models' names: JSON and tools exclude each other in one request.
_JSON_OR_TOOLS = {"groq": ("",), "cerebras": ("",), "gemini": ("gemini-1", "gemini-2")}
# While they think, these are not forced to call a tool: dialect, beginning of the name, whether they think by default.
_UNFORCED = (
    ("dashscope", "", False),
    ("deepseek", "deepseek-reasoner", True),
    ("deepseek", "", False),
    ("moonshot", "kimi-k2", True),
)
# While they think, these are not held to JSON.
_UNHELD = frozenset({"dashscope"})
# OpenAI's models that call no tools.
_TOOLLESS = ("chatgpt-4o", "o1-mini", "o1-preview", "gpt-4o-search", "gpt-4o-mini-search")
# Dialect and beginnings of the names: what a system's message says is taken from the user only.
_SYSTEMLESS = {"gemini": ("gemma-2", "gemma-3"), "openai": ("o1-mini", "o1-preview")}


_OPEN_QWEN = re.compile(r"qwen3-\d+(?:\.\d+)?b(?:-a\d+b)?$").match


@lru_cache(maxsize=1_000)
def _name(model: str) -> str:
    """The model's own name, without what gateways put before it."""
    return model.lower().rpartition("/")[2]


def _dialect(dialect: Dialect) -> str:
    return "gemini" if dialect.name == "vertex" else dialect.name


@lru_cache(maxsize=1_000)
def _openai_rule(model: str) -> ModelRule | None:
    """The row of an OpenAI model that reasons, behind whatever host."""
    rule = rule_for(_name(model))
    return rule if rule is not None and rule.efforts else None


def left_out(request: CompletionRequest, dialect: Dialect) -> frozenset[str]:
    """The fields without meaning for the answer that are refused for this model."""
    return _left_out(request.model, dialect.name, request.thinking, request.temperature)


@lru_cache(maxsize=1_000)
def _left_out(model: str, dialect: str, thinking: Thinking | None, temperature: float | None) -> frozenset[str]:
    if dialect in ("gemini", "vertex"):
        return _PENALTIES
    if model.startswith(_FIXED_SAMPLING):
        return _SAMPLING
    if "claude" in model.lower():
        return _left_out_at_claude(model, thinking, temperature)
    if dialect == "mistral" and temperature == 0:
        return _GREEDY
    name = _name(model)
    if name.startswith(_SEARCHING) and "-search" in name:
        return _SAMPLING | _SINGLE
    rule = _openai_rule(model)
    if rule is None:
        return _NOTHING
    # Those that take tools only without effort are those that do not reason unless they are asked to.
    off = "none" in rule.efforts and (thinking == "off" or (thinking is None and rule.tools == "no_effort"))
    single = _SINGLE if _name(model).startswith(_SINGLE_CALLS) else _NOTHING
    return (_PENALTIES if off else _SAMPLING) | single


def _left_out_at_claude(model: str, thinking: Thinking | None, temperature: float | None) -> frozenset[str]:
    """Gateways hand these on to Anthropic as they are."""
    rule = claude_rule(model)
    if rule.sampling == "none" or thinking not in (None, "off"):
        return _SAMPLING
    one = rule.sampling == "one" and temperature is not None
    return _PENALTIES | {"top_p"} if one else _PENALTIES


def limit_field(model: str, dialect: Dialect) -> str:
    """The name of the field that limits the answer's tokens; OpenAI's reasoning models refuse the older one."""
    if dialect.name not in _TRANSLATES and _openai_rule(model) is not None:
        return "max_completion_tokens"
    return dialect.max_tokens


def check(request: CompletionRequest, dialect: Dialect) -> None:
    """Whether this model can do all that is asked.

    Raises:
        ProviderError: UNSUPPORTED, with the name of what it cannot.
    """
    model, spoken = request.model, _dialect(dialect)
    no_stop = model.startswith(dialect.no_stop) and "non-reasoning" not in model
    if request.stop and (no_stop or _openai_rule(model) is not None):
        raise _unsupported(model, "stop: it takes no stop sequences")
    most = _STOPS.get(dialect.name)
    if most is not None and len(request.stop) > most:
        raise _unsupported(model, f"stop: it takes {most} stop sequences, not {len(request.stop)}")
    most = _TOOLS.get(dialect.name)
    if most is not None and len(request.tools) > most:
        raise _unsupported(model, f"tools: it takes {most}, not {len(request.tools)}")
    thinks = request.thinking not in (None, "off")
    if thinks and request.response_format is not None and spoken in _UNHELD:
        raise _unsupported(model, "response_format: it is not held to JSON while it thinks")
    if not request.tools:
        return
    _check_tools(request, dialect)


def _check_tools(request: CompletionRequest, dialect: Dialect) -> None:
    model, name, spoken = request.model, _name(request.model), _dialect(dialect)
    if dialect.openai_models and name.startswith(_TOOLLESS):
        raise _unsupported(model, "tools: it calls none")
    if request.response_format is not None and name.startswith(_JSON_OR_TOOLS.get(spoken, ())):
        raise _unsupported(model, "response_format: it takes no tools beside it")
    if request.tool_choice in (None, "auto", "none"):
        return
    if "tool_choice" in dialect.never:
        raise _unsupported(model, "tool_choice: it is not forced to call a tool")
    if request.thinking == "off":
        return
    for maker, prefix, by_default in _UNFORCED:
        if spoken == maker and name.startswith(prefix):
            if by_default or request.thinking is not None:
                raise _unsupported(model, "tool_choice: it is not forced to call a tool while it thinks")
            return


def system_role(model: str, dialect: Dialect, role: str) -> str:
    """The role in which a system's or a developer's message is sent."""
    if _name(model).startswith(_SYSTEMLESS.get(_dialect(dialect), ())):
        return "user"
    return "system" if not dialect.developer else role


def plain_only(request: CompletionRequest, dialect: Dialect, *, stream: bool) -> dict[str, bool]:
    """What a plain call needs where thinking comes in streams only: DashScope's open Qwen3 think unless told not to.

    Raises:
        ProviderError: UNSUPPORTED when thinking was asked for.
    """
    if dialect.name != "dashscope" or stream or not _OPEN_QWEN(_name(request.model)):
        return {}
    if request.thinking not in (None, "off"):
        raise _unsupported(request.model, "thinking: it thinks in streams only")
    return {"enable_thinking": False}


def wants_json_said(request: CompletionRequest, dialect: Dialect) -> bool:
    """Whether `JSON_WORD` has to be added to the messages, because the request would be refused without it."""
    if request.response_format != "json":
        return False
    handed_on = dialect.name in _HAND_ON and rule_for(_name(request.model)) is not None
    if not handed_on and dialect.name not in _WANT_THE_WORD:
        return False
    return not any("json" in message.text.lower() for message in request.messages)


def effort_word(model: str, dialect: Dialect, effort: str) -> str | None:
    """What this model calls an effort; None is: do not send the field.

    Raises:
        ProviderError: UNSUPPORTED when the model cannot be asked for it.
    """
    name, spoken = _name(model), _dialect(dialect)
    for maker, prefix, words in _EFFORTS:
        if spoken == maker and fnmatchcase(name, f"{prefix}*"):
            effort = nearest_effort(effort, words)
            if effort not in words:
                what = "it always thinks" if effort == "none" else "it does not think"
                raise _unsupported(model, f"thinking: {what}")
            return words[effort]
    if rule_for(name) is None and dialect.thinking != "type_and_effort":
        effort = nearest_effort(effort, _ALL if spoken in _HAND_ON else _MINIMAL_UP if spoken == "gemini" else _LEVELS)
    return effort_for(name, effort)  # for OpenAI's models behind other hosts


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{model}: {message}", model=model)

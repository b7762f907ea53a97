"""Fields of a request that a vendor refuses although the answer does not depend on them: left out, and remembered.

A field with a meaning for the answer (messages, tools, a response format, stop sequences) is never touched. Names are
those on the wire, with dots where they are nested. The order is from the least to the most meaningful: of two fields
that are refused together the first goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.vendor_words import FOREIGN_TURN, UNKNOWN_FIELD

_MODELS = 256  # whose refusals are remembered
_FIELDS = 32  # of one model
# Marks, reasoning of earlier turns, and the wish that arguments fit: at whatever depth.
_ANYWHERE = frozenset({"cache_control", "prompt_cache_breakpoint", "reasoning_content", "strict"})
# The limit of the answer has two names, and a server that refuses one takes the other.
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}

_PARALLEL = ("parallel tool calls", "parallel tool calling", "parallel function calling", "single tool-call")

# The field, and the words by which vendors name it besides.
_LEAVABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("store", ()),
    ("metadata", ()),
    ("user", ()),
    ("safety_identifier", ()),
    ("prompt_cache_key", ()),
    ("prompt_cache_retention", ()),
    ("prompt_cache_options", ()),
    ("prompt_cache_breakpoint", ()),
    ("cache_control", ("prompt caching", "context caching")),
    ("service_tier", ()),
    ("reasoning_content", ()),
    ("strict", ()),
    ("stream_options.include_obfuscation", ("include_obfuscation",)),
    ("stream_options", ("include_usage",)),
    ("include", ("encrypted_content", "encrypted content")),
    ("keep_alive", ()),
    ("seed", ()),
    ("random_seed", ()),
    ("frequency_penalty", ("frequencypenalty",)),
    ("presence_penalty", ("presencepenalty",)),
    ("repetition_penalty", ()),
    ("min_p", ()),
    ("top_k", ("topk",)),
    ("top_p", ("topp",)),
    ("temperature", ()),
    ("parallel_tool_calls", _PARALLEL),
    ("tool_choice.disable_parallel_tool_use", ("disable_parallel_tool_use",)),
    ("verbosity", ()),
    ("text.verbosity", ("verbosity",)),
    ("reasoning.summary", ("reasoning summary", "reasoning summaries")),
    ("reasoning_effort", ("effort",)),
    ("reasoning.effort", ("effort",)),
    ("output_config.effort", ("effort",)),
    ("thinking", ("thinking.type", "thinking budget", "budget_tokens")),
    ("think", ("thinking",)),
    ("reasoning", ()),
    ("chat_template_kwargs", ("enable_thinking",)),
    ("enable_thinking", ()),
)
# Words of common speech: they name a field only where they stand as a name does.
_COMMON = frozenset({"store", "metadata", "user", "include", "seed", "verbosity", "reasoning", "think", "strict"})
# What a text says of the fields beside which another one is refused.
_SPOKEN = {"reasoning_effort": "reasoning", "reasoning": "reasoning", "output_config": "effort", "think": "thinking"}
# Below these stand the caller's own names.
_OWN = frozenset({"parameters", "input_schema", "schema", "arguments"})
_AS_NAME = (
    r"(?:['\"`\[(]|\b(?:body|function)\.|^|(?:supplied|\b(?:param(?:eter)?|field|argument|input|name|key|option)s?|propert(?:y|ies))"
    r"(?:\(s\))?:? |, ){}(?=['\"`\]):,.]|\s*$| (?:is|was|are|not)\b)"
)
_CONDITION = (
    r"\bboth\b|together|\bcombin|at the same time|mutually exclusive|incompatible with|\bwh(?:en|ile)\b|\bunless\b"
    r"|\bwith (?!th(?:is|e)\b|your\b|that\b|model)|^function tools with"
)
# What follows names what is taken instead.
_INSTEAD = r"\buse\b|\binstead\b|[,;] expected\b|expected one of|supported (?:values|parameters)|did you mean"
_LIMIT = r"range|less than|at most|too large|maximum|exceed"


class Refusal(msgspec.Struct, frozen=True):
    """A field that a model does not take: at all, only `beside` other fields, or only with this `value`.

    `instead` is the name under which it is taken.
    """

    field: str
    instead: str | None = None
    beside: tuple[str, ...] = ()
    value: str | None = None

    def concerns(self, body: dict[str, Any]) -> bool:
        if self.beside and not any(name in body for name in self.beside):
            return False
        return self.value is None or _get(body, self.field) == self.value


class RefusedFields(dict[str, tuple[Refusal, ...]]):
    """What the models of one provider were seen to refuse, by the model's name; the oldest is forgotten when there are
    too many.
    """

    def learn(self, model: str, refusals: tuple[Refusal, ...]) -> None:
        if model not in self and len(self) >= _MODELS:
            del self[next(iter(self))]
        self[model] = refusals[-_FIELDS:]


def refused(error: ProviderError, body: dict[str, Any]) -> tuple[Refusal, ...]:
    """The fields of `body` that may be left out, or be named otherwise, after this error; none where it stands."""
    text = error.message.lower()
    if error.code is not ErrorCode.UNSUPPORTED or FOREIGN_TURN.search(text):
        return ()
    named = _named(re.split(_INSTEAD, text, maxsplit=1)[0], body) or _named(text, body)
    if not named:
        return _renamed(text, body)
    if not re.search(_CONDITION, text):
        return tuple(Refusal(field, value=_value(text, body, field)) for field in named)
    field = named[0]
    others = tuple(
        name
        for name in body
        if name not in ("model", "messages", "input", "stream", field) and _SPOKEN.get(name, name) in text
    )
    return (Refusal(field, beside=others),)


def without(body: dict[str, Any], refusals: Iterable[Refusal]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body without what is refused, and the names of what was left out; `body` itself is not changed."""
    left_out = []
    for refusal in refusals:
        if not _has(body, refusal.field) or not refusal.concerns(body):
            continue
        if refusal.instead is None:
            body = _without(body, refusal.field)
            left_out.append(refusal.field)
        else:
            body = {refusal.instead if key == refusal.field else key: value for key, value in body.items()}
    return body, tuple(left_out)


def _named(text: str, body: dict[str, Any]) -> list[str]:
    found = [
        field
        for field, words in _LEAVABLE
        if (_is_named(text, field) or any(word in text for word in words)) and _has(body, field)
    ]
    # Of `reasoning.summary` only the summary is meant.
    return [field for field in found if not any(other.startswith(f"{field}.") for other in found)]


def _is_named(text: str, field: str) -> bool:
    if field in text:  # which is cheap, and mostly false
        return field not in _COMMON or bool(re.search(_AS_NAME.replace("{}", re.escape(field)), text))
    return False


def _renamed(text: str, body: dict[str, Any]) -> tuple[Refusal, ...]:
    for field, other in _OTHER_NAME.items():
        unknown = UNKNOWN_FIELD.search(text) and not re.search(_LIMIT, text)
        if field in body and other not in body and _is_named(text, field) and (other in text or unknown):
            return (Refusal(field, other),)
    return ()


def _value(text: str, body: dict[str, Any], field: str) -> str | None:
    """An effort's value that the text quotes: the others may be taken. Of a number no other one is tried."""
    value = _get(body, field)
    return value if isinstance(value, str) and re.search(rf"['\"`]{re.escape(value)}['\"`]", text) else None


# --- paths


def _has(body: dict[str, Any], path: str) -> bool:
    return _found_anywhere(body, path) if path in _ANYWHERE else _get(body, path) is not None


def _get(body: Any, path: str) -> Any:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _without(body: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy without the field; an object that becomes empty by it goes as well."""
    if path in _ANYWHERE:
        return _without_anywhere(body, path)  # type: ignore[no-any-return]  # an object stays one
    key, _, rest = path.partition(".")
    inner = _without(body[key], rest) if rest else None
    return {name: inner if name == key else value for name, value in body.items() if name != key or inner}


def _found_anywhere(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_found_anywhere(inner, key) for name, inner in value.items() if name not in _OWN)
    return isinstance(value, list) and any(_found_anywhere(inner, key) for inner in value)


def _without_anywhere(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {
            name: inner if name in _OWN else _without_anywhere(inner, key)
            for name, inner in value.items()
            if name != key
        }
    return [_without_anywhere(inner, key) for inner in value] if isinstance(value, list) else value

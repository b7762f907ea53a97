"""Readers that take what they can use of a vendor's JSON and never raise.

Servers send null, strings, lists and objects where their protocol says otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

MOST_TOKENS = 10**12  # more is no count; sums and quotients of it would not fit a float
_NULL_WORDS = frozenset({"null", "none", "nil", "undefined"})


def as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def as_str(value: object) -> str | None:
    """The string; None for anything else and for the empty one."""
    return value if isinstance(value, str) and value else None


def as_count(value: object) -> int | None:
    """A number of tokens; None for anything else. Some gateways send whole numbers as floats, or as texts."""
    if type(value) is str and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def as_word(value: object) -> str | None:
    """A name, an id or a reason; None also for the words that some servers write in place of null."""
    return value if isinstance(value, str) and value and value.strip().lower() not in _NULL_WORDS else None


def as_json(value: object) -> str:
    """The value as JSON text; the standard library writes what msgspec refuses (half a surrogate pair, NaN)."""
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, OverflowError, RecursionError):
        pass
    try:
        return json.dumps(value, separators=(",", ":"))
    except (ValueError, RecursionError):
        return ""


def arguments_text(value: object) -> str:
    """A call's arguments as JSON text; Mistral, Ollama and some local servers send an object."""
    if isinstance(value, str):
        return value
    return as_json(value) if isinstance(value, dict | list) else ""


def meant_arguments(text: str) -> str:
    """Arguments as they are meant: a word for null is none, and an object inside a string is that object."""
    inner = text.strip()
    if inner[:1] == "{":
        return text
    if inner.lower() in _NULL_WORDS:
        return "{}"
    for _ in range(3):  # encoded twice, or more often
        if inner[:1] != '"':
            break
        try:
            value = msgspec.json.decode(inner)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return text
        inner = value.strip() if isinstance(value, str) else ""
    return inner if inner[:1] == "{" else text


def synthetic_id(position: int, name: str) -> str:
    """An id for a call that came without one: the same for the same call of the same answer."""
    return "call_" + hashlib.sha256(f"{position}:{name}".encode()).hexdigest()[:24]


OF_GOOGLE = "extra_content"  # where Google's servers have Gemini's signature of a call
OF_LITELLM = "provider_specific_fields"  # where LiteLLM's proxy has it


def opaque_of_call(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a chat server's entry for a call has to go back with it, unread; None where there is nothing."""
    google = entry.get(OF_GOOGLE)
    if isinstance(google, Mapping) and google:
        return {OF_GOOGLE: dict(google)}
    litellm = entry.get(OF_LITELLM)
    if isinstance(litellm, Mapping) and litellm.get("thought_signature"):
        return {OF_LITELLM: dict(litellm)}
    return None

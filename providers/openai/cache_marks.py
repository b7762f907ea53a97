"""What a request says of the prompt cache in OpenAI's protocols: a key of its conversation, or marks as Anthropic has.

OpenAI caches by itself; the key takes the turns of a conversation to where the cache is, and some models keep it for a
day at the same price (developers.openai.com/api/docs/guides/prompt-caching; Azure and Mistral have the same key, and
Grok a header in its place). From GPT-5.6 on it is kept for half an hour, the only time that there is, and what is
written costs a quarter more: up to the latest message, and up to where its app has set breakpoints. A request writes
up to four of these in all, the last ones, and reads the longest of the last 80 (the types of async-openai 0.42); they
stand on what a model is given, not on what it has said.
Claude and Qwen behind a gateway are cached by marks on texts (openrouter.ai/docs/guides/best-practices/prompt-caching,
and Alibaba's page on explicit caches). Gemini, DeepSeek and others cache by themselves, and are asked for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from providers.anthropic.models import least_cached
from providers.openai.dialect_rows import Dialect
from providers.prompt_cache import block_of, breakpoints, conversation, is_on, set_marks
from providers.types import CompletionRequest, Message, TextPart

_LEAST_QWEN = 1_024
# OpenAI's models that can keep a prompt for a day; the later ones have one time for all.
_KEEP_LONGER = ("gpt-4.1", "gpt-5", "gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5")
_GPT = re.compile(r"(?:ft:)?gpt-(\d)(?:\.(\d+))?(?!\d)").match  # no gpt-35, Azure's word for 3.5
_FIRST_WITH_BREAKPOINTS = (5, 6)
BREAKPOINT = {"prompt_cache_breakpoint": {"mode": "explicit"}}


def cache_fields(request: CompletionRequest, dialect: Dialect, *, by_header: bool = False) -> dict[str, Any]:
    """The fields of a body that say where the conversation's prompt is kept, and for how long.

    Args:
        by_header: a header says it.
    """
    if by_header or not dialect.cache_key:
        return {}
    if is_on(request.prompt_cache):
        fields = {"prompt_cache_key": conversation(request)}
        if request.prompt_cache == "1h" and dialect.openai_models and _keeps_longer(request.model):
            fields["prompt_cache_retention"] = "24h"
        return fields
    if not takes_breakpoints(request.model, dialect):
        return {}
    # What is not marked is not kept, and not paid for, where the app wants no cache but that of its marks.
    alone = {"prompt_cache_options": {"mode": "explicit"}} if request.prompt_cache == "off" else {}
    beginning = _to_first_mark(request)
    # Without a key these models find what was kept by chance only.
    return {**alone, **({} if beginning is None else {"prompt_cache_key": beginning})}


def takes_breakpoints(model: str, dialect: Dialect) -> bool:
    """Whether a text that its app has marked becomes one of OpenAI's breakpoints."""
    return dialect.openai_models and _has_breakpoints(model)


@lru_cache(maxsize=1_000)
def _has_breakpoints(model: str) -> bool:
    found = _GPT(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= _FIRST_WITH_BREAKPOINTS


def _to_first_mark(request: CompletionRequest) -> str | None:
    """What all requests have in common whose first mark comes after the same words, as 32 letters and digits; None for
    one that has no mark. Its `affinity` is that, where it has one.
    """
    marked = next((place for place, message in enumerate(request.messages) if _has_mark(message)), None)
    if marked is None:
        return None
    if request.affinity is not None:
        return conversation(request)
    digest = blake2b(digest_size=16)
    for message in request.messages[: marked + 1]:
        for part in (TextPart(message.content),) if isinstance(message.content, str) else message.content:
            if isinstance(part, TextPart):
                digest.update(f"{message.role}\0{part.text}\0".encode("utf-8", "surrogatepass"))
                if part.cache and message is request.messages[marked]:
                    break
    return digest.hexdigest()


def _has_mark(message: Message) -> bool:
    if isinstance(message.content, str) or message.role == "assistant":
        return False
    return any(isinstance(part, TextPart) and part.cache for part in message.content)


def _keeps_longer(model: str) -> bool:
    family = model.partition("-")[2].partition("-")[0]  # "5.1" of gpt-5.1-codex
    return f"gpt-{family}" in _KEEP_LONGER


def least_marked(model: str, dialect: Dialect) -> int | None:
    """The tokens that a model keeps at least, where it is cached by marks; None elsewhere."""
    name = model.lower()
    if "claude" in name:
        return least_cached(name)
    return _LEAST_QWEN if "qwen" in name and dialect.name in ("openrouter", "dashscope") else None


def mark(messages: list[dict[str, Any]], request: CompletionRequest, dialect: Dialect) -> None:
    """Mark what the vendor is to keep, in place: a text that is marked becomes a list with that text in it."""
    least = least_marked(request.model, dialect)
    blocks: list[dict[str, Any]] = []
    ends: list[int] = []
    whole: dict[int, dict[str, Any]] = {}  # messages whose content is one text, by the place of its block
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            whole[len(blocks)] = message
            blocks.append({"type": "text", "text": content})
        else:
            blocks += content or ()
        if message.get("tool_calls"):
            blocks.append({"type": "calls", "calls": message["tool_calls"]})
        ends.append(len(blocks) - 1)
    places: tuple[int, ...] = ()
    if least is not None and is_on(request.prompt_cache):
        system, before, this = _requests(messages)
        worth = [None if at is None else ends[at] for at in (this, system, before)]
        counted = [block_of(block) for block in blocks]
        texts = [
            block._replace(can_be_marked=block.can_be_marked and written["type"] == "text")
            for block, written in zip(counted, blocks, strict=True)
        ]
        places = breakpoints(texts, worth, least)
    # Of Qwen's models only the newest know an hour.
    has_hour = "claude" in request.model or "qwen4" in request.model
    set_marks(blocks, places, request.prompt_cache if has_hour else "auto")
    for place in places:
        if place in whole:
            whole[place]["content"] = [blocks[place]]


def _requests(messages: Sequence[dict[str, Any]]) -> tuple[int | None, int | None, int | None]:
    """The messages with which the system's words end, the request before this one ended, and this one ends."""
    roles = [message["role"] for message in messages]
    head = next((at for at, role in enumerate(roles) if role not in ("system", "developer")), len(roles))
    this = _last(roles, len(roles), answers=False)
    answer = None if this is None else _last(roles, this, answers=True)
    return head - 1 if head else None, None if answer is None else _last(roles, answer, answers=False), this


def _last(roles: Sequence[str], before: int, *, answers: bool) -> int | None:
    return next((at for at in range(before - 1, -1, -1) if (roles[at] == "assistant") is answers), None)

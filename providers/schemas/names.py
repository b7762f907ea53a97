"""Names of tools and schemas that every vendor takes.

OpenAI, Anthropic, Mistral and Google take letters, digits, dashes and underscores, 64 at most; Google's begin with a
letter or an underscore.
"""

from __future__ import annotations

import hashlib
import re

from providers.types import CompletionRequest

LONGEST = 64
_fits = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}").fullmatch
_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")


def allowed(name: str) -> bool:
    return _fits(name) is not None


def safe(name: str) -> str:
    """The name if it is allowed, else one like it: the same for the same name always, another for every other."""
    if _fits(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    like = _OTHERS.sub("_", name).strip("_") or "tool"
    if not (like[0].isalpha() or like[0] == "_"):
        like = f"_{like}"
    return f"{like[: LONGEST - len(digest) - 1]}_{digest}"


def renamed(request: CompletionRequest) -> dict[str, str]:
    """The names in a request that are not allowed, by what is sent in their place; empty nearly always."""
    names = [tool.name for tool in request.tools] if request.tools else []
    for message in request.messages:
        if message.tool_calls:
            names += [call.name for call in message.tool_calls]
    return {safe(name): name for name in names if not _fits(name)} if names else {}

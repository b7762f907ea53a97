"""Vendors' lists of models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from providers.error_body import NAME_CHARS
from providers.lenient_json import as_dict, as_list, as_str

_PAGES = 100  # of a vendor's models that are asked for; a server could go on for ever


def names_of(body: Any) -> set[str]:
    """The ids on a page, as OpenAI, Anthropic and Ollama tell them."""
    entries = as_list(as_dict(body).get("data")) or as_list(as_dict(body).get("models"))
    ids = (as_str(entry.get("id") or entry.get("model")) for entry in map(as_dict, entries))
    return {model[:NAME_CHARS] for model in ids if model}


def next_page(body: Any) -> str | None:
    """The query of the page after this one; None where it is the last. Anthropic gives its models in pages
    (https://docs.anthropic.com/en/api/models-list).
    """
    last = as_dict(body).get("has_more") is True and as_str(as_dict(body).get("last_id"))
    return f"limit=1000&after_id={quote(last[:NAME_CHARS], safe='')}" if last else None


async def all_names(path: str, ask: Callable[[str], Awaitable[Any]]) -> list[str]:
    """The names of all pages.

    Args:
        path: of the first one.
        ask: gets a page, as it was decoded.
    """
    found: list[str] = []
    page = path
    for _ in range(_PAGES):
        body = await ask(page)
        found += names_of(body)
        more = next_page(body)
        if more is None:
            break
        page = f"{path}?{more}"
    return found

"""The parts of a message (texts, images, documents) as each server that speaks OpenAI's chat protocol takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.openai.dialects import Dialect, model_capabilities
from providers.parts import as_text, cache_control, data_url, is_text
from providers.types import FilePart, ImagePart, Message, Part, TextPart, ThinkingPart


class PartRules(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the defaults are those of a server of which nothing is known.

    `lists` tells whether a list of texts is surely taken (else it goes as one string); `pdf` is the type of part that
    carries a PDF, None where there is none; `images` tells whether it takes any. `tool_media` is where the images of
    a tool's result go: "after" it in a message of the user, or "inside" it. `cache` tells whether texts are marked
    for the vendor's prompt cache.
    """

    lists: bool = False
    pdf: Literal["file", "document_url"] | None = "file"
    images: bool = True
    tool_media: Literal["after", "inside"] = "after"
    cache: bool = False


_NO_PDF = PartRules(pdf=None)
_TEXT_ONLY = PartRules(pdf=None, images=False)
_UNKNOWN = PartRules()

_RULES: Mapping[str, PartRules] = {
    "openai": PartRules(lists=True),
    "azure": PartRules(lists=True),
    "openrouter": PartRules(lists=True, cache=True),
    "litellm": PartRules(lists=True, cache=True),
    "vercel": PartRules(lists=True),
    "gemini": PartRules(lists=True),
    "vertex": PartRules(lists=True),
    # Mistral refuses a user's message directly after a tool's, and takes images within it.
    "mistral": PartRules(lists=True, pdf="document_url", tool_media="inside"),
    "dashscope": PartRules(pdf=None, cache=True),
    "deepseek": _TEXT_ONLY,
    "cerebras": _TEXT_ONLY,
    **dict.fromkeys(("groq", "xai", "together", "moonshot", "nvidia", "cohere"), _NO_PDF),
    **dict.fromkeys(("vllm", "sglang", "llamacpp", "lmstudio", "ollama"), _NO_PDF),
}


def content_of(content: str | tuple[Part, ...], model: str, dialect: Dialect) -> str | list[dict[str, Any]]:
    """What a message says.

    Raises:
        ProviderError: UNSUPPORTED for an image or a document that the server does not take.
    """
    if isinstance(content, str):
        return content
    rules = _RULES.get(dialect.name, _UNKNOWN)
    parts = [part for part in content if not isinstance(part, ThinkingPart)]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts) and not (rules.lists and len(parts) > 1):
        marked = rules.cache and any(part.cache for part in parts if isinstance(part, TextPart))
        if not marked:
            return "\n".join(texts)
    return [_part(part, rules, model, dialect) for part in parts]


def result_of(message: Message, model: str, dialect: Dialect) -> tuple[str | list[dict[str, Any]], list[Any]]:
    """What a tool's result says, and the parts of it that have to follow in a message of the user.

    The protocol's results are text; a picture in one would be dropped.
    """
    content = message.content
    if isinstance(content, str) or all(isinstance(part, TextPart | ThinkingPart) for part in content):
        return message.text, []
    rules = _RULES.get(dialect.name, _UNKNOWN)
    media = [part for part in content if isinstance(part, ImagePart | FilePart)]
    if rules.tool_media == "inside":
        return content_of(content, model, dialect), []
    told = {"type": "text", "text": f"What the tool call {message.tool_call_id} gave beside its text:"}
    return message.text or "(see below)", [told, *(_part(part, rules, model, dialect) for part in media)]


def said_text(message: Message, model: str) -> str:
    """What an assistant's turn says: text alone.

    Raises:
        ProviderError: UNSUPPORTED for an image or a document in it.
    """
    if not isinstance(message.content, str) and any(isinstance(p, ImagePart | FilePart) for p in message.content):
        raise _unsupported(model, "images and documents are taken in the user's messages only")
    return message.text


def _part(
    part: TextPart | ImagePart | FilePart | ThinkingPart, rules: PartRules, model: str, dialect: Dialect
) -> dict[str, Any]:
    if isinstance(part, TextPart):
        marked = rules.cache and part.cache
        return {"type": "text", "text": part.text, **({"cache_control": cache_control(part)} if marked else {})}
    if isinstance(part, ImagePart):
        blind = dialect.openai_models and model_capabilities(model).vision is False
        if blind or not rules.images:
            raise _unsupported(model, "it takes no images")
        url = part.url or data_url(part.data or b"", part.media_type or "image/png")
        return {"type": "image_url", "image_url": {"url": url, **({"detail": part.detail} if part.detail else {})}}
    assert isinstance(part, FilePart)
    if is_text(part):
        return {"type": "text", "text": as_text(part)}
    url = data_url(part.data, part.media_type)
    if rules.pdf is None:
        raise _unsupported(model, f"it takes no documents of {part.media_type}")
    if rules.pdf == "document_url":
        named = {"document_name": part.filename} if part.filename else {}
        return {"type": "document_url", "document_url": url, **named}
    return {"type": "file", "file": {"filename": part.filename or "document", "file_data": url}}


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{model}: {message}", model=model)

"""The parts of a message (texts, images, documents) as each server that speaks OpenAI's chat protocol takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from providers.base64_text import data_url
from providers.errors import ErrorCode, ProviderError
from providers.openai.cache_marks import BREAKPOINT, takes_breakpoints
from providers.openai.dialects import Dialect, model_capabilities
from providers.openai.more_fields import input_audio
from providers.parts import as_text, cache_control, is_text
from providers.turns import made_at
from providers.types import AudioPart, FilePart, ImagePart, Message, Part, ServerToolPart, TextPart, ThinkingPart


class PartRules(msgspec.Struct, frozen=True, kw_only=True):
    """One row; the defaults are those of a server of which nothing is known.

    `lists` tells whether a list of texts is surely taken (else it goes as one string); `pdf` is the type of part that
    carries a PDF, None where there is none, `file_urls` whether that may be a URL, `file_ids` whether the vendor keeps
    files; `audio` and `images` tell whether it takes any. `tool_media` is where the images of
    a tool's result go: "after" it in a message of the user, or "inside" it. `cache` tells whether texts are marked
    for the vendor's prompt cache.
    """

    lists: bool = False
    pdf: Literal["file", "document_url"] | None = "file"
    file_urls: bool = False
    file_ids: bool = False
    images: bool = True
    audio: bool = True
    tool_media: Literal["after", "inside"] = "after"
    cache: bool = False


_NO_PDF = PartRules(pdf=None)
_SILENT = PartRules(pdf=None, audio=False)
_TEXT_ONLY = PartRules(pdf=None, images=False, audio=False)
_UNKNOWN = PartRules(file_urls=True, file_ids=True)

_RULES: Mapping[str, PartRules] = {
    "openai": PartRules(lists=True, file_ids=True),
    "azure": PartRules(lists=True, file_ids=True),
    "openrouter": PartRules(lists=True, cache=True, file_urls=True),
    "litellm": PartRules(lists=True, cache=True, file_urls=True, file_ids=True),
    "vercel": PartRules(lists=True),
    "gemini": PartRules(lists=True),
    "vertex": PartRules(lists=True),
    # Mistral refuses a user's message directly after a tool's, and takes images within it.
    "mistral": PartRules(lists=True, pdf="document_url", tool_media="inside", file_urls=True, file_ids=True),
    "dashscope": PartRules(pdf=None, cache=True),
    "deepseek": _TEXT_ONLY,
    "cerebras": _TEXT_ONLY,
    **dict.fromkeys(("groq", "xai", "together", "moonshot", "nvidia", "cohere"), _SILENT),
    **dict.fromkeys(("vllm", "sglang", "llamacpp", "lmstudio", "ollama"), _NO_PDF),
}


def takes_marks(dialect: Dialect) -> bool:
    """Whether texts are marked for the prompt caches behind a server."""
    return _RULES.get(dialect.name, _UNKNOWN).cache


def keeps_files(dialect: Dialect) -> bool:
    """Whether a server may have files that go by their ids."""
    return _RULES.get(dialect.name, _UNKNOWN).file_ids


def content_of(message: Message, model: str, dialect: Dialect) -> str | list[dict[str, Any]]:
    """What a message says.

    Raises:
        ProviderError: UNSUPPORTED for an image or a document that the server does not take.
    """
    content = message.content
    if isinstance(content, str):
        return content
    rules = _RULES.get(dialect.name, _UNKNOWN)
    parts = _plain(content)
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    in_one = len(texts) == len(parts) and not (rules.lists and len(parts) > 1)
    if in_one and not _is_marked(message, rules, model, dialect):
        return "\n".join(texts)
    return [_part(part, rules, model, dialect) for part in parts]


def _plain(content: tuple[Part, ...]) -> list[TextPart | ImagePart | FilePart | AudioPart]:
    """What is sent of a message: no reasoning, no use of a vendor's tool, and documents of text as texts."""
    return [
        TextPart(as_text(part)) if isinstance(part, FilePart) and is_text(part) else part
        for part in content
        if not isinstance(part, (ThinkingPart, ServerToolPart))
    ]


def result_of(message: Message, model: str, dialect: Dialect) -> tuple[str | list[dict[str, Any]], list[Any]]:
    """What a tool's result says, and the parts of it that have to follow in a message of the user.

    The protocol's results are text; a picture in one would be dropped.
    """
    content = message.content
    rules = _RULES.get(dialect.name, _UNKNOWN)
    parts = [] if isinstance(content, str) else _plain(content)
    media = [part for part in parts if not isinstance(part, TextPart)]
    if (media and rules.tool_media == "inside") or (not media and _is_marked(message, rules, model, dialect)):
        return content_of(message, model, dialect), []
    text = content if isinstance(content, str) else "".join(part.text for part in parts if isinstance(part, TextPart))
    if not media:
        return text, []
    told = {"type": "text", "text": f"What the tool call {message.tool_call_id} gave beside its text:"}
    return text or "(see below)", [told, *(_part(part, rules, model, dialect) for part in media)]


def said_of(message: Message, model: str, dialect: Dialect, provider: str | None = None) -> str | list[dict[str, Any]]:
    """What an assistant's turn says: text alone; raises as `check_said`."""
    check_said(message, model, dialect, provider)
    if _is_marked(message, _RULES.get(dialect.name, _UNKNOWN), model, dialect):
        return content_of(message, model, dialect)
    return message.text


def said_beside(message: Message, provider: str | None, dialect: Dialect) -> dict[str, Any]:
    """The fields of an assistant's turn for its own audio and images, and the words of audio that another made."""
    if isinstance(message.content, str):
        return {}
    spoken = [part for part in message.content if isinstance(part, AudioPart)]
    own = [part.id for part in spoken if part.id and made_at(part.origin, provider)]
    if own:
        return {"audio": {"id": own[-1]}}
    words = "".join(part.transcript or "" for part in spoken)
    drawn = [part for part in message.content if isinstance(part, ImagePart)] if dialect.details else []
    images = [{"type": "image_url", "image_url": {"url": _image_url(part)}} for part in drawn]
    said = {"content": message.text + words} if words else {}
    return {**said, **({"images": images} if images else {})}


def check_said(message: Message, model: str, dialect: Dialect | None = None, provider: str | None = None) -> None:
    """Whether an assistant's turn, or a system's message, is text alone, or its server's own images beside it.

    Raises:
        ProviderError: UNSUPPORTED for an image or a document in it.
    """
    if isinstance(message.content, str):
        return
    own = dialect is not None and dialect.details and message.origin is not None and message.origin == provider
    refused = (FilePart,) if own else (ImagePart, FilePart)
    spoken = (AudioPart,) if message.role != "assistant" else ()
    if any(isinstance(part, (*refused, *spoken)) for part in message.content):
        raise _unsupported(model, "images and documents are taken in the user's messages only")


def _is_marked(message: Message, rules: PartRules, model: str, dialect: Dialect) -> bool:
    """Whether a text is marked for a prompt cache that there is; what a model has said takes no breakpoint."""
    if isinstance(message.content, str):
        return False
    if not rules.cache and (message.role == "assistant" or not takes_breakpoints(model, dialect)):
        return False
    return any(isinstance(part, TextPart) and part.cache for part in message.content)


def _part(
    part: TextPart | ImagePart | FilePart | AudioPart | ThinkingPart, rules: PartRules, model: str, dialect: Dialect
) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text, **(_mark(part, rules, model, dialect) if part.cache else {})}
    if isinstance(part, ImagePart):
        blind = dialect.openai_models and model_capabilities(model).vision is False
        if blind or not rules.images:
            raise _unsupported(model, "it takes no images")
        if part.id is not None:
            raise _unsupported(model, "it takes images by URL or as data, not by the id of a file")
        detail = {"detail": part.detail} if part.detail else {}
        return {"type": "image_url", "image_url": {"url": _image_url(part), **detail}}
    if isinstance(part, AudioPart):
        if not rules.audio:
            raise _unsupported(model, "it takes no audio")
        return input_audio(part, dialect)
    assert isinstance(part, FilePart)
    return _file(part, rules, model)


def _mark(part: TextPart, rules: PartRules, model: str, dialect: Dialect) -> dict[str, Any]:
    if rules.cache:
        return {"cache_control": cache_control(part)}
    return BREAKPOINT if takes_breakpoints(model, dialect) else {}


def _image_url(part: ImagePart) -> str:
    return part.url or data_url(part.data or b"", part.media_type or "image/png")


def _file(part: FilePart, rules: PartRules, model: str) -> dict[str, Any]:
    if rules.pdf is None:
        raise _unsupported(model, f"it takes no documents of {part.media_type or 'any kind'}")
    if part.id is not None:
        if not rules.file_ids:
            raise _unsupported(model, "it keeps no files that could be named by their ids")
        held = {"file_id": part.id}
        return {"type": "file", **(held if rules.pdf == "document_url" else {"file": held})}
    if part.url is not None and not rules.file_urls:
        raise _unsupported(model, "it takes documents as data, not by URL")
    url = part.url or data_url(part.data or b"", part.media_type or "application/pdf")
    if rules.pdf == "document_url":
        named = {"document_name": part.filename} if part.filename else {}
        return {"type": "document_url", "document_url": url, **named}
    return {"type": "file", "file": {"filename": part.filename or "document", "file_data": url}}


def _unsupported(model: str, message: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{model}: {message}", model=model)

"""Parts of messages as blocks of Anthropic's Messages protocol, and the vendor's own tools.

Protocol: Anthropic's Messages API reference, and its pages on vision, PDFs, files, citations and server tools.
"""

from __future__ import annotations

from typing import Any

from providers.base64_text import encoded
from providers.errors import ErrorCode, ProviderError
from providers.ordering import cited
from providers.parts import cache_control, check_kept, is_text
from providers.turns import made_at
from providers.types import (
    AudioPart,
    Citation,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    ServerToolPart,
    TextPart,
)

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def unsupported(request: CompletionRequest, what: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"{request.model} {what}", model=request.model)


def blocks(content: str | tuple[object, ...], request: CompletionRequest, provider: str) -> list[dict[str, Any]]:
    """What a user says, or a tool's result.

    Raises:
        ProviderError: UNSUPPORTED for what the protocol has no block for.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    check_kept(content, request.model, provider)  # type: ignore[arg-type]  # a tuple of parts, as every content
    found = []
    for part in content:
        if isinstance(part, TextPart):
            if part.text.strip():  # an empty text block is refused
                found.append(text_block(part))
        elif isinstance(part, ImagePart):
            found.append({"type": "image", "source": _image_source(part, request)})
        elif isinstance(part, FilePart):
            found.append(_document(part, request))
        elif isinstance(part, AudioPart):
            raise unsupported(request, "takes no audio")
    return found


def text_block(part: TextPart) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": part.text}
    if part.cache:
        block["cache_control"] = cache_control(part)
    return block


def said_blocks(part: object, message: Message, provider: str) -> list[dict[str, Any]]:
    """A part of an assistant's turn: its own sources and uses of tools go back, of other vendors' audio the words."""
    if isinstance(part, ServerToolPart):
        return [dict(part.data)] if made_at(part.origin, provider) else []
    if isinstance(part, AudioPart):
        part = TextPart(part.transcript or "")
    if not isinstance(part, TextPart):
        return []
    own = [one for one in part.citations if message.origin == provider and _is_own(one)]
    if not own:
        return [text_block(part)] if part.text.strip() else []
    return [
        {"type": "text", "text": text, **({"citations": [one.opaque for one in sources]} if sources else {})}
        for text, sources in cited(part.text, own)
        if text.strip()
    ]


def _is_own(citation: Citation) -> bool:
    return str((citation.opaque or {}).get("type")).endswith("_location")


def _image_source(part: ImagePart, request: CompletionRequest) -> dict[str, Any]:
    if part.id is not None:
        return {"type": "file", "file_id": part.id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.media_type not in _IMAGES:
        raise unsupported(request, f"takes images as JPEG, PNG, GIF and WebP, not as {part.media_type}")
    data = encoded(part.data or b"")
    return {"type": "base64", "media_type": part.media_type or "image/png", "data": data}


def _document(part: FilePart, request: CompletionRequest) -> dict[str, Any]:
    data = part.data or b""
    if part.id is not None:
        source = {"type": "file", "file_id": part.id}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    elif is_text(part):
        source = {"type": "text", "media_type": "text/plain", "data": data.decode("utf-8", "replace")}
    elif part.media_type == "application/pdf":
        source = {"type": "base64", "media_type": part.media_type, "data": encoded(data)}
    else:
        raise unsupported(request, f"reads PDF and text documents, not {part.media_type}")
    block: dict[str, Any] = {"type": "document", "source": source}
    if part.filename:
        block["title"] = part.filename
    if part.citations:
        block["citations"] = {"enabled": True}
    return block


def names_files(request: CompletionRequest) -> bool:
    """Whether a request names files of the vendor's by their ids, which is a beta of its own."""
    return any(
        isinstance(part, (ImagePart, FilePart)) and part.id is not None
        for message in request.messages
        if not isinstance(message.content, str)
        for part in message.content
    )


def _cites(request: CompletionRequest) -> bool:
    return any(
        isinstance(part, FilePart) and part.citations
        for message in request.messages
        if not isinstance(message.content, str)
        for part in message.content
    )


def check_more(request: CompletionRequest) -> None:
    """Whether the protocol can say what few requests ask for.

    Raises:
        ProviderError: UNSUPPORTED for logprobs, for audio or images in the answer, and for citations beside a schema.
    """
    if request.response_format is not None and _cites(request):
        raise unsupported(request, "cites documents in free text only, not in answers of a schema (citations)")
    if request.logprobs or request.top_logprobs:
        raise unsupported(request, "gives no logprobs")
    if request.audio is not None or set(request.modalities) - {"text"}:
        raise unsupported(request, "answers with text only (modalities)")

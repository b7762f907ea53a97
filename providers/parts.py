"""Parts of messages that several protocols write alike: text documents, images as URLs, marks for prompt caches."""

from __future__ import annotations

from typing import Any, TypeVar

from providers.errors import ErrorCode, ProviderError
from providers.types import AudioPart, CompletionRequest, FilePart, ImagePart, Part, TextPart

T = TypeVar("T")
LARGE = 1024 * 1024  # bytes of which JSON is read and written in a thread
_TEXTS = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml"}
    | {"application/javascript", "application/sql", "application/x-ndjson", "application/x-sh"}
)


def asks_more(request: CompletionRequest) -> bool:
    """Whether a request has any of the fields that few have: one question for all, since every call asks it."""
    return bool(
        request.server_tools
        or request.modalities
        or request.logprobs is not None
        or request.top_logprobs is not None
        or request.service_tier is not None
        or request.prediction is not None
        or request.audio is not None
        or request.allowed_tools is not None
        or request.thinking_display is not None
    )


def unsaid(request: CompletionRequest, body: dict[str, Any], told: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for that changes no answer, and has no word at this vendor: it is not sent, and told."""
    if request.service_tier is request.prediction is None:  # as nearly always
        return ()
    asked = {"service_tier": request.service_tier, "prediction": request.prediction}
    return tuple(name for name, value in asked.items() if value is not None and name not in body and name not in told)


def is_text(part: FilePart) -> bool:
    """Whether a document is at hand and text, by its media type."""
    if part.data is None:
        return False
    kind = (part.media_type or "").partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml"))


def as_text(part: FilePart) -> str:
    """A text document within a prompt, with its name: for vendors that read no such file."""
    text = (part.data or b"").decode("utf-8", "replace")
    return f'<document name="{part.filename or "document"}">\n{text}\n</document>'


def check_kept(content: str | tuple[Part, ...], model: str, provider: str | None) -> None:
    """Whether files that are named by their ids are kept at this provider, where it is told who keeps them.

    Raises:
        ProviderError: UNSUPPORTED for one that another keeps: ids mean nothing elsewhere.
    """
    for part in content if not isinstance(content, str) else ():
        if isinstance(part, (ImagePart, FilePart)) and part.id is not None and part.origin not in (None, provider):
            message = f'{model}: the file "{part.id}" is kept at "{part.origin}"; its id means nothing elsewhere'
            raise ProviderError(ErrorCode.UNSUPPORTED, message, model=model)


def is_large(request: CompletionRequest) -> bool:
    """Whether a request holds so much data that it is written in a thread beside the event loop."""
    for message in request.messages:  # noqa: SIM110 - every call asks this, and `any` would cost twice as much
        if type(message.content) is not str and _weight(message.content) > LARGE:
            return True
    return False


def _weight(content: object) -> int:
    return sum(
        len(part.data or b"")
        for part in (content if isinstance(content, tuple) else ())
        if isinstance(part, (ImagePart, FilePart, AudioPart))
    )


def cache_control(part: TextPart) -> dict[str, Any]:
    """Anthropic's mark of a text up to which the prompt is kept, for five minutes or as long as the part says."""
    return {"type": "ephemeral", **({"ttl": part.cache} if isinstance(part.cache, str) else {})}

"""Parts of messages that several protocols write alike: text documents, images as URLs, marks for prompt caches."""

from __future__ import annotations

import base64
from typing import Any

from providers.types import FilePart, TextPart

_TEXTS = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml"}
    | {"application/javascript", "application/sql", "application/x-ndjson", "application/x-sh"}
)


def is_text(part: FilePart) -> bool:
    """Whether a document is text by its media type."""
    kind = part.media_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml"))


def as_text(part: FilePart) -> str:
    """A text document within a prompt, with its name: for vendors that read no such file."""
    text = part.data.decode("utf-8", "replace")
    return f'<document name="{part.filename or "document"}">\n{text}\n</document>'


def data_url(data: bytes, media_type: str) -> str:
    """RFC 2397."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def cache_control(part: TextPart) -> dict[str, Any]:
    """Anthropic's mark of a text up to which the prompt is kept, for five minutes or as long as the part says."""
    return {"type": "ephemeral", **({"ttl": part.cache} if isinstance(part.cache, str) else {})}

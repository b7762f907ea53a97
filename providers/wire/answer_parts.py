"""What answers hold beside text, thinking and calls, as OpenAI's two protocols and Anthropic's write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from providers.base64_text import data_url, encoded
from providers.envelope import FOREIGN_INDEX
from providers.ordering import cited
from providers.types import (
    AudioPart,
    Citation,
    CompletionResponse,
    ImagePart,
    Placed,
    ServerToolPart,
    TextPart,
    TokenLogprob,
)


def annotation(citation: Citation) -> dict[str, Any]:
    """A citation as OpenAI's annotation, flat as in Responses."""
    if citation.url is None:
        name = citation.source or citation.title or ""
        return {
            "type": "file_citation",
            "file_id": name,
            "filename": citation.title or name,
            "index": citation.end or 0,
        }
    place = {"start_index": citation.start or 0, "end_index": citation.end or 0}
    return {"type": "url_citation", "url": citation.url, "title": citation.title or citation.url, **place}


def chat_annotation(citation: Citation) -> dict[str, Any]:
    """The same under its type, as in chat; there are citations of URLs alone."""
    flat = annotation(citation)
    kind = flat.pop("type")
    return {"type": kind, kind: flat}


def chat_fields(response: CompletionResponse) -> dict[str, Any]:
    """The fields of a chat message: annotations, images as OpenRouter has them, and audio."""
    found: dict[str, Any] = {}
    sources = [chat_annotation(one) for one in response.citations if one.url is not None]
    if sources:
        found["annotations"] = sources
    images = [chat_image(other.image) for other in response.others if other.image is not None]
    if images:
        found["images"] = images
    for other in response.others:
        if other.audio is not None:
            found["audio"] = {**chat_audio(other.audio), "expires_at": 0}
    return found


def chat_image(image: ImagePart) -> dict[str, Any]:
    url = image.url or data_url(image.data or b"", image.media_type or "image/png")
    return {"type": "image_url", "image_url": {"url": url}}


def chat_audio(audio: AudioPart) -> dict[str, Any]:
    data = encoded(audio.data)
    return {"id": audio.id or "audio", "data": data, "transcript": audio.transcript or ""}


def spoken(others: Iterable[Placed]) -> str:
    """The words of audio, for protocols that have none."""
    return "".join(other.audio.transcript or "" for other in others if other.audio is not None)


def logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """OpenAI's list of tokens."""
    return [
        {**_token(one.token, one.logprob), "top_logprobs": [_token(token, likely) for token, likely in one.top]}
        for one in tokens
    ]


def _token(token: str, likely: float) -> dict[str, Any]:
    return {"token": token, "logprob": likely, "bytes": list(token.encode("utf-8", "replace"))}


def claude_texts(part: TextPart) -> list[dict[str, Any]]:
    """A text as blocks, each with the sources that are for the whole of it."""
    if not part.citations:
        return [{"type": "text", "text": part.text}]
    found = []
    for text, sources in cited(part.text, part.citations):
        told = [told for one in sources if (told := claude_citation(one)) is not None]
        if text or told:
            found.append({"type": "text", "text": text, **({"citations": told} if told else {})})
    return found


def claude_citation(citation: Citation) -> dict[str, Any] | None:
    """A citation of a block; those of other vendors are told as of the web, where they have a URL."""
    own = citation.opaque or {}
    if str(own.get("type")).endswith("_location"):
        return own
    if citation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.text or "",
        "encrypted_index": FOREIGN_INDEX,
    }


def is_block(part: ServerToolPart) -> bool:
    """Whether it is a block of Anthropic's protocol."""
    return part.type.endswith(("tool_use", "tool_result"))


def is_item(part: ServerToolPart) -> bool:
    """Whether it is an item of the Responses protocol: a call and its outcome in one."""
    return part.type.endswith("_call") or part.type == "mcp_list_tools"


def image_item(item_id: str, image: ImagePart) -> dict[str, Any]:
    """An image as the outcome of Responses' own tool."""
    result = encoded(image.data or b"")
    return {"type": "image_generation_call", "id": item_id, "status": "completed", "result": result}


def whole_item(part: object, image_id: str) -> dict[str, Any] | None:
    """An image, or a use of a tool in this protocol, as an item; None for what cannot be told."""
    if isinstance(part, ImagePart) and part.data:
        return image_item(part.id or image_id, part)
    return part.data if isinstance(part, ServerToolPart) and is_item(part) else None

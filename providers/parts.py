"""Parts of messages that several protocols write alike: text documents, images as URLs, marks for prompt caches."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from providers.errors import ErrorCode, ProviderError
from providers.types import AudioPart, CompletionRequest, FilePart, ImagePart, Native, Part, TextPart

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


# Where what was asked for stands in a body, whoever's it is; the labels `user` and `metadata` are of no answer.
_OPTIONS = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")  # and below Ollama's `options`
_PLACES: Mapping[str, tuple[str, ...]] = {
    "service_tier": ("service_tier",),
    "prediction": ("prediction",),
    **{name: (name, f"options.{name}") for name in _OPTIONS},
    "seed": ("seed", "random_seed", "options.seed"),
    "thinking": (
        *("reasoning_effort", "reasoning", "reasoning.effort", "thinking", "output_config.effort", "think"),
        *("enable_thinking", "chat_template_kwargs"),
    ),
    "thinking_display": ("reasoning.summary", "reasoning.exclude", "thinking.display"),
    "parallel_tool_calls": ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
}
_asked = attrgetter(*_PLACES)
_NOTHING = (None,) * len(_PLACES)


def unsaid(
    request: CompletionRequest, body: dict[str, Any], told: tuple[str, ...], native: Native | None
) -> tuple[str, ...]:
    """What was asked for that has no word at this vendor, or is refused by this model: it is not sent, and named.

    Args:
        told: paths of what was refused, and left out for it.
        native: whose body it is, where it is a client's own: that has all that the client has written.
    """
    asked = _asked(request)
    if asked == _NOTHING:  # one question for all, since every call asks it
        return ()
    # What was asked for is nearly always in the body: a list tells that faster than a generator.
    missing = [name for name, value in zip(_PLACES, asked, strict=True) if value is not None and name not in body]
    if not missing:
        return ()
    return tuple(
        name
        for name in missing
        if (native is None or name in native.added)
        and not _is_met(name, request, body)
        and not any(path in told or _at(body, path) is not None for path in _PLACES[name])
    )


def _is_met(name: str, request: CompletionRequest, body: dict[str, Any]) -> bool:
    """Whether a field comes to what is done without it."""
    if name == "parallel_tool_calls":
        return bool(request.parallel_tool_calls) or not request.tools or request.tool_choice == "none"
    if name == "thinking_display":  # Responses have no summary unless they are asked for one
        return request.thinking_display == "omitted" and "input" in body
    return name == "thinking" and request.thinking == "off"


def _at(body: Any, path: str) -> Any:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


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

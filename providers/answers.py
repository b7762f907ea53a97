"""Whether what came with status 200 is an answer, and what of it, or of an error, no caller should see."""

from __future__ import annotations

from msgspec.structs import replace

from providers.embeddings import AnyRequest
from providers.error_body import NAME_CHARS
from providers.errors import ErrorCode, ProviderError
from providers.finish_reasons import words
from providers.printable import printable
from providers.scrub import SHORTEST, Scrubber
from providers.types import CompletionRequest, CompletionResponse
from providers.vendor_errors import FAILED_FINISH

_BY_CHOICE = frozenset({"stop_sequence", "pause_turn"})  # raw finish reasons of answers that may be empty
_NAMES = ("model", "id", "request_id", "raw_finish_reason")
_TINY = 16  # tokens: an answer that may be no longer may well be empty


def checked(answer: CompletionResponse, request: CompletionRequest) -> CompletionResponse:
    """The answer, unless it says that the vendor failed, or holds nothing although the model did not stop so.

    Nothing is an answer where the model says why (length, a refusal), where it was allowed next to nothing, where a
    stop sequence may have come first, and where tokens were made and billed.

    Raises:
        ProviderError: what its finish reason stands for; PROTOCOL_ERROR for no answer.
    """
    if answer.text and answer.finish_reason != "error":  # as nearly all
        return answer
    raw = (answer.raw_finish_reason or "")[:100].lower()
    failed = next((FAILED_FINISH[word] for word in words(raw) if word in FAILED_FINISH), None)
    is_empty = not (answer.text or answer.thinking or answer.tool_calls or answer.others)
    if answer.finish_reason == "error" or (is_empty and failed is not None):
        code = failed or ErrorCode.SERVER_ERROR
        raise ProviderError(
            code, f'the answer ended with finish reason "{raw or "error"}"', request_id=answer.request_id
        )
    if not is_empty or answer.finish_reason in ("length", "content_filter") or request.stop or raw in _BY_CHOICE:
        return answer
    if answer.usage.output_tokens or (request.max_tokens is not None and request.max_tokens <= _TINY):
        return answer
    raise ProviderError(
        ErrorCode.PROTOCOL_ERROR,
        "the answer is empty: no text, no thinking, no tool call, and no tokens made",
        request_id=answer.request_id,
    )


def clean(answer: CompletionResponse, request: CompletionRequest, scrub: Scrubber) -> CompletionResponse:
    """The answer, whose names are short and hold no secret that the vendor sends back."""
    names = f"{answer.model}\n{answer.id}\n{answer.request_id}\n{answer.raw_finish_reason}"
    if len(names) <= NAME_CHARS and scrub.own(names) == names:  # one look at all, as nearly always
        return answer
    better = {}
    for field in _NAMES:
        value = getattr(answer, field)
        if value is None or len(value) < SHORTEST or value == request.model:
            continue
        name = scrub.own(value[:NAME_CHARS])
        if name != value:
            better[field] = name
    return replace(answer, **better) if better else answer


def finished(error: ProviderError, request: AnyRequest, provider: str, scrub: Scrubber) -> ProviderError:
    """The error, completed with our names, and without the secrets in all that it says and holds."""
    error.provider = error.provider or provider
    error.model = error.model or request.model
    for text in ("message", "body_excerpt", "vendor_type", "vendor_code", "request_id"):
        value = getattr(error, text)
        if value is not None:
            setattr(error, text, printable(scrub(value, request.extra_headers)))
    error.args = (error.message,)
    if error.partial is not None and isinstance(request, CompletionRequest):
        error.partial = clean(error.partial, request, scrub)
    # What it came of belongs to a library, and holds the request with its headers.
    error.__cause__ = error.__context__ = None
    return error

"""What went wrong, read from a vendor's error answer.

One reader for all vendors: their error bodies are imitations of each other, and compatible servers mix
them freely. The decision goes by the vendor's code, then the text, then its type, then the status: what a target
cannot do, or where a path is wrong, only the text tells. All rules are the tables in `providers.vendor_errors`,
`providers.vendor_words` and `providers.context_errors`. Texts are cut before anything is looked for in them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from providers.context_errors import numbers, too_long
from providers.error_body import Fault, details, error_in, name, parse_json, read_fault, sub
from providers.error_waits import body_wait
from providers.errors import ErrorCode, ProviderError
from providers.scrub import scrub
from providers.transport.headers import retry_after as retry_after_header
from providers.transport.headers import vendors_time
from providers.vendor_errors import CODES, IN_STREAM, MINIMAX, STATUSES, TYPES
from providers.vendor_words import TEXTS, WRONG_PATH

__all__ = ["classify", "classify_payload", "error_in", "parse_json", "scrub"]

EXCERPT_BYTES = 4096
_MESSAGE_CHARS = 1000
# After these a vendor's word on when to come back is worth reading out of its sentence.
_WAITED_FOR = frozenset(
    {ErrorCode.RATE_LIMITED, ErrorCode.QUOTA_EXHAUSTED, ErrorCode.OVERLOADED, ErrorCode.SERVER_ERROR}
)


def classify(
    status: int | None,
    body: bytes,
    headers: Mapping[str, str] = {},
    *,
    provider: str,
    model: str,
    now: float | None = None,
) -> ProviderError:
    """The error that an HTTP answer stands for. Never raises.

    Args:
        status: the HTTP status; None for an error inside a 200 or a stream.
        headers: of the answer, names in lower case.
        now: the wall clock in epoch seconds, for a Retry-After that is a date.
    """
    try:
        payload: Any = parse_json(body) if body.strip() else None
    except ValueError:
        payload = body.decode("utf-8", "replace")
    return classify_payload(payload, status, headers, provider=provider, model=model, now=now, body=body)


def classify_payload(
    payload: object,
    status: int | None = None,
    headers: Mapping[str, str] = {},
    *,
    provider: str,
    model: str,
    now: float | None = None,
    body: bytes | None = None,
) -> ProviderError:
    """The same for a body that is already decoded; `body` is only quoted."""
    fault = read_fault(payload)
    http = status if status is not None and status >= 300 else None
    meant = http or fault.status
    text = fault.text
    code = _decide(fault, meant, text)
    window, prompt = numbers(fault, text) if code is ErrorCode.CONTEXT_LENGTH_EXCEEDED else (None, None)
    now = vendors_time(headers, time.time() if now is None else now)
    wait = retry_after_header(headers, now)
    if wait is None and code in _WAITED_FOR:
        wait = body_wait(fault, now)
    return ProviderError(
        code,
        _sentence(fault, code, http),
        provider=provider,
        model=model,
        status=http,
        retry_after=wait,
        request_id=name(headers.get("x-request-id") or headers.get("request-id")) or fault.request_id,
        vendor_type=fault.type,
        vendor_code=fault.code,
        body_excerpt=_excerpt(payload if body is None else body),
        context_window=window,
        prompt_tokens=prompt,
    )


def _sentence(fault: Fault, code: ErrorCode, status: int | None) -> str:
    message = scrub(fault.message)[:_MESSAGE_CHARS] or _unexplained(status)
    field = fault.error.get("param")
    if code is ErrorCode.UNSUPPORTED and isinstance(field, str) and field[:100] not in message:
        message += f" (field: {scrub(field[:100])})"
    if status == 405 or _is_wrong_path(fault, status):
        message += "; nothing is served at this path: check base_url"
    return message


def _unexplained(status: int | None) -> str:
    return "an error without an explanation" if status is None else f"HTTP {status} without an explanation"


def _excerpt(source: object) -> str | None:
    if isinstance(source, bytes):
        # A little more than is kept: a key that the cut would halve is still seen whole.
        text = source[: EXCERPT_BYTES + 512].decode("utf-8", "replace")
    else:
        try:
            text = "" if source is None else json.dumps(source, default=str)[: EXCERPT_BYTES + 512]
        except RecursionError:  # nested as deep as a hostile server can make it
            text = ""
    text = scrub(text).encode("utf-8", "replace")[:EXCERPT_BYTES].decode("utf-8", "ignore")
    return text or None


# --- deciding


def _decide(fault: Fault, status: int | None, text: str) -> ErrorCode:
    metadata = sub(fault.error, "metadata")
    if too_long(fault, status, text):
        return ErrorCode.CONTEXT_LENGTH_EXCEEDED
    if status == 403 and (metadata.get("reasons") or metadata.get("flagged_input")):
        return ErrorCode.CONTENT_FILTERED
    quota = _gemini_quota(fault)
    if quota is not None:
        return quota
    codes = MINIMAX if fault.minimax else CODES
    for code in _codes(fault, metadata):
        if code in codes:
            return codes[code]
    if _is_wrong_path(fault, status):
        return ErrorCode.INVALID_REQUEST
    for pattern, statuses, result in TEXTS:
        if (status is None or status in statuses) and pattern.search(text):
            return result
    for one in (fault, fault.inner):
        if one is not None and one.type in TYPES:
            return TYPES[one.type]
    return _by_status(fault, status)


def _by_status(fault: Fault, status: int | None) -> ErrorCode:
    if status is None:
        for word in (fault.code, fault.type):
            if word in IN_STREAM:
                return IN_STREAM[word]
        return ErrorCode.SERVER_ERROR
    if status in STATUSES:
        return STATUSES[status]
    if status < 400:
        return ErrorCode.PROTOCOL_ERROR  # a redirect, which no API sends to a POST
    return ErrorCode.INVALID_REQUEST if status < 500 else ErrorCode.SERVER_ERROR


def _is_wrong_path(fault: Fault, status: int | None) -> bool:
    return status == 404 and (fault.code == "unknown_url" or bool(WRONG_PATH.search(fault.message.lower())))


def _codes(fault: Fault, metadata: dict[str, Any]) -> list[str]:
    """The vendor's codes, the most exact first."""
    found = [
        sub(fault.error, "details").get("error_code"),  # Anthropic
        metadata.get("error_type"),  # OpenRouter
        sub(fault.error, "innererror").get("code"),  # Azure
        *(entry.get("reason") for entry in details(fault)),  # Gemini
        fault.code,
        fault.error.get("status"),  # Gemini's UNAVAILABLE, …
        None if fault.inner is None else fault.inner.code,
    ]
    return [code for code in found if isinstance(code, str)]


def _gemini_quota(fault: Fault) -> ErrorCode | None:
    """Gemini's 429 says the same text for a minute's and a day's limit; only the quota's name differs."""
    names = [
        str(violation.get("quotaId"))
        for entry in details(fault)
        for violation in (entry.get("violations") if isinstance(entry.get("violations"), list) else None) or ()
        if isinstance(violation, dict) and violation.get("quotaId")
    ]
    if not names:
        return None
    daily = any("PerDay" in name for name in names)
    return ErrorCode.QUOTA_EXHAUSTED if daily else ErrorCode.RATE_LIMITED

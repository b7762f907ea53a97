"""What went wrong, read from a vendor's error answer.

One reader for all vendors: their error bodies are imitations of each other, and compatible servers mix
them freely. The decision goes by the vendor's code, then its type, then the text, then the status. All rules are
the tables in `providers.vendor_errors`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.transport.headers import retry_after as retry_after_header
from providers.vendor_errors import (
    CODES,
    CONTEXT_CODES,
    CONTEXT_NOT,
    CONTEXT_NUMBERS,
    CONTEXT_STATUSES,
    CONTEXT_TEXT,
    IN_STREAM,
    STATUSES,
    TEXTS,
    TYPES,
)

EXCERPT_BYTES = 4096
_MESSAGE_CHARS = 1000
_KEYS = re.compile(
    r"(?i)\bbearer\s+[^\s\"',;]+"
    r"|\b(?:sk|pk|rk|gsk|xai|pplx|hf|key|r8|nvapi|csk|fw)[-_](?=[\w*-]*\d)[\w*-]{8,}"
    r"|\bsk-[\w*-]{6,}"
    r"|\bAIza[\w-]{10,}"
    r"|\beyJ[\w-]{10,}\.[\w-]+(?:\.[\w-]+)?"
)
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")
_NOTHING: dict[str, Any] = {}


class _Fault(msgspec.Struct):
    """An error body, whatever its shape was."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    request_id: str | None = None
    error: dict[str, Any] = {}

    @property
    def status(self) -> int | None:
        """The HTTP status that the body speaks of: OpenRouter and vLLM put it into `code`."""
        for value in (self.code, self.error.get("status_code"), self.error.get("status")):
            text = str(value)
            if text.isascii() and text.isdecimal() and 400 <= int(text[:6]) <= 599:
                return int(text)
        return None


def scrub(text: str, secret: str | None = None) -> str:
    """The text without `secret` and without anything that looks like a key."""
    if secret:
        text = text.replace(secret, "[key]")
    return _KEYS.sub("[key]", text)


def parse_json(body: bytes | str) -> Any:
    """A JSON value.

    msgspec refuses what some servers send (a byte order mark, NaN, lone surrogates); the standard library then has a
    try.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        try:
            return json.loads(text.removeprefix("\ufeff"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def error_in(payload: object) -> bool:
    """Whether an answer or a chunk with status 200 carries an error in place of content.

    OpenRouter, vLLM and Ollama put `error` at the top, Groq also `x_groq.error`, Gemini wraps it in a list.
    """
    if isinstance(payload, list):
        return bool(payload) and error_in(payload[0])
    if not isinstance(payload, dict):
        return False
    if payload.get("error"):
        return True
    groq = payload.get("x_groq")
    if isinstance(groq, dict) and groq.get("error"):
        return True
    return payload.get("object") == "error" or (payload.get("type") == "error" and "choices" not in payload)


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
    fault = _read(payload)
    http = status if status is not None and status >= 300 else None
    meant = http or fault.status
    code = _decide(fault, meant)
    window, prompt = _numbers(fault) if code is ErrorCode.CONTEXT_LENGTH_EXCEEDED else (None, None)
    wait = retry_after_header(headers, time.time() if now is None else now)
    return ProviderError(
        code,
        scrub(fault.message[:_MESSAGE_CHARS]) or _unexplained(http),
        provider=provider,
        model=model,
        status=http,
        retry_after=_body_wait(fault) if wait is None else wait,
        request_id=headers.get("x-request-id") or headers.get("request-id") or fault.request_id,
        vendor_type=fault.type,
        vendor_code=fault.code,
        body_excerpt=_excerpt(payload if body is None else body),
        context_window=window,
        prompt_tokens=prompt,
    )


def _unexplained(status: int | None) -> str:
    return "an error without an explanation" if status is None else f"HTTP {status} without an explanation"


def _excerpt(source: object) -> str | None:
    if isinstance(source, bytes):
        # A little more than is kept: a key that the cut would halve is still seen whole.
        text = source[: EXCERPT_BYTES + 512].decode("utf-8", "replace")
    else:
        text = "" if source is None else json.dumps(source, default=str)
    text = scrub(text).encode("utf-8", "replace")[:EXCERPT_BYTES].decode("utf-8", "ignore")
    return text or None


# --- reading the body


def _read(payload: object) -> _Fault:
    """All the shapes that are in use; see the tests for one of each."""
    if isinstance(payload, list):
        return _read(payload[0]) if payload else _Fault()
    if isinstance(payload, str):
        return _Fault(_plain_text(payload))
    if not isinstance(payload, dict):
        return _Fault()
    groq = payload.get("x_groq")
    error = payload.get("error") or (groq.get("error") if isinstance(groq, dict) else None)
    outer = error if isinstance(error, dict) else payload
    # A code beside `error: "text"` is xAI's form; otherwise both live inside the error.
    code = outer.get("code")
    if code is None:
        code = payload.get("code")
    kind = outer.get("type")
    return _Fault(
        message=_message(error) or _message(payload),
        type=kind if isinstance(kind, str) and kind else None,
        code=str(code) if isinstance(code, str | int) and code != "" else None,
        request_id=_string(payload.get("request_id")),
        error=outer,
    )


def _message(error: object) -> str:
    """The human text of an error, wherever it sits."""
    if isinstance(error, str):
        return error
    if isinstance(error, list):  # FastAPI's validation errors
        return "; ".join(filter(None, (_message(entry) for entry in error)))
    if not isinstance(error, dict):
        return ""
    for key in ("message", "msg", "detail"):
        value = error.get(key)
        if value:
            text = _message(value)
            where = error.get("loc")
            if key == "msg" and isinstance(where, list):
                text = f"{'.'.join(map(str, where))}: {text}"
            return text
    return ""


def _plain_text(text: str) -> str:
    """A page's title instead of its source; other text as it is."""
    title = _TITLE.search(text[:20_000])
    if title:
        return f"an HTML page: {' '.join(title[1].split())}"
    if text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        return "an HTML page"
    return text.strip()


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _sub(value: object, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else _NOTHING


def _details(fault: _Fault) -> list[dict[str, Any]]:
    """Gemini's `details` list."""
    details = fault.error.get("details")
    return [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []


# --- deciding


def _decide(fault: _Fault, status: int | None) -> ErrorCode:
    # OpenRouter says what the vendor behind it said in metadata.raw, and its own message says nothing.
    metadata = _sub(fault.error, "metadata")
    text = f"{fault.message} {metadata.get('raw') or ''}".lower()
    if _is_context_length(fault, status, text, metadata):
        return ErrorCode.CONTEXT_LENGTH_EXCEEDED
    if status == 403 and (metadata.get("reasons") or metadata.get("flagged_input")):
        return ErrorCode.CONTENT_FILTERED
    quota = _gemini_quota(fault)
    if quota is not None:
        return quota
    for code in _codes(fault, metadata):
        if code in CODES:
            return CODES[code]
    if fault.type in TYPES:
        return TYPES[fault.type]
    for pattern, statuses, result in TEXTS:
        if (status is None or status in statuses) and pattern.search(text):
            return result
    return _by_status(fault, status)


def _by_status(fault: _Fault, status: int | None) -> ErrorCode:
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


def _codes(fault: _Fault, metadata: dict[str, Any]) -> list[str]:
    """The vendor's codes, the most exact first."""
    found = [
        _sub(fault.error, "details").get("error_code"),  # Anthropic
        metadata.get("error_type"),  # OpenRouter
        _sub(fault.error, "innererror").get("code"),  # Azure
        *(entry.get("reason") for entry in _details(fault)),  # Gemini
        fault.code,
        fault.error.get("status"),  # Gemini's UNAVAILABLE, …
    ]
    return [code for code in found if isinstance(code, str)]


def _is_context_length(fault: _Fault, status: int | None, text: str, metadata: dict[str, Any]) -> bool:
    if status is not None and status not in CONTEXT_STATUSES:
        return False
    if fault.code == "string_above_max_length" or CONTEXT_NOT.search(text):
        return False
    named = {fault.code, fault.type, metadata.get("error_type")}
    return not CONTEXT_CODES.isdisjoint(n for n in named if isinstance(n, str)) or bool(CONTEXT_TEXT.search(text))


def _numbers(fault: _Fault) -> tuple[int | None, int | None]:
    """(context window, prompt tokens) as far as the error names them."""
    window, prompt = fault.error.get("n_ctx"), fault.error.get("n_prompt_tokens")
    if isinstance(window, int) or isinstance(prompt, int):  # llama.cpp
        return (window if isinstance(window, int) else None, prompt if isinstance(prompt, int) else None)
    text = f"{fault.message} {_sub(fault.error, 'metadata').get('raw') or ''}"
    for pattern in CONTEXT_NUMBERS:
        match = pattern.search(text)
        if match:
            found = match.groupdict()
            return _number(found.get("window")), _number(found.get("prompt"))
    return None, None


def _number(text: str | None) -> int | None:
    return int(text.replace(",", "")) if text else None


def _gemini_quota(fault: _Fault) -> ErrorCode | None:
    """Gemini's 429 says the same text for a minute's and a day's limit; only the quota's name differs."""
    names = [
        str(violation.get("quotaId"))
        for entry in _details(fault)
        for violation in (entry.get("violations") if isinstance(entry.get("violations"), list) else None) or ()
        if isinstance(violation, dict) and violation.get("quotaId")
    ]
    if not names:
        return None
    daily = any("PerDay" in name for name in names)
    return ErrorCode.QUOTA_EXHAUSTED if daily else ErrorCode.RATE_LIMITED


def _body_wait(fault: _Fault) -> float | None:
    """Seconds to wait as the body says it: Gemini's `retryDelay: "14s"`, OpenRouter's `availability.retry_after`."""
    waits = [entry.get("retryDelay") for entry in _details(fault)]
    waits.append(_sub(fault.error, "availability").get("retry_after"))
    for wait in waits:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s?", str(wait))
        if match:
            return float(match[1])
    return None

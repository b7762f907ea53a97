"""The JSON object of a server-sent event, for the protocols whose events are objects with a `type`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from providers.classify import classify, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.transport.lines import SSEEvent

# Words that some servers send as data to keep the connection open: `: keep-alive`, `ping`, `[PING]`.
_BRACKETED = re.compile(rb"\[[A-Za-z _-]+\]")
_decode_json = msgspec.json.Decoder().decode


def is_keep_alive(data: bytes) -> bool:
    """Whether data that is no JSON was never meant as any. A broken object or list is a loss, and no keep-alive."""
    return data[:1] not in (b"{", b"[", b'"') or _BRACKETED.fullmatch(data) is not None


def read_event(event: SSEEvent, provider: str, model: str, request_id: str | None) -> dict[str, Any] | None:
    """The object; None for a keep-alive, and for the `[DONE]` with which some gateways end as OpenAI's chat does.

    Raises:
        ProviderError: PROTOCOL_ERROR when it is no JSON object; or the error that an error event tells in plain text.
    """
    try:
        payload = _decode_json(event.data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        data = event.data.strip()
        if not data or data == b"[DONE]":
            return None
        try:
            payload = parse_json(data)
        except ValueError:
            if event.event == "error":
                error = classify(None, data, provider=provider, model=model)
                error.request_id = error.request_id or request_id
                raise error from None
            if is_keep_alive(data):
                return None
            raise _fault("an event of the stream is no JSON", provider, model, request_id) from None
    if payload is None:
        return None
    if not isinstance(payload, dict):
        raise _fault("an event of the stream is no JSON object", provider, model, request_id)
    return payload


def _fault(message: str, provider: str, model: str, request_id: str | None) -> ProviderError:
    return ProviderError(ErrorCode.PROTOCOL_ERROR, message, provider=provider, model=model, request_id=request_id)

"""Halves of surrogate pairs (U+D800 to U+DFFF): Python's strings may hold them, UTF-8 and so JSON may not.

They come from emoji cut in two, and from file names that are no UTF-8.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from providers.errors import ErrorCode, ProviderError


def mended(text: str) -> str:
    """The text with both halves of a pair put together, and every half that is alone as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def encode_json(value: Any) -> bytes:
    """JSON, of anything that an app put into a request.

    Raises:
        ProviderError: INVALID_REQUEST when it has no JSON form.
    """
    try:
        try:
            return msgspec.json.encode(value)
        except UnicodeEncodeError:
            text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
            return msgspec.json.encode(json.loads(mended(text)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ProviderError(ErrorCode.INVALID_REQUEST, f"it has no JSON form: {error}") from None

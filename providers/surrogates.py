"""Halves of surrogate pairs (U+D800 to U+DFFF): Python's strings may hold them, UTF-8 and so JSON may not.

They come from emoji cut in two, and from file names that are no UTF-8.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.types import Message


def mended(text: str) -> str:
    """The text with both halves of a pair put together, and every half that is alone as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_halves(message: Message) -> Message:
    """The message with whole characters; the same object where its text has nothing else.

    The rest is looked at only then, for it costs time: `encode_json` sees to what is sent in any case.
    """
    content = message.content
    if isinstance(content, str):
        text = content
    elif isinstance(content, tuple):
        text = message.text
    else:
        return message  # `validate` tells what is no content
    if is_whole(text):
        return message
    whole: Message = _all_mended(message)
    return whole


def is_whole(text: str) -> bool:
    """Whether there is no half of a character in a text."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _all_mended(value: Any) -> Any:
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, dict):
        return {_all_mended(key): _all_mended(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_all_mended, value))
    if isinstance(value, msgspec.Struct):
        fields = {name: _all_mended(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    return value


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

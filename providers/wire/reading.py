"""What the readers of requests share: the fields of a JSON body, each refused by its name where its type is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import msgspec

from providers.base64_text import decoded
from providers.errors import ErrorCode, ProviderError
from providers.surrogates import mended
from providers.types import Thinking

Body = Mapping[str, Any]
Value = TypeVar("Value")


class BadRequest(ProviderError):
    """A request that cannot be read; each protocol's `render_error` tells it in its own words.

    Args:
        param: the field at fault, such as `messages[2].content`; None where it is the body as a whole.
        code: INVALID_REQUEST, or UNSUPPORTED for what is legal at the vendor and has no meaning elsewhere.
        missing: the field is not there.
    """

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        code: ErrorCode = ErrorCode.INVALID_REQUEST,
        missing: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.param = param
        self.missing = missing

    def inside(self, where: str) -> BadRequest:
        """The same, where the field is part of another, such as `messages[2]`."""
        param = f"{where}.{self.param}" if self.param else where
        return BadRequest(f"{where}.{self.message}", param, code=self.code, missing=self.missing)


def missing(param: str) -> BadRequest:
    return BadRequest(f"{param}: Field required", param, missing=True)


def unsupported(message: str, param: str) -> BadRequest:
    return BadRequest(f"{param}: {message}", param, code=ErrorCode.UNSUPPORTED)


class within:  # in lower case as contextlib's own; a class costs a third of what its decorator makes
    """A BadRequest within is one of a field of this object, such as `metadata`."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BadRequest):
            raise error.inside(self._where) from None


class about(within):
    """An error of `providers.coerce` within is a BadRequest of this field."""

    __slots__ = ()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ProviderError) and not isinstance(error, BadRequest):
            param, place = self._where, error.message.partition(":")[0]
            exact = place if place.startswith(f"{param}[") and " " not in place else param
            raise BadRequest(error.message, exact, code=error.code) from None


def decode_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request; halves of characters in it are replaced by U+FFFD.

    Raises:
        BadRequest: it is none.
    """
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # msgspec refuses a few things that vendors take: integers of any size, halves of characters.
        try:
            body = json.loads(mended(json.dumps(json.loads(raw, parse_constant=_no_json), ensure_ascii=False)))
        except (ValueError, RecursionError):
            raise BadRequest("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body of your request must be a JSON object.")
    return body


def _no_json(word: str) -> NoReturn:
    """NaN and the infinities, which Python's reader takes."""
    raise ValueError(word)


# --- fields; null is the same as not there


# A body has few of the fields that it may have: one that is not there, or is as it should be, costs no second call.


def _wrong(name: str, what: str) -> BadRequest:
    return BadRequest(f"{name}: {what} is expected", name)


def text(body: Body, name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _wrong(name, "a string")


def flag(body: Body, name: str) -> bool | None:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise _wrong(name, "a boolean")


def integer(body: Body, name: str) -> int | None:
    """JSON has one type of numbers: 1.0 is an integer."""
    value = body.get(name)
    if value is None or type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise _wrong(name, "an integer")


def number(body: Body, name: str) -> float | None:
    value = body.get(name)
    if value is None or type(value) is float or type(value) is int:
        return value
    raise _wrong(name, "a number")


def count(body: Body, name: str) -> int | None:
    """A number from 1 on; some servers take others for no limit."""
    value = integer(body, name)
    if value is not None and value < 1:
        raise unsupported("a positive integer is expected", name)
    return value


def mapping(body: Body, name: str) -> dict[str, Any]:
    """An object; empty where it is not there."""
    value = body.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise _wrong(name, "an object")


def objects(body: Body, name: str) -> list[dict[str, Any]]:
    """A list of objects; empty where it is not there."""
    entries = body.get(name)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise _wrong(name, "a list")
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise BadRequest(f"{name}[{place}]: an object is expected", f"{name}[{place}]")
    return entries


def read_each(body: Body, name: str, read: Callable[[dict[str, Any]], Value]) -> list[Value]:
    """What a list of objects says, each read by `read`; an error names its place in the list."""
    if body.get(name) is None:
        return []
    values = []
    for place, entry in enumerate(objects(body, name)):
        with within(f"{name}[{place}]"):
            values.append(read(entry))
    return values


def strings(body: Body, name: str) -> tuple[str, ...]:
    """A string or a list of strings; empty where it is not there."""
    value = body.get(name)
    values = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(entry, str) for entry in values):
        raise BadRequest(f"{name}: a string or a list of strings is expected", name)
    return tuple(values)


def required_text(body: Body, name: str) -> str:
    value = text(body, name)
    if not value:
        raise missing(name)
    return value


def base64_data(body: Body, name: str) -> bytes:
    try:
        return decoded(required_text(body, name))
    except ValueError:
        raise BadRequest(f"{name}: this is no valid base64", name) from None


_EFFORTS: Mapping[str, Thinking] = {
    "none": "off",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}


def effort(value: object, param: str) -> Thinking | None:
    """How much is to be thought, by a vendor's word for it; None where nothing is said."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in _EFFORTS:
        raise BadRequest(f"{param}: one of {', '.join(_EFFORTS)} is expected", param)
    return _EFFORTS[value]

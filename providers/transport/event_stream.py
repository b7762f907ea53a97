"""AWS's event streams, in which Bedrock's InvokeModel answers: frames of bytes with checksums, without I/O.

A frame is its length and that of its headers (4 bytes each), the CRC-32 of these, the headers, the payload, and the
CRC-32 of all before. Of a `chunk` the payload is JSON whose `bytes` are an event of the model's own protocol in base64:
https://smithy.io/2.0/aws/amazon-eventstream.html, and `PayloadPart` and `ResponseStream` in Bedrock's reference.
"""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import as_dict
from providers.transport.lines import MAX_BYTES, SSEEvent

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_STRING, _BYTES = 7, 6  # kinds of header values, whose lengths stand before them
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # bytes of the others

# Bedrock's exceptions as Anthropic's protocol calls such errors.
_ERRORS = {
    "throttlingException": "rate_limit_error",
    "serviceUnavailableException": "overloaded_error",
    "modelTimeoutException": "timeout_error",
    "validationException": "invalid_request_error",
}


class _Chunk(msgspec.Struct):
    data: bytes = msgspec.field(name="bytes")


class _Typed(msgspec.Struct):
    type: str | None = None


_read_chunk = msgspec.json.Decoder(_Chunk).decode
_read_type = msgspec.json.Decoder(_Typed).decode


class EventStreamDecoder:
    """A byte stream into the events that its frames carry, as server-sent events of the model's protocol have them.

    Raises:
        ProviderError: PROTOCOL_ERROR for a frame that was cut, damaged or longer than 16 MiB, or is none.
    """

    __slots__ = ("_headers", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._headers: dict[bytes, dict[str, str]] = {}  # nearly all frames of a stream have the same

    def feed(self, data: bytes) -> list[SSEEvent]:
        """The events completed by these bytes."""
        data, at, events = self._rest + data if self._rest else data, 0, []
        while len(data) - at >= _PRELUDE.size:
            size, headers, checksum = _PRELUDE.unpack_from(data, at)
            if crc32(data[at : at + 8]) != checksum or not 16 + headers <= size:
                raise _wrong("a frame of the stream is damaged, or is none of AWS's event streams")
            if size > MAX_BYTES:
                raise _wrong("a frame of the stream is larger than 16 MiB")
            if len(data) - at < size:
                break
            event = self._event(data[at : at + size], headers)
            if event is not None:
                events.append(event)
            at += size
        self._rest = data[at:]
        return events

    def flush(self) -> list[SSEEvent]:
        """Nothing: a frame that is not whole is lost."""
        if self._rest:
            raise _wrong("the stream ended within a frame")
        return []

    def _event(self, frame: bytes, headers: int) -> SSEEvent | None:
        if crc32(frame[:-4]) != _CHECKSUM.unpack_from(frame, len(frame) - 4)[0]:
            raise _wrong("a frame of the stream is damaged: its checksum is another")
        named, payload = frame[12 : 12 + headers], frame[12 + headers : -4]
        told = self._headers.get(named)
        if told is None:
            told = _headers(named)
            if len(self._headers) < 16:
                self._headers[named] = told
        kind = told.get(":message-type", "event")
        if kind != "event":
            return _error(told, payload)
        if told.get(":event-type") != "chunk":
            return None
        try:
            data = _read_chunk(payload).data
            return SSEEvent(_read_type(data).type, data)
        except (msgspec.DecodeError, UnicodeError):
            raise _wrong("an event of the stream is no JSON with bytes in it") from None


def _headers(data: bytes) -> dict[str, str]:
    """The headers that are texts, by name."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            length = data[at]
            name, kind = data[at + 1 : at + 1 + length].decode(), data[at + 1 + length]
            at += 2 + length
            size = _SIZES.get(kind, 0)
            if kind in (_STRING, _BYTES):
                size = int.from_bytes(data[at : at + 2])
                at += 2
            elif kind not in _SIZES:
                raise ValueError(kind)
            if kind == _STRING:
                found[name] = data[at : at + size].decode()
            at += size
        if at > len(data):
            raise ValueError("the last is cut")
    except (IndexError, ValueError):
        raise _wrong("the headers of a frame of the stream can't be read") from None
    return found


def _error(told: dict[str, str], payload: bytes) -> SSEEvent:
    """An exception that ends the stream, as an error event."""
    name = told.get(":exception-type") or told.get(":error-code") or "exception"
    try:
        said: Any = as_dict(msgspec.json.decode(payload)).get("message")
    except (msgspec.DecodeError, UnicodeError):
        said = None
    message = said if isinstance(said, str) else told.get(":error-message") or name
    error = {"type": _ERRORS.get(name, "api_error"), "message": message}
    return SSEEvent("error", msgspec.json.encode({"type": "error", "error": error}))


def _wrong(message: str) -> ProviderError:
    return ProviderError(ErrorCode.PROTOCOL_ERROR, message)

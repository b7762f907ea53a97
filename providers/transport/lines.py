"""Bytes into lines, SSE events and NDJSON lines, without I/O.

Lines end at LF, CRLF or CR only, never at U+2028 and its like, which may stand raw inside JSON strings. Rules: WHATWG
HTML, "Server-sent events", section "Parsing an event stream".
"""

from __future__ import annotations

import re

import msgspec

from providers.errors import ErrorCode, ProviderError

MAX_BYTES = 64 * 1024 * 1024  # of one line or one event, as of a plain answer: one may hold a picture
_BOM = b"\xef\xbb\xbf"


class SSEEvent(msgspec.Struct, frozen=True, gc=False):
    """One event; `data` is the joined data lines, still bytes."""

    event: str | None
    data: bytes


# An event of one line of data, with a name or none, as nearly all are. It begins where a line does: text without any
# takes no longer than its length.
_USUAL = re.compile(rb"(?m)^(?:event: ([^\n]+)\n)?data: ([^\n]*)\n\n")


class LineDecoder:
    """Splits a byte stream into lines, whatever pieces it comes in.

    Raises:
        ProviderError: PROTOCOL_ERROR when a line outgrows 64 MiB.
    """

    __slots__ = ("_after_cr", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._after_cr = False

    @property
    def is_within(self) -> bool:
        """Whether a line has begun, or may end by the next byte."""
        return self._after_cr or bool(self._parts)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines completed by these bytes, without their ends."""
        if self._after_cr and data:
            self._after_cr = False
            if data[0] == 0x0A:
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *rest = data.split(b"\n")
        if not rest:
            self._keep(first)
            return []
        if self._parts:
            self._keep(first)
            first = b"".join(self._parts)
            self._parts.clear()
        self._size = 0
        lines = [first, *rest[:-1]]
        self._keep(rest[-1])
        return lines

    def flush(self) -> list[bytes]:
        """The last line, when the stream ended without a line end."""
        rest = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return [rest] if rest else []

    def _keep(self, part: bytes) -> None:
        if not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_BYTES:
            raise ProviderError(ErrorCode.PROTOCOL_ERROR, "a line of the answer is larger than 64 MiB")


class SSEDecoder:
    """A byte stream into server-sent events."""

    __slots__ = ("_data", "_event", "_lines", "_size", "_started")

    def __init__(self) -> None:
        self._lines = LineDecoder()
        self._data: list[bytes] = []
        self._event: str | None = None
        self._size = 0
        self._started = False

    def feed(self, data: bytes) -> list[SSEEvent]:
        """The events completed by these bytes."""
        start = 0 if self._is_between() else data.find(b"\n\n") + 2
        end = data.rfind(b"\n\n") + 2
        usual = _usual(data[start:end]) if b"\r" not in data and start < end and len(data) <= MAX_BYTES else []
        if not usual:
            return self._by_lines(data)
        return [*self._by_lines(data[:start]), *usual, *self._by_lines(data[end:])]

    def _is_between(self) -> bool:
        """Whether an event may begin here."""
        return self._started and not (self._data or self._event is not None or self._lines.is_within)

    def _by_lines(self, data: bytes) -> list[SSEEvent]:
        return self._events(self._lines.feed(data))

    def flush(self) -> list[SSEEvent]:
        """A last event that no blank line ended."""
        return self._events([*self._lines.flush(), b""])

    def _events(self, lines: list[bytes]) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        for line in lines:
            if not self._started:
                self._started = True
                line = line.removeprefix(_BOM)
            if not line:
                if self._data:
                    data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    events.append(SSEEvent(self._event, data))
                    self._data = []
                    self._size = 0
                self._event = None
            elif line.startswith(b"data:"):
                self._add(line[6:] if line[5:6] == b" " else line[5:])
            else:
                self._field(line, events)
        return events

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        self._size += len(data) + 1  # its line end too, so that empty lines without number have a bound
        if self._size > MAX_BYTES:
            raise ProviderError(ErrorCode.PROTOCOL_ERROR, "an event of the answer is larger than 64 MiB")

    def _field(self, line: bytes, events: list[SSEEvent]) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"data":
            self._add(b"")
        elif name == b"error" and value.startswith(b"{"):
            # llama.cpp's servers report an error in mid-stream as a field of its own.
            events.append(SSEEvent("error", value))


def _usual(data: bytes) -> list[SSEEvent]:
    """The events of bytes that hold nothing but usual ones, in half the time that their lines would take; else none."""
    events, size = [], 0
    for name, said in _USUAL.findall(data):
        size += len(said) + (len(name) + 16 if name else 8)  # with the names of their fields and their line ends
        events.append(SSEEvent(name.decode("utf-8", "replace") if name else None, said))
    return events if size == len(data) else []


class NDJSONDecoder:
    """A byte stream into its lines that are not blank."""

    __slots__ = ("_lines", "_started")

    def __init__(self) -> None:
        self._lines = LineDecoder()
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        return self._filled(self._lines.feed(data))

    def flush(self) -> list[bytes]:
        return self._filled(self._lines.flush())

    def _filled(self, lines: list[bytes]) -> list[bytes]:
        if lines and not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BOM)
        return [line for line in lines if line.strip()]

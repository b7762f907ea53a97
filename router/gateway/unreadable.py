"""Requests that are answered before anybody looks at what they ask: what is no HTTP, or none that is spoken here."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from aiohttp.http import HttpRequestParser, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from providers.wire.writing import encode

LINE, FIELD = 16_384, 32_768  # bytes of a request's first line, and of a header
HEAD = 262_144  # bytes of all headers

_UNTIL_HEADS_END = re.compile(rb"(?s).*?\r\n\r\n|.+")
_METHOD = re.compile(
    r"(?<!\w)b['\"][!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} "
)  # RFC 9110, section 5.6.2; as the parser shows the line
TOO_LARGE = 431, f"the headers of this request are too large: at most {HEAD} bytes"
TOO_SLOW = 408, "the request's head did not come in time"


def new_parser(connection: RequestHandler, room: int, waiting: int) -> HttpRequestParser:
    """A parser as that of a new connection.

    Args:
        room: bytes of a body that wait to be read.
        waiting: requests that wait to be answered.
    """
    return HttpRequestParser(
        connection,
        asyncio.get_running_loop(),
        room,
        max_line_size=LINE,
        max_field_size=FIELD,
        payload_exception=RequestPayloadError,
        auto_decompress=False,
        max_msg_queue_size=waiting,
    )


def readable_before(parser: HttpRequestParser, data: bytes) -> list[Any]:
    """The requests that come before what can't be read, which a parser forgets where all came at once.

    Args:
        parser: a new one; it has read as far as it can.
    """
    found: list[Any] = []
    with suppress(HttpProcessingError):
        for piece in _UNTIL_HEADS_END.findall(data):
            found += parser.feed_data(piece)[0]
    return found


def why_unreadable(error: BaseException, message: str) -> tuple[int, str]:
    """The status and the words for what the parser could not read."""
    if isinstance(error, LineTooLong):
        return 431, f"a header, or the first line, of this request is too large: at most {FIELD} bytes"
    if "Too many headers" in message:
        return 431, "this request has too many headers"
    if isinstance(error, BadHttpMethod):
        if _METHOD.search(message):
            return 501, "this method is not known here; methods are written in upper case"
        return 400, "this is no HTTP request; is it meant for https?"
    return 400, "this is no HTTP request that can be read"


def why_not_spoken(message: RawRequestMessage) -> tuple[int, str] | None:
    """The status and the words for a request whose HTTP is not spoken here; None for all others."""
    if message.version.major != 1:
        return 505, "HTTP/1.1 and HTTP/1.0 are spoken here"
    if not message.chunked:
        return None
    if message.version < HttpVersion11:  # RFC 9112, section 6.1: another may have seen its end elsewhere
        return 400, "a request of HTTP/1.0 has no transfer-encoding"
    coding = message.headers.get("transfer-encoding", "")
    if coding.strip().lower() != "chunked":
        return 501, "no transfer-encoding is read here but `chunked`"
    return None


def last_words(status: int, words: str, more: bytes = b"") -> bytes:
    """An answer after which the connection is closed. Both OpenAI's and Anthropic's clients can read its shape, since
    there is no path yet that would tell which.

    Args:
        more: header lines.
    """
    error = {"message": words, "type": "invalid_request_error", "code": None}
    body = encode({"type": "error", "error": error})
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nserver: signalbox\r\ncontent-type: application/json\r\n"
    length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + more + length.encode() + body

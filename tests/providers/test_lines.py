"""Bytes into events: however they are cut, by the rules of the protocol, and never without bound."""

from __future__ import annotations

import gc
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorCode, ProviderError
from providers.transport import lines
from providers.transport.lines import LineDecoder, NDJSONDecoder, SSEDecoder, SSEEvent

DECODERS = [LineDecoder, SSEDecoder, NDJSONDecoder]

# Text that is likely to hit the rules, and any other.
WIRE = st.lists(
    st.sampled_from(
        [b"data:", b"data: ", b"event: x", b"id: 1", b": ping", b"\n", b"\r", b"\r\n", b"\n\n", b"{}", b"\xe2\x80\xa8"]
    )
    | st.binary(max_size=6),
    max_size=25,
).map(b"".join)


def decode(kind: Any, raw: bytes, cuts: list[int] | None = None) -> list[Any]:
    decoder = kind()
    places = [0, *sorted({cut for cut in cuts or [] if cut < len(raw)}), len(raw)]
    found: list[Any] = []
    for start, end in pairwise(places):
        found += decoder.feed(raw[start:end])
    return found + decoder.flush()


def sse(raw: bytes) -> list[tuple[str | None, bytes]]:
    return [(event.event, event.data) for event in decode(SSEDecoder, raw)]


@pytest.mark.parametrize("kind", DECODERS)
@given(raw=WIRE, cuts=st.lists(st.integers(0, 150), max_size=20))
def test_any_split_gives_the_same(kind: Any, raw: bytes, cuts: list[int]) -> None:
    """Where the network cuts is nobody's business; one byte at a time neither."""
    whole = decode(kind, raw)
    assert decode(kind, raw, cuts) == whole
    assert decode(kind, raw, list(range(len(raw)))) == whole


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"")), min_size=1))
def test_lines_end_at_lf_crlf_and_cr(parts: list[bytes]) -> None:
    """And nowhere else: what stands between them comes out as it is."""
    for end in (b"\n", b"\r\n", b"\r"):
        decoder = LineDecoder()
        assert decoder.feed(end.join(parts) + end) == parts
        assert decoder.flush() == []


def test_unicode_separators_are_no_line_ends() -> None:
    """U+2028, U+2029, U+0085, form feed and the like may stand raw in JSON strings."""
    odd = '{"a":"x\u2028\u2029\x85\x0b\x0c\x1c\x1ey"}'.encode()
    assert sse(b"data: " + odd + b"\n\n") == [(None, odd)]
    assert decode(NDJSONDecoder, odd + b"\n" + odd + b"\n") == [odd, odd]


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: a\n\n", [(None, b"a")]),
        (b"data:a\n\n", [(None, b"a")]),
        (b"data:  a\n\n", [(None, b" a")]),
        (b"data: a\ndata: b\n\n", [(None, b"a\nb")]),
        (b"data\ndata: b\n\n", [(None, b"\nb")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [("x", b"a"), (None, b"b")]),
        (b"event: x\n\ndata: b\n\n", [(None, b"b")]),
        (b": ping\n\n: ping\n\n", []),
        (b"id: 1\nretry: 5\nstrange: x\nnocolon\ndata: a\n\n", [(None, b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a")]),
        (b"data: a", [(None, b"a")]),
        (b"data: a\n", [(None, b"a")]),
        (b"data: a\r\n\r\ndata: b\r\r", [(None, b"a"), (None, b"b")]),
        (b'data: {"a":1}\n\nerror: {"error":"x"}\n\n', [(None, b'{"a":1}'), ("error", b'{"error":"x"}')]),
        (b"", []),
        (b"\n\n\n", []),
    ],
)
def test_server_sent_events(raw: bytes, events: list[tuple[str | None, bytes]]) -> None:
    """As WHATWG's HTML says, and with a last event that no blank line ended."""
    assert sse(raw) == events


def test_ndjson_lines() -> None:
    """Blank lines are left out, a last line without its end is not lost."""
    assert decode(NDJSONDecoder, b'\xef\xbb\xbf{"a":1}\n\n  \r\n{"b":2}') == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("kind", DECODERS)
def test_a_line_without_end_is_refused(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never ends its line, or its event, cannot fill the memory."""
    monkeypatch.setattr(lines, "MAX_BYTES", 1000)
    endless = [b"data: x"] + [b"x" * 100] * 11
    many = [b"data: xxxxxxxxxx\n"] * 120
    empty = [b"data:\n"] * 1200
    for pieces in [endless, many, empty] if kind is SSEDecoder else [endless]:
        decoder = kind()
        with pytest.raises(ProviderError) as caught:
            for piece in pieces:
                decoder.feed(piece)
        assert caught.value.code is ErrorCode.PROTOCOL_ERROR


class CountedBytes(bytes):
    """Bytes that count how often they are looked through."""

    seen = 0
    gone = 0

    def split(self, *args: Any) -> list[bytes]:  # type: ignore[override]  # narrower is enough here
        CountedBytes.seen += len(self)
        return [self] if b"\n" not in self else super().split(*args)

    def __del__(self) -> None:
        CountedBytes.gone += 1


def test_small_pieces_are_not_copied_again_and_again() -> None:
    """5 MB without a line end, in small pieces, cost their length: each byte is seen once and joined once."""
    decoder = LineDecoder()
    CountedBytes.seen = CountedBytes.gone = 0
    for _ in range(5000):
        assert decoder.feed(CountedBytes(b"x" * 1000)) == []
    gc.collect()
    assert CountedBytes.gone == 0  # they are kept as they are
    assert decoder.feed(b"\n") == [b"x" * 5_000_000]
    assert CountedBytes.seen == 5_000_000


@given(st.lists(WIRE, max_size=5))
def test_garbage_makes_no_other_error(pieces: list[bytes]) -> None:
    """Events, or a ProviderError."""
    for kind in DECODERS:
        decoder = kind()
        with suppress(ProviderError):
            for piece in pieces:
                for found in decoder.feed(piece):
                    assert isinstance(found, SSEEvent | bytes)
            decoder.flush()

"""Bedrock's InvokeModel as the simulated vendor speaks it: Claude's messages, the model in the path, AWS's own streams.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.simulator.anthropic_messages import AnthropicMessages
from providers.simulator.dialect import Answer
from providers.simulator.vendor import VendorKnobs
from providers.types import CompletionRequest
from providers.wire import anthropic_messages as wire
from providers.wire.reading import BadRequest
from providers.wire.writing import Head, encode

_STREAM = "/invoke-with-response-stream"
_EXCEPTIONS = {
    ErrorCode.RATE_LIMITED: "throttlingException",
    ErrorCode.OVERLOADED: "serviceUnavailableException",
    ErrorCode.TIMEOUT: "modelTimeoutException",
    ErrorCode.INVALID_REQUEST: "validationException",
}


class BedrockInvoke(AnthropicMessages):
    """One request; `path` is that below the vendor's own, with the model in it."""

    def __init__(self, path: str) -> None:
        self._model, self._way = path.removeprefix("/model/").rpartition("/")[::2]
        self.chat = path if self._way in ("invoke", _STREAM[1:]) else ""

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], knobs: VendorKnobs) -> CompletionRequest:
        if body.get("anthropic_version") != "bedrock-2023-05-31":
            raise BadRequest("anthropic_version: Field required")
        for name in ("model", "stream"):
            if name in body:
                raise BadRequest(f"{name}: Extra inputs are not permitted")
        return super().read({**body, "model": self._model}, {"anthropic-version": "bedrock"}, knobs)

    def wants_stream(self, body: Mapping[str, Any]) -> bool:
        return self._way == _STREAM[1:]

    def writer(self, body: Mapping[str, Any], head: Head, answer: Answer) -> wire.MessagesStreamWriter:
        return _Writer(head, lambda: answer.thinking)

    def render_error(self, error: ProviderError, ident: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        status = 503 if error.code is ErrorCode.OVERLOADED else CONSEQUENCES[error.code].http_status
        return status, {}, {"message": error.message}


class _Writer(wire.MessagesStreamWriter):
    """The events of the messages protocol, each in a frame."""

    content_type = "application/vnd.amazon.eventstream"

    def start(self) -> bytes:
        return _framed(super().start())

    def chunk(self, chunk: Any) -> bytes:
        return _framed(super().chunk(chunk))

    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        return _framed(super().end(seconds=seconds, raw_finish_reason=raw_finish_reason))

    def error(self, error: ProviderError) -> bytes:
        name = _EXCEPTIONS.get(error.code, "internalServerException")
        headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
        return frame(headers, encode({"message": error.message}))


def _framed(events: bytes) -> bytes:
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return b"".join(
        frame(headers, encode({"bytes": b64encode(event.partition(b"data: ")[2]).decode(), "p": "abcdefgh"}))
        for event in events.split(b"\n\n")[:-1]
    )


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Make a frame of AWS's event streams: https://smithy.io/2.0/aws/amazon-eventstream.html."""
    named = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + len(value.encode()).to_bytes(2) + value.encode()
        for name, value in headers.items()
    )
    size = 16 + len(named) + len(payload)
    prelude = struct.pack(">II", size, len(named))
    whole = prelude + crc32(prelude).to_bytes(4) + named + payload
    return whole + crc32(whole).to_bytes(4)

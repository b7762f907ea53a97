"""One request to a simulated vendor, from its body to the last byte of the answer or to the fault."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from email.utils import formatdate
from random import Random
from typing import Any

from aiohttp import web

from providers.errors import ErrorCode, ProviderError
from providers.simulator import embeddings
from providers.simulator.callers import Callers
from providers.simulator.dialect import Answer, Dialect, think
from providers.simulator.vendor import ErrorKind, SimulatedVendor
from providers.types import CompletionRequest
from providers.wire.reading import BadRequest, decode_body
from providers.wire.writing import Head, StreamWriter, encode

HTML = b"<!doctype html>\n<html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n"
JSON = "application/json"


class Exchange:
    """Answers one request with the knobs that the vendor has when it arrives.

    `severed` tells that this side closed the connection on purpose.
    """

    def __init__(
        self, vendor: SimulatedVendor, dialect: Dialect, request: web.BaseRequest, path: str, random: Random
    ) -> None:
        self.vendor = vendor
        self.knobs = vendor.knobs
        self.dialect = dialect
        self.request = request
        self.path = path
        self.random = random
        self.ident = f"{random.getrandbits(96):024x}"
        self.severed = False
        credentials = request.headers.get("authorization") or request.headers.get("x-api-key") or ""
        self.key = credentials.rpartition(" ")[2]

    async def answer(self, raw: bytes) -> web.StreamResponse:
        """Returns the answer, sent in part or whole when it is a stream."""
        if self.knobs.refuse or self.knobs.reset:
            self._sever(reset=self.knobs.reset)
            return web.Response()
        if self.knobs.hang:
            await _for_ever()
        if self.vendor.callers is not None and (refused := self._refused(self.vendor.callers, raw)) is not None:
            return refused
        try:
            body = decode_body(raw) if self.request.method == "POST" else {}
            return await self._respond(body)
        except BadRequest as error:
            return self._failed(error)

    def _refused(self, callers: Callers, raw: bytes) -> web.Response | None:
        headers = {name.lower(): value for name, value in self.request.headers.items()}
        found = callers.refusal(self.request.method, self.request.raw_path, headers, raw)
        if found is None:
            return None
        status, why = found
        response = self._failed(ProviderError(ErrorCode.AUTHENTICATION, why), status=status)
        response.headers["date"] = formatdate(callers.date, usegmt=True)
        return response

    async def _respond(self, body: dict[str, Any]) -> web.StreamResponse:
        other: Any = None
        request: CompletionRequest | None = None
        if (self.request.method, self.path) == ("POST", self.dialect.chat):
            request = self.dialect.read(body, self.request.headers, self.knobs)
        elif self.request.method == "POST" and self.path in embeddings.PATHS[self.vendor.protocol]:
            try:
                other = embeddings.made(self.vendor.protocol, self.path, body, self.knobs)
            except ProviderError as error:
                return self._failed(error)
        else:
            other = self.dialect.other(self.request.method, self.path, body)
            if other is None:
                return self._failed(self.dialect.not_found(self.request.method, self.path), status=404)
        refused = next((kind for ending, kind in self.knobs.key_errors.items() if self.key.endswith(ending)), None)
        if refused is not None:
            return self._error(str(body.get("model", "")), refused)
        if self.random.random() < self.knobs.error_rate:
            return self._error(str(body.get("model", "")))
        if self.knobs.html:
            return self._response(HTML, "text/html; charset=utf-8")
        if request is None:
            return await self._other(encode(other), waits=self.request.method == "POST")
        thought = self.knobs.thinking
        thinking = () if thought is None else (self.dialect.thought(thought),)
        answer = think(request, self.knobs, self.dialect, thinking)
        if self.knobs.prompt_cache:
            now = asyncio.get_running_loop().time()
            answer = answer.with_cached(self.dialect.cached(body, self.vendor.prompts, self.key, now))
        head = Head(self.ident, request.model, time.time(), answer.input_tokens)
        if self.dialect.wants_stream(body):
            writer = self.dialect.writer(body, head, answer)
            writer.cost = self.knobs.cost
            return await self._stream(request, answer, writer)
        return await self._plain(body, request, answer, head)

    async def _other(self, data: bytes, *, waits: bool) -> web.StreamResponse:
        """Answer what is no chat, which a model takes its time for where it `waits`."""
        if not waits:
            return self._bytes(data)
        await self._wait(self.knobs.first_token)
        if self.knobs.empty or self.knobs.truncated:
            return self._response(b"" if self.knobs.empty else data[: len(data) // 2], JSON)
        if self.knobs.cut_after is None and self.knobs.hang_after is None:
            return self._bytes(data)
        return await self._half(data)

    async def _half(self, data: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._headers(JSON))
        response.content_length = len(data)
        await response.prepare(self.request)
        await response.write(data[: len(data) // 2])
        await self._break_off()
        return response

    async def _plain(
        self, body: dict[str, Any], request: CompletionRequest, answer: Answer, head: Head
    ) -> web.StreamResponse:
        if self.knobs.error_after is not None and self.knobs.error_after <= len(answer.pieces):
            return self._error(request.model)
        await self._wait(self.knobs.first_token + len(answer.pieces) / self.knobs.tokens_per_second)
        said = answer.response(self.dialect.call_id(self.ident))
        told = self.dialect.plain(body, request, said, head)
        if self.knobs.cost is not None and isinstance(told.get("usage"), dict):
            told["usage"]["cost"] = self.knobs.cost
        data = encode(told)
        if not self._strikes(self.knobs.cut_after, len(answer.pieces)) and not self._strikes(
            self.knobs.hang_after, len(answer.pieces)
        ):
            return self._bytes(data)
        return await self._half(data)

    async def _stream(self, request: CompletionRequest, answer: Answer, writer: StreamWriter) -> web.StreamResponse:
        frames = self.dialect.frames(request, writer, answer, self.ident)
        if self.knobs.empty or self.knobs.truncated:
            parts = [frame.data for frame in frames]
            middle = len(parts) // 2
            data = b"".join(parts[:middle]) + parts[middle][: len(parts[middle]) // 2]
            return self._response(b"" if self.knobs.empty else data, writer.content_type)
        response = web.StreamResponse(headers=self._headers(writer.content_type))
        await response.prepare(self.request)
        # Frames between two waits leave in one write: a fast stream is one or two, as under load.
        ready: list[bytes] = []
        sent = 0
        for frame in frames:
            if self._stops(sent):
                await self._stop(response, ready, writer)
                return response
            if frame.content:
                wait = 1 / self.knobs.tokens_per_second if sent else self.knobs.first_token
                if wait and not self.knobs.fast:
                    await _flush(response, ready)
                    await self._wait(wait)
                sent += 1
            ready.append(frame.data)
        await _flush(response, ready)
        return response

    def _stops(self, sent: int) -> bool:
        knobs = self.knobs
        return any(after == sent for after in (knobs.hang_after, knobs.cut_after, knobs.error_after))

    async def _stop(self, response: web.StreamResponse, ready: list[bytes], writer: StreamWriter) -> None:
        """Break a stream off, or end it with an error event."""
        if self.knobs.error_after is not None:
            ready.append(writer.error(self.dialect.fault(self.knobs.error, writer.head.model)))
        await _flush(response, ready)
        if self.knobs.error_after is None:
            await self._break_off()

    async def _break_off(self) -> None:
        if self.knobs.hang_after is not None:
            await _for_ever()
        self._sever()

    def _sever(self, *, reset: bool = False) -> None:
        """Close the connection: at once with RST, or after what was written with FIN."""
        self.severed = True
        transport = self.request.transport
        if transport is None:
            return
        if not reset:
            transport.close()
            return
        # Lingering for zero seconds makes close() send RST instead of FIN (POSIX, SO_LINGER).
        handle: socket.socket = transport.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    @staticmethod
    def _strikes(after: int | None, pieces: int) -> bool:
        return after is not None and after <= pieces

    async def _wait(self, seconds: float) -> None:
        if self.knobs.jitter:
            seconds *= 1 + self.random.uniform(-self.knobs.jitter, self.knobs.jitter)
        if seconds > 0 and not self.knobs.fast:
            await asyncio.sleep(seconds)

    def _error(self, model: str, kind: ErrorKind | None = None) -> web.Response:
        """Answer with the error that the knobs ask for."""
        kind = kind or self.knobs.error
        response = self._failed(self.dialect.fault(kind, model))
        if kind == "rate_limited":
            for name in list(response.headers):
                if "remaining" in name:
                    response.headers[name] = "0"
            if self.knobs.retry_after is not None:
                response.headers["retry-after"] = f"{self.knobs.retry_after:g}"
        return response

    def _failed(self, error: ProviderError, *, status: int | None = None) -> web.Response:
        usual, _, body = self.dialect.render_error(error, self.ident)
        return self._response(encode(body), JSON, status or usual)

    def _bytes(self, data: bytes) -> web.Response:
        """Answer with JSON, or what the knobs leave of it."""
        if self.knobs.empty:
            data = b""
        elif self.knobs.truncated:
            data = data[: len(data) // 2]
        return self._response(data, JSON)

    def _response(self, data: bytes, kind: str, status: int = 200) -> web.Response:
        return web.Response(body=data, status=status, headers=self._headers(kind))

    def _headers(self, kind: str) -> dict[str, str]:
        return {
            "content-type": kind,
            **self.dialect.headers(self.ident, self.vendor.in_flight),
            **self.knobs.headers,
        }


async def _flush(response: web.StreamResponse, ready: list[bytes]) -> None:
    data = b"".join(ready)
    ready.clear()
    if data:
        await response.write(data)


async def _for_ever() -> None:
    """Wait until the client leaves or the simulator closes, which cancels."""
    await asyncio.get_running_loop().create_future()

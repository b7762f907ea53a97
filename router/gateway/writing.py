"""Writes a stream's chunks: the vendor's own events where it speaks the client's protocol, else a translation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from msgspec.structs import replace

from providers.tokens import estimated_prompt
from providers.types import CompletionRequest, CompletionResponse, StreamChunk
from providers.wire.reading import Body
from providers.wire.writing import Head, StreamWriter, encode
from router.engine.stream import RouterStream
from router.gateway.envelopes import Sealing
from router.gateway.errors import told
from router.gateway.faces.face import Face

_MODEL = re.compile(rb'("model"\s*:\s*)("(?:[^"\\]|\\.)*")')


class StreamWriting:
    """Gives the bytes of each chunk. The writer is made at the first, when it is known who answers.

    Args:
        request: what the client asked.
        body: the same, in its own words.
        head: what the answer says of itself, but for the model.
        sealing: gives what closes the envelopes of an answer.
        expose: tell errors with the vendor's own words.
    """

    def __init__(
        self,
        face: Face,
        stream: RouterStream,
        request: CompletionRequest,
        body: Body,
        head: Head,
        sealing: Callable[[CompletionResponse], Sealing],
        *,
        expose: bool,
    ) -> None:
        self._face = face
        self._sealing_of = sealing
        self._expose = expose
        self._stream = stream
        self._request = request
        self._body = body
        self._head = head
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._beginning: CompletionResponse | None = None
        self._sealing: Sealing | None = None
        self._writer: StreamWriter | None = None
        self._is_own = False  # the vendor's own events go out

    @property
    def beginning(self) -> CompletionResponse:
        """The answer as it was when somebody had begun it, which tells who: each look at the stream's makes it anew."""
        response = self._beginning or self._stream.response
        if response.target is not None:
            self._beginning = response
        return response

    def chunk(self, chunk: StreamChunk) -> bytes:
        """The bytes of a chunk; what opens the answer and what ends it are the first one's and the last one's."""
        writer = self._writer
        if writer is None:
            if chunk.raw:
                self._is_own = True
                return chunk.raw  # the rest is done by `together`
            if self._is_own and chunk.done:
                return b""  # a vendor's own stream, which has ended already
            writer = self._begin()
            return writer.start() + self._written(writer, chunk)
        if chunk.text and not (chunk.tool_calls or chunk.done):
            return writer.chunk(chunk)  # as nearly all
        return self._written(writer, chunk)

    def together(self, data: bytes) -> bytes:
        """The bytes of some chunks, which go out together, as the client gets them."""
        if not self._is_own:
            return data
        if self._sealing is None and (ident := self._face.ident_of(data)) is not None:
            self._head = replace(self._head, ident=ident)
        data = self._sealed().raw(data)
        if not self._face.keeps_name:
            return data
        # In a text its quotes would be escaped: this is the field alone.
        own, asked = encode(self._stream.response.model), encode(self._body["model"])
        return _MODEL.sub(lambda found: found[1] + asked if found[2] == own else found[0], data)

    def _written(self, writer: StreamWriter, chunk: StreamChunk) -> bytes:
        if chunk.tool_calls:
            chunk = self._sealed().chunk(chunk)
        data = writer.chunk(chunk)
        if not chunk.done:
            return data
        raw = self._stream.response.raw_finish_reason
        return data + writer.end(seconds=self._loop.time() - self._began, raw_finish_reason=raw)

    def _sealed(self) -> Sealing:
        if self._sealing is None:
            self._sealing = self._sealing_of(self.beginning)
        return self._sealing

    def _begin(self) -> StreamWriter:
        face, response = self._face, self.beginning
        sealing = self._sealed()
        model, prompt = face.model_told(self._body, response.model), None
        if face.counts_first:  # vendors tell it last
            prompt = estimated_prompt(self._request.messages, self._request.tools)
        head = replace(self._head, model=model, input_tokens=prompt)
        self._writer = face.writer(self._body, head, lambda: sealing.thinking(self._stream.response))
        return self._writer

    def failed(self, error: Exception) -> bytes:
        """The error that a stream ends with."""
        writer, begin = self._writer, b""
        if writer is None:
            began = self._is_own
            own = self._stream.response.id
            if began and own:  # clients of Responses hold on to the id that the vendor's events began with
                self._head = replace(self._head, ident=own.removeprefix("resp_"))
            writer = self._begin()
            begin = writer.start() if self._face.begins_errors and not began else b""
        return begin + writer.error(told(error, expose=self._expose))

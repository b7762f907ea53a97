"""A question to a model: from the client's body to the answer in the client's protocol."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from providers.errors import ErrorCode
from providers.types import CompletionRequest, CompletionResponse, StreamChunk
from providers.validation import validate
from providers.wire.reading import Body, decode_body
from providers.wire.writing import Head, StreamWriter
from router.engine.stream import RouterStream
from router.gateway.errors import Refused, told
from router.gateway.exchange import Answered, Asked, json_answer
from router.gateway.faces.face import Face
from router.gateway.stream_body import StreamBody
from router.plan.serving import Client, Serving

if TYPE_CHECKING:
    from router.router import Router

# What keeps the requests of one conversation at one target, so that the vendor's prompt cache stays warm.
_SESSION_HEADERS = ("x-session-affinity", "x-claude-code-session-id", "session-id")


@dataclass(slots=True)
class Call:
    """One question of a client: whose it is, in which protocol, and what it is called."""

    router: Router
    serving: Serving
    face: Face
    client: Client
    ident: str  # of the request, and of what the answer is made from

    async def answer(self, asked: Asked, body: Body) -> Answered:
        """Answer what a body asks.

        Raises:
            SignalboxError: what the client is to be told.
        """
        request = self.face.read(body)
        route = self.route_of(request.model)
        head = Head(self.ident, "", time.time())
        idle = self.face.without_model(body, replace(head, model=request.model))
        if idle is not None:
            return json_answer(idle, headers=self.face.id_headers(self.ident))
        request = self._of_client(request, asked, body)
        validate(request)
        if self.face.wants_stream(body):
            return await self._stream(request, route, body, head)
        return await self._plain(request, route, body, head)

    def route_of(self, model: str) -> str:
        route = self.serving.route_of(model, self.client)
        if route is None:
            raise Refused(ErrorCode.MODEL_NOT_FOUND, f"The model '{model}' does not exist or you have no access to it.")
        return route

    def _of_client(self, request: CompletionRequest, asked: Asked, body: Body) -> CompletionRequest:
        """Say whose request it is; nothing of that goes to a vendor."""
        return replace(
            request,
            caller=self.client.name,
            namespace=self.client.namespace,
            affinity=_session(asked.headers, body),
            user=request.user if self.serving.forward_user else None,
        )

    async def _plain(self, request: CompletionRequest, route: str, body: Body, head: Head) -> Answered:
        loop = asyncio.get_running_loop()
        began = loop.time()
        response = await self.router.ask(request, route=route, cache=self.client.cache)
        head = replace(head, model=self.face.model_told(body, response.model))
        data = self.face.plain(body, response, head, loop.time() - began)
        return json_answer(data, headers=self._headers(response, whole=True))

    async def _stream(self, request: CompletionRequest, route: str, body: Body, head: Head) -> Answered:
        stream = self.router.ask_stream(request, route=route, cache=self.client.cache, can_restart=False)
        writing = _Writing(self, stream, body, head)
        answer = StreamBody(
            stream, writing.chunk, writing.failed, keepalive=self.face.keepalive, every=self.serving.keepalive
        )
        await answer.first()
        headers = {"content-type": self.face.stream_type, "cache-control": "no-cache", "x-accel-buffering": "no"}
        return Answered(200, answer, {**headers, **self._headers(stream.response, whole=False)})

    def _headers(self, response: CompletionResponse, *, whole: bool) -> dict[str, str]:
        """What the answer says of its way."""
        headers = {**self.face.id_headers(self.ident), "x-signalbox-route": response.route or ""}
        if response.target is not None:
            headers["x-signalbox-target"] = response.target
        if response.trace is not None:
            headers["x-signalbox-attempts"] = str(len(response.trace.attempts))
            if response.trace.cache:
                headers["x-signalbox-cache"] = response.trace.cache
        if whole and response.cost is not None:
            headers["x-signalbox-cost"] = f"{response.cost:.6f}"
        return headers


class _Writing:
    """Writes the chunks of one stream. The writer is made at the first, when it is known who answers."""

    def __init__(self, call: Call, stream: RouterStream, body: Body, head: Head) -> None:
        self._call = call
        self._stream = stream
        self._body = body
        self._head = head
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._writer: StreamWriter | None = None

    def _made(self) -> StreamWriter:
        face, model = self._call.face, self._stream.response.model
        return face.writer(self._body, replace(self._head, model=face.model_told(self._body, model)), self._stream)

    def chunk(self, chunk: StreamChunk) -> bytes:
        writer, begin = self._writer, b""
        if writer is None:
            writer = self._writer = self._made()
            begin = writer.start()
        data = begin + writer.chunk(chunk)
        return data + writer.end(seconds=self._loop.time() - self._began) if chunk.done else data

    def failed(self, error: Exception) -> bytes:
        """The error that a stream ends with."""
        writer, begin = self._writer, b""
        if writer is None:
            writer = self._made()
            begin = writer.start() if self._call.face.begins_errors else b""
        return begin + writer.error(told(error, expose=self._call.serving.expose_errors))


def _session(headers: Mapping[str, str], body: Body) -> str | None:
    """What the requests of one conversation have in common, by the client's word; None where it says nothing."""
    for name in _SESSION_HEADERS:
        if value := headers.get(name):
            return value
    metadata: Any = body.get("metadata")
    value = body.get("prompt_cache_key") or (metadata.get("user_id") if isinstance(metadata, dict) else None)
    return value if isinstance(value, str) and value else None


def new_ident() -> str:
    """Make what a request is called by: 24 letters and digits."""
    return secrets.token_hex(12)


async def body_of(asked: Asked, limit: int) -> dict[str, Any]:
    """Read the JSON object of a request; raises BadRequest and BodyTooLarge."""
    return decode_body(await asked.read(limit))

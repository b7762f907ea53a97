"""A question to a model: from the client's body to the answer in the client's protocol."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec.structs import replace

from providers.embeddings import AnyResponse
from providers.errors import ProviderError
from providers.parts import LARGE
from providers.tags import is_value
from providers.threads import in_thread
from providers.types import CompletionRequest, CompletionResponse, Native, Routing
from providers.validation import validate
from providers.wire.reading import BadRequest, Body, decode_body
from providers.wire.writing import Head, encode
from router.gateway.admission import Admitted, admit
from router.gateway.call_headers import routing_of
from router.gateway.envelopes import Envelopes, Sealing
from router.gateway.errors import UnknownModel
from router.gateway.exchange import JSON, Answered, Asked, Headers, json_answer
from router.gateway.faces.face import Face
from router.gateway.native import read_body, speaks, without_user
from router.gateway.record import CANCELLED, Record
from router.gateway.stream_body import StreamBody
from router.gateway.writing import StreamWriting
from router.plan.plan import Plan
from router.plan.serving import Client, Serving

if TYPE_CHECKING:
    from router.engine.stream import RouterStream
    from router.router import Router

_TOOLS = 1024  # of a request
_SHOWN = 200  # characters of what was left out
_AS_IT_IS = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")  # in a header
# What keeps the requests of one conversation at one target, so that the vendor's prompt cache stays warm.
_TAGS_HEADER = "x-signalbox-tags"  # tier=free, team=search
_SESSION_HEADERS = ("x-session-affinity", "x-claude-code-session-id", "session-id")


@dataclass(slots=True)
class Call:
    """One question of a client: whose it is, in which protocol, and what it is called."""

    router: Router
    plan: Plan
    envelopes: Envelopes
    face: Face
    client: Client
    record: Record
    ended: Callable[[Record], None]  # told when the body of a stream has ended

    @property
    def ident(self) -> str:
        """What the request is called, and what the ids of its answer are made from."""
        return self.record.ident

    @property
    def serving(self) -> Serving:
        return self.plan.serving

    def routing(self, headers: Headers) -> Routing | None:
        """What the client's key and its headers say of whom its request may be sent to; raises Refused, ProviderError.

        The key's word is that of when the request came, also where a reload has changed it since.
        """
        return routing_of(headers, self.client)

    async def answer(self, asked: Asked) -> Answered:
        """Answer what a body asks.

        Raises:
            SignalboxError: what the client is to be told.
        """
        raw = await asked.read(self.serving.max_body)
        large = len(raw) > LARGE
        body, is_sealed = self.envelopes.restored(await in_thread(decode_body, raw) if large else decode_body(raw), raw)
        head = Head(self.ident, "", time.time())
        untranslatable: ProviderError | None
        work = self.face, body
        request, readable, untranslatable = await in_thread(read_body, *work) if large else read_body(*work)
        if len(request.tools) > _TOOLS:
            raise BadRequest(f"tools: at most {_TOOLS:,} are taken", "tools")
        self.record.asks(request.model)
        route = self.record.route = self.route_of(request.model)
        idle = self.face.without_model(body, head)
        if idle is not None:
            if untranslatable is not None:
                raise untranslatable  # there is no vendor to judge it
            return json_answer(idle, headers=self.face.id_headers(self.ident))
        if is_sealed:
            request = self.envelopes.opened(request, self.plan, self.router.chain(route))
        try:
            validate(request)
        except ProviderError as error:  # a vendor of the same protocol may have other rules, and half of the talk
            untranslatable = untranslatable or error
        if untranslatable is not None and not speaks(self.router, self.router.chain(route), self.face, request):
            raise untranslatable
        own, metadata, native = body, request.metadata, None
        if not self.serving.forward_user:
            own = without_user(body)
            if own is not body and metadata:
                metadata = own["metadata"] or None
        if self.face.protocol is not None:
            needed = "" if untranslatable is None else untranslatable.message
            headers = self._forwarded(asked.headers)
            native = Native(self.face.protocol, own, headers, is_sealed, only_there=needed)
        request = replace(
            request,
            # Whose request it is; nothing of that goes to a vendor.
            caller=self.client.name,
            namespace=self.client.namespace,
            tags=self.tags_of(asked.headers, body),
            affinity=_session(asked.headers, body),
            user=request.user if self.serving.forward_user else None,
            metadata=metadata,
            routing=self.routing(asked.headers),
            end_user=request.user,
            native=native,
        )
        admitted = await admit(self.router.clients, self.client, request)
        if self.face.wants_stream(readable):
            return await self._stream(request, route, readable, head, admitted)
        with admitted:
            return await self._plain(request, route, readable, head, admitted)

    def route_of(self, model: str) -> str:
        """Return what a client's name for a model leads to; raises Refused when it is nothing for this client."""
        route = self.serving.route_of(model, self.client)
        if route is None:
            raise UnknownModel(model)
        return route

    def tags_of(self, headers: Headers, body: Body) -> dict[str, str] | None:
        """The tags of a request: those of its client's key, and of what it says itself those that the file lets it."""
        if not self.serving.tags:
            return dict(self.client.tags) or None
        metadata: Any = body.get("metadata")
        said = dict(metadata) if isinstance(metadata, dict) else {}
        for pair in (headers.get(_TAGS_HEADER) or "").split(","):
            name, _, value = pair.partition("=")
            said[name.strip()] = value.strip()
        found = {name: said[name] for name in self.serving.tags if is_value(said.get(name))}
        return {**found, **self.client.tags} or None

    def _forwarded(self, headers: Headers) -> dict[str, str]:
        """The client's headers that a vendor of the same protocol may see: none but those that the file names."""
        return {name: value for name in self.serving.forward_headers if (value := _text(headers, name)) is not None}

    async def _plain(
        self, request: CompletionRequest, route: str, body: Body, head: Head, admitted: Admitted
    ) -> Answered:
        response = await self.router.ask(request, route=route, cache=self.client.cache)
        self.record.take(response)
        admitted.answered(response.usage)
        if not self.face.draws and any(other.image is not None for other in response.others):
            response = replace(response, left_out=(*response.left_out, "pictures of the answer"))
        sealing, headers = self.sealing(response), {"content-type": JSON, **self.headers_of(response, whole=True)}
        if response.native:
            own = {**response.raw, "model": body["model"]} if self.face.keeps_name else response.raw
            return Answered(200, sealing.body(own), headers)
        head = replace(head, model=self.face.model_told(body, response.model))
        seconds = asyncio.get_running_loop().time() - self.record.began
        data = self.face.plain(body, sealing.response(response), head, seconds)
        return Answered(200, encode(data), headers)

    async def _stream(
        self, request: CompletionRequest, route: str, body: Body, head: Head, admitted: Admitted
    ) -> Answered:
        with admitted:  # until `_ended` sees to it
            if self.router.chain(route).on_stream_break == "continue":
                request = replace(request, native=None)  # what another model goes on with is no vendor's own stream
            stream = self.router.ask_stream(request, route=route, cache=self.client.cache, can_restart=False)
            writing = StreamWriting(
                self.face, stream, request, body, head, self.sealing, expose=self.serving.expose_errors
            )
            answer = StreamBody(stream, writing, keepalive=self.face.keepalive, every=self.serving.keepalive)
            self.record.streamed = True
            await answer.first()
        answer.when_ended(lambda: self._ended(answer, stream, admitted))
        headers = {"content-type": self.face.stream_type, "cache-control": "no-cache", "x-accel-buffering": "no"}
        return Answered(200, answer, {**headers, **self.headers_of(writing.beginning, whole=False)})

    def _ended(self, answer: StreamBody, stream: RouterStream, admitted: Admitted) -> None:
        """Note what came of a stream."""
        record, response = self.record, stream.response
        record.take(response)
        if answer.first_at is not None:
            record.first = answer.first_at - record.began
        if answer.error is not None:
            record.take_error(answer.error)
            admitted.failed(response)
        elif not answer.finished:
            record.code = CANCELLED
            admitted.cancelled(response)
        else:
            admitted.answered(response.usage)
        self.ended(record)

    def sealing(self, response: CompletionResponse) -> Sealing:
        """Return what closes the envelopes of an answer."""
        return Sealing(self.plan, response.target, self.envelopes.ids)

    def headers_of(self, response: AnyResponse, *, whole: bool) -> dict[str, str]:
        """What the answer says of its way."""
        headers = {**self.face.id_headers(self.ident), "x-signalbox-route": _in_header(response.route or "")}
        if response.target is not None:
            headers["x-signalbox-target"] = _in_header(response.target)
        if response.trace is not None:
            headers["x-signalbox-attempts"] = str(len(response.trace.attempts))
            if response.trace.cache:
                headers["x-signalbox-cache"] = response.trace.cache
        if response.left_out:
            headers["x-signalbox-left-out"] = _in_header(", ".join(response.left_out)[:_SHOWN])
        if whole and response.cost is not None:
            headers["x-signalbox-cost"] = f"{response.cost:.6f}"
        return headers


def _in_header(name: str) -> str:
    """A name as a header can have it: with escapes for what is not ASCII, as URLs have them."""
    return name if name.isascii() and name.isprintable() else quote(name, safe=_AS_IT_IS)


def _text(headers: Headers, name: str) -> str | None:
    """A header that can be sent on (RFC 9110, section 5.5); others are passed over."""
    value = headers.get(name)
    return value if value is None or (value.isascii() and value.isprintable()) else None


def _session(headers: Headers, body: Body) -> str | None:
    """What the requests of one conversation have in common, by the client's word; None where it says nothing."""
    for name in _SESSION_HEADERS:
        if value := _text(headers, name):
            return value
    metadata: Any = body.get("metadata")
    value = body.get("prompt_cache_key") or (metadata.get("user_id") if isinstance(metadata, dict) else None)
    return value if isinstance(value, str) and value else None


_CHANCE = random.Random()  # it names requests and keeps no secret; asking the system for each name takes 2 µs
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CHANCE.seed)


def new_ident() -> str:
    """Make what a request is called by: 24 letters and digits."""
    return f"{_CHANCE.getrandbits(96):024x}"

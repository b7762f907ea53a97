"""The gateway: every request is let in, understood, and answered, or told what is wrong with it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from providers.errors import ErrorCode
from router.errors import RouterClosed
from router.gateway import cors, paths
from router.gateway.completion import Call, new_ident
from router.gateway.counting import count_tokens
from router.gateway.embedding import answer_embeddings, answer_rerank
from router.gateway.envelopes import Envelopes
from router.gateway.errors import Refused, is_expected, should_retry, told
from router.gateway.exchange import READING, Answered, Asked, Body, json_answer, only_read
from router.gateway.faces.face import Face
from router.gateway.keys import Doorkeeper
from router.gateway.models import answer_about_models
from router.gateway.record import CANCELLED, Observer, Record, record_of
from router.plan.plan import Plan

if TYPE_CHECKING:
    from router.router import Router

log = logging.getLogger("signalbox.gateway")

_SHUTTING_DOWN = "this gateway is shutting down"


class Gateway:
    """Answers HTTP requests by a router; which server carries them is not its business.

    Attributes:
        is_ready: what `/readyz` says.
        observers: told of each request when it has ended, between the steps of others: they must be quick.
    """

    def __init__(self, router: Router) -> None:
        self.router = router
        self.is_ready = True
        self.observers: list[Observer] = []
        self._doorkeeper = Doorkeeper(router.plan.serving)
        # By the request's name: who makes its answer, then the body that is sent.
        self._under_way: dict[str, asyncio.Task[object] | Body] = {}
        self._cut: set[str] = set()  # those of them that have to end now
        self._idle: asyncio.Future[None] | None = None
        self._envelopes: Envelopes | None = None

    async def handle(self, asked: Asked) -> Answered:
        """Answer a request; whatever fails is an answer as well."""
        path = paths.below_base(asked.path)
        if path in paths.HEALTH:
            return self.health(asked.method, path)
        plan = self.router.plan
        origins = plan.serving.origins
        if cors.is_preflight(asked.method, asked.headers):
            return cors.preflight(asked.headers, origins)
        answered = await self._serve(asked, path, plan)
        if origins:
            cors.allow(answered, asked.headers, origins)
        return answered

    def health(self, method: str, path: str) -> Answered:
        """Say that the loop turns, or whether requests are taken; to anybody, and no more than that."""
        if method not in READING:
            return only_read()
        fine = path == "healthz" or self.is_ready
        return Answered(200 if fine else 503, b"ok" if fine else b"not ready", {"content-type": "text/plain"})

    # --- its end

    @property
    def under_way(self) -> int:
        """How many requests are being answered."""
        return len(self._under_way)

    async def until_idle(self, seconds: float) -> bool:
        """Wait until no request is under way; False when there still is one after so long."""
        if self._under_way:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=seconds)
            self._idle = None
        return not self._under_way

    def end_all(self) -> None:
        """End what is under way: each client is told that the gateway is shutting down."""
        for ident, one in tuple(self._under_way.items()):
            if isinstance(one, asyncio.Task):
                self._cut.add(ident)
                one.cancel()
            else:
                one.fail(RouterClosed(_SHUTTING_DOWN))

    # --- one request

    async def _serve(self, asked: Asked, path: str, plan: Plan) -> Answered:
        loop = asyncio.get_running_loop()
        record = record_of(asked, new_ident(), loop.time())
        task = asyncio.current_task(loop)
        assert task is not None, "a server answers in a task"
        cancelling = task.cancelling()
        self._under_way[record.ident] = task
        try:
            answered = await self._answer(asked, path, plan, record)
        except asyncio.CancelledError:
            if record.ident not in self._cut or task.uncancel() > cancelling:  # its client has left
                record.status, record.code = 499, CANCELLED
                self._ended(record)
                raise
            answered = self._error(paths.face_of(path, asked.headers), RouterClosed(_SHUTTING_DOWN), record)
        except Exception as failure:
            if not is_expected(failure):
                log.exception("a request to %s failed inside", asked.path)
            answered = self._error(paths.face_of(path, asked.headers), failure, record)
        record.status = answered.status
        if isinstance(answered.body, bytes):
            self._ended(record)
        else:
            self._under_way[record.ident] = answered.body
        return answered

    async def _answer(self, asked: Asked, path: str, plan: Plan, record: Record) -> Answered:
        # Before anything of the request decides what is done: no path goes beside it.
        client = self._doorkeeper.client(asked, plan.serving, record.began)
        record.client = client.name
        found = paths.find(path)
        if asked.method == "OPTIONS" and (found is not None or path == "*"):
            return Answered(204, headers={"allow": paths.allowed(path)})
        if found is None:
            text = f"there is no {asked.method} {asked.path} here; there are {paths.MOST_ASKED}"
            raise Refused(ErrorCode.INVALID_REQUEST, text, status=404)
        method, what, face = found
        record.face = face.name
        if asked.method == "GET" and (asked.headers.get("upgrade") or "").lower() == "websocket":
            raise Refused(ErrorCode.INVALID_REQUEST, "there are no WebSockets here: ask by HTTP", status=426)
        if asked.method != method and not (method == "GET" and asked.method == "HEAD"):
            text, allow = f"{asked.path} takes {method}, not {asked.method}", {"allow": paths.allowed(path)}
            raise Refused(ErrorCode.INVALID_REQUEST, text, status=405, headers=allow)
        if what in ("complete", "embed", "rerank", "count") and len(self._under_way) > plan.serving.in_flight:
            text = "too many requests are under way here"
            raise Refused(ErrorCode.OVERLOADED, text, retry_after=1.0, should_retry=True)
        if self._envelopes is None:
            self._envelopes = Envelopes(asyncio.get_running_loop().time)
        call = Call(self.router, plan, self._envelopes, face, client, record, self._ended)
        if what == "complete":
            return await call.answer(asked)
        if what == "embed":
            return await answer_embeddings(call, asked)
        if what == "rerank":
            return await answer_rerank(call, asked)
        if what == "count":
            return await count_tokens(call, asked)
        return await answer_about_models(call, what, path, asked)

    def _error(self, face: Face, error: Exception, record: Record) -> Answered:
        shown = told(error, expose=self.router.plan.serving.expose_errors)
        status, headers, body = face.error(shown, record.ident)
        if isinstance(shown, Refused):
            status, headers = shown.status or status, {**headers, **shown.headers}
        if status == 401:
            headers["www-authenticate"] = "Bearer"  # RFC 9110, section 11.6.1
        record.face = record.face or face.name
        record.take_error(error)
        retry = "true" if should_retry(shown) else "false"
        headers = {**headers, **face.id_headers(record.ident), "x-should-retry": retry}
        return json_answer(body, status, headers)

    def _ended(self, record: Record) -> None:
        self._under_way.pop(record.ident, None)
        if not self._under_way and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        record.seconds = asyncio.get_running_loop().time() - record.began
        for observer in self.observers:
            try:
                observer(record)
            except Exception:
                log.exception("an observer of requests failed")

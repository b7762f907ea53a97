"""The gateway: every request is let in, understood, and answered, or told what is wrong with it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from providers.errors import ErrorCode
from router.gateway import paths
from router.gateway.completion import Call, body_of, new_ident
from router.gateway.counting import count_tokens
from router.gateway.errors import Refused, is_expected, should_retry, told
from router.gateway.exchange import Answered, Asked, json_answer
from router.gateway.faces.face import Face
from router.gateway.keys import Doorkeeper
from router.gateway.models import answer_about_models

if TYPE_CHECKING:
    from router.router import Router

log = logging.getLogger("signalbox.gateway")


class Gateway:
    """Answers HTTP requests by a router; which server carries them is not its business."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self._doorkeeper = Doorkeeper()

    async def handle(self, asked: Asked) -> Answered:
        """Answer a request; whatever fails is an answer as well."""
        path = paths.below_base(asked.path)
        ident = new_ident()
        try:
            return await self._answer(asked, path, ident)
        except Exception as error:
            if not is_expected(error):
                log.exception("a request to %s failed inside", asked.path)
            return self._error(paths.face_of(path, asked.headers), error, ident)

    async def _answer(self, asked: Asked, path: str, ident: str) -> Answered:
        serving = self.router.plan.serving
        # Before anything of the request decides what is done: no path goes beside it.
        client = self._doorkeeper.client(asked, serving, asyncio.get_running_loop().time())
        found = paths.find(path)
        if found is None:
            raise Refused(ErrorCode.INVALID_REQUEST, f"there is no {asked.method} {asked.path} here", status=404)
        method, what, face = found
        if asked.method != method and not (method == "GET" and asked.method == "HEAD"):
            raise Refused(ErrorCode.INVALID_REQUEST, f"{asked.path} takes {method}, not {asked.method}", status=405)
        call = Call(self.router, serving, face, client, ident)
        if what == "complete":
            return await call.answer(asked, await body_of(asked, serving.max_body))
        if what == "count":
            return await count_tokens(call, await body_of(asked, serving.max_body))
        return await answer_about_models(call, what, path, asked)

    def _error(self, face: Face, error: Exception, ident: str) -> Answered:
        shown = told(error, expose=self.router.plan.serving.expose_errors)
        status, headers, body = face.error(shown, ident)
        if isinstance(shown, Refused) and shown.status is not None:
            status = shown.status
        headers = {**headers, **face.id_headers(ident), "x-should-retry": "true" if should_retry(shown) else "false"}
        return json_answer(body, status, headers)

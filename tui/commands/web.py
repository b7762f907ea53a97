"""`signalbox dash --web`: the dashboard in a browser on this machine, for whoever has the address that is printed."""

from __future__ import annotations

import contextlib
import errno
import hmac
import secrets
import socket

from aiohttp import web
from aiohttp.typedefs import Handler

from router.cli.common import Failure
from router.cli.terminal import echo

try:
    from textual_serve.server import Server
except ImportError:
    raise Failure("--web needs the extra `web`: pip install 'llm-signalbox[web]'") from None

HOST = "127.0.0.1"
_COOKIE = "signalbox"


def serve(command: str, port: int) -> int:
    """Serve the dashboard until Ctrl-C, and return the exit code.

    Args:
        command: What each session of a browser runs, in a terminal of its own.
        port: The port on loopback; 0 takes a free one.
    """
    server = Guarded(command, free_port(port))
    echo(f"The dashboard is at {server.public_url}/?key={server.key}\nCtrl-C ends it; the router goes on.")
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
    return 0


def free_port(port: int) -> int:
    """Return this port, or a free one for 0. Raises Failure where it can't be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise Failure(f"port {port} can't be had ({error.strerror}); --port 0 takes a free one") from None
        free: int = probe.getsockname()[1]
        return free


class Guarded(Server):
    """The server of textual-serve, for those only who know the key.

    Every program and every page on this machine can reach the port, and the dashboard can open breakers. So the address
    carries a key, which becomes a cookie, and requests of other origins are refused.
    """

    def __init__(self, command: str, port: int) -> None:
        super().__init__(command, HOST, port, title="signalbox")
        self.key = secrets.token_urlsafe(16)

    def initialize_logging(self) -> None:
        """Log nothing: the terminal shows the address alone."""

    async def on_startup(self, app: web.Application) -> None:
        """Print no banner."""

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        here = f"{HOST}:{self.port}"
        origin = request.headers.get("Origin")
        if request.host != here or origin not in (None, f"http://{here}"):
            raise web.HTTPForbidden(text=f"signalbox: this is for http://{here} only\n")
        if _is(request.query.get("key"), self.key) and request.path == "/":
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(_COOKIE, self.key, httponly=True, samesite="Strict")
            raise answer
        if not _is(request.cookies.get(_COOKIE), self.key):
            raise web.HTTPForbidden(text="signalbox: open the whole address that `signalbox dash --web` has printed\n")
        return await handler(request)


def _is(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), key.encode())

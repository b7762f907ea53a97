"""`signalbox dash --web`: the dashboard in a browser on this machine, for whoever has the address that is printed."""

from __future__ import annotations

import contextlib
import errno
import hmac
import logging
import re
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
# Nothing of another host is loaded, whatever the page says; what the page has inside it runs.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' {websocket}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_LINK = re.compile(r"""<link\b[^<>]{0,500}?href=["']([^"'<>]{0,500})["'][^<>]{0,500}>\s{0,9}""")
_HEAD = """<head>
    <meta charset="utf-8" />
    <title>signalbox</title>
    <link rel="icon" href="data:," />
    <script>
      // Keys go to the dashboard as soon as it shows something, without a click on it.
      addEventListener("load", () => {
        const body = document.body
        const focus = () =>
          body.classList.contains("-first-byte") && document.querySelector(".xterm-helper-textarea")?.focus()
        new MutationObserver(focus).observe(body, { attributeFilter: ["class"] })
      })
    </script>
    <style>
      @font-face {
        font-family: "Roboto Mono";
        font-weight: 100 700;
        src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf");
      }
    </style>"""


def serve(command: str, port: int, end: str) -> int:
    """Serve the dashboard until Ctrl-C, and return the exit code.

    Args:
        command: What each session of a browser runs, in a terminal of its own.
        port: The port on loopback; 0 takes a free one.
        end: What Ctrl-C does.
    """
    server = Guarded(command, free_port(port))
    echo(f"The dashboard is at {server.public_url}/?key={server.key}\nCtrl-C {end}.")
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
        self._cookie = f"signalbox-{port}"  # a browser's cookies know no ports

    def initialize_logging(self) -> None:
        """Log nothing, whatever anybody sends to the port: the terminal shows the address alone."""
        logging.getLogger().addHandler(logging.NullHandler())

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
            answer.set_cookie(self._cookie, self.key, httponly=True, samesite="Strict")
            raise answer
        if not _is(request.cookies.get(self._cookie), self.key):
            raise web.HTTPForbidden(text="signalbox: open the whole address that `signalbox dash --web` has printed\n")
        return await handler(request)

    async def handle_index(self, request: web.Request) -> web.Response:
        """Serve textual-serve's page with a title, and nothing from other hosts: it loads its font from elsewhere."""
        page = await super().handle_index(request)
        assert isinstance(page, web.Response)  # of a template
        own = _LINK.sub(lambda link: link[0] if link[1].startswith(f"{self.public_url}/") else "", page.text or "")
        page.text = own.replace("<head>", _HEAD, 1)
        websocket = f"ws://{HOST}:{self.port}"
        page.headers["Content-Security-Policy"] = _POLICY.format(websocket=websocket)
        page.headers["Referrer-Policy"] = "no-referrer"
        return page


def _is(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(errors="replace"), key.encode())

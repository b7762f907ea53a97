"""The router behind HTTP: the protocols of OpenAI, Anthropic and Ollama, served from one file.

`signalbox serve` is a server of its own; `asgi(router)` is an app for one that is there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.gateway.asgi_app import Asgi
    from router.router import Router

__all__ = ["asgi"]


def asgi(router: Router) -> Asgi:
    """Return an ASGI 3 app that answers as `signalbox serve` does, by its file's `keys`, `names` and bounds.

        app.mount("/llm", asgi(router))          # FastAPI, Starlette: base URL /llm/v1
        app = asgi(Router.from_yaml("routes.yaml"))   # uvicorn module:app

    Addresses, TLS, workers and connections are the server's business. As the whole app of a server it closes the router
    at the end; where it is mounted, whoever made the router does.
    """
    from router.gateway.asgi_app import Asgi

    return Asgi(router)

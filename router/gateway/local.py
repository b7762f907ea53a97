"""A router served to this machine alone for a while, as the demo is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from router.config.listen import Address
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.server import Server

if TYPE_CHECKING:
    from router.router import Router

_GOODBYE = 0.5  # seconds


@asynccontextmanager
async def served_locally(router: Router) -> AsyncIterator[str]:
    """Serve a router on a free port of loopback; gives the URL. At the end what is under way is cut after a moment."""
    server = Server(server_of(Gateway(router)), [Address("127.0.0.1")])
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.addresses[0].port}"
    finally:
        await server.stop(_GOODBYE)
        server.abort()


def curl_lines(url: str, route: str) -> tuple[str, ...]:
    """A command line for each protocol, which asks a route of a gateway at this URL."""
    asked = '"messages": [{"role": "user", "content": "Why is the sky blue?"}]'
    bodies = {
        "/v1/chat/completions": asked,
        "/v1/responses": '"input": "Why is the sky blue?"',
        "/v1/messages": f'"max_tokens": 99, {asked}',
        "/api/chat": asked,
    }
    return tuple(f'curl {url}{path} -d \'{{"model": "{route}", {body}}}\'' for path, body in bodies.items())

"""The listener of its own for figures and health: what is not the clients' business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from providers.threads import in_thread
from router.gateway.connection import NAME, Bounds, Connections
from router.gateway.gateway import Gateway

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_MOST = 64  # connections


class NoPrometheus(RuntimeError):
    """There is nothing to write figures with; the message says what to install."""


def new_registry() -> CollectorRegistry:
    """Make what is scraped, with the figures of this process.

    Raises:
        NoPrometheus: prometheus_client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
    except ImportError:
        raise NoPrometheus("serve.metrics needs its extra: pip install 'llm-signalbox[prometheus]'") from None
    registry = CollectorRegistry()
    for make in (ProcessCollector, PlatformCollector, GCCollector):
        make(registry=registry)
    return registry


def metrics_server(gateway: Gateway, registry: CollectorRegistry) -> Connections:
    """Make the server of `/metrics`, `/healthz` and `/readyz`."""
    from prometheus_client.exposition import choose_encoder

    registry.register(gateway.router.prometheus())

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers=NAME)
        if request.path in ("/healthz", "/readyz"):
            answered = gateway.health(request.path[1:])
            assert isinstance(answered.body, bytes)
            return web.Response(body=answered.body, status=answered.status, headers={**answered.headers, **NAME})
        if request.path != "/metrics":
            return web.Response(status=404, headers=NAME)
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        figures = await in_thread(encoder, registry)  # it waits for this loop
        return web.Response(body=figures, headers={"content-type": content_type, **NAME})

    return Connections(handle, bounds=Bounds(), most=lambda: _MOST)

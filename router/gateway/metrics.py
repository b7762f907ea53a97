"""The listener of its own for figures and health: what is not the clients' business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.threads import in_thread
from router.gateway.connection import Bounds, Connections
from router.gateway.exchange import READING, Answered, Asked, only_read
from router.gateway.gateway import Gateway
from router.gateway.http import carrying

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

    async def handle(asked: Asked) -> Answered:
        if asked.path in ("/healthz", "/readyz"):
            return gateway.health(asked.method, asked.path[1:])
        if asked.method not in READING:
            return only_read()
        if asked.path != "/metrics":
            return Answered(404)
        encoder, content_type = choose_encoder(asked.headers.get("accept") or "")
        figures = await in_thread(encoder, registry)  # it waits for this loop
        return Answered(200, figures, {"content-type": content_type})

    return carrying(handle, Bounds(), lambda: _MOST)

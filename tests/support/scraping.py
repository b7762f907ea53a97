"""What Prometheus would store of a router."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from router import Router


def scraped(router: Router) -> dict[tuple[str, ...], float]:
    """All samples as Prometheus would store them: (name, label values sorted by label) and value."""
    registry = CollectorRegistry()
    registry.register(router.prometheus())
    text = generate_latest(registry).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

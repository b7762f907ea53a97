"""What tells copies for a shadow, drawn chains, rules and budgets by user apart, for Prometheus and OpenTelemetry."""

from __future__ import annotations

import asyncio

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from providers import ErrorCode, FakeProvider
from providers.fake import Fail, Reply, Step
from providers.types import Usage
from router import Router
from router.exporters.otel import instrument
from router.testing import run
from tests.support.scraping import scraped

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}}
models:
  x: {provider: a, id: m, price: {input: 5, output: 5}}
  y: {provider: b, id: m, price: {input: 1, output: 1}}
routes:
  chat:
    targets: {stable: 1, candidate: 1}
    when: [{if: {tags: {tier: free}}, to: modest}]
    budget: {usd: 0.02/d, by: user}
    shadow: {to: y, share: 100%}
  stable: x
  candidate: [y]
  modest: [x]
"""
CENT = Reply("fine", usage=Usage(input_tokens=1000, output_tokens=1000))


def router(*of_b: Step) -> Router:
    fakes = {"a": FakeProvider.scripted(CENT, name="a"), "b": FakeProvider.scripted(*of_b, name="b")}
    return Router.from_text(FILE, env={}, seed=1, providers=fakes)


def test_prometheus_has_copies_beside_what_callers_got() -> None:
    async def story() -> None:
        async with router(CENT, Fail(ErrorCode.OVERLOADED)) as shop:
            for user in ("ann", "bob"):
                await shop.complete("chat", "hi", tags={"tier": "free"}, user=user)
                await asyncio.sleep(1)
            found = scraped(shop)
            assert found["signalbox_shadow_copies_total", "succeeded", "chat", "y"] == 1
            assert found["signalbox_shadow_copies_total", "failed", "chat", "y"] == 1
            assert found["signalbox_shadow_errors_total", "overloaded", "chat", "y"] == 1
            assert found["signalbox_shadow_cost_usd_total", "copies", "chat", "y"] == 0.002
            assert found["signalbox_shadow_cost_usd_total", "callers", "chat", "y"] == 0.01
            assert found["signalbox_requests_total", "succeeded", "chat"] == 2

    run(story())


def test_prometheus_has_no_name_of_a_user_but_how_many_have_used_theirs_up() -> None:
    async def story() -> None:
        async with router(CENT) as shop:
            for user in ("ann", "ann", "bob", *(f"user-{number}" for number in range(20) for _ in range(2))):
                await shop.complete("chat", "hi", tags={"tier": "free"}, user=user)
            found = scraped(shop)
            assert found["signalbox_budget_by_value_highest_ratio", "chat", "route"] == 1
            assert found["signalbox_budget_by_value_used_up", "chat", "route"] == 21
            assert not [key for key in found if any("user-" in part or part in ("ann", "bob") for part in key)]

    run(story())


def test_spans_have_the_rule_the_chain_and_the_copies() -> None:
    async def story() -> None:
        exporter, reader, provider = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        async with router(CENT) as shop:
            instrument(shop, tracer_provider=provider, meter_provider=MeterProvider([reader]))
            for user, tags in (("ann", {"tier": "free"}), ("bob", {}), ("eve", {})):
                await shop.complete("chat", "hi", tags=tags, user=user)
            await asyncio.sleep(1)
        spans = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
        requests = [each for each in spans if "signalbox.route" in each]
        copies = [each for each in requests if each.get("signalbox.shadow")]
        asked = [each for each in requests if not each.get("signalbox.shadow")]
        assert len(copies) == len(asked) == 3
        assert "if tags.tier is free" in str(asked[0]["signalbox.rule"])
        assert {each.get("signalbox.chain") for each in asked[1:]} == {"stable", "candidate"}
        attempts = [each for each in spans if "signalbox.tier" in each]
        assert sorted(str(each["signalbox.chain"]) for each in attempts if "signalbox.chain" in each) == [
            "candidate",
            "modest",
            "stable",
        ]
        data = reader.get_metrics_data()
        assert data is not None
        (duration,) = [
            metric
            for each in data.resource_metrics[0].scope_metrics
            for metric in each.metrics
            if metric.name == "gen_ai.client.operation.duration"
        ]
        assert sum(point.count for point in duration.data.data_points) == 3, "what callers got"  # type: ignore[union-attr] # of a histogram

    run(story())

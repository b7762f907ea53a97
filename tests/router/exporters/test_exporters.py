"""Prometheus and OpenTelemetry, read by their own client libraries."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from providers import ErrorCode
from providers.fake import Fail, Reply
from providers.types import Usage
from router import RouteExhausted, SyncRouter
from router.exporters.otel import instrument
from tests.support.paths import ROOT
from tests.support.scraping import scraped
from tests.support.world import World, story, well

PRICED = """
models:
  x: {provider: a, id: big, price: {input: 1, output: 2}}
  y: {provider: b, id: small}
routes: {chat: {targets: [x], fallbacks: [y]}}
"""


@story
async def test_prometheus_reads_what_the_router_counts() -> None:
    world = World(PRICED, a=lambda now: Fail(ErrorCode.SERVER_ERROR, delay=0.3) if now < 1 else well(now), b=well)
    await world.router.complete("chat", "hi")
    await asyncio.sleep(2)
    for _ in range(3):
        await world.router.complete("chat", "hi")
    found = scraped(world.router)
    assert found["signalbox_requests_total", "succeeded", "chat"] == 4
    assert found["signalbox_requests_total", "failed", "chat"] == 0
    assert found["signalbox_attempts_total", "failed", "a", "x"] == 1
    assert found["signalbox_attempts_total", "succeeded", "a", "x"] == 3
    assert found["signalbox_attempts_total", "succeeded", "b", "y"] == 1
    assert found["signalbox_errors_total", "server_error", "a", "x"] == 1
    assert found["signalbox_tokens_total", "a", "x", "input"] == 30
    assert found["signalbox_cost_usd_total", "a", "x"] == pytest.approx(60e-6)
    assert found["signalbox_fallbacks_total", "chat"] == 1
    assert found["signalbox_requests_in_flight", "chat"] == 0
    assert found["signalbox_request_seconds_count", "chat"] == 4
    assert found["signalbox_request_seconds_sum", "chat"] == pytest.approx(0.3, rel=0.04)
    assert found["signalbox_request_seconds_bucket", "0.25", "chat"] == 3
    assert found["signalbox_request_seconds_bucket", "0.5", "chat"] == 4
    assert found["signalbox_first_token_seconds_count", "a", "x"] == 3
    assert found["signalbox_target_state", "a", "closed", "x"] == 1
    assert found["signalbox_file_accepted",] == 1
    assert found["signalbox_revision", world.router.revision] == 1
    assert scraped(world.router) == found  # reading changes nothing


@story
async def test_prometheus_tells_what_the_cache_holds() -> None:
    kept = "cache: {path: memory}\nroutes: {chat: {targets: [a/m], cache: {ttl: 1h}}}\n"
    world = World(kept, a=well)
    await world.router.complete("chat", "hi")
    found = scraped(world.router)
    assert found["signalbox_cache_entries",] == 1
    assert 0 < found["signalbox_cache_bytes",] < found["signalbox_cache_max_bytes",]
    assert not any("cache_bytes" in key[0] for key in scraped(World("routes: {chat: [a/m]}", a=well).router))


def test_a_scrape_comes_on_a_thread_of_its_own() -> None:
    """As from the server of prometheus_client: the router's loop gives the figures."""
    with SyncRouter.from_text("providers: {a: {kind: fake}}\nroutes: {r: a/m}\n", env={}) as router:
        router.complete("r", "hi")
        assert scraped(router.router)["signalbox_requests_total", "succeeded", "r"] == 1


class Exported:
    """What OpenTelemetry's own SDK got."""

    def __init__(self) -> None:
        self.memory, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.memory))

    def spans(self) -> list[ReadableSpan]:
        found = list(self.memory.get_finished_spans())
        self.memory.clear()
        return found

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def exported() -> Iterator[Exported]:
    found = Exported()
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_request_is_a_span_over_its_attempts(exported: Exported) -> None:
    """In the app's own span, with the conventions' attributes, the failed attempt among them, and no prompt."""

    @story
    async def main() -> None:
        world = World(
            PRICED,
            a=lambda _: Fail(ErrorCode.SERVER_ERROR, delay=0.5, status=503),
            b=lambda _: Reply("an answer", delay=1.0, usage=Usage(7, 3)),
        )
        instrument(world.router, tracer_provider=exported.tracers, meter_provider=exported.meters)
        with exported.tracers.get_tracer("app").start_as_current_span("app") as outer:
            await world.router.complete("chat", "a secret prompt")
        failed, answered, request, app = exported.spans()
        assert [failed.name, answered.name, request.name, app.name] == ["chat big", "chat small", "chat chat", "app"]
        assert request.parent == outer.get_span_context()
        assert failed.parent == answered.parent == request.context
        assert (request.kind, answered.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)
        assert seconds(request) == pytest.approx(1.5, abs=1e-3)
        assert [seconds(failed), seconds(answered)] == pytest.approx([0.5, 1.0], abs=1e-3)
        assert failed.status.status_code is StatusCode.ERROR
        assert attributes(failed)["error.type"] == "server_error"
        assert attributes(failed)["http.response.status_code"] == 503
        told = attributes(answered)
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.provider.name"] == "fake"
        assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "small"
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (7, 3)
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert attributes(request)["signalbox.attempts"] == 2
        assert attributes(request)["signalbox.target"] == "y"
        everything = repr([attributes(span) for span in (failed, answered, request)])
        assert "secret prompt" not in everything
        assert "an answer" not in everything
        [duration] = exported.points("gen_ai.client.operation.duration")
        assert (duration.count, duration.sum) == (1, pytest.approx(1.5, abs=1e-3))
        assert duration.attributes["gen_ai.request.model"] == "small"
        tokens = {
            point.attributes["gen_ai.token.type"]: point.sum for point in exported.points("gen_ai.client.token.usage")
        }
        assert tokens == {"input": 7, "output": 3}

    main()


def test_streams_and_failures_in_spans(exported: Exported) -> None:
    @story
    async def main() -> None:
        step = [Reply("a b c d e f", delay=0.5, every=0.25), Fail(ErrorCode.OVERLOADED)]
        world = World("routes: {r: [a/m]}\ndefaults: {retry: {same_target: 0}}\n", a=lambda _: step[0])
        stop = instrument(world.router, tracer_provider=exported.tracers, meter_provider=exported.meters)
        async with world.router.stream("r", "hi") as chunks:
            async for _ in chunks:
                pass
        attempt, request = exported.spans()
        assert attributes(request)["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.5)
        assert attributes(request)["gen_ai.request.stream"] is True
        assert seconds(attempt) == pytest.approx(seconds(request)) == pytest.approx(1.0, abs=0.26)
        [first] = exported.points("gen_ai.client.operation.time_to_first_chunk")
        assert first.sum == pytest.approx(0.5)
        step.pop(0)
        with pytest.raises(RouteExhausted):
            await world.router.complete("r", "hi")
        failed, request = exported.spans()
        assert request.status.status_code is failed.status.status_code is StatusCode.ERROR
        assert attributes(request)["error.type"] == "overloaded"
        stop()
        step[0] = Reply("ok")
        await asyncio.sleep(60)
        await world.router.complete("r", "hi")
        assert exported.spans() == []

    main()


def test_a_call_is_one_span_however_it_ends(exported: Exported) -> None:
    """One that broke after it had begun, one that was left, and one whose request came to nothing."""

    @story
    async def main() -> None:
        world = World(
            "routes: {r: {targets: [a/m], fallbacks: [b/n], on_stream_break: restart}}\n"
            "defaults: {retry: {same_target: 0}}\n",
            a=lambda _: Reply("a b c d e f", every=0.5, break_after=2),
            b=lambda _: Reply("a b c d e f", every=0.5),
        )
        instrument(world.router, tracer_provider=exported.tracers, meter_provider=exported.meters)
        async with world.router.stream("r", "hi") as chunks:
            assert len([chunk async for chunk in chunks]) > 3
        broken, answered, request = exported.spans()
        assert attributes(broken)["error.type"] == "stream_interrupted"
        assert answered.status.status_code is StatusCode.UNSET
        assert attributes(request)["signalbox.attempts"] == 2
        async with world.router.stream("b/n", "hi") as chunks:
            await anext(chunks)
            await asyncio.sleep(3)
        left, request = exported.spans()
        assert seconds(left) == pytest.approx(seconds(request)) == pytest.approx(3.0, abs=1e-3)
        world.fakes["a"].script = world.fakes["b"].script = lambda _: Fail(ErrorCode.OVERLOADED)
        with pytest.raises(RouteExhausted):
            await world.router.complete("r", "hi")
        *_, request = exported.spans()
        assert attributes(request)["gen_ai.provider.name"] == "fake"
        assert attributes(request)["gen_ai.request.model"] == "n"

    main()


def test_a_stored_answer_uses_no_tokens(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were counted when it was made."""
    monkeypatch.setenv("SIGNALBOX_CACHE_DIR", str(tmp_path))

    @story
    async def main() -> None:
        world = World("routes: {r: {targets: [a/m], cache: {ttl: 1h}}}\n", a=lambda _: Reply("ok", usage=Usage(7, 3)))
        instrument(world.router, tracer_provider=exported.tracers, meter_provider=exported.meters)
        for _ in range(3):
            await world.router.complete("r", "hi")
        assert sum(point.sum for point in exported.points("gen_ai.client.token.usage")) == 10
        assert sum(point.count for point in exported.points("gen_ai.client.operation.duration")) == 3
        await world.router.aclose()

    main()


@pytest.mark.parametrize(
    ("library", "code", "extra"),
    [
        ("prometheus_client", "router.prometheus()", "llm-signalbox[prometheus]"),
        ("opentelemetry", "import router.exporters.otel", "llm-signalbox[otel]"),
    ],
)
def test_without_the_extra_the_error_names_it(library: str, code: str, extra: str) -> None:
    script = f"""
import sys
sys.modules[{library!r}] = None
from router import Router
router = Router.from_text("providers: {{a: {{kind: fake}}}}\\nroutes: {{r: a/m}}\\n", env={{}})
try:
    {code}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert extra in done.stdout


def test_no_exporter_is_loaded_unasked() -> None:
    script = """
import sys
from router import Router
Router.from_text("providers: {a: {kind: fake}}\\nroutes: {r: a/m}\\n", env={})
assert "prometheus_client" not in sys.modules
assert "router.exporters.otel" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)

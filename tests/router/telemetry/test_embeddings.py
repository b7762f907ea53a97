"""What is told of vectors and ranks: as spans, as captured texts, and in answers that leave the process."""

from __future__ import annotations

import json
import pickle

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from providers import FakeProvider
from router import Router
from router.exporters.otel import instrument
from router.testing import run

FILE = """
providers: {a: {kind: fake}}
models:
  small: {provider: a, id: emb, embeds: {dimensions: 8, max_inputs: 2}}
  ranker: {provider: a, id: r, reranks: true}
routes: {embed: {embeds: true, targets: [small]}, rank: {reranks: true, targets: [ranker]}}
telemetry: {capture: full}
"""


def test_spans_say_which_operation_it_was_and_records_what_was_asked() -> None:
    exported = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exported))

    async def story() -> None:
        fake = FakeProvider.scripted(name="a")
        async with Router.from_text(FILE, env={}, providers={"a": fake}, monitor=False) as router:
            instrument(router, tracer_provider=tracing)
            made = await router.embed("embed", ["one", "two", "three"])
            ranked = await router.rerank("rank", "sky", ["blue sky", "grass"])
            assert pickle.loads(pickle.dumps(made)).data == made.data
            told = json.loads(made.to_json())
            assert [len(vector) for vector in told["embeddings"]] == [8, 8, 8]
            assert [entry["part"] for entry in told["trace"]["entries"]] == [1, 2]
            assert json.loads(ranked.to_json())["results"][0]["index"] == 0
            feed = router.feed()
            views = [await feed.trace(request.id) for request in await feed.requests()]
            texts = {(view.captured.prompt, view.captured.answer) for view in views if view and view.captured}
            assert ("one\n\ntwo\n\nthree", "3 vectors of 8 numbers") in texts

    run(story())
    names = {span.name for span in exported.get_finished_spans()}
    assert {"embeddings embed", "rerank rank"} <= names
    whole = next(span for span in exported.get_finished_spans() if span.name == "embeddings embed")
    assert whole.attributes is not None
    assert whole.attributes["gen_ai.usage.input_tokens"] == 3
    assert whole.attributes["signalbox.attempts"] == 2

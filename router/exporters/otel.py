"""Spans and metrics for OpenTelemetry, by its semantic conventions for generative AI (extra `otel`).

    from router.exporters.otel import instrument
    instrument(router)

A request is a span `chat <route>` over all its attempts; each attempt is a client span `chat <model>` in it. They are
made when the request ends, with the times that its trace has. https://opentelemetry.io/docs/specs/semconv/gen-ai/ says
what the attributes and metrics mean; ours begin with `signalbox.`. No prompt and no answer is in them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from providers.embeddings import AnyResponse
from providers.types import CompletionResponse
from router.monitor.subject import Subject
from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.trace import Attempt

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError:
    raise ImportError("router.exporters.otel needs its extra: pip install 'llm-signalbox[otel]'") from None

__all__ = ["instrument"]

SCHEMA = "https://opentelemetry.io/schemas/1.37.0"

# Names that the conventions list for gen_ai.provider.name; others are told by the kind of their protocol.
_KNOWN = frozenset({"openai", "anthropic", "cohere", "deepseek", "groq", "perplexity"})
_RENAMED = {"mistral": "mistral_ai", "xai": "x_ai", "azure": "azure.ai.openai", "bedrock": "aws.bedrock"}
_DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRSTS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


def instrument(
    subject: Subject,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Callable[[], None]:
    """Send spans and metrics of a router's requests; gives a function that ends it.

    Args:
        tracer_provider, meter_provider: None takes the process's own.
    """
    telemetry = subject.telemetry
    listener = _Spans(
        telemetry,
        trace.get_tracer("signalbox", tracer_provider=tracer_provider, schema_url=SCHEMA),
        metrics.get_meter("signalbox", meter_provider=meter_provider, schema_url=SCHEMA),
    )
    telemetry.listeners = (*telemetry.listeners, listener)

    def stop() -> None:
        telemetry.listeners = telemetry.without(listener)

    return stop


_OPERATIONS = {"answers": "chat", "embeddings": "embeddings", "ranks": "rerank"}


class _Spans:
    """Listens to a router, and makes spans and metrics of its requests; of copies for a shadow spans alone."""

    takes_copies = True

    def __init__(self, telemetry: Telemetry, tracer: trace.Tracer, meter: metrics.Meter) -> None:
        self._telemetry = telemetry
        self._tracer = tracer
        # A request's span belongs into the span that the app was in when it asked.
        self._around: weakref.WeakKeyDictionary[RequestRecorder, context.Context] = weakref.WeakKeyDictionary()

        def histogram(name: str, unit: str, words: str, bounds: tuple[float, ...]) -> metrics.Histogram:
            return meter.create_histogram(name, unit, words, explicit_bucket_boundaries_advisory=bounds)

        self._duration = histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", _DURATIONS)
        self._first = histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk.", _FIRSTS
        )
        self._tokens = histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", _TOKENS
        )

    def began(self, recorder: RequestRecorder) -> None:
        """Remember the span that the app was in when the request began."""
        self._around[recorder] = context.get_current()

    def ended(self, recorder: RequestRecorder, response: AnyResponse | None) -> None:
        """Make the spans, and record the request."""
        begin, request_trace = self._nanoseconds(recorder.began), recorder.trace
        # A stream that broke is in a trace twice, when it began and when it broke: it was one call.
        attempts = {(each.target, each.at, each.key, each.part): each for each in request_trace.attempts}
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": self._operation(recorder),
            "gen_ai.request.model": request_trace.route,
            "signalbox.route": request_trace.route,
            "signalbox.revision": request_trace.revision,
            "signalbox.attempts": len(attempts),
            **self._result(recorder, response),
        }
        if request_trace.caller is not None:
            attributes["signalbox.caller"] = request_trace.caller
        attributes |= {f"signalbox.tag.{name}": value for name, value in (request_trace.tags or {}).items()}
        answer = request_trace.answer
        told = {
            "signalbox.asked": request_trace.asked,
            "signalbox.rule": request_trace.rule,
            "signalbox.chain": "" if answer is None else answer.chain,
        }
        attributes |= {name: text for name, text in told.items() if text}
        if recorder.route.telemetry.is_of_copies:
            attributes["signalbox.shadow"] = True
        if recorder.target is not None:
            attributes |= {"signalbox.target": recorder.target.name} | self._called(recorder.target.name)
            attributes["gen_ai.request.model"] = recorder.target.model
        elif attempts:
            attributes |= self._called(list(attempts.values())[-1].target)  # who failed last
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {request_trace.route}",
            self._around.pop(recorder, None),
            SpanKind.INTERNAL,
            attributes,
            start_time=begin,
        )
        if recorder.outcome.code is not None:
            span.set_status(Status(StatusCode.ERROR, str(recorder.outcome.code)))
        inside = trace.set_span_in_context(span)
        for attempt in attempts.values():
            self._attempt(attempt, recorder, response, inside)
        span.end(self._nanoseconds(recorder.began + recorder.outcome.seconds))
        if not recorder.route.telemetry.is_of_copies:
            self._record(recorder, response, attributes)

    def _nanoseconds(self, loop_time: float) -> int:
        return int((loop_time + self._telemetry.offset) * 1e9)

    def _called(self, target: str) -> dict[str, Any]:
        """Return the attributes for provider and model of a target's name."""
        called = self._telemetry.plan.called(target)
        if called is None:  # the file has changed meanwhile
            return {"gen_ai.provider.name": target.partition("/")[0], "gen_ai.request.model": target}
        name, model = called
        kind = self._telemetry.plan.file.providers[name].kind
        vendor = _RENAMED.get(name, name if name in _KNOWN else kind)
        return {"gen_ai.provider.name": vendor, "gen_ai.request.model": model, "signalbox.provider": name}

    def _operation(self, recorder: RequestRecorder) -> str:
        chain = self._telemetry.plan.chains.get(recorder.trace.route)
        return "chat" if chain is None or chain.makes is None else _OPERATIONS[chain.makes]

    def _result(self, recorder: RequestRecorder, response: AnyResponse | None) -> dict[str, Any]:
        attributes: dict[str, Any] = {} if recorder.outcome.code is None else {"error.type": str(recorder.outcome.code)}
        if response is None:
            return attributes
        usage, chat = response.usage, response if isinstance(response, CompletionResponse) else None
        values = {
            "gen_ai.response.id": response.request_id if chat is None else chat.id,
            "gen_ai.response.model": response.model or None,
            "gen_ai.response.finish_reasons": None if chat is None else [chat.finish_reason],
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
            "gen_ai.request.stream": True if recorder.outcome.first_token is not None else None,
            "gen_ai.response.time_to_first_chunk": recorder.outcome.first_token,
            "signalbox.cost_usd": recorder.outcome.cost,
            "signalbox.cached": recorder.outcome.cached or None,
        }
        return attributes | {key: value for key, value in values.items() if value is not None}

    def _attempt(
        self, attempt: Attempt, recorder: RequestRecorder, response: AnyResponse | None, inside: context.Context
    ) -> None:
        served = attempt is recorder.trace.answer  # to the end, or until it was left
        answers = served and recorder.outcome.code is None
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": self._operation(recorder),
            **self._called(attempt.target),
        }
        attributes |= {"signalbox.tier": attempt.tier, "signalbox.hedge": attempt.hedge}
        if attempt.chain:
            attributes["signalbox.chain"] = attempt.chain
        if answers:
            attributes |= self._result(recorder, response)
        elif attempt.code is not None:
            attributes["error.type"] = str(attempt.code)
        elif attempt.lost:
            attributes["signalbox.lost"] = True
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}",
            inside,
            SpanKind.CLIENT,
            attributes,
            start_time=self._nanoseconds(recorder.began + attempt.at),
        )
        if attempt.code is not None:
            span.set_status(Status(StatusCode.ERROR, attempt.message))
        seconds = recorder.outcome.seconds - attempt.at if served else attempt.seconds
        span.end(self._nanoseconds(recorder.began + attempt.at + seconds))

    def _record(self, recorder: RequestRecorder, response: AnyResponse | None, attributes: dict[str, Any]) -> None:
        kept = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model")
        labels = {key: attributes[key] for key in (*kept, "error.type", "signalbox.route") if key in attributes}
        self._duration.record(recorder.outcome.seconds, labels)
        if recorder.outcome.first_token is not None:
            self._first.record(recorder.outcome.first_token, labels)
        if response is not None and not recorder.outcome.cached:  # a stored answer uses none
            for kind, tokens in (("input", response.usage.input_tokens), ("output", response.usage.output_tokens)):
                if tokens is not None:
                    self._tokens.record(tokens, {**labels, "gen_ai.token.type": kind})

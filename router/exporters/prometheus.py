"""Figures for Prometheus: a collector that an app registers (extra `prometheus`).

    from prometheus_client import REGISTRY
    REGISTRY.register(router.prometheus())

Nothing is counted twice: a scrape reads what the router counts anyway. It may come on any thread.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from router.monitor.subject import Subject
from router.plan.target import OF_CALLERS, own_variant, variant_of
from router.telemetry import sketch
from router.telemetry.sketch import Sketch
from router.turns import at_once, in_turns
from router.views.figures import Counts, Snapshot

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError("router.prometheus() needs its extra: pip install 'llm-signalbox[prometheus]'") from None

__all__ = ["RouterCollector"]

# Seconds: from a local model's first token to the longest answer.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
PATIENCE = 10.0  # seconds that a scrape waits for the router's loop
_OUTCOMES = ("succeeded", "failed", "cancelled")


_Reading: TypeAlias = tuple[Snapshot, dict[str, Sketch], dict[tuple[str, str], Sketch]]


class RouterCollector(Collector):
    """A collector of a router's figures; `Router.prometheus()` makes it. Sums of durations are those of the buckets'
    middles: at most 3.2 % off.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def describe(self) -> Iterable[Metric]:
        """Return nothing: otherwise registering would take a first reading."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the router and give all its figures; called at each scrape."""
        snapshot, latencies, first_tokens = self._read()
        yield from _requests(snapshot, latencies)
        yield from _attempts(snapshot, first_tokens)
        yield from _state(snapshot)

    def _read(self) -> _Reading:
        """Read the router on its own loop, since it counts there."""
        home = self._subject.loop
        if home is None or not home.is_running() or home is _running_loop():
            return at_once(self._sketches(self._subject.snapshot()))

        async def there() -> _Reading:
            subject = self._subject
            snapshot = await in_turns(subject.report.making(home.time(), watching=subject.watching))
            return await in_turns(self._sketches(snapshot))

        return asyncio.run_coroutine_threadsafe(there(), home).result(PATIENCE)

    def _sketches(self, snapshot: Snapshot) -> Generator[None, None, _Reading]:
        totals, chains = self._subject.report.totals, self._subject.plan.chains
        yield
        sketches = totals.first_tokens()
        yield
        first_tokens: dict[tuple[str, str], Sketch] = {}
        for target in snapshot.targets:
            chain = chains.get(target.name.removesuffix(OF_CALLERS))
            variant = "" if chain is None else variant_of(chain.targets[0].identity)
            variant = own_variant(variant) if target.name.endswith(OF_CALLERS) else variant
            first_tokens[target.provider, target.name] = sketches.get(
                (f"{target.provider}/{target.model}", variant), {}
            )
            yield
        return snapshot, totals.latencies(), first_tokens


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _requests(snapshot: Snapshot, latencies: dict[str, Sketch]) -> Iterator[Metric]:
    route = ["route"]
    counts = {route_figures.name: route_figures.figures.totals for route_figures in snapshot.routes}
    yield _outcomes("signalbox_requests", "Requests that ended", route, [((name,), of) for name, of in counts.items()])
    for counter, words in (
        ("retries", "Further attempts at a target that was tried before"),
        ("fallbacks", "Requests answered by a later tier than the first"),
        ("hedges", "Requests for which a second target was called beside a slow one"),
        ("cache_hits", "Requests answered from the cache"),
    ):
        family = CounterMetricFamily(f"signalbox_{counter}", words, labels=route)
        for name, counted in counts.items():
            family.add_metric([name], getattr(counted, counter))
        yield family
    in_flight = GaugeMetricFamily("signalbox_requests_in_flight", "Requests under way", labels=route)
    seconds = HistogramMetricFamily(
        "signalbox_request_seconds", "From a request to the end of its answer", labels=route
    )
    for route_figures in snapshot.routes:
        in_flight.add_metric([route_figures.name], route_figures.figures.in_flight)
        _add_histogram(seconds, [route_figures.name], latencies.get(route_figures.name, {}))
    yield in_flight
    yield seconds


def _attempts(snapshot: Snapshot, first_tokens: dict[tuple[str, str], Sketch]) -> Iterator[Metric]:
    labels = ["provider", "target"]
    counts = {
        (target_figures.provider, target_figures.name): target_figures.figures.totals
        for target_figures in snapshot.targets
    }
    yield _outcomes("signalbox_attempts", "Attempts that ended", labels, counts.items())
    errors = CounterMetricFamily("signalbox_errors", "Failed attempts by code", labels=[*labels, "code"])
    tokens = CounterMetricFamily("signalbox_tokens", "Tokens by type", labels=[*labels, "type"])
    spent = CounterMetricFamily("signalbox_cost_usd", "US dollars, where prices are known", labels=labels)
    for key, counted in counts.items():
        for code, failures in counted.errors.items():
            errors.add_metric([*key, code], failures)
        tokens.add_metric([*key, "input"], counted.input_tokens)
        tokens.add_metric([*key, "output"], counted.output_tokens)
        if counted.cache_read_tokens or counted.cache_write_tokens:  # both of the input
            tokens.add_metric([*key, "cache_read"], counted.cache_read_tokens)
            tokens.add_metric([*key, "cache_write"], counted.cache_write_tokens)
        if counted.cost is not None:
            spent.add_metric([*key], counted.cost)
    yield from (errors, tokens, spent)
    first = HistogramMetricFamily("signalbox_first_token_seconds", "From a call to its first content", labels=labels)
    for target_figures in {(target.provider, target.name): target for target in snapshot.targets}.values():
        _add_histogram(
            first,
            [target_figures.provider, target_figures.name],
            first_tokens.get((target_figures.provider, target_figures.name), {}),
        )
    yield first


def _state(snapshot: Snapshot) -> Iterator[Metric]:
    health = GaugeMetricFamily(
        "signalbox_target_state", "1 for the state that it is in", labels=["provider", "target", "state"]
    )
    for target in snapshot.targets:
        health.add_metric([target.provider, target.name, target.health.state], 1)
    yield health
    yield from _shadows(snapshot)
    spent = GaugeMetricFamily("signalbox_budget_spent_usd", "Spent in the current period", labels=["scope", "name"])
    limit = GaugeMetricFamily("signalbox_budget_limit_usd", "The budget of a period", labels=["scope", "name"])
    for budget in snapshot.spending:
        if budget.of:  # of one of many users: there is no end of names (see `_values`)
            continue
        if budget.used is not None:
            spent.add_metric([budget.scope, budget.name], budget.used)
        limit.add_metric([budget.scope, budget.name], budget.limit)
    yield from (spent, limit)
    yield from _values(snapshot)
    for name, words, value in (
        ("entries", "Answers that are stored", snapshot.cache.entries),
        ("bytes", "Bytes of stored answers", snapshot.cache.bytes),
        ("max_bytes", "The most bytes that are stored", snapshot.cache.max_bytes),
    ):
        if snapshot.cache.enabled and value is not None:
            yield GaugeMetricFamily(f"signalbox_cache_{name}", words, value=float(value))
    if snapshot.cache.enabled:
        hits = CounterMetricFamily("signalbox_cache_level_hits", "Answers by the level that had them", labels=["level"])
        disk, shared = snapshot.cache.from_disk, snapshot.cache.from_shared
        for level, count in (("memory", snapshot.cache.hits - disk - shared), ("disk", disk), ("shared", shared)):
            hits.add_metric([level], float(count))
        yield hits
    accepted = snapshot.last_reload is None or snapshot.last_reload.accepted
    yield GaugeMetricFamily("signalbox_file_accepted", "Whether the file as saved is what runs", value=float(accepted))
    revision = GaugeMetricFamily("signalbox_revision", "1 for the revision that runs", labels=["revision"])
    revision.add_metric([snapshot.revision], 1)
    yield revision


def _shadows(snapshot: Snapshot) -> Iterator[Metric]:
    """Give the copies of requests, which stand in no other figures."""
    labels = ["route", "to"]
    copies = CounterMetricFamily("signalbox_shadow_copies", "Copies of requests", labels=[*labels, "outcome"])
    errors = CounterMetricFamily("signalbox_shadow_errors", "Failed copies by code", labels=[*labels, "code"])
    compared = [
        CounterMetricFamily(f"signalbox_shadow_{name}", f"{words}, beside those of callers", labels=[*labels, "of"])
        for name, words in (("cost_usd", "US dollars for copies"), ("seconds", "Times of answers to copies"))
    ]
    for shadow in snapshot.shadows:
        key = [shadow.route, shadow.to]
        for outcome, count in (("succeeded", shadow.answered), ("failed", shadow.failed), ("left_out", shadow.dropped)):
            copies.add_metric([*key, outcome], count)
        for code, failures in shadow.codes.items():
            errors.add_metric([*key, code], failures)
        sums = ((shadow.cost, shadow.cost_of_callers), (shadow.seconds, shadow.of_callers))
        for family, pair in zip(compared, sums, strict=True):
            for whose, value in zip(("copies", "callers"), pair, strict=True):
                family.add_metric([*key, whose], value)
    if snapshot.shadows:
        yield from (copies, errors, *compared)


def _values(snapshot: Snapshot) -> Iterator[Metric]:
    """Give what there is of budgets by user and the like without their names, of which there is no end."""
    labels, most = ["scope", "name"], dict[tuple[str, str], float]()
    for budget in snapshot.spending:
        if budget.of:
            part = (budget.used or 0.0) / budget.limit if budget.limit else 1.0
            most[budget.scope, budget.name] = max(part, most.get((budget.scope, budget.name), 0.0))
    used_up = Counter((budget.scope, budget.name) for budget in snapshot.high if (budget.used or 0.0) >= budget.limit)
    highest = GaugeMetricFamily(
        "signalbox_budget_by_value_highest_ratio", "Spent by the user (or the like) who spent the most", labels=labels
    )
    count = GaugeMetricFamily("signalbox_budget_by_value_used_up", "Users whose budget is used up", labels=labels)
    for key, part in most.items():
        highest.add_metric([*key], part)
        count.add_metric([*key], used_up[key])
    if most:
        yield from (highest, count)


def _outcomes(
    name: str, words: str, labels: Sequence[str], counts: Iterable[tuple[tuple[str, ...], Counts]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=[*labels, "outcome"])
    for key, counted in counts:
        for outcome in _OUTCOMES:
            family.add_metric([*key, outcome], getattr(counted, outcome))
    return family


def _add_histogram(family: HistogramMetricFamily, labels: list[str], buckets: Mapping[int, int]) -> None:
    durations = [(sketch.middle(bucket), count) for bucket, count in buckets.items()]
    bounds = [(str(bound), sum(count for middle, count in durations if middle <= bound)) for bound in BUCKETS]
    calls = sum(buckets.values())
    total = sum(middle * count for middle, count in durations)
    family.add_metric(labels, [*bounds, ("+Inf", calls)], total)

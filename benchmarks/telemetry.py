"""What telemetry costs while nobody watches: an event, its share of a request, and a snapshot when somebody does."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from providers import CompletionRequest, CompletionResponse, ErrorCode, FakeProvider, Message, ProviderError
from providers.types import Usage
from router import Router
from router.telemetry.recorder import Telemetry
from router.views.trace import Attempt, Trace

ROUNDS, CALLS, PROCESSES = 15, 2_000, 16
TARGETS, SNAPSHOTS, LEAST = (10, 100, 1000), 8, 500
FILE = """
providers: {a: {kind: fake}, b: {kind: fake}}
routes: {chat: {targets: [a/x], fallbacks: [b/y]}}
"""
_REQUEST = CompletionRequest(model="chat", messages=(Message.user("hi"),))
_RESPONSE = CompletionResponse(text="hi", usage=Usage(10, 5), cost=0.001)


class _Nobody:
    """A recorder that sees nothing."""

    number = 0

    def answered(self, *_: Any) -> None:
        pass


def _router() -> Router:
    fakes = {name: FakeProvider.scripted(name=name) for name in ("a", "b")}
    return Router.from_text(FILE, env={}, providers=fakes, monitor=False)


async def request() -> float:
    """Seconds of CPU per request over the fake provider, the best of some rounds."""
    router, best = _router(), float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            await router.complete("chat", "hi")
        best = min(best, (time.process_time() - started) / CALLS)
    return best


def share_of_a_request() -> tuple[float, float]:
    """Seconds of CPU per request with telemetry and without it: the best of some processes of each, interleaved."""
    best = {"counted": float("inf"), "plain": float("inf")}
    for _ in range(PROCESSES):
        for mode in best:
            command = [sys.executable, "-m", "benchmarks.telemetry", mode, str(ROUNDS), str(CALLS)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            best[mode] = min(best[mode], float(run.stdout))
    return best["counted"], best["plain"]


def events() -> dict[str, float]:
    """Seconds of CPU per event, by what happened; the best of some rounds. A second of wall time has many of them."""
    router = _router()
    telemetry, target = router.telemetry, router.chain("chat").targets[0]
    trace, failed = Trace("chat", "r"), Trace("chat", "r")
    trace.entries.append(Attempt("a/x", 0, 0.0, 0.5))
    error = ProviderError(ErrorCode.SERVER_ERROR, "no")

    def begin_and_end(now: float) -> None:
        telemetry.recorder(trace, _REQUEST, now).answered(target, now, now + 0.5, _RESPONSE, None)

    def begin_and_fail(now: float) -> None:
        recorder = telemetry.recorder(failed, _REQUEST, now)
        recorder.attempt_failed(target, error, now)
        recorder.attempt_failed(target, error, now)
        recorder.failed(error, now)

    return {
        "a request begins and ends": _best(begin_and_end) / 2,
        "one of two attempts fails": _best(begin_and_fail) / 4,
    }


def _best(event: Any) -> float:
    best = float("inf")
    for number in range(ROUNDS):
        started = time.process_time()
        for step in range(CALLS):
            event(number + step / CALLS)  # two thousand events a second
        best = min(best, (time.process_time() - started) / CALLS)
    return best


async def snapshot(targets: int) -> tuple[float, float, float, int]:
    """Seconds of CPU for one snapshot of a busy router, made and encoded; of the longest step that a
    feed takes at once; of a snapshot in which nothing changed; and the bytes.
    """
    names = [f"m{number}" for number in range(targets)]
    models = "".join(f"  {name}: {{provider: a, id: {name}}}\n" for name in names)
    text = f"providers: {{a: {{kind: fake}}}}\nmodels:\n{models}routes: {{r: {{targets: [{', '.join(names)}]}}}}\n"
    fakes = {"a": FakeProvider.scripted(name="a")}
    router = Router.from_text(text, env={}, providers=fakes, monitor=False)
    spent, steps, unchanged, size = [], [], [], 0
    for _ in range(SNAPSHOTS):
        for _ in range(max(LEAST, targets)):
            await router.complete("r", "hi")
        started = time.process_time()
        size = len(msgspec.json.encode(router.snapshot()))
        spent.append(time.process_time() - started)
        started = time.process_time()
        router.snapshot()
        unchanged.append(time.process_time() - started)
        for _ in range(max(LEAST, targets)):
            await router.complete("r", "hi")
        steps.append(_longest(router.report.making(asyncio.get_running_loop().time(), watching=False)))
    return statistics.median(spent), statistics.median(steps), statistics.median(unchanged), size


def _longest(steps: Iterator[None]) -> float:
    longest, started = 0.0, time.process_time()
    for _ in steps:
        longest, started = max(longest, time.process_time() - started), time.process_time()
    return longest


def main() -> None:
    counted, plain = share_of_a_request()
    more = counted - plain
    print(f"telemetry per request: {more * 1e6:.2f} µs CPU, {more / plain:.1%} of {plain * 1e6:.1f} µs without")
    for what, cost in events().items():
        print(f"telemetry, {what:<26} {cost * 1e6:5.2f} µs CPU an event")
    for targets in TARGETS:
        cost, step, unchanged, size = asyncio.run(snapshot(targets))
        parts = f"its longest step {step * 1e3:.2f}, when nothing changed {unchanged * 1e3:.2f}, {size / 1000:.0f} kB"
        print(f"a snapshot of {targets:>4} busy targets: {cost * 1e3:6.2f} ms CPU, {parts}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        nobody = _Nobody()
        Telemetry.recorder = lambda *_: nobody  # type: ignore[method-assign]
    if sys.argv[1:]:
        ROUNDS, CALLS = map(int, sys.argv[2:])
        print(asyncio.run(request()))
    else:
        main()

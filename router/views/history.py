"""The last five minutes, second by second, as plots show them."""

from __future__ import annotations

from collections.abc import Mapping

from router.views.figures import Struct


class Samples(Struct, frozen=True):
    """One value a second, all of the same length. Quantiles are None in seconds without a call.

    `calls` and `errors` (failed calls) are counts, `cost` US dollars (None where it is not known), the rest
    seconds.
    """

    calls: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    cost: tuple[float | None, ...] = ()
    first_token_p50: tuple[float | None, ...] = ()
    first_token_p95: tuple[float | None, ...] = ()
    latency_p50: tuple[float | None, ...] = ()
    latency_p95: tuple[float | None, ...] = ()


class History(Struct, frozen=True):
    """The last 300 whole seconds. `end` is when the last of them ended; the first began `seconds` before."""

    end: float
    seconds: int
    total: Samples
    providers: Mapping[str, Samples] = {}
    routes: Mapping[str, Samples] = {}

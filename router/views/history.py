"""What happened lately, as plots show it: five minutes by the second, or longer ranges more coarsely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.views.figures import KEPT, Struct

# Seconds that plots can look back, and the seconds of one value.
RANGES: Mapping[int, int] = {KEPT: 1, 3600: 10, 86_400: 300}
NAMES = 64  # routes and providers that values of more than a second tell apart: each takes about 1 KB a value


class Samples(Struct, frozen=True):
    """Some values, all of the same length, each of a second or more (`History.grain`). Quantiles are None where there
    was no call.

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
    """The last `seconds`, in values of `grain` whole seconds each. `end` is when the last of them ended (since 1970).

    Values begin at multiples of their grain; the newest has what came since its end as well, so that nothing is
    missing.
    """

    end: float
    seconds: int
    total: Samples
    providers: Mapping[str, Samples] = {}
    routes: Mapping[str, Samples] = {}
    grain: int = 1

    def per_second(self, values: Sequence[float | None]) -> list[float | None]:
        """Return what counts or costs were per second."""
        newest = self.grain + int(self.end) % self.grain
        spans = [*[self.grain] * (len(values) - 1), newest]
        return [
            None if value is None else value / span for value, span in zip(values, spans[-len(values) :], strict=True)
        ]

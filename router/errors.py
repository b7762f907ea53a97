"""What the router itself raises.

SignalboxError
├── ProviderError            one call failed in a way that no other target can mend (providers.errors)
├── RouteExhausted           every target that could serve was tried or skipped
├── UnknownRoute             no route, model or provider/model-id of that name
├── CacheUnavailable         the folder of cached answers can't be used now
├── WrongLoop                used from a second event loop while the first still runs
├── RouterClosed             used after it was closed, or closed while the call was under way
└── ConfigError, UnreadableFile    the file (router.config)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from providers.errors import CONSEQUENCES, USEFULNESS, ErrorCode, SignalboxError
from providers.types import CompletionResponse
from router.views.spans import wait
from router.views.trace import Attempt, Skip, Trace


class RouteExhausted(SignalboxError):
    """Nothing is left to try. `code` is the most useful of the attempts' codes, unless something else is the cause.

    `retry_after` is in seconds: when the next try makes sense, None where nobody said. `partial` is the last
    answer that was not valid (`invalid_output`).
    """

    def __init__(
        self,
        route: str,
        trace: Trace,
        *,
        note: str = "",
        retry_after: float | None = None,
        code: ErrorCode | None = None,
    ) -> None:
        self.route = route
        self.trace = trace
        self.attempts = trace.attempts
        self.retry_after = retry_after
        self.partial: CompletionResponse | None = None
        codes = [attempt.code for attempt in self.attempts if attempt.code is not None]
        of_trace = min(codes, key=USEFULNESS.index) if codes else _code_of_skips(trace.skips)
        self.code: ErrorCode = of_trace if code is None else code
        if not note and self.code is ErrorCode.REQUIREMENT_NOT_MET:
            note = "nobody who may answer has the labels that are required"
        super().__init__(self._message(note))

    def _message(self, note: str) -> str:
        head = f'route "{self.route}" is exhausted after {_count(len(self.attempts), "attempt")}'
        lines = [f"{head}{': ' + note if note else ''}"]
        lines += [f"  {entry.line()}" for entry in self.trace.entries if isinstance(entry, Attempt | Skip)]
        if self.retry_after is not None and self._passes():
            lines.append(f"  try again in {wait(self.retry_after)}")
        return "\n".join(lines)

    def _passes(self) -> bool:
        """Whether to wait may mend it: no key and no name of a model becomes right by itself."""
        codes = [attempt.code for attempt in self.attempts if attempt.code is not None]
        return bool(self.trace.skips) or any(not CONSEQUENCES[code].breaker.startswith("open_") for code in codes)


def not_cached(route: str, trace: Trace, why: str) -> RouteExhausted:
    """Make the error of a request that wants a stored answer only: no vendor is busy, and waiting helps nobody."""
    return RouteExhausted(route, trace, note=f'{why} (cache="only")', code=ErrorCode.UNSUPPORTED)


def give_trace(error: BaseException, trace: Trace) -> None:
    """Let an error tell what happened to its request, as `error.trace`.

    A `CancelledError` has it as well: whoever gave up may ask what it waited for.
    """
    error.trace = trace  # type: ignore[attr-defined]  # every exception takes attributes


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Give every error that leaves this the trace of its request, unless it has that of the call behind it."""
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        if getattr(error, "trace", None) is None:
            give_trace(error, trace)
        raise


class UnknownRoute(SignalboxError):
    """No route, model or provider/model-id has this name; the message says the nearest."""


class WrongLoop(SignalboxError):
    """The router belongs to another event loop that is still running."""


class CacheUnavailable(SignalboxError):
    """The folder of cached answers can't be asked now; the message says why. Requests go on without it."""


class RouterClosed(SignalboxError, RuntimeError):
    """The router is closed, or a stream belongs to another process; the message says which."""


ONE_A_PROCESS = (
    "a router can't be pickled or copied: it has connections and an event loop of its own. "
    "Make one in each process, from the file: Router.from_yaml(path), or SyncRouter.from_yaml(path)"
)

# What a skip counts as when nobody was called: for the `on` of a later tier, and as the code of the error. Of several
# reasons the first of these counts, which passes soonest: whoever waits for it has a target again.
SKIP_CODES: Mapping[str, ErrorCode] = MappingProxyType(
    {
        "saturated": ErrorCode.RATE_LIMITED,
        "limited": ErrorCode.RATE_LIMITED,
        "held": ErrorCode.RATE_LIMITED,
        "circuit_open": ErrorCode.OVERLOADED,
        "draining": ErrorCode.OVERLOADED,
        "over_budget": ErrorCode.QUOTA_EXHAUSTED,
        "too_small": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
        "unsupported": ErrorCode.UNSUPPORTED,
        "disabled": ErrorCode.AUTHENTICATION,
        "requirement": ErrorCode.REQUIREMENT_NOT_MET,
        "excluded": ErrorCode.UNSUPPORTED,
    }
)


def _code_of_skips(skips: tuple[Skip, ...]) -> ErrorCode:
    reasons = {skip.reason for skip in skips}
    return next((code for reason, code in SKIP_CODES.items() if reason in reasons), ErrorCode.OVERLOADED)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def falls_back(code: ErrorCode) -> bool:
    """Whether a tier without `on` (or with `on: any`) serves after this code."""
    return CONSEQUENCES[code].fallback in ("yes", "larger_window")

"""How long a call may take, and what is left of a vendor's limits."""

from __future__ import annotations

from providers.content import Struct


class Timeout(Struct, frozen=True, kw_only=True):
    """Seconds; None is no limit.

    `connect` bounds the connection. A stream has `first_token` for its first content and `idle` between contents, a
    plain call `answer`, from the request to the whole answer. `total` bounds the whole request, tries and waits
    included; of a stream what comes before its first content: a stream that goes on is never cut.
    """

    connect: float | None = 3.0
    first_token: float | None = 60.0
    idle: float | None = 60.0
    answer: float | None = 600.0
    total: float | None = 1800.0


class RemainingQuota(Struct, frozen=True):
    """What an answer says is left of the vendor's limits.

    `requests` and `tokens` are what is left of them, None where it is not told. `wait` is in seconds: how long nothing
    will be left, None where something is.
    """

    requests: float | None = None
    tokens: float | None = None
    wait: float | None = None

"""Every way a call can fail, and what each leads to.

    SignalboxError
    ├── ProviderError       a failure of one call to one vendor; its `code` decides what happens next
    └── (router.errors)     RouteExhausted, ConfigError, …

`CONSEQUENCES` is the one table that the engine follows; no other place decides by code.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from providers.types import CompletionResponse


class ErrorCode(StrEnum):
    """The normalised codes; the value is what users write in `on:` and see in traces."""

    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    REQUEST_TOO_LARGE = "request_too_large"
    CONTENT_FILTERED = "content_filtered"
    UNSUPPORTED = "unsupported"
    REQUIREMENT_NOT_MET = "requirement_not_met"
    AUTHENTICATION = "authentication"
    PERMISSION_DENIED = "permission_denied"
    MODEL_NOT_FOUND = "model_not_found"
    QUOTA_EXHAUSTED = "quota_exhausted"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION_FAILED = "connection_failed"
    PROTOCOL_ERROR = "protocol_error"
    INVALID_OUTPUT = "invalid_output"
    STREAM_INTERRUPTED = "stream_interrupted"
    CANCELLED = "cancelled"


class Consequence(msgspec.Struct, frozen=True):
    """One row of the table.

    `http_status`: what a server answers with that tells this failure to its client (RFC 9110; 499 is nginx's). The
    vendors differ in two of them: `providers.wire` says where.
    `retry`: the same target again — "no", "backoff", "at_once" (before all others, told what was wrong) or "if_short"
    (only a Retry-After within `retry.max_wait`, when nothing else is eligible).
    `fallback`: the next target — "no", "yes", "larger_window", "if_named" (only where `on` names it),
    or "stream_policy" (`on_stream_break` decides).
    `breaker`: "none", "failure", "open_target" or "open_key": both open at once where the vendor's words are about the
    model or the key (`providers.evidence`), else when a second, different request meets the same.
    `hold`: "none", "retry_after", "quota" (Retry-After, else 5 minutes) or "rate" (Retry-After or the
    reset header, else backoff); of the target or of the key, by the vendor's words.
    `other_key`: another key of the same provider may fare better.
    `read`: the vendor has read the prompt by then, and counts it; any other failure costs nothing.
    """

    http_status: int
    retry: Literal["no", "backoff", "at_once", "if_short"] = "no"
    fallback: Literal["no", "yes", "larger_window", "if_named", "stream_policy"] = "yes"
    breaker: Literal["none", "failure", "open_target", "open_key"] = "none"
    hold: Literal["none", "retry_after", "quota", "rate"] = "none"
    other_key: bool = False
    read: bool = False


CONSEQUENCES: Mapping[ErrorCode, Consequence] = MappingProxyType(
    {  # code: HTTP status, and what follows
        ErrorCode.INVALID_REQUEST: Consequence(400, fallback="no"),
        ErrorCode.CONTEXT_LENGTH_EXCEEDED: Consequence(400, fallback="larger_window"),
        ErrorCode.REQUEST_TOO_LARGE: Consequence(413),
        ErrorCode.CONTENT_FILTERED: Consequence(400, fallback="if_named", read=True),
        ErrorCode.UNSUPPORTED: Consequence(400),
        ErrorCode.REQUIREMENT_NOT_MET: Consequence(400),  # nobody was asked
        ErrorCode.AUTHENTICATION: Consequence(401, breaker="open_key", other_key=True),
        ErrorCode.PERMISSION_DENIED: Consequence(403, breaker="open_target", other_key=True),
        ErrorCode.MODEL_NOT_FOUND: Consequence(404, breaker="open_target"),
        ErrorCode.QUOTA_EXHAUSTED: Consequence(402, hold="quota", other_key=True),
        ErrorCode.RATE_LIMITED: Consequence(429, retry="if_short", hold="rate", other_key=True),
        ErrorCode.OVERLOADED: Consequence(503, retry="backoff", breaker="failure", hold="retry_after"),
        ErrorCode.SERVER_ERROR: Consequence(500, retry="backoff", breaker="failure"),
        ErrorCode.TIMEOUT: Consequence(504, breaker="failure", read=True),
        ErrorCode.CONNECTION_FAILED: Consequence(502, retry="backoff", breaker="failure"),
        ErrorCode.PROTOCOL_ERROR: Consequence(502, breaker="failure", read=True),
        ErrorCode.INVALID_OUTPUT: Consequence(502, retry="at_once", read=True),
        ErrorCode.STREAM_INTERRUPTED: Consequence(502, fallback="stream_policy", breaker="failure", read=True),
        ErrorCode.CANCELLED: Consequence(499, fallback="no", read=True),
    }
)

# The most useful code of several attempts, most useful first: what the caller can act on.
USEFULNESS: tuple[ErrorCode, ...] = (
    ErrorCode.INVALID_REQUEST,
    ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    ErrorCode.REQUEST_TOO_LARGE,
    ErrorCode.CONTENT_FILTERED,
    ErrorCode.AUTHENTICATION,
    ErrorCode.PERMISSION_DENIED,
    ErrorCode.MODEL_NOT_FOUND,
    ErrorCode.UNSUPPORTED,
    ErrorCode.REQUIREMENT_NOT_MET,
    ErrorCode.INVALID_OUTPUT,
    ErrorCode.QUOTA_EXHAUSTED,
    ErrorCode.RATE_LIMITED,
    ErrorCode.OVERLOADED,
    ErrorCode.SERVER_ERROR,
    ErrorCode.TIMEOUT,
    ErrorCode.STREAM_INTERRUPTED,
    ErrorCode.PROTOCOL_ERROR,
    ErrorCode.CONNECTION_FAILED,
    ErrorCode.CANCELLED,
)

# What these codes say where there is no vendor to say it: in fakes and simulations.
PLAIN_WORDS: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.AUTHENTICATION: "invalid API key",
        ErrorCode.PERMISSION_DENIED: "this key has no access to the model",
        ErrorCode.MODEL_NOT_FOUND: "model not found",
        ErrorCode.QUOTA_EXHAUSTED: "the account's credit is used up",
    }
)


class SignalboxError(Exception):
    """Base of every error that Signalbox raises on purpose.

    All can be pickled and copied, with what they know, their notes and their cause. A cause that can't be pickled is
    replaced by one with its text. What was suppressed by `from None` does not go along: it may hold a key.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        chain = {"__cause__": _portable(self.__cause__), "__suppress_context__": self.__suppress_context__}
        return _again, (type(self), self.args), {**self.__dict__, **chain}


def _again(kind: type[SignalboxError], args: tuple[Any, ...]) -> SignalboxError:
    """Make an error whose attributes are then set, whatever its class is made from."""
    return kind.__new__(kind, *args)


def _portable(cause: BaseException | None) -> BaseException | None:
    if isinstance(cause, SignalboxError):  # it can be, and to try it at each link of a long chain would take for ever
        return cause
    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:  # whatever a class of somebody else raises: many can't be made again from their arguments
        return SignalboxError(f"{type(cause).__name__}: {cause}")
    return cause


class ProviderError(SignalboxError):
    """A call to a vendor failed; `code` alone decides what happens next.

    `retry_after` is in seconds. `context_window` and `prompt_tokens` are filled when a context-length
    error names them. `body_excerpt` is cut and scrubbed of the key. `partial` is the answer so far
    when a committed stream broke, and the whole one that was not valid. `phase` tells what a timeout or connection
    failure hit ("connect", "first_token", "idle", "answer", "total", "read"). `stale_connection`
    says that an old connection was closed before any byte of the answer came, so that the request may be sent again;
    `stale_credential` that a new credential is on the way in place of the one that the vendor refused, with the same
    consequence. With phase "credential" there was none to be had, and nothing was sent.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        vendor_type: str | None = None,
        vendor_code: str | None = None,
        body_excerpt: str | None = None,
        context_window: int | None = None,
        prompt_tokens: int | None = None,
        phase: str | None = None,
        stale_connection: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.provider = provider
        self.model = model
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id
        self.vendor_type = vendor_type
        self.vendor_code = vendor_code
        self.body_excerpt = body_excerpt
        self.context_window = context_window
        self.prompt_tokens = prompt_tokens
        self.phase = phase
        self.stale_connection = stale_connection
        self.stale_credential = False
        self.partial: CompletionResponse | None = None
        self.trace: Any = None  # a router's trace of the request, where one raised this

    def __str__(self) -> str:
        where = "/".join(part for part in (self.provider, self.model) if part)
        status = f" (HTTP {self.status})" if self.status else ""
        return f"{where + ': ' if where else ''}{self.code}{status}: {self.message}"

    def __repr__(self) -> str:
        return f"ProviderError({str(self)!r})"

"""What a client is told of each failure: the status, the words of its protocol, and whether to try again.

The engine has tried already, so that most failures say `x-should-retry: false`: the official SDKs obey it
(openai-python and anthropic-sdk-python, `_should_retry`), and their own tries do not multiply the engine's. A failure
of a vendor's key is told as one of the gateway, 502: a client that reads 401 logs its user out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from providers.context_errors import numbers
from providers.error_body import Fault
from providers.errors import ErrorCode, ProviderError, SignalboxError
from providers.wire.reading import BadRequest
from providers.wire.writing import Upstream
from router.errors import SKIP_CODES, RouteExhausted, RouterClosed, UnknownRoute

_SOON = 60.0  # seconds: a client that is told to come back later than this does better to give up
_SHOWN = 200  # characters of a name that is given back
_WORDS = 4_096  # characters of a message
_RETRIED = frozenset({ErrorCode.OVERLOADED})
_MAY_PASS = frozenset({ErrorCode.RATE_LIMITED})  # where it is soon
# What the vendor says to the gateway, not to its client.
_UPSTREAM = frozenset(
    {
        ErrorCode.AUTHENTICATION,
        ErrorCode.PERMISSION_DENIED,
        ErrorCode.MODEL_NOT_FOUND,
        ErrorCode.QUOTA_EXHAUSTED,
        ErrorCode.SERVER_ERROR,
        ErrorCode.CONNECTION_FAILED,
        ErrorCode.PROTOCOL_ERROR,
        ErrorCode.INVALID_OUTPUT,
        ErrorCode.STREAM_INTERRUPTED,
        ErrorCode.CANCELLED,
    }
)
# One sentence for each: a vendor's own words may name its account, and are the operator's to read.
_SENTENCES: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.AUTHENTICATION: "a vendor refuses the key that this gateway has for it",
        ErrorCode.PERMISSION_DENIED: "this gateway's key has no access to the model at its vendor",
        ErrorCode.MODEL_NOT_FOUND: "the vendor does not know the model that this gateway asks it for",
        ErrorCode.QUOTA_EXHAUSTED: "what this gateway may spend for this model is used up",
        ErrorCode.RATE_LIMITED: "all models that could answer are at their rate limit",
        ErrorCode.OVERLOADED: "all models that could answer are overloaded or failing at the moment",
        ErrorCode.SERVER_ERROR: "the vendor failed",
        ErrorCode.TIMEOUT: "the vendor did not answer in time",
        ErrorCode.CONNECTION_FAILED: "the vendor can't be reached",
        ErrorCode.PROTOCOL_ERROR: "the vendor's answer can't be read",
        ErrorCode.REQUIREMENT_NOT_MET: "no model of this route has the labels that are required of it",
        ErrorCode.INVALID_OUTPUT: "no model gave an answer that can be accepted",
        ErrorCode.STREAM_INTERRUPTED: "the vendor's stream broke off",
        ErrorCode.CANCELLED: "the call was cancelled",
    }
)
# The same, of a key that the client has brought along.
_OF_ITS_KEY: Mapping[ErrorCode, str] = MappingProxyType(
    {
        ErrorCode.AUTHENTICATION: "the vendor refuses the key that came along",
        ErrorCode.PERMISSION_DENIED: "the key that came along has no access to the model at its vendor",
        ErrorCode.QUOTA_EXHAUSTED: "the account of the key that came along has no credit left",
        ErrorCode.RATE_LIMITED: "the key that came along is at its rate limit",
    }
)


class Refused(ProviderError):
    """What the gateway itself refuses: the client's key, name, limit or budget. It is told as it is.

    Args:
        status: the HTTP status where it is not that of the code.
        should_retry: what `x-should-retry` says.
        kind: OpenAI's `type`, where it is not that of the code.
        headers: what the answer says besides.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        status: int | None = None,
        should_retry: bool = False,
        retry_after: float | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, status=status, retry_after=retry_after)
        self.headers = dict(headers or {})
        self.should_retry = should_retry
        self.kind = kind


class BodyTooLarge(Refused):
    """The body has more bytes than are read."""

    def __init__(self, limit: int) -> None:
        super().__init__(ErrorCode.REQUEST_TOO_LARGE, f"the body has more than {limit} bytes, which is the most here")


class UnknownModel(Refused):
    """No model has this name, or none that this client may use: which of the two, it is not told."""

    def __init__(self, name: str) -> None:
        super().__init__(
            ErrorCode.MODEL_NOT_FOUND,
            f"The model '{name[:_SHOWN]}' does not exist or you have no access to it. GET /v1/models lists yours.",
        )


def told(error: BaseException, *, expose: bool = False) -> ProviderError:
    """Return an error as the client is told it: one that `providers.wire` can write, of no more words than help.

    Args:
        expose: with the vendor's own words.
    """
    out = _told(error, expose)
    if len(out.message) > _WORDS:  # it quotes what the client sent, of any length
        out.message = f"{out.message[:_WORDS]}…"
    return out


def _told(error: BaseException, expose: bool) -> ProviderError:
    if isinstance(error, BadRequest | Refused):
        return error
    if isinstance(error, UnknownRoute):  # a reload took it away; its own words name all routes there are
        return Refused(ErrorCode.MODEL_NOT_FOUND, "this model does not exist any more, or you have no access to it")
    if isinstance(error, RouterClosed):
        return Refused(ErrorCode.OVERLOADED, "this gateway is shutting down", should_retry=True)
    if isinstance(error, RouteExhausted | ProviderError):
        return _of_the_engine(error, expose)
    return Upstream("internal", "this gateway failed; its log has the reason")


def _of_the_engine(error: RouteExhausted | ProviderError, expose: bool) -> ProviderError:
    code = error.code
    is_its_own = any(each.own_key for each in getattr(error, "attempts", ()) if each.code is code)
    words = (_OF_ITS_KEY if is_its_own else _SENTENCES).get(code) or _SENTENCES.get(code) or _of_the_request(error)
    if expose:
        words = f"{words}: {error}"
    if code in _UPSTREAM:
        return Upstream(str(code), words)
    out = ProviderError(code, words, retry_after=error.retry_after)
    if isinstance(error, ProviderError):
        out.context_window, out.prompt_tokens = error.context_window, error.prompt_tokens
    elif code is ErrorCode.CONTEXT_LENGTH_EXCEEDED:
        out.context_window, out.prompt_tokens = numbers(Fault(), words.lower())
    return out


def _of_the_request(error: RouteExhausted | ProviderError) -> str:
    """What is wrong with the request, which its sender can mend: in the words of who refused it."""
    if isinstance(error, ProviderError):
        return error.message.partition("\n")[0]
    told = [attempt.message for attempt in error.attempts if attempt.code is error.code and attempt.message]
    told += [skip.message for skip in error.trace.skips if SKIP_CODES.get(skip.reason) is error.code and skip.message]
    return told[0].partition("\n")[0] if told else "no model of this route can answer such a request"


def should_retry(error: ProviderError) -> bool:
    """Say whether the client does well to ask again, on its own."""
    if isinstance(error, Refused):
        return error.should_retry
    if isinstance(error, Upstream):
        return False
    soon = error.retry_after is not None and error.retry_after <= _SOON
    return error.code in _RETRIED or (error.code in _MAY_PASS and soon)


def is_expected(error: BaseException) -> bool:
    """Say whether an error is one that is raised on purpose, and so needs no trace in the log."""
    return isinstance(error, SignalboxError)

"""Failures of providers that are not ours: whatever one raises is an error of that call, and no other."""

from __future__ import annotations

from pathlib import Path

from providers.errors import ErrorCode, ProviderError
from providers.printable import printable
from providers.scrub import Scrubber
from providers.settings import ProviderSettings

_CHARS = 500  # of an exception's text
# Classes by name, since nobody knows which HTTP library or vendor's package a provider is made with.
_TIMEOUTS = frozenset({"TimeoutError", "TimeoutException", "Timeout", "APITimeoutError"})
_CONNECTIONS = frozenset({"OSError", "TransportError", "ClientConnectionError", "APIConnectionError", "ProtocolError"})


def failure_of(error: Exception, settings: ProviderSettings | None, *, provider: str, model: str) -> ProviderError:
    """The error that an exception of a provider stands for; one that is a `ProviderError` stands for itself.

    Nothing hangs on it: an exception of an HTTP library holds the request with its key.

    Args:
        settings: whose secrets are taken out of its text.
    """
    if isinstance(error, ProviderError):
        return error
    names = {base.__name__ for base in type(error).__mro__}
    code = ErrorCode.SERVER_ERROR
    if names & _TIMEOUTS:
        code = ErrorCode.TIMEOUT
    elif names & _CONNECTIONS:
        code = ErrorCode.CONNECTION_FAILED
    text = f"the provider failed: {type(error).__name__}: {_text(error)}"
    if settings is not None:
        text = Scrubber(settings)(text)
    return ProviderError(code, printable(f"{text}{_place(error)}"), provider=provider, model=model)


def _text(error: Exception) -> str:
    try:
        return str(error)[:_CHARS]
    except Exception:  # its `__str__` is as foreign as the rest
        return "(no text)"


def _place(error: Exception) -> str:
    """Where it was raised, for who has written the provider."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f" ({Path(code.co_filename).name}:{trace.tb_lineno}, {code.co_name})"

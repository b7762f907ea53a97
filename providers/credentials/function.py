"""A function of the app as a source."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from providers.credentials.blocking import OneThread
from providers.sources import Issued, NoCredential, lifetime_of

Given: TypeAlias = str | tuple[str, float | datetime | timedelta | None]
CredentialFunction: TypeAlias = Callable[[], Given | Awaitable[Given]]
"""Gives a key or token, or a pair of it and its expiry: epoch seconds, seconds from now, a `datetime`, a `timedelta`,
or None for one that holds until it is refused. It may be async; one that is not is called in a thread."""


class FunctionSource:
    """What an app's function gives.

    Args:
        name: of the provider that it is for.
        function: see `CredentialFunction`.

    Raises:
        TypeError: it is no function.
    """

    def __init__(self, name: str, function: CredentialFunction) -> None:
        if not callable(function):
            raise TypeError(f"credentials: {name}: a function is expected, not {type(function).__name__}")
        self._function = function
        self._thread = OneThread()
        self.name = "the app's function"
        self.shape = repr(("function", name))

    async def fetch(self) -> Issued:
        if inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(
            getattr(self._function, "__call__", None)  # noqa: B004 - of an object whose call is a coroutine
        ):
            given: Any = self._function()
        else:
            given = await self._thread.do(self._function)
        if inspect.isawaitable(given):
            given = await given
        token, expires = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        if not isinstance(token, str):
            raise NoCredential(
                f"it gave {type(token).__name__}: a text, or a pair of a text and its expiry, is expected"
            )
        return Issued(token=token.strip(), lifetime=lifetime_of(expires))

"""The certificate that clients are shown; a renewed one is taken over while connections go on."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from contextlib import suppress

from providers.threads import in_thread

log = logging.getLogger("signalbox.gateway")

_OFTEN = 60.0  # seconds between two looks at the files


class BadCertificate(ValueError):
    """The files are no certificate and its key; the message says what is wrong."""


class Certificate:
    """A certificate and its key, from PEM files.

    Args:
        cert: the certificate, and those that it builds upon.
        key: its private key, without a password.

    Raises:
        BadCertificate: they can't be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        self._cert, self._key = cert, key
        self.context = self._loaded()
        self._mark = self._look()
        self._follower: asyncio.Task[None] | None = None

    def follow(self, every: float = _OFTEN) -> None:
        """Look at the files every so many seconds from now on, on the running loop."""
        self._follower = asyncio.get_running_loop().create_task(self._follow(every))

    async def aclose(self) -> None:
        """Follow them no longer."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.wait([self._follower])

    def renew(self) -> bool:
        """Take over what the files have now, for new connections; gives whether it is another.

        Raises:
            BadCertificate: they can't be used; the old one goes on.
        """
        mark = self._look()
        if mark == self._mark:
            return False
        self._loaded()  # tried elsewhere: a half of a pair would spoil the one that is in use
        self._mark = mark
        self.context.load_cert_chain(self._cert, self._key, password=_none)
        return True

    async def _follow(self, every: float) -> None:
        told = ""
        while True:
            await asyncio.sleep(every)
            try:
                if await in_thread(self.renew):
                    log.info("the renewed certificate %s is in use", self._cert)
                told = ""
            except BadCertificate as error:
                if str(error) != told:  # once, not every minute
                    log.warning("the old certificate goes on: %s", error)
                told = str(error)

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_mark, (self._cert, self._key)))

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key, password=_none)
        except ssl.SSLError as error:
            raise BadCertificate(
                f"{self._cert} and {self._key} are no pair of certificate and key: {_why(error)}"
            ) from None
        except OSError as error:
            raise BadCertificate(f"{self._missing()}: {error.strerror}") from None
        return context

    def _missing(self) -> str:
        """The file that can't be read: the error does not say which."""
        for path in (self._cert, self._key):
            try:
                with open(path, "rb"):
                    pass
            except OSError:
                return path
        return self._cert


def _mark(path: str) -> tuple[int, int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def _none() -> str:
    """Keep OpenSSL from asking at the terminal for the password of a key that has one."""
    raise BadCertificate("the private key has a password: write it without one, readable by this user alone")


def _why(error: ssl.SSLError) -> str:
    reason = (error.reason or "").replace("_", " ").lower()
    return {"key values mismatch": "the key belongs to another certificate"}.get(reason, reason or str(error))

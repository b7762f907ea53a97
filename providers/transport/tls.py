"""Certificates: whom a connection trusts, and by what it shows who it is."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import TypeAlias

from providers.settings import ClientCertificate
from providers.transport.engine import ConnectError
from providers.transport.environment import ca_bundle_of

_Version: TypeAlias = tuple[int, int] | None


def tls(verify: bool | str, certificate: ClientCertificate | None, *, is_spoken: bool = True) -> ssl.SSLContext | bool:
    """How to speak TLS: False for no check of the server, or a context; where it is not spoken, whether to check.

    Args:
        verify: check the server's certificate; a string is the path of a CA bundle, or of a folder of CAs as
            OpenSSL hashes it, which stand in place of the system's.
        certificate: shown to the server where it asks for one.
        is_spoken: False leaves all certificates unread; reading those of the system takes 20 ms.

    Raises:
        ConnectError: a file that can't be read; its content is not told.
    """
    if not is_spoken:
        return bool(verify)
    bundle = verify if isinstance(verify, str) else ca_bundle_of(os.environ) if verify else None
    if bundle is None and certificate is None:
        return _context(None, True, None, ()) if verify else False
    files = (bundle, *((certificate.cert, certificate.key) if certificate is not None else ()))
    return _context(bundle, verify is not False, certificate, tuple(map(_version, files)))


def _version(path: str | None) -> _Version:
    """Which file it is now, and when it was changed; None where there is none."""
    with suppress(OSError, ValueError):
        found = os.stat(path or "")
        return found.st_ino, found.st_mtime_ns
    return None


@lru_cache(maxsize=16)  # to read a bundle takes 20 ms, and most providers have the same; a new version is read
def _context(
    bundle: str | None,
    checked: bool,
    certificate: ClientCertificate | None,
    versions: tuple[tuple[int, int] | None, ...],
) -> ssl.SSLContext:
    try:
        folder = bundle is not None and os.path.isdir(bundle)
        context = ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    except (OSError, ValueError) as error:  # ssl.SSLError is one of these
        raise ConnectError(f"the CA bundle {bundle} cannot be loaded: {_reason(error)}") from None
    context.set_alpn_protocols(("http/1.1",))  # the one that is spoken (RFC 7301)
    if not checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        try:
            # A password as text, so that a key that is locked without one fails in place of asking the terminal.
            context.load_cert_chain(certificate.cert, certificate.key, certificate.secret or "")
        except (OSError, ValueError) as error:
            raise ConnectError(
                f"the client certificate {certificate.cert} cannot be loaded: {_reason(error)}"
            ) from None
    return context


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it is not PEM, the key is another's, or the password is wrong"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "its path or password can't be used"

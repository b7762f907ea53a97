"""Why there is no connection, in words that say what to do: by no library's own text, which holds its internals."""

from __future__ import annotations

import os
import socket
import ssl

# OpenSSL's codes of verification (openssl-verification-options(1), X509_verify_cert_error_string(3)).
_UNKNOWN_CA = frozenset({2, 18, 19, 20, 21})
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_WANTS_CERTIFICATE = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "HANDSHAKE_FAILURE")

_OLD = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "INSUFFICIENT_SECURITY")

_CERTIFICATE = "; if it wants a certificate of its clients, see client_cert"

SPEAKS_HTTP = "does the server speak plain HTTP? then base_url begins with http://"
SPEAKS_TLS = "does the server speak TLS? then base_url begins with https://"


def reason(error: BaseException) -> str | None:
    """What the system or TLS says of a failed connection, found among the causes of an error; None where nothing."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        # aiohttp's own errors are also of the classes that they wrap.
        inner = getattr(found, "os_error", None) or getattr(found, "certificate_error", None)
        if inner is None and isinstance(found, ssl.SSLError):
            return _tls(found)
        if inner is None and isinstance(found, socket.gaierror):
            return "this name has no address (DNS)"
        inner = inner or found.__cause__ or found.__context__
        if not isinstance(inner, BaseException):
            return _system(found)
        found = inner
    return None


def _system(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or isinstance(error, TimeoutError):
        return None
    if error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, ConnectionResetError):  # asyncio's, when a connection ends within the handshake
        return f"the server broke off the handshake{_CERTIFICATE}; older TLS than 1.2 is not spoken"
    return "every address of this name refuses" if "Multiple exceptions" in str(error) else None


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        told = (error.verify_message or "it can't be verified").rstrip(".")
        hint = "; a CA of your own goes into verify: ca.pem" if error.verify_code in _UNKNOWN_CA else ""
        return f"the server's certificate is not trusted: {told}{hint}"
    name = error.reason or ""
    if any(word in name for word in _NO_TLS):
        return f"no TLS comes back; {SPEAKS_HTTP}"
    hint = ""
    if name.endswith(_WANTS_CERTIFICATE):
        hint = _CERTIFICATE
    elif name.endswith(_OLD):
        hint = "; the server speaks an older TLS than 1.2 only, which is not safe any more"
    return f"TLS failed: {name.replace('_', ' ').lower() or 'the handshake broke off'}{hint}"

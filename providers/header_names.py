"""Which HTTP headers belong to the connection, and which say who asks: neither may go along with one call."""

from __future__ import annotations

import re

# They belong to the connection (RFC 9110, section 7.6.1; RFC 9112, section 6): set by hand, they would end the body
# elsewhere than we do, or send the request to another host.
_OF_THE_CONNECTION = frozenset(
    {"content-length", "transfer-encoding", "host", "connection", "upgrade", "keep-alive", "te", "trailer", "expect"}
    | {"proxy-connection", "proxy-authenticate", "proxy-authorization", "http2-settings", "content-encoding"}
)
# The names that vendors and gateways give to keys: `x-api-key`, `api-key`, `x-goog-api-key`, `x-auth-token`,
# `ocp-apim-subscription-key`, `cf-access-client-secret`, `helicone-auth`, `private-token`, …
# An `idempotency-key` is none.
_AUTHENTICATES = (
    r"(?:^|-)(?:auth|authori[sz]ation|authentication|cookie2?|credentials?|secret|password|jwt"
    r"|(?:api|auth|access|secret|private|subscription|functions|master|virtual|litellm)-?key"
    r"|(?:api|auth|access|bearer|id|refresh|security|session|authorization)-?token"
    r"|(?<!csrf-)(?<!xsrf-)(?<!page-)(?<!continuation-)token)$|^(?:x-)?key$"
)


def _plain(name: str) -> str:
    """Write a name as servers compare it: case does not count, and some read `_` as `-`."""
    return "".join(name.split()).lower().replace("_", "-")


def belongs_to_connection(name: str) -> bool:
    """Say whether a header is the connection's own, such as Content-Length: nobody may set it."""
    return _plain(name) in _OF_THE_CONNECTION


def authenticates(name: str) -> bool:
    """Say whether a header is a credential, such as Authorization: it is for one provider alone."""
    return re.search(_AUTHENTICATES, _plain(name)) is not None


def is_token(key: str) -> bool:
    """Whether a key has the form of a token (JWT, RFC 7519), which is sent as a bearer token everywhere: Azure's keys,
    whose header is another one, are plain letters and digits.
    """
    return key.startswith("eyJ") and key.count(".") == 2

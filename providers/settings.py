"""What it takes to make a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from providers.sources import Source
from providers.types import Timeout

if TYPE_CHECKING:
    from pydantic import SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What a client shows of itself in TLS.

    Args:
        cert: the path of a PEM file with the certificate and those that it builds upon.
        key: the path of its private key; None where `cert` has it too.
        password: what the key is locked with.
    """

    cert: str
    key: str | None = None
    password: SecretStr | str | None = field(default=None, repr=False)

    @property
    def secret(self) -> str | None:
        """The password in the clear."""
        if self.password is None or isinstance(self.password, str):
            return self.password
        return self.password.get_secret_value()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProviderSettings:
    """A connection to a vendor.

    Args:
        name: how errors, traces and the dashboard call it.
        kind: a registered kind: `openai`, `anthropic`, `ollama`, `fake`, or one of an installed package.
        base_url: the API's root; None takes the kind's default.
        api_key: a plain string is wrapped at once, so that no repr shows it.
        credential: who issues what is sent in the place of a key (`providers.credentials`).
        headers: sent with every request.
        timeout: seconds, see `Timeout`.
        proxy: an HTTP proxy's URL; None takes what HTTPS_PROXY and the like say, False none at all.
        verify: check TLS certificates; a string is the path of a CA bundle. True honours REQUESTS_CA_BUNDLE.
        client_cert: shown to servers that ask for a certificate.
        unix_socket: the path of a socket of this machine that is connected to in place of base_url's host.
        options: the kind's own settings; all HTTP kinds know `max_retries` and `validate` (a router retries
            and checks requests itself: 0 and False there).
    """

    name: str
    kind: str
    base_url: str | None = None
    api_key: SecretStr | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: Timeout = field(default_factory=Timeout)
    proxy: str | Literal[False] | None = None
    verify: bool | str = True
    client_cert: ClientCertificate | None = None
    unix_socket: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    credential: Source | None = None

    def __post_init__(self) -> None:
        if self.api_key is not None and self.credential is not None:
            raise ValueError("a provider has either an api_key or a credential")
        if isinstance(self.api_key, str):
            from pydantic import SecretStr  # here, so that importing providers stays light

            object.__setattr__(self, "api_key", SecretStr(self.api_key))

    @property
    def secret(self) -> str | None:
        """The key in the clear, for the Authorization header only."""
        if self.api_key is None or isinstance(self.api_key, str):
            return self.api_key
        return self.api_key.get_secret_value()

    def __repr__(self) -> str:
        """Without what may be secret: the key, headers, options, and the user and query of URLs."""
        where = "" if self.base_url is None else f", base_url={hidden_url(self.base_url)!r}"
        return f"ProviderSettings(name={self.name!r}, kind={self.kind!r}{where})"


def hidden_url(url: str) -> str:
    """The URL as it may be shown: without its user, its password, and the values of its query."""
    rest, mark, query = url.partition("?")
    scheme, slashes, place = rest.partition("://")
    authority, slash, path = place.partition("/")
    _, at, host = authority.rpartition("@")
    names = "&".join(f"{pair.partition('=')[0]}=***" if "=" in pair else "***" for pair in query.split("&"))
    shown = f"{scheme}{slashes}{'***@' if at else ''}{host}{slash}{path}"
    return f"{shown}?{names}" if mark else shown

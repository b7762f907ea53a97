"""Access tokens of Google Cloud, for Vertex AI: by google-auth, the extra `google`.

Application Default Credentials: https://cloud.google.com/docs/authentication/application-default-credentials;
the scope: https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/auth-and-credentials.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from providers import forks
from providers.credentials.blocking import OneThread
from providers.sources import Issued, NoCredential, lifetime_of

MODULES = "google.auth", "requests"
MOST = 64 * 1024  # bytes of a file
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True, kw_only=True)
class GoogleSource:
    """A bearer token for Google's models, by Application Default Credentials or a file.

    Args:
        file: of a service account or a user, as JSON; None looks where Google's tools do.
        scope: what the token is for.
    """

    file: str | None = None
    scope: str = SCOPE
    _thread: OneThread = field(default_factory=OneThread, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        return "google"

    @property
    def shape(self) -> str:
        return repr(("google", self.file, self.scope))

    async def fetch(self) -> Issued:
        return await self._thread.do(self._fetch)

    def _fetch(self) -> Issued:
        with forks.whole:
            import google.auth
            import google.oauth2.credentials
            import google.oauth2.service_account
            import requests
            from google.auth.transport.requests import Request
        credentials: Any  # google-auth has a class of its own for each kind of file
        if self.file is None:
            credentials, _ = google.auth.default(scopes=[self.scope])
        else:
            told = _read(self.file)
            make: Any = google.oauth2.service_account.Credentials.from_service_account_info
            if told["type"] == "authorized_user":
                make = google.oauth2.credentials.Credentials.from_authorized_user_info
            credentials = make(told, scopes=[self.scope])
        with requests.Session() as session:
            credentials.refresh(Request(session=session))
        expiry: datetime | None = credentials.expiry  # of UTC, though it does not say so
        return Issued(token=credentials.token or "", lifetime=lifetime_of(expiry), bearer=True)


def _read(path: str) -> dict[str, Any]:
    """A file of a kind that can be taken as it is: others may tell google-auth to run programs or ask any address."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            told = msgspec.json.decode(file.read(MOST))
    except OSError as error:
        raise NoCredential(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise NoCredential(f"{path} is no JSON") from None
    kind = told.get("type") if isinstance(told, dict) else None
    if kind not in ("service_account", "authorized_user"):
        raise NoCredential(
            f"{path} is of no service account or user (type {kind!r}): "
            "name it in GOOGLE_APPLICATION_CREDENTIALS, and write {google: default}"
        )
    return dict(told)

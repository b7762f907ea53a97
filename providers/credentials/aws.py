"""Signature Version 4 for Amazon Bedrock: credentials and signer of botocore, the extra `aws`.

The protocol: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Bedrock's
endpoints, both of which take SigV4 in place of a Bedrock API key:
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html; the name to sign for is `bedrock` at
bedrock-runtime and `bedrock-mantle` at bedrock-mantle, as in the official SDKs of OpenAI and Anthropic.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from providers import forks
from providers.credentials.blocking import OneThread
from providers.sources import Issued, NoCredential, lifetime_of

MODULES = ("botocore",)
_HOST = re.compile(r"bedrock-(?P<which>[a-z]+)(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)")
_SKEW = 60.0  # seconds by which clocks may differ; AWS takes signatures of the last 5 minutes


@dataclass(frozen=True, kw_only=True)
class AwsSource:
    """Signs each request with the credentials that AWS's own tools would use: variables of the environment, a profile,
    a container's or an instance's role, a login of IAM Identity Center.

    Args:
        profile: of AWS's configuration files.
        region: None takes that of the address, else AWS_REGION, else the profile's.
        service: the name that is signed for; None takes that of the address.
        url: the address that is called.
    """

    profile: str | None = None
    region: str | None = None
    service: str | None = None
    url: str = field(default="", repr=False)  # which may hold a password
    clock: Clock = field(default_factory=lambda: Clock(), init=False, repr=False, compare=False)
    _thread: OneThread = field(default_factory=OneThread, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        return "aws" if self.profile is None else f"aws profile {self.profile}"

    @property
    def shape(self) -> str:
        return repr(("aws", self.profile, self.region, self.service))

    async def fetch(self) -> Issued:
        return await self._thread.do(self._fetch)

    def _fetch(self) -> Issued:
        with forks.whole:
            import botocore.auth
            import botocore.awsrequest
            import botocore.session
        # A new session each time: what another process has renewed meanwhile is read again.
        session: Any = botocore.session.Session(profile=self.profile)
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredential("botocore finds none: no variables, profile, or role of this machine or container")
        host = _HOST.fullmatch(urlsplit(self.url).hostname or "")
        region = self.region or (host and host["region"]) or session.get_config_variable("region")
        if not region:
            raise NoCredential("no region is known: add region to aws, or set AWS_REGION")
        service = self.service or ("bedrock-mantle" if host and host["which"] == "mantle" else "bedrock")
        keys = credentials.get_frozen_credentials()
        expires = getattr(credentials, "_expiry_time", None)  # that of a role; botocore tells it nowhere else
        return Issued(
            token=keys.token or "",
            lifetime=lifetime_of(expires),
            signer=Signature(keys, service, region, self.clock),
            secrets=(keys.secret_key,),
        )


class Clock:
    """The machine's, as far as AWS agrees with it."""

    def __init__(self) -> None:
        self.ahead = 0.0  # seconds by which AWS's clock is

    def corrects(self, vendors_time: float) -> bool:
        """Follow the vendor's clock from now on, where it differs."""
        ahead = vendors_time - time.time()
        if abs(ahead - self.ahead) < _SKEW:
            return False
        self.ahead = ahead
        return True


class Signature:
    """Signs with one set of keys: the host, the content type, and what AWS needs; what proxies may change is left out.

    Args:
        keys: botocore's frozen credentials.
        clock: by which a signature is dated.
    """

    def __init__(self, keys: Any, service: str, region: str, clock: Clock) -> None:
        self._clock = clock
        self._signer = _signer(keys, service, region, clock)
        self.corrects = clock.corrects

    def __call__(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        from botocore.awsrequest import AWSRequest

        headers = {} if body is None else {"content-type": "application/json"}
        request = AWSRequest(method=method, url=url, data=body or b"", headers=headers)
        self._signer.add_auth(request)
        return {name.lower(): str(value) for name, value in request.headers.items()}

    def __repr__(self) -> str:
        return "<Signature>"


def _signer(keys: Any, service: str, region: str, clock: Clock) -> Any:
    from botocore.auth import SigV4Auth

    class ByClock(SigV4Auth):  # type: ignore[misc]  # botocore has no types
        """botocore's, dated by a clock that may be corrected; and without its log, which would hold session tokens."""

        def add_auth(self, request: Any) -> None:
            now = time.gmtime(time.time() + clock.ahead)
            request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", now)
            self._modify_request_before_signing(request)
            to_sign = self.string_to_sign(request, self.canonical_request(request))
            self._inject_signature_to_request(request, self.signature(to_sign, request))

    return ByClock(keys, service, region)

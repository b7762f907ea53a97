"""Checks AWS's Signature Version 4, as AWS does.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
MOST_SKEW = 300.0  # seconds


class Keys(NamedTuple):
    """What AWS has issued to a caller. A session token belongs to keys that end."""

    access_key: str
    secret_key: str
    session_token: str | None = None


class SignedRequest(NamedTuple):
    """A request as it arrived: `path` and `query` as they were sent, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def refusal(request: SignedRequest, known: Mapping[str, Keys], now: float) -> str:
    """Say what AWS says of a request that it refuses; "" where it is signed well.

    Args:
        known: by access key.
        now: epoch seconds.
    """
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        return "Missing Authentication Token"
    keys = known.get(found["key"])
    if keys is None or request.headers.get("x-amz-security-token") != keys.session_token:
        return "The security token included in the request is invalid."
    stamp = request.headers.get("x-amz-date", "")
    signed = found["headers"].split(";")
    if not {"host", "x-amz-date"} <= set(signed) or any(name not in request.headers for name in signed):
        return "'Host' and 'X-Amz-Date' must be 'SignedHeader's in the AWS Authorization header."
    if not stamp.startswith(found["day"]):
        return "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
    late = now - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if abs(late) > MOST_SKEW:
        return f"Signature {'expired' if late > 0 else 'not yet current'}: {stamp} is too far from the server's time"
    scope = f"{found['day']}/{found['region']}/{found['service']}/aws4_request"
    if not hmac.compare_digest(_signature(request, signed, stamp, scope, keys.secret_key), found["signature"]):
        return "The request signature we calculated does not match the signature you provided."
    return ""


def _signature(request: SignedRequest, signed: list[str], stamp: str, scope: str, secret: str) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed)
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),  # once more: all services but S3 do
            _query(request.query),
            headers,
            ";".join(signed),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    to_sign = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def _query(query: str) -> str:
    pairs = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))

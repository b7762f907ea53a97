"""The simulator's check of signatures against AWS's own examples of them.

The test suite of Signature Version 4 (aws-sig-v4-test-suite), and the example of AWS's documentation for IAM.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers.simulator.sigv4 import MOST_SKEW, Keys, SignedRequest, refusal

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
KNOWN = {KEYS.access_key: KEYS}
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
STAMP = "20150830T123600Z"


def signed(
    signature: str, method: str = "GET", path: str = "/", query: str = "", body: bytes = b"", **more: str
) -> SignedRequest:
    service = more.pop("service", "service")
    headers = {"host": more.pop("host", "example.amazonaws.com"), "x-amz-date": STAMP}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    names = ";".join(sorted(headers))
    scope = f"AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    return SignedRequest(method, path, query, headers, body)


VECTORS = {
    "get-vanilla": signed("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": signed("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "POST"),
    "get-vanilla-query-order-key-case": signed(
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", query="Param2=value2&Param1=value1"
    ),
    "get-unreserved": signed(
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        path="/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    ),
    "post-x-www-form-urlencoded": signed(
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        "POST",
        body=b"Param1=value1",
        content_type="application/x-www-form-urlencoded",
    ),
    "the documentation's": signed(
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        query="Action=ListUsers&Version=2010-05-08",
        service="iam",
        host="iam.amazonaws.com",
        content_type="application/x-www-form-urlencoded; charset=utf-8",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_aws_s_own_examples_are_let_in(name: str) -> None:
    assert refusal(VECTORS[name], KNOWN, AT) == ""


def test_whatever_is_changed_is_refused() -> None:
    good = VECTORS["post-x-www-form-urlencoded"]
    changed = (
        good._replace(method="PUT"),
        good._replace(path="/x"),
        good._replace(query="a=1"),
        good._replace(body=b"Param1=value2"),
        good._replace(headers={**good.headers, "host": "other.example"}),
        good._replace(headers={**good.headers, "x-amz-security-token": "one"}),
    )
    assert all(refusal(each, KNOWN, AT) for each in changed)
    assert "invalid" in refusal(good, {}, AT)
    assert "expired" in refusal(good, KNOWN, AT + MOST_SKEW + 1)
    assert "not yet" in refusal(good, KNOWN, AT - MOST_SKEW - 1)
    assert "Missing" in refusal(good._replace(headers={}), KNOWN, AT)

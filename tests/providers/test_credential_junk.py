"""What programs write in place of a token is sent to nobody, and what they complain of shows no secret."""

from __future__ import annotations

import json
import sys
import time

import pytest

from providers.credentials.command import CommandSource, issued_of
from providers.sources import NoCredential, lifetime_of


@pytest.mark.parametrize(
    "text",
    [
        *("null", "None", "nil", "undefined", "NaN", "false", "null\nabc"),
        *("<html>", "<!DOCTYPE html>", "[]", '["abc"]', '[{"token":"abc"}]', "[abc]", '"abc', '{"token": "a"} {}'),
    ],
)
def test_junk_is_no_token(text: str) -> None:
    with pytest.raises(NoCredential) as raised:
        issued_of(text, 60.0)
    assert "abc" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "token"),
    [("abc", "abc"), ('"abc"', "abc"), ("abc\r\nexpires soon", "abc"), ("nullable", "nullable"), ("=abc==", "=abc==")],
)
def test_tokens_are_read(text: str, token: str) -> None:
    assert issued_of(text, None).token == token


async def test_a_byte_order_mark_is_no_part_of_it() -> None:
    program = "import sys; sys.stdout.buffer.write(b'\\xef\\xbb\\xbfabc\\r\\n')"
    assert (await CommandSource((sys.executable, "-c", program)).fetch()).token == "abc"


def test_a_moment_may_be_in_milliseconds() -> None:
    now = time.time()
    assert lifetime_of((now + 60) * 1000, now) == pytest.approx(60)
    assert lifetime_of(str(int(now + 60) * 1000), now) == pytest.approx(60, abs=1)
    assert lifetime_of(3_600, now) == 3_600
    with pytest.raises(ValueError, match="an expiry is"):
        lifetime_of(1e18, now)


@pytest.mark.parametrize(
    ("complaint", "secret", "kept"),
    [
        ("login failed: password=hunter2", "hunter2", "login failed"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUt+/EMI is wrong", "wJalrXUt", "is wrong"),
        ("bad credential: 'two words'", "two words", "bad credential"),
        ('{"client_secret": "abc-def"}', "abc-def", "client_secret"),
        ("get https://ann:pa55@vault.example/v1: 403", "pa55", "vault.example"),
        ("hvs.CAESIJ0123456789abcdef is expired", "CAESIJ", "is expired"),
        ("ghp_0123456789abcdefghij was revoked", "ghij", "was revoked"),
        ("refresh token 1//0gABCDEFGHIJKLMNOPQRS is not valid", "GHIJ", "is not valid"),
        ("export TOKEN='s.abc", "s.abc", "export"),
        ("x" * 3_000 + " pwd: geheim", "geheim", "x"),
        ("no login at login.example.com for 550e8400-e29b-41d4-a716-446655440000", "\0", "550e8400"),
        ("open /run/secrets/token: no such file", "\0", "/run/secrets/"),
        ("dial tcp 10.0.0.1:8200: connection refused", "\0", "10.0.0.1:8200: connection refused"),
    ],
)
async def test_a_complaint_shows_no_secret(complaint: str, secret: str, kept: str) -> None:
    program = f"import sys; sys.exit({json.dumps(complaint)})"
    with pytest.raises(NoCredential, match="exit status 1: ") as raised:
        await CommandSource((sys.executable, "-c", program)).fetch()
    assert secret not in str(raised.value)
    assert kept in str(raised.value)

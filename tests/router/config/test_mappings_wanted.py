"""Where a mapping is wanted and something else stands, the error shows one of that place."""

from __future__ import annotations

import pytest

from router.config import load_text

CLIENT = '{key: "${SB_KEY}", routes: [chat]}; its key alone, "${SB_KEY}", will do too'


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("serve: {keys: {alice: []}}", CLIENT),
        ("serve: {keys: {alice: [chat]}}", CLIENT),
        ("serve: {keys: {alice: 5}}", CLIENT),
        ("serve: {keys: []}", 'keys: {alice: "${SB_KEY_ALICE}"}'),
        ("serve: {names: []}", 'names: {"claude-*": chat}'),
        ("serve: {anonymous: 5}", "anonymous: {routes: [chat]}"),
        ("serve: {tls: []}", "tls: {cert: server.pem, key: server.key}"),
        ('serve: {keys: {alice: {key: "01234567890123456789", tags: []}}}', "tags: {tier: free}"),
        ("cache: []", "cache: {path: /var/cache/signalbox}"),
        ("defaults: {cache: []}", "cache: {ttl: 1h}"),
        ("defaults: {timeout: []}", "timeout: {total: 30s}"),
        ("defaults: {accept: []}", "accept: {not_empty: true}"),
    ],
)
def test_the_error_shows_one(text: str, like: str) -> None:
    found = load_text(f"providers: {{a: {{kind: fake}}}}\nroutes: {{chat: a/m}}\n{text}\n", env={}).diagnostics
    messages = [each.message for each in found if each.severity == "error"]
    assert len(messages) == 1
    assert messages[0].startswith("this must be a mapping ")
    assert messages[0].endswith(f", such as {like}")

"""The first line about a wrong value says what may stand there, in the file's own words."""

from __future__ import annotations

import pytest

from router.config import load_text

PROVIDER = "providers:\n  a: {{kind: openai, api_key: k-1234567890{}}}\n"
ROUTE = "routes:\n  chat: {{targets: [a/m, a/n]{}}}\n"


def told(provider: str = "", route: str = "") -> str:
    """What is said of a file with these keys beside the usual ones."""
    result = load_text(PROVIDER.format(provider) + ROUTE.format(route), env={})
    return "\n".join(f"{found.severity}: {found.message}" for found in result.diagnostics)


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (", timeout: {read: 30s}", "write answer: 30s, idle: 30s"),
        (", timeout: {whole: 30s}", "keys: connect, first_token, idle, answer, total"),
        (", timeout: true", "a mapping with some of connect, first_token, idle, answer, total"),
        (", hedge: {after: p99}", "of percentiles there is p95 alone"),
        (
            ", fallbacks: [{to: a/o, on: [500]}]",
            "the name of an error code, not a status: write server_error for 500; codes: any, invalid_request",
        ),
        (", retry: {budget: 0.2}", "write 20% or 0.2%"),
        (", region: eu", "write require: {region: eu}"),
        (", labels: {region: eu}", "write require: {region: eu}"),
    ],
)
def test_a_wrong_key_of_a_route(route: str, words: str) -> None:
    assert words in told(route=route)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (", region: eu", "write labels: {region: eu}"),
        (", tags: [eu]", "write labels: {region: eu}"),
        (", require: {region: eu}", "it belongs to"),
        (', proxy: "socks5://localhost:1080"', "SOCKS proxies are not supported"),
        (', proxy: "proxy:3128"', "such as http://localhost:3128, or off"),
        (", client_cert: true", "a mapping with some of cert"),
        (", limits: {rpm: 60}", "write requests: 60/min"),
        (", limits: {calls: 60}", "keys: requests, tokens, in_flight"),
    ],
)
def test_a_wrong_key_of_a_provider(provider: str, words: str) -> None:
    assert words in told(provider=provider)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("temperature: hot", "this must be a number"),
        ("thinking: much", 'this must be "off", "minimal", "low", "medium", "high", "xhigh", "max" or a whole number'),
        ("stop: 3", "this must be a list of texts"),
        ("extra_headers: {a: 1}", "this must be a mapping of texts"),
        ("response_format: 1", "this must be text or a mapping"),
        ("parallel_tool_calls: 1", "this must be true or false"),
    ],
)
def test_params_are_told_without_words_of_python(params: str, words: str) -> None:
    model = f"{{provider: a, id: m, params: {{{params}}}}}"
    text = f"providers: {{a: {{kind: fake}}}}\nmodels: {{m: {model}}}\nroutes: {{c: m}}\n"
    assert [found.message for found in load_text(text, env={}).diagnostics] == [words]


def test_rates_of_one_period_that_have_no_effect_are_told() -> None:
    words = "warning: 100/min has no effect beside 60/min: of one period the smallest holds"
    assert told(", limits: {requests: [100/min, 60/min]}") == words
    assert "200k/min has no effect" in told(", limits: {tokens: [200k/min, 200k/min]}")
    assert told(", limits: {requests: [60/min, 1000/d]}") == ""


def test_a_fallback_ttl_beyond_ttl_is_told() -> None:
    words = "warning: fallback_ttl (2h) is longer than ttl (1h), which ends every answer before"
    assert told(route=", cache: {ttl: 1h, fallback_ttl: 2h}") == words
    assert told(route=", cache: {ttl: 1m}") == ""


def test_the_monitor_takes_words() -> None:
    text = "providers: {a: {kind: fake}}\nroutes: {c: a/m}\ntelemetry: {monitor: false}\n"
    assert load_text(text, env={}).diagnostics[0].message == "this must be auto, off, or the path of a socket"

"""What somebody writes who has never seen the language is answered with what to write in that very section."""

from __future__ import annotations

import pytest

from router.config import load_text

FILE = """
providers: {{a: {{kind: openai, api_key: k-1234567890{provider}}}}}
routes: {{chat: {{targets: [a/m]{route}}}}}
{top}
"""


def told(*, provider: str = "", route: str = "", top: str = "") -> list[str]:
    """The errors of a file with these keys beside the usual ones."""
    text = FILE.format(provider=provider, route=route, top=top)
    return [found.message for found in load_text(text, env={}).diagnostics if found.severity == "error"]


@pytest.mark.parametrize(
    ("where", "text", "words"),
    [
        ("top", "alerts: [{on: held, url: http://h/}]", 'write to: "${ALERT_URL}"'),
        ("top", "alerts: [{event: held, to: http://h/}]", "write on: breaker_open"),
        ("top", "alerts: [{on: error_rate, threshold: 5, to: http://h/}]", "write above: 5%"),
        ("top", "alerts: {on: held}", "this must be a list, such as alerts: [{on: breaker_open"),
        ("top", "telemetry: {log: {folder: logs}}", "write path: "),
        ("provider", ", health: {interval: 5}", "write every: 5s"),
        ("provider", ", health: {url: http://h/health}", "write path: /health"),
        ("provider", ", health: /health", "write health: {path: /health}"),
        ("route", ", shadow: {target: a/n}", "write to: PROVIDER/MODEL"),
        ("route", ", shadow: {to: a/n, percent: 5}", "write share: 5%"),
        ("route", ", budget: {daily: 5}", "write usd: 5/d"),
        ("route", ", budget: {usd: 5/d, per: user}", "write by: user"),
        ("route", ", budget: {limit: $5}", "write usd: 5/d"),
        ("route", ", budget: {usd: 5/d, per: day}", "a period stands in usd: 20/d"),
        ("route", ", budget: {usd: 5/d, period: day}", "write it in usd, as usd: 20/d"),
        ("route", ", when: {tags: {tier: free}, to: a/n}", "it belongs under if, as if: {tags: …}"),
        ("route", ", when: [{if: {days: weekdays}, to: a/n}]", "weekdays is written mon-fri here"),
    ],
)
def test_the_word_of_this_section_is_told(where: str, text: str, words: str) -> None:
    """And nothing else: what is missing beside it is what was meant."""
    messages = told(**{where: text})
    assert [words in message for message in messages] == [True], messages


@pytest.mark.parametrize(("number", "share"), [("5", "5%"), ("0.5", "50%")])
def test_a_bare_number_is_a_percentage_or_a_time(number: str, share: str) -> None:
    (message,) = told(top=f"alerts: [{{on: error_rate, above: {number}, to: http://h/}}]")
    assert message.endswith(f"write {share} or {number}s")


def test_what_is_missing_is_shown() -> None:
    text = "providers: {a: {base_url: http://h/}}\nroutes: {chat: a/m}\n"
    (found,) = load_text(text, env={}).diagnostics
    assert found.message == '"kind" is missing: write kind: openai (or anthropic, ollama)'


@pytest.mark.parametrize("days", ["Mon-Fri", "Monday-Friday", "[MON, tuesday]"])
def test_days_are_named_with_large_letters_too(days: str) -> None:
    assert told(route=f", when: [{{if: {{days: {days}}}, to: a/n}}]") == []


def test_a_version_in_quotes() -> None:
    (message,) = told(top='version: "1"')
    assert message.endswith("reads version 1, as version: 1, without quotes")


def test_a_kind_in_large_letters_is_meant() -> None:
    text = "providers: {a: {kind: OpenAI, api_key: k-1234567890}}\nroutes: {chat: a/m}\n"
    (found,) = load_text(text, env={}).diagnostics
    assert '"OpenAI" (did you mean "openai"?); known kinds' in found.message

"""A file whose three providers are the simulator's vendors."""

from __future__ import annotations

import asyncio

import pytest

from providers.simulator import Simulator

VENDORS = ("openai", "anthropic", "ollama")
KEY = "sk-very-secret-0123456789abcdef"

ROUTES = """
providers:
  openai:    {{kind: openai,    base_url: "{openai}",    api_key: "{key}"}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}", api_key: "{key}"}}
  ollama:    {{kind: ollama,    base_url: "{ollama}"}}
defaults:
  timeout: {{connect: 60s, first_token: {first_token}, answer: {first_token}, idle: 60s, total: 120s}}
  retry: {{backoff: 1ms, max_backoff: 1ms}}
models:
  luna:  {{provider: openai, id: gpt-4o}}
  haiku: {{provider: anthropic, id: claude-haiku-4-5}}
  qwen:  {{provider: ollama, id: "qwen3:4b"}}
routes:
  openai-first:    {{targets: [luna],  fallbacks: [haiku, qwen]}}
  anthropic-first: {{targets: [haiku], fallbacks: [qwen, luna]}}
  ollama-first:    {{targets: [qwen],  fallbacks: [luna, haiku]}}
"""


def routes(simulator: Simulator, *, first_token: str = "60s") -> str:
    """A routes.yaml over the simulator."""
    urls = {name: simulator.base_url(name) for name in VENDORS}
    return ROUTES.format(**urls, key=KEY, first_token=first_token)


def held_answers(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Have the simulator begin its answers, and go on with them once this is set."""
    goes_on = asyncio.Event()
    monkeypatch.setattr("providers.simulator.exchange.Exchange._wait", lambda exchange, seconds: goes_on.wait())
    return goes_on

"""Windows and prices: as the data package says, the file's own values first, and unknown stays unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from providers import registry
from providers.catalog import NOTHING, lookup, source
from providers.settings import ProviderSettings
from providers.types import Usage
from router import Router
from router.plan.pricing import cost

APIS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "groq": "https://api.groq.com/openai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com",
    "x-ai": "https://api.x.ai/v1",
    "azure": "https://res.openai.azure.com/openai/v1",
}
NOON = datetime.now(UTC).replace(hour=12)  # night prices are left out
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-6-luna"),
    ("openai", "gpt-5.4"),
    ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("groq", "llama-3.3-70b-versatile"),
    ("openrouter", "anthropic/claude-haiku-4.5"),
    ("google", "gemini-2.5-pro"),
    ("mistral", "mistral-large-latest"),
    ("deepseek", "deepseek-chat"),
    ("x-ai", "grok-4"),
    ("azure", "gpt-4o"),
]


@pytest.mark.parametrize("prompt", [1_000, 190_000, 500_000])
@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_costs_are_those_of_the_package(provider: str, model: str, prompt: int) -> None:
    """To a millionth of a dollar, cached tokens and the higher prices of long prompts included."""
    usage = Usage(input_tokens=prompt, output_tokens=700, cache_read_tokens=300)
    price = lookup(APIS[provider], model).price
    theirs = calc_price(
        TheirUsage(input_tokens=prompt, output_tokens=700, cache_read_tokens=300),
        model,
        provider_api_url=APIS[provider],
        genai_request_timestamp=NOON,
    )
    assert Decimal(repr(cost(price, usage))) == pytest.approx(theirs.total_price, abs=Decimal("0.000001"))


def test_windows_are_those_of_the_package() -> None:
    """Where it has one."""
    assert lookup(APIS["openai"], "gpt-4o").context_window == 128_000
    assert lookup(APIS["anthropic"], "claude-opus-5-5").context_window == 1_000_000
    assert "genai-prices" in source()


@pytest.mark.parametrize(("url", "model"), [("http://127.0.0.1:8000/v1", "gpt-4o"), (APIS["openai"], "no-such-model")])
def test_the_unknown_stays_unknown(url: str, model: str) -> None:
    """A server nobody knows may charge anything for any model; neither price nor window is guessed."""
    assert lookup(url, model) == NOTHING


def made(kind: str, **fields: Any) -> Any:
    return registry.create(ProviderSettings(name="p", kind=kind, **fields))


def test_capabilities_of_providers() -> None:
    """The catalog's numbers with the rules of the vendor's model tables."""
    openai = made("openai").capabilities("gpt-4o")
    assert (openai.vision, openai.json_schema, openai.thinking, openai.context_window) == (True, True, False, 128_000)
    assert made("openai").capabilities("gpt-3.5-turbo").vision is False
    claude = made("anthropic").capabilities("claude-opus-5-5")
    assert (claude.thinking, claude.json_schema, claude.max_output_tokens) == (True, True, 128_000)
    assert claude.price is not None
    elsewhere = made("openai", base_url="http://127.0.0.1:8000/v1").capabilities("gpt-4o")
    assert (elsewhere.vision, elsewhere.price, elsewhere.context_window) == (None, None, None)


def test_the_files_own_values_come_first() -> None:
    """And what it does not say is filled in."""
    router = Router.from_text(
        """\
providers: {a: {kind: openai}}
models:
  mine: {provider: a, id: gpt-4o, context_window: 9k, price: {input: 1, output: 2}, capabilities: {vision: false}}
routes: {chat: mine, plain: a/gpt-4o}
""",
        env={},
    )
    mine, plain = router.capabilities("chat"), router.capabilities("plain")
    assert mine.price is not None
    assert plain.price is not None
    assert (mine.context_window, mine.vision, mine.price.input, mine.tools) == (9_000, False, 1, True)
    assert (plain.context_window, plain.vision, plain.price.input) == (128_000, True, 2.5)

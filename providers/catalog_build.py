"""Makes `catalog.json` from the data of the genai-prices package: `python -m providers.catalog_build`.

The snapshot is kept in the repository, because importing the package costs 0.2 s and 20 MB, and its look-ups are made
for billing, not for a request's path. Its data is MIT-licensed (Pydantic Services Inc.).
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

CATALOG = Path(__file__).with_name("catalog.json")
_NAMES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
# Some vendors are cheaper at night (DeepSeek from 16:30 UTC). What a request costs at most is its price at noon.
_AT = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
_CLAUSES = ("equals", "starts_with", "ends_with", "contains", "regex")


def build() -> dict[str, Any]:
    """The catalog: providers with their models' matches, windows and prices in USD per million tokens."""
    from genai_prices.data_snapshot import get_snapshot

    return {
        "source": f"genai-prices {version('genai-prices')} (MIT)",
        "providers": [_provider(provider) for provider in get_snapshot().providers if provider.models],
    }


def _provider(provider: Any) -> dict[str, Any]:
    return {
        "id": provider.id,
        "api": provider.api_pattern,
        "also": list(provider.fallback_model_providers or ()),
        "models": [_model(model) for model in provider.models],
    }


def _model(model: Any) -> list[Any]:
    prices = model.get_prices(_AT)
    base: list[float | None] = []
    tiers: dict[int, dict[str, float]] = {}
    for name in _NAMES:
        price = getattr(prices, name, None)
        for tier in getattr(price, "tiers", ()):
            tiers.setdefault(tier.start, {})[name] = float(tier.price)
        price = getattr(price, "base", price)
        base.append(None if price is None else float(price))
    above = [[start, *(found.get(name) for name in _NAMES)] for start, found in sorted(tiers.items())]
    return [_match(model.match), model.context_window, base, above]


def _match(clause: Any) -> Any:
    for word in ("or_", "and_"):
        inner = getattr(clause, word, None)
        if inner is not None:
            return {word.rstrip("_"): [_match(each) for each in inner]}
    return next({word: getattr(clause, word)} for word in _CLAUSES if getattr(clause, word, None) is not None)


def main() -> None:
    text = json.dumps(build(), separators=(",", ":"), ensure_ascii=False)
    CATALOG.write_text(text.replace('{"id":', '\n{"id":').replace(',[{"', ',\n[{"') + "\n")
    sys.stdout.write(f"{CATALOG}: {CATALOG.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()

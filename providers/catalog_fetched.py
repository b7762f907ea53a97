"""Prices that were fetched: `signalbox prices fetch` writes them, and `catalog` looks at them first.

They come from the data that genai-prices publishes (Pydantic Services Inc., MIT-licensed): a list of providers with
their models, which is brought into the form of `catalog.json`.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from providers.lenient_json import as_dict, as_list

URL = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json"
_NAMES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
_WORDS = frozenset({"equals", "starts_with", "ends_with", "contains", "regex", "or", "and"})
_NOON = "12:00"  # what a request costs at most: some vendors are cheaper at night


def path() -> Path:
    """The file that has them: in `SIGNALBOX_DATA_DIR`, else in the user's data folder of the system."""
    configured = os.environ.get("SIGNALBOX_DATA_DIR")
    if configured:
        return Path(configured) / "prices.json"
    from platformdirs import user_data_path  # here: most processes look no price up

    return user_data_path("signalbox") / "prices.json"


def read() -> dict[str, Any] | None:
    """What was fetched; None where nothing was, or it can't be read."""
    try:
        found = msgspec.json.decode(path().read_bytes())
        return found if found["date"] and found["providers"] else None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def catalog_of(published: bytes, now: datetime | None = None) -> dict[str, Any]:
    """The catalog that was published, with today's prices and date.

    Raises:
        ValueError: it is no list of providers with prices.
    """
    now = now or datetime.now(UTC)
    date = now.date().isoformat()
    try:
        found = [_provider(as_dict(each), date) for each in as_list(msgspec.json.decode(published))]
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, re.error) as error:
        raise ValueError("it is no catalog of prices") from error
    providers = [each for each in found if each["models"]]
    if not providers:
        raise ValueError("it is no catalog of prices")
    return {"source": "genai-prices (MIT)", "date": date, "providers": providers}


def _provider(provider: dict[str, Any], date: str) -> dict[str, Any]:
    re.compile(str(provider["api_pattern"]))
    models = (_model(as_dict(model), date) for model in as_list(provider.get("models")))
    return {
        "id": str(provider["id"]),
        "api": str(provider["api_pattern"]),
        "also": [str(name) for name in as_list(provider.get("fallback_model_providers"))],
        "models": [model for model in models if model is not None],
    }


def _model(model: dict[str, Any], date: str) -> list[Any] | None:
    """Match, window, price and steps of a model; None for one that is matched in a way that is not known here."""
    match = as_dict(model.get("match"))
    if not _is_known(match):
        return None
    prices = _today(model.get("prices"), date)
    base: list[float | None] = []
    steps: dict[int, dict[str, float]] = {}
    for name in _NAMES:
        price = prices.get(name)
        for tier in as_list(as_dict(price).get("tiers")):
            steps.setdefault(int(tier["start"]), {})[name] = _usd(tier["price"])
        price = price["base"] if isinstance(price, dict) else price
        base.append(None if price is None else _usd(price))
    above = [[start, *(found.get(name) for name in _NAMES)] for start, found in sorted(steps.items())]
    window = model.get("context_window")
    return [match, window if isinstance(window, int) else None, base, above]


def _usd(price: Any) -> float:
    if isinstance(price, bool) or not isinstance(price, int | float) or price < 0:
        raise ValueError("a price is a number of at least 0")
    return float(price)


def _is_known(match: dict[str, Any]) -> bool:
    if len(match) != 1 or not _WORDS.issuperset(match):
        return False
    (inner,) = match.values()
    if "regex" in match:
        re.compile(str(inner))
    return isinstance(inner, str) or all(_is_known(as_dict(each)) for each in as_list(inner))


def _today(prices: Any, date: str) -> dict[str, Any]:
    """The prices that hold: of several, the last whose constraint is met."""
    if isinstance(prices, dict):
        return prices
    held = [as_dict(each) for each in as_list(prices) if _holds(as_dict(as_dict(each).get("constraint")), date)]
    return as_dict(held[-1].get("prices")) if held else {}


def _holds(constraint: dict[str, Any], date: str) -> bool:
    if "start_date" in constraint:
        return str(constraint["start_date"]) <= date
    if "start_time" in constraint and "end_time" in constraint:
        start, end = str(constraint["start_time"]), str(constraint["end_time"])
        return start <= _NOON < end if start <= end else not end <= _NOON < start
    return not constraint

"""Context windows and prices of known models, from a snapshot of the genai-prices data (see `catalog_build`).

Look-ups follow that package: the provider by its API's URL, then the model by the provider's own rules, then by those
of the providers whose models it also serves. What is not found is unknown. What was fetched (`catalog_fetched`) stands
before the snapshot; a process reads both when it looks something up for the first time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from providers import catalog_fetched
from providers.types import ModelCapabilities, Price

_COMPACT_DATE = re.compile(r"(20\d\d)(\d\d)(\d\d)$")
_CATALOG = Path(__file__).with_name("catalog.json")


class Entry(NamedTuple):
    """What is known of a model: tokens that fit, and what they cost."""

    context_window: int | None
    price: Price | None


class _Provider(msgspec.Struct):
    """One in the snapshot. Its models stay JSON until one of them is asked for: all of them would take 2 MB.

    `newer` are those that were fetched: match, window, price and steps of each, as in the JSON.
    """

    id: str
    api: str
    also: list[str]
    models: msgspec.Raw
    newer: list[Any] = []


class _Catalog(msgspec.Struct):
    source: str
    providers: list[_Provider]


NOTHING = Entry(None, None)


def lookup(base_url: str, model: str) -> Entry:
    """What is known of a model at an API, both names as a request uses them."""
    return _lookup(_provider_at(base_url), model.lower())


def known(base_url: str, model: str, rules: ModelCapabilities) -> ModelCapabilities:
    """A provider's own rules for a model, completed by the catalog, whose windows and prices come first."""
    entry = lookup(base_url, model)
    return msgspec.structs.replace(
        rules,
        context_window=entry.context_window or rules.context_window,
        price=entry.price or rules.price,
    )


def named(vendor: str, model: str) -> Entry:
    """What is known of a model by its vendor's name in the catalog, such as `openai`."""
    return _lookup(vendor, model.lower()) if vendor in _providers() else NOTHING


def vendors() -> list[str]:
    """The names of the vendors whose models are known."""
    return sorted(_providers())


def source() -> str:
    """Where the data comes from, with its version."""
    return _load().source


def fetched_on() -> str | None:
    """The day on which the prices were fetched, such as 2026-11-27; None where only those that came along are known."""
    fetched = _fetched()
    return None if fetched is None else str(fetched["date"])


def described() -> str:
    """Where the data comes from and from when it is, for people."""
    day = fetched_on()
    return f"{source()}, as installed" if day is None else f"{source()}, fetched on {day}"


def read_anew() -> None:
    """Forget what was read, after it has changed."""
    for cached in (_fetched, _providers, _models, _provider_at, _lookup):
        cached.cache_clear()


@functools.cache
def _load() -> _Catalog:
    return msgspec.json.decode(_CATALOG.read_bytes(), type=_Catalog)


@functools.cache
def _fetched() -> dict[str, Any] | None:
    return catalog_fetched.read()


@functools.cache
def _providers() -> dict[str, _Provider]:
    """By id. Of a provider that is in both, what was fetched is looked at first."""
    found = {each.id: each for each in _load().providers}
    for each in (_fetched() or {"providers": ()})["providers"]:
        older = found.get(each["id"])
        models = msgspec.Raw(b"[]") if older is None else older.models
        found[each["id"]] = _Provider(each["id"], each["api"], each["also"], models, each["models"])
    return found


@functools.cache
def _models(provider: str) -> list[Any]:
    """Match, window, price and steps of each model."""
    found = _providers().get(provider)
    return [] if found is None else [*found.newer, *msgspec.json.decode(found.models)]


@functools.lru_cache(maxsize=256)
def _provider_at(base_url: str) -> str | None:
    return next(
        (
            name
            for name, each in _providers().items()
            if base_url.startswith(_beginning(each.api)) and re.match(each.api, base_url)
        ),
        None,
    )


def _beginning(pattern: str) -> str:
    """The plain text that a pattern begins with, none where that is not plain to see: comparing it saves most patterns
    from being compiled, which takes as long as a call.
    """
    if re.search(r"\|(?![^(]*\))", pattern):  # an alternative that is in no group
        return ""
    found = re.match(r"(?:\\[./-]|[\w/:-])*(?![?*{])", pattern)
    return "" if found is None else found[0].replace("\\", "")


@functools.lru_cache(maxsize=4096)
def _lookup(provider: str | None, model: str) -> Entry:
    if provider is None:
        return NOTHING
    also = _providers()[provider].also
    # Gateways also write dates without dashes: gpt-5.2-20251211.
    dashed = _COMPACT_DATE.sub(r"\1-\2-\3", model)
    for written in dict.fromkeys((model, dashed)):
        for name in (provider, *also):
            for match, window, base, above in _models(name):
                if _matches(match, written):
                    return Entry(window, _price(base, above))
    return NOTHING


def _price(base: list[float | None], above: list[list[Any]]) -> Price | None:
    if all(value is None for value in base):
        return None
    steps = []  # what a step does not name stays as it was
    for start, *values in above:
        steps.append((start, _flat([was if new is None else new for was, new in zip(base, values, strict=True)])))
    return msgspec.structs.replace(_flat(base), above=tuple(steps))


def _flat(values: list[float | None]) -> Price:
    given, made, read, write, *hour = values
    return Price(given, made, read, write, cache_write_1h=hour[0] if hour else None)


_TESTS: dict[str, Callable[[Any, str], bool]] = {
    "equals": lambda text, model: model == text,
    "starts_with": lambda text, model: model.startswith(text),
    "ends_with": lambda text, model: model.endswith(text),
    "contains": lambda text, model: text in model,
    "regex": lambda text, model: re.search(text, model) is not None,
    "or": lambda inner, model: any(_matches(each, model) for each in inner),
    "and": lambda inner, model: all(_matches(each, model) for each in inner),
}


def _matches(clause: dict[str, Any], model: str) -> bool:
    ((word, value),) = clause.items()
    return _TESTS[word](value, model)

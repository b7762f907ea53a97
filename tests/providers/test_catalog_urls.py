"""Whose prices an address has: those of the first vendor whose pattern it matches, whatever the pattern begins with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import catalog
from providers.openai.dialects import DIALECTS

PATTERNS = {
    "plain": r"https://plain\.example(?:/|$)",
    "either": r"https://one\.example|https://two\.example(/x|/y)",
    "grouped": r"(https?://)?([^.]*\.)?grouped\.example",
    "optional": r"https?://optional\.example",
    "counted": r"https://counteddd?\.example",
    "any": r"^.*any\.example",
}


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    models = [[{"equals": "m"}, 1, [1.0, 1.0, None, None], []]]
    providers = [{"id": name, "api": api, "also": [], "models": models} for name, api in PATTERNS.items()]
    (tmp_path / "prices.json").write_text(json.dumps({"date": "2026-01-01", "providers": providers}))
    monkeypatch.setenv("SIGNALBOX_DATA_DIR", str(tmp_path))
    catalog.read_anew()
    yield
    monkeypatch.undo()
    catalog.read_anew()


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize(
    "url",
    [
        "https://plain.example/v1",
        "https://one.example",
        "https://two.example/y",
        "grouped.example",
        "https://eu.grouped.example/v1",
        "http://optional.example",
        "https://optional.example",
        "https://countedd.example",
        "https://counteddd.example",
        "https://at.any.example",
    ],
)
def test_every_form_of_a_pattern_is_found(url: str) -> None:
    assert catalog.lookup(url, "m").price is not None


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("url", ["https://plain.exampleX", "https://two.example/z", "https://localhost:8000/v1", ""])
def test_what_matches_none_has_no_price(url: str) -> None:
    assert catalog.lookup(url, "m") is catalog.NOTHING


def test_vendors_are_found_in_the_order_of_the_catalog() -> None:
    path = Path(str(catalog.__file__)).with_name("catalog.json")
    patterns = {each["id"]: each["api"] for each in json.loads(path.read_text())["providers"]}
    urls = [row.base_url for row in DIALECTS.values() if row.base_url]
    found = {url: next((name for name, api in patterns.items() if re.match(api, url)), None) for url in urls}
    assert sum(name is not None for name in found.values()) > 5
    for url, name in found.items():
        for model in ("gpt-5", "llama-3.3-70b-versatile", "deepseek-chat", "mistral-large-latest", "grok-4"):
            expected = catalog.NOTHING if name is None else catalog.named(name, model)
            assert catalog.lookup(url, model) == expected

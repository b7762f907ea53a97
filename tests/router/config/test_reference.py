"""docs/routes-yaml.md and the pages that it names have every key of a policy, with the default that is built in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.policies import BUILT_IN
from router.config.units import duration, percent

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| `(?:(\w+)\.)?(\w+)` \| .+? \| ([^|]+) \|", re.M)


@pytest.mark.parametrize("policy", ["retry", "breaker", "hedge"])
def test_every_key_of_a_policy_has_its_row_and_default(policy: str) -> None:
    rows = {(owner, key): default for owner, key, default in ROW.findall((DOCS / "routes-yaml.md").read_text())}
    assert {key for owner, key in rows if owner == policy} == set(BUILT_IN[policy])
    for key, value in BUILT_IN[policy].items():
        if isinstance(value, str):
            assert rows[policy, key] == f"`{value}`"
        elif value is not None:
            assert number(rows[policy, key]) == pytest.approx(value)


@pytest.mark.parametrize(("policy", "page"), [("timeout", "errors.md"), ("cache", "cache.md")])
def test_policies_with_a_page_of_their_own_are_whole_there(policy: str, page: str) -> None:
    assert set(BUILT_IN[policy]) <= set(re.findall(r"^\| `(\w+)` \|", (DOCS / page).read_text(), re.M))


def number(text: str) -> float:
    """A default of the table as the engine counts it."""
    if text.endswith("%"):
        return percent(text)
    return float(text) if text.isdigit() else duration(text)

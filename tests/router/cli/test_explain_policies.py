"""`signalbox explain` says what else comes of a request: whose budgets it counts for, and who gets a copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli.explain import command

FILE = """
providers: {a: {kind: fake, budget: {usd: 300/month, by: tag.team}}}
models: {m: {provider: a, id: m, price: {input: 1, output: 1}}}
routes:
  chat: {targets: [m], budget: {usd: 2/d, by: user}, shadow: {to: a/n, share: 5%, budget: $1/d}}
  plain: [m]
serve: {keys: {alice: {key: key-of-alice-0123456789, budget: $20/d}}}
"""
ROUTE = "route chat: $2 a day for each user"
PROVIDERS = "provider a: $300 a month for each tag.team"


@pytest.mark.parametrize(
    ("asked", "budgets", "shadow"),
    [
        (["chat"], ["route chat: $2 a day for each user", PROVIDERS], "5% to a/n, for $1 a day"),
        (
            ["chat", "--client", "alice"],
            ["key alice: $20 a day", "route chat: $2 a day for each user", PROVIDERS],
            "5% to",
        ),
        (["plain"], [PROVIDERS], None),
    ],
)
def test_budgets_and_copies_are_told(tmp_path: Path, asked: list[str], budgets: list[str], shadow: str | None) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    text = CliRunner().invoke(command, [*asked, str(path)]).output
    told = json.loads(CliRunner().invoke(command, [*asked, str(path), "--json"]).stdout)
    assert [line.removeprefix("  budget of ") for line in text.splitlines() if "budget of" in line] == budgets
    assert told["budgets"] == budgets
    if shadow is None:
        assert told["shadow"] is None
        assert "shadow" not in text
    else:
        assert told["shadow"].startswith(shadow)
        assert f"  shadow: {shadow}" in text

"""The command knows routes of embeddings and ranks: what is shown, explained, kept and simulated of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from router import Router
from router.cli import group

ROUTES = """\
cache: {path: stored}
providers: {a: {kind: fake}, b: {kind: fake}}
models:
  small: {provider: a, id: emb, embeds: {dimensions: 8}, price: {input: 0.02}}
  twin: {provider: b, id: other, embeds: {same_as: small}}
  ranker: {provider: a, id: r, reranks: true}
routes:
  embed: {embeds: true, targets: [small], fallbacks: [twin], cache: 30d}
  rank: {reranks: true, targets: [ranker]}
"""
SCENARIO = """\
duration: 2m
traffic:
  - {route: embed, rate: 2/s, prompt: 100, answer: 1}
  - {route: rank, rate: 1/s, prompt: 100, answer: 1}
events:
  - {at: 30s, for: 1m, who: a, fault: overloaded}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text(ROUTES)


def run(*args: str, exits: int = 0) -> str:
    done = CliRunner().invoke(group, args)
    assert done.exit_code == exits, done.output
    return done.output


def test_show_says_what_a_route_makes() -> None:
    assert "makes embeddings" in run("show", "embed")
    assert "makes ranks" in run("show", "rank")


def test_explain_knows_who_would_be_asked_what_it_costs_and_what_is_kept() -> None:
    shown = run("explain", "embed", "-p", "hello")
    assert "small" in shown
    assert "twin" in shown
    assert "to $" in shown
    assert "vectors of" in shown
    assert "the answer is not stored" in shown

    async def ask() -> None:
        async with Router.from_yaml("routes.yaml", monitor=False, watch=False) as router:
            await router.embed("embed", ["hello", "there"])

    asyncio.run(ask())
    assert "the answer is stored" in run("explain", "embed", "-p", "hello")
    assert "the answer is stored" in run("cache", "why", "embed", "-p", "there")
    Path("both.json").write_text(json.dumps({"input": ["hello", "new"]}))
    assert "the answer is not stored" in run("explain", "embed", "both.json")
    told = json.loads(run("explain", "rank", "-p", "hello", "--json"))
    assert told["tiers"][0]["offered"][0]["target"] == "ranker"


def test_check_tells_of_a_fallback_into_another_space() -> None:
    Path("routes.yaml").write_text(ROUTES.replace("{same_as: small}", "{dimensions: 8}"))
    shown = run("check")
    assert "routes.yaml:8:55" in shown
    assert "same_as: small under models.twin.embeds" in shown


def test_ask_says_that_it_makes_no_answers() -> None:
    assert "this route makes no answers" in run("ask", "embed", "hello", exits=1)


def test_an_outage_is_simulated() -> None:
    Path("s.yaml").write_text(SCENARIO)
    told = json.loads(run("simulate", "--scenario", "s.yaml", "--json"))
    assert told["routes"]["embed"]["answered"] == told["routes"]["embed"]["requests"]
    assert told["routes"]["embed"]["fallbacks"] > 0

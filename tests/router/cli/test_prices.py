"""Prices kept fresh: fetched when somebody says so, told with their day, and a model priced as another one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from providers import catalog, catalog_fetched
from providers.types import Price
from router.config import load_text
from router.plan.compile import compile_plan
from tests.support.command import signalbox
from tests.support.published_prices import PUBLISHED

GOOD = json.dumps(PUBLISHED, separators=(",", ":")).encode()
NOW = datetime(2026, 11, 27, 3, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("SIGNALBOX_DATA_DIR", str(tmp_path / "data"))
    catalog.read_anew()
    yield tmp_path  # type: ignore[misc]  # a plain fixture
    monkeypatch.undo()
    catalog.read_anew()


@asynccontextmanager
async def serving(answer: bytes, status: int = 200) -> AsyncIterator[str]:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(body=answer, status=status)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/data.json"
    finally:
        await runner.cleanup()


def test_of_several_prices_those_of_today_at_noon_hold() -> None:
    """Not those that are over, to come, or of the night; a model that is matched in an unknown way is left out."""
    found = catalog_fetched.catalog_of(json.dumps(PUBLISHED).encode(), NOW)
    assert found["date"] == "2026-11-27"
    (model,) = found["providers"][0]["models"]
    assert model[1:] == [128_000, [1.0, 4.0, None, None, 3.0], [[1_000, 2.0, None, None, None, None]]]


@pytest.mark.parametrize(
    "published",
    [
        *(b"", b"<html>", b"{}", b"[]", b"[1]", b'[{"id": "a"}]', b'[{"id":"a","api_pattern":"(","models":[]}]'),
        *(GOOD.replace(b'"output_mtok":4', b'"output_mtok":' + odd) for odd in (b'"4"', b"-4", b"true", b"9" * 400)),
        *(GOOD[: len(GOOD) * part // 7] for part in range(1, 7)),
        b"[" * 100_000,
    ],
    ids=lambda text: text[-20:].decode(),
)
def test_what_is_no_list_of_prices_is_refused(published: bytes) -> None:
    with pytest.raises(ValueError, match="no catalog"):
        catalog_fetched.catalog_of(published)


async def test_what_was_fetched_stands_before_what_was_installed(folder: Path) -> None:
    before = catalog.lookup("https://api.openai.com/v1", "gpt-4o").price
    assert catalog.fetched_on() is None
    async with serving(json.dumps(PUBLISHED).encode()) as url:
        run = await signalbox("prices", "fetch", "--from", url, cwd=folder)
    assert (run.code, run.err) == (0, "")
    catalog.read_anew()
    today = catalog.fetched_on()
    assert today is not None
    assert f"fetched on {today}" in run.out
    price = catalog.lookup("https://api.openai.com/v1", "gpt-4o").price
    assert price == Price(1, 4, above=((1_000, Price(2, 4, cache_write_1h=3)),), cache_write_1h=3)
    assert price != before
    assert catalog.lookup("https://api.openai.com/v1", "gpt-4.1").price is not None  # of those that were installed
    assert f"fetched on {today}" in (await signalbox("prices", cwd=folder)).out
    (folder / "routes.yaml").write_text("providers: {a: {kind: fake}}\nroutes: {r: a/x}\n")
    assert f"fetched on {today}" in (await signalbox("show", cwd=folder)).out


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"date": 1}', b"\xff"])
def test_a_damaged_file_is_none(folder: Path, written: bytes) -> None:
    catalog_fetched.path().parent.mkdir()
    catalog_fetched.path().write_bytes(written)
    catalog.read_anew()
    assert catalog.fetched_on() is None
    assert catalog.lookup("https://api.openai.com/v1", "gpt-4o").price is not None


# --- priced as another model


def priced(price: str) -> Price | None:
    text = (
        f"providers: {{a: {{kind: fake}}}}\nmodels: {{m: {{provider: a, id: x, price: {price}}}}}\nroutes: {{r: m}}\n"
    )
    return compile_plan(load_text(text)).chains["r"].targets[0].capabilities.price


def test_a_model_is_priced_as_another_one() -> None:
    """What stands beside it goes before, in the prices of long prompts as well."""
    known = catalog.named("anthropic", "claude-sonnet-4-5").price
    assert known is not None
    assert known.input
    assert priced("anthropic/claude-sonnet-4-5") == known
    own = priced("{like: anthropic/claude-sonnet-4-5, output: 3}")
    assert own is not None
    assert (own.input, own.output, own.of(1_000_000).output) == (known.input, 3, 3)
    assert priced("{input: 1, output: 2}") == Price(1, 2)


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("openai/gpt-99-none", "no price of"),
        ("openia/gpt-4o", 'did you mean "openai"?'),
        ("gpt-4o", "VENDOR/MODEL"),
        ("openai/", "VENDOR/MODEL"),
    ],
)
def test_a_model_that_nobody_knows_is_told(price: str, words: str) -> None:
    text = (
        f"providers: {{a: {{kind: fake}}}}\nmodels: {{m: {{provider: a, id: x, price: {price}}}}}\nroutes: {{r: m}}\n"
    )
    (finding,) = load_text(text).diagnostics
    assert words in finding.message

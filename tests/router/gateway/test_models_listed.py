"""The lists of models have for each key what it can reach: no routes where what it requires leaves nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from providers.simulator import Simulator
from tests.support.gateway import Served, served

FILE = """
providers:
  us: {kind: openai, base_url: "{openai}", api_key: sk-0123456789abcdef, labels: {region: us}}
  eu: {kind: openai, base_url: "{openai}", api_key: sk-0123456789abcdef, labels: {region: [eu, ch]}}
models:
  private: {provider: us, id: m, labels: {retention: none}}
routes:
  both: {targets: [us/m], fallbacks: [eu/m]}
  abroad: [us/m]
  other-name: abroad
  ruled: {targets: [us/m], when: [{if: {tags: {tier: free}}, to: both}]}
  swiss: {targets: [eu/m, us/m], require: {region: ch}}
  sealed: {targets: [private]}
serve:
  listed: [claude-x]
  names: {"claude-*": abroad}
  keys:
    alice: {key: sb-alice-0123456789abcdef, require: {region: eu}}
    bob: {key: sb-bob-0123456789abcdefgh}
    carol: {key: sb-carol-0123456789abcdef, routes: [eu/m, both], require: {region: eu}}
    dave: {key: sb-dave-0123456789abcdefg, require: {region: us, retention: none}}
    erin: {key: sb-erin-0123456789abcdefg, require: {region: us}}
"""
LISTS = {
    "alice": ["both", "ruled", "swiss"],
    "bob": ["both", "abroad", "ruled", "swiss", "sealed", "other-name", "claude-x"],
    "carol": ["both", "eu/m"],
    "dave": ["sealed"],
    "erin": ["both", "abroad", "ruled", "sealed", "other-name", "claude-x"],
}


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with Simulator(seed=1) as simulator, served(FILE, simulator=simulator) as running:
        yield running


def headers_of(name: str) -> dict[str, str]:
    entry = FILE.partition(f"    {name}: {{key: ")[2].splitlines()[0]
    return {"authorization": f"Bearer {entry.replace('}', ',').partition(',')[0]}"}


@pytest.mark.parametrize("name", LISTS)
async def test_each_list_has_what_a_key_can_reach(gateway: Served, name: str) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers_of(name)) as client:
        openai = (await client.get("/v1/models")).json()["data"]
        anthropic = (await client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()["data"]
        ollama = (await client.get("/api/tags")).json()["models"]
    assert [each["id"] for each in openai] == LISTS[name]
    assert [each["id"] for each in anthropic] == LISTS[name]
    assert [each["name"].removesuffix(":latest") for each in ollama] == LISTS[name]


async def test_one_that_is_not_listed_is_not_there(gateway: Served) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers_of("alice")) as client:
        assert (await client.get("/v1/models/both")).status_code == 200
        for name in ("abroad", "claude-x", "claude-y", "nix"):
            assert (await client.get(f"/v1/models/{name}")).status_code == 404, name

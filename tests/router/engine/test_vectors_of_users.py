"""Embeddings of several users share a call only where the same budget pays for it."""

from __future__ import annotations

import asyncio

import pytest

from providers import FakeProvider
from providers.fake import Reply
from router import Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}}
models: {small: {provider: a, id: emb, embeds: {dimensions: 8, max_inputs: 64}, price: {input: 1000}}}
routes: {embed: {embeds: true, targets: [small], batch: {wait: 5ms}, budget: BUDGET}}
"""


@pytest.mark.parametrize(
    ("budget", "calls", "owners"),
    [
        ("$9/d", 1, ["route embed"]),
        ("{usd: 9/d, by: user}", 2, ["route embed, user ann", "route embed, user bob"]),
        ("{usd: 9/d, by: tag.team}", 1, ["route embed, team red"]),
    ],
)
def test_each_users_vectors_are_paid_from_his_budget(budget: str, calls: int, owners: list[str]) -> None:
    async def main() -> None:
        provider = FakeProvider.scripted(Reply(), name="a")
        router = Router.from_text(FILE.replace("BUDGET", budget), env={}, providers={"a": provider}, monitor=False)
        asked = [
            router.embed("embed", ["some words"], end_user=user, tags={"team": "red"}) for user in ("ann", "bob", "ann")
        ]
        await asyncio.gather(*asked)
        assert len(provider.requests) == calls
        spent = {each.owner: each.usd for each in router.spending}
        assert list(spent) == owners
        assert all(spent.values())

    run(main())

"""A client that is set up by mistake is told what to do, or is answered all the same."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from tests.support.gateway import served

ASKED = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("base", ["", "/v1", "/anthropic", "/anthropic/v1"])
async def test_anthropics_sdk_may_be_given_the_base_url_of_openais(base: str) -> None:
    """It adds /v1/messages to whatever it is given."""
    async with (
        served() as gateway,
        ClientSession() as session,
        session.post(f"{gateway.url}{base}/v1/messages", json=ASKED) as answer,
    ):
        assert answer.status == 200
        assert (await answer.json())["type"] == "message"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/moderations", "there is no POST /v1/moderations here; there are /v1/chat/completions, /v1/responses"),
        ("/v1/chat/completions", "The model 'nix' does not exist or you have no access to it. GET /v1/models lists"),
    ],
)
async def test_what_is_not_there_is_refused_with_what_is(path: str, words: str) -> None:
    async with (
        served() as gateway,
        ClientSession() as session,
        session.post(f"{gateway.url}{path}", json=ASKED | {"model": "nix"}) as answer,
    ):
        assert answer.status == 404
        assert words in (await answer.json())["error"]["message"]

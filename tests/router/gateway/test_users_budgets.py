"""Behind the gateway a budget by user counts the user whom a client's body names."""

from __future__ import annotations

import aiohttp
import pytest

from tests.support.gateway import served

KEY = "key-of-alice-0123456789"
FILE = """
providers: {near: {kind: openai, api_key: sk-0123456789abcdef, base_url: "{openai}"}}
models: {paid: {provider: near, id: gpt-4o, price: {input: 1000, output: 1000}}}
routes: {chat: {targets: [paid], budget: ROUTE}}
serve: {keys: {alice: {key: KEY, budget: CLIENT}}}
""".replace("KEY", KEY)


@pytest.mark.parametrize(
    ("route", "client", "whose"),
    [
        ("{usd: 0.01/month, by: user}", "$99/d", "route chat, user ann"),
        ("$99/d", "{usd: 0.01/month, by: user}", "key alice, user ann"),
        ("{usd: 0.01/month, by: key}", "$99/d", "route chat, key alice"),
    ],
)
async def test_each_user_of_a_client_has_a_budget(route: str, client: str, whose: str) -> None:
    async with (
        served(FILE.replace("ROUTE", route).replace("CLIENT", client)) as running,
        aiohttp.ClientSession() as web,
    ):

        async def ask(user: str) -> tuple[int, str]:
            body = {"model": "chat", "messages": [{"role": "user", "content": "hi " * 20}], "user": user}
            headers = {"authorization": f"Bearer {KEY}"}
            async with web.post(f"{running.url}/v1/chat/completions", json=body, headers=headers) as answer:
                return answer.status, await answer.text()

        assert (await ask("ann"))[0] == 200
        status, text = await ask("ann")
        assert status == 429
        assert f"the budget of {whose} is used up" in text
        assert (await ask("bob"))[0] == (429 if whose.endswith("alice") else 200)
        assert whose in [spent.owner for spent in running.router.spending]

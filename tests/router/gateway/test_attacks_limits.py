"""What a client may use, when it asks for more at once, fails, or leaves."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest

from tests.support.gateway import Served as Simulated
from tests.support.gateway import served as simulated
from tests.support.raw_server import closes_by_reset
from tests.support.served import CHAT, Answer, Held, ask, question, request, served
from tests.support.waiting import until

KEY = "sb-0123456789abcdefghij"
PATHS = (CHAT, "/v1/messages", "/v1/responses", "/api/chat")
FILE = f"""
providers: {{openai: {{kind: openai, base_url: "{{openai}}", api_key: sk-v}}}}
models: {{m: {{provider: openai, id: gpt-4o, price: {{input: 1000, output: 1000}}}}}}
defaults: {{retry: {{max_attempts: 1, max_wait: 0s}}, breaker: {{consecutive: 1000, min_calls: 1000}}}}
routes: {{chat: {{targets: [m]}}}}
serve: {{keys: {{a: {{key: {KEY}, LIMITS}}}}}}
"""


def port_of(gateway: Simulated) -> int:
    return int(gateway.url.rpartition(":")[2])


async def ask_many(port: int, count: int, **fields: Any) -> list[Answer]:
    """By turns in all protocols, streamed and plain, all at once."""
    return await asyncio.gather(
        *(
            ask(port, "POST", PATHS[n % 4], question(stream=n % 3 == 0, input="hi", **fields), x_api_key=KEY)
            for n in range(count)
        )
    )


async def test_requests_at_the_same_time_are_as_many_as_the_limit_says() -> None:
    async with served(f"{{keys: {{a: {{key: {KEY}, limits: {{in_flight: 3}}}}}}}}", provider=(held := Held())) as here:
        asking = [asyncio.ensure_future(ask_many(here.port, 1)) for _ in range(20)]
        await until(lambda: sum(one.done() for one in asking) == 17)
        held.gate.set()
        answers = await asyncio.gather(*asking)
        assert Counter(answer.status for (answer,) in answers) == {200: 3, 429: 17}


async def test_requests_in_an_hour_are_as_many_as_the_limit_says() -> None:
    held = Held()
    held.gate.set()
    async with served(f"{{keys: {{a: {{key: {KEY}, limits: {{requests: 5/h}}}}}}}}", provider=held) as here:
        answers = await ask_many(here.port, 40)
        assert Counter(answer.status for answer in answers) == {200: 5, 429: 35}
        assert all(0 < int(answer.headers["retry-after"]) <= 3600 for answer in answers if answer.status == 429)


async def test_a_budget_that_is_used_up_while_requests_are_under_way_is_the_clients_429() -> None:
    """Those that were let in before they knew of each other are told the same as the others."""
    async with simulated(FILE.replace("LIMITS", "budget: $5/d")) as gateway:
        vendor = gateway.simulator.vendor("openai")
        vendor.set(fast=False, first_token=0.05, tokens_per_second=100_000.0, output_tokens=900)
        answers = await ask_many(port_of(gateway), 40, max_tokens=1000)
        assert {answer.status for answer in answers} == {200, 429}
        refused = [answer for answer in answers if answer.status == 429]
        assert all("budget of key a" in answer.body.decode() for answer in refused)
        assert {answer.headers["x-should-retry"] for answer in refused} == {"false"}
        assert vendor.requests == 40 - len(refused) <= 5
        assert 0 < (gateway.router.snapshot().spending[0].used or 0) <= 5


@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_takes_no_tokens(stream: bool) -> None:
    async with simulated(FILE.replace("LIMITS", "limits: {tokens: 3000/min, in_flight: 1}")) as gateway:
        vendor, port = gateway.simulator.vendor("openai"), port_of(gateway)
        vendor.set(error_rate=1.0, error="server_error")
        body = question(max_tokens=2000, stream=stream)
        for _ in range(10):
            assert (await ask(port, "POST", CHAT, body, x_api_key=KEY)).status == 502
        vendor.set(error_rate=0.0)
        assert (await ask(port, "POST", CHAT, body, x_api_key=KEY)).status == 200


LEAVES = ("before it is sent whole", "at once", "within a stream", "by a reset")


async def leave(port: int, number: int, how: str, seen: Any) -> None:
    body = json.dumps({**json.loads(question(stream=number % 2 == 0, input="hi")), "max_tokens": 60}).encode()
    sent = request("POST", PATHS[number % 4], body, x_api_key=KEY)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent[: random.Random(number).randrange(len(sent))] if how == LEAVES[0] else sent)
    if how == LEAVES[2] and number % 2 == 0:
        await reader.read(1)
    elif how == LEAVES[3]:
        await until(seen)
        closes_by_reset(writer)
    writer.close()


@pytest.mark.parametrize("how", LEAVES)
async def test_nothing_is_left_of_clients_that_leave(how: str) -> None:
    limits = "budget: $1000/d, limits: {in_flight: 40, tokens: 100M/min}"
    async with simulated(FILE.replace("LIMITS", limits)) as gateway:
        vendor, port = gateway.simulator.vendor("openai"), port_of(gateway)
        vendor.set(fast=False, hang_after=2, first_token=0.0)
        for _ in range(5):
            await asyncio.gather(*(leave(port, number, how, lambda: vendor.in_flight > 0) for number in range(40)))
            await until(lambda: gateway.router.clients.in_flight("a") == 0 and vendor.in_flight == 0)
        snapshot = gateway.router.snapshot()
        assert snapshot.figures.in_flight == 0
        assert vendor.cancelled == vendor.requests
        vendor.set(fast=True, hang_after=None)
        assert {answer.status for answer in await ask_many(port, 40)} == {200}
        # Nothing is reserved any more: all of a budget but what was asked is left.
        assert (gateway.router.snapshot().spending[0].used or 0) < 20

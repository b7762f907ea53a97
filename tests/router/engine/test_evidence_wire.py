"""Over sockets: what one request meets at a vendor takes neither the target nor the key from the others."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from providers.simulator import Simulator
from router import RouteExhausted, Router
from tests.support.raw_server import accepting

Answers = Callable[[dict[str, Any]], tuple[int, Any]]


def answer(text: str) -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


@asynccontextmanager
async def vendor(answers: Answers) -> AsyncIterator[tuple[str, Counter[str]]]:
    """A vendor that answers by the request's body; gives its address, and counts the calls by model."""
    calls: Counter[str] = Counter()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = json.loads(await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0])))
        calls[body["model"]] += 1
        status, said = answers(body)
        data = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        kind = "text/html" if isinstance(said, str) else "application/json"
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n".encode())
        writer.write(f"content-length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        writer.close()

    async with accepting(handle) as port:
        yield f"http://127.0.0.1:{port}", calls


def routes(url: str) -> str:
    return f"""
providers:
  vendor: {{kind: openai, base_url: "{url}", api_key: none-needed}}
  other: {{kind: openai, base_url: "{url}", api_key: another-one}}
defaults: {{retry: {{backoff: 1ms, max_backoff: 1ms, max_wait: 0s}}}}
routes:
  chat: {{targets: [vendor/first], fallbacks: [vendor/second, other/last]}}
  plain: {{targets: [vendor/third], fallbacks: [other/last]}}
"""


BLOCKED = "<html><head><title>Attention Required! | Cloudflare</title></head><body>you have been blocked</body></html>"
REFUSALS: dict[str, tuple[int, Any]] = {
    "waf": (403, BLOCKED),
    "guardrail": (403, {"error": {"message": "Request blocked by guardrail", "type": "guardrail_violation"}}),
    "file": (403, {"error": {"message": "You do not have permission to access the File f or it may not exist."}}),
    "tool": (403, {"error": {"message": "Web search is not enabled for this organization."}}),
    "country": (403, {"error": {"message": "Country, region, or territory not supported"}}),
    "legal": (451, {}),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_the_bystander_keeps_the_target(refusal: tuple[int, Any]) -> None:
    """Six people are refused and fail over; who asks something else is served by the first target, as before."""

    def answers(body: dict[str, Any]) -> tuple[int, Any]:
        spoilt = body["model"] == "first" and "bad" in body["messages"][0]["content"]
        return refusal if spoilt else answer(body["model"])

    async with vendor(answers) as (url, _), Router.from_text(routes(url), env={}, seed=1) as router:
        refused = [(await router.complete("chat", f"bad {number}")).text for number in range(6)]
        assert refused == ["second"] * 6
        assert (await router.complete("chat", "innocent")).text == "first"


def gemini(quota: str) -> Any:
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}
    message = "You exceeded your current quota, please check your plan and billing details."
    return [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": [failure]}}]


LIMITS: dict[str, tuple[Any, str]] = {
    "gemini's model": (gemini("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), "second"),
    "gemini's project": (gemini("GenerateRequestsPerDayPerProject"), "last"),
    "openai's model": (
        {"error": {"message": "Rate limit reached for first in organization o. Try again in 60s."}},
        "second",
    ),
    "the account": ({"error": {"message": "Rate limit reached for your account. Try again in 60s."}}, "last"),
    "no money": ({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, "last"),
}


@pytest.mark.parametrize(("said", "serves"), LIMITS.values(), ids=LIMITS)
async def test_a_limit_holds_what_it_is_about(said: Any, serves: str) -> None:
    """The model alone, so that the key's other models serve; or the key, so that none of its models is asked."""
    async with (
        vendor(lambda body: (429, said) if body["model"] == "first" else answer(body["model"])) as (url, calls),
        Router.from_text(routes(url), env={}, seed=1) as router,
    ):
        assert [(await router.complete("chat", "hi")).text for _ in range(4)] == [serves] * 4
        assert (await router.complete("plain", "hi")).text == ("third" if serves == "second" else "last")
    assert calls["first"] == 1


async def test_a_revoked_key_sees_few_calls(simulator: Simulator) -> None:
    """Sixty requests, and nobody else to ask: the vendor sees two or three, and the rest are told when to come back."""
    simulator.vendor("openai").set(error_rate=1, error="authentication")
    text = f"""
providers: {{openai: {{kind: openai, base_url: "{simulator.base_url("openai")}", api_key: sk-revoked-0123456789}}}}
defaults: {{retry: {{max_wait: 0s}}}}
routes: {{chat: {{targets: [openai/gpt-4o]}}}}
"""
    async with Router.from_text(text, env={}, seed=1) as router:
        for _ in range(60):
            with pytest.raises(RouteExhausted) as caught:
                await router.complete("chat", "hi")
    assert caught.value.retry_after is not None
    assert len(simulator.vendor("openai").keys) <= 4

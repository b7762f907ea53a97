"""A source of tokens for tests, and a vendor on loopback or in virtual time that lets in who has a good one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from providers import registry
from providers.http_provider import HttpProvider
from providers.settings import ProviderSettings
from providers.simulator import Callers
from providers.sources import Issued, NoCredential
from providers.types import Timeout

BODY = {"choices": [{"index": 0, "message": {"content": "well"}, "finish_reason": "stop"}]}


class Issuer:
    """A source whose tokens a vendor knows.

    Attributes:
        life: seconds that its tokens are good for; `told` is what it says they are, None for the truth.
        slow: seconds that it takes.
        down: why it gives nothing; "" gives.
        fetches: how often it was asked.
    """

    name = "an issuer"
    shape = "an issuer"

    def __init__(self, life: float = 100.0, callers: Callers | None = None) -> None:
        self.life = life
        self.told: float | None = None
        self.slow = 0.0
        self.down = ""
        self.fetches = 0
        self.callers = callers or Callers()

    async def fetch(self) -> Issued:
        self.fetches += 1
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.down:
            raise NoCredential(self.down)
        return Issued(token=self.callers.issue(self.life), lifetime=self.life if self.told is None else self.told)


def vendor(issuer: Issuer, *, name: str = "a", takes: float = 0.5, **options: object) -> HttpProvider:
    """A provider whose vendor, in virtual time, lets in who has a token of the issuer that has not ended."""

    async def answer(request: httpx.Request) -> httpx.Response:
        headers = {key.lower(): value for key, value in request.headers.items()}
        refused = issuer.callers.refusal("POST", "/", headers, b"")
        await asyncio.sleep(takes)
        if refused is not None:
            return httpx.Response(refused[0], json={"error": {"message": refused[1]}})
        return httpx.Response(200, json=BODY)

    return of_transport(issuer, httpx.MockTransport(answer), name=name, **options)


def of_transport(
    issuer: Issuer, transport: httpx.AsyncBaseTransport, *, name: str = "a", **options: object
) -> HttpProvider:
    off = Timeout(connect=None, first_token=None, idle=None, answer=None, total=None)
    made = registry.create(
        ProviderSettings(
            name=name,
            kind="openai",
            base_url="https://vendor.example/v1",
            credential=issuer,
            timeout=off,
            options={"transport": transport, "max_retries": 0, "validate": False, "api": "chat", **options},
        )
    )
    assert isinstance(made, HttpProvider)
    return made


Clock = Callable[[], float]

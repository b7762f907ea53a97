"""Failures and departures, as the official Python SDKs see them through the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
import pytest
import pytest_asyncio

from providers.simulator import Simulator
from providers.simulator.vendor import ErrorKind, SimulatedVendor
from tests.support.gateway import DEFAULTS, Served, served
from tests.support.sdks import SDKS, Question, Responses, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURNS = 1000  # of the loop, in which a departure has reached the vendor; it takes about ten


class Seen(NamedTuple):
    """What a client is told of a vendor's failure. `retried`: whether it does well to ask again."""

    status: int
    openai: str | None
    anthropic: str
    retried: bool = False


FAULTS: dict[ErrorKind, Seen] = {
    "server_error": Seen(502, "upstream_server_error", "api_error"),
    "overloaded": Seen(503, "server_is_overloaded", "overloaded_error", retried=True),
    "rate_limited": Seen(429, "rate_limit_exceeded", "rate_limit_error"),
    "quota": Seen(502, "upstream_quota_exhausted", "api_error"),
    "authentication": Seen(502, "upstream_authentication", "api_error"),
    "permission": Seen(502, "upstream_permission_denied", "api_error"),
    "model_not_found": Seen(502, "upstream_model_not_found", "api_error"),
    "context_length": Seen(400, "context_length_exceeded", "invalid_request_error"),
    "content_filtered": Seen(400, "content_policy_violation", "invalid_request_error"),
    "invalid_request": Seen(400, None, "invalid_request_error"),
}
ERRORS = (openai.APIError, anthropic.APIError, ollama.ResponseError)
OPENAI: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
}
ANTHROPIC: dict[int, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
}


def vendor_of(kind: str, sdk: str, streamed: bool) -> str:
    """Each case has a vendor of its own: what fails is left alone for a while."""
    return f"{kind}-{sdk}-{'streamed' if streamed else 'plain'}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def failing() -> AsyncIterator[Served]:
    async with Simulator(seed=1) as simulator:
        names = []
        for kind in FAULTS:
            for name in (vendor_of(kind, sdk, streamed) for sdk in SDKS for streamed in (False, True)):
                simulator.add_vendor(name).set(error_rate=1.0, error=kind, retry_after=120.0, fast=True)
                names.append(name)
        simulator.add_vendor("too-long").set(error_rate=1.0, error="context_length", fast=True)
        names.append("too-long")
        providers = "".join(f'  {name}: {{kind: openai, base_url: "{{{name}}}", api_key: k}}\n' for name in names)
        routes = "".join(f"  {name}: {{targets: [{name}/gpt-4o]}}\n" for name in names)
        text = f"providers:\n{providers}{DEFAULTS}routes:\n{routes}"
        async with served(text, simulator=simulator) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(failing: Served) -> AsyncIterator[dict[tuple[str, bool], Sdk]]:
    """By name, and whether they try again: to make one costs more than to ask it."""
    made = {(name, True): kind(failing.url) for name, kind in SDKS.items()}
    made |= {(name, False): kind(failing.url, max_retries=0) for name, kind in SDKS.items()}
    yield made
    for sdk in made.values():
        await sdk.aclose()


def check(error: Exception, seen: Seen) -> None:
    """The SDK's own class of this status, with the protocol's code and the request's id, in words about the request."""
    assert "exhausted" not in str(error)
    if isinstance(error, ollama.ResponseError):
        assert error.status_code == seen.status
        assert error.error
        return
    if isinstance(error, openai.APIStatusError):
        assert type(error) is OPENAI.get(seen.status, openai.InternalServerError)
        # Of a body that goes through unread another vendor might take what this one refuses.
        assert error.code in {seen.openai, seen.openai or "unsupported_parameter"}
        status = seen.status
    else:
        assert isinstance(error, anthropic.APIStatusError)
        status = 529 if seen.status == 503 else seen.status
        assert isinstance(error, ANTHROPIC.get(status, anthropic.InternalServerError))
        assert error.body["error"]["type"] == seen.anthropic  # type: ignore[index]  # JSON
        assert error.body["request_id"] == error.request_id  # type: ignore[index]  # JSON
    assert error.status_code == status
    assert error.request_id
    assert error.request_id == error.response.headers["x-request-id"]


async def failure(sdk: Sdk, asked: Question) -> Exception:
    """What the SDK raises."""
    with pytest.raises(ERRORS) as raised:
        await sdk.ask(asked)
    return raised.value


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", SDKS)
@pytest.mark.parametrize("kind", FAULTS)
async def test_a_vendors_failure(
    failing: Served, clients: dict[tuple[str, bool], Sdk], name: str, kind: ErrorKind, streamed: bool
) -> None:
    """Is raised as the SDK's class for it, and costs one call: the SDK's own tries do not multiply the engine's."""
    seen, route = FAULTS[kind], vendor_of(kind, name, streamed)
    sdk = clients[name, not seen.retried]  # those that are told to try again would wait
    check(await failure(sdk, Question(route, streamed=streamed)), seen)
    assert failing.simulator.vendor(route).requests == 1


async def test_a_prompt_that_is_too_long(failing: Served, clients: dict[tuple[str, bool], Sdk]) -> None:
    """Is told in the words by which Anthropic's clients know that they have to make it shorter, with its numbers."""
    error = await failure(clients["messages", True], Question("too-long"))
    assert "prompt is too long: 131072 tokens > 128000 maximum" in str(error)


@pytest.mark.parametrize("name", SDKS)
@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_an_unknown_model(failing: Served, name: str, sync: bool) -> None:
    """Is a 404 that is asked once."""
    before = len(failing.told)
    sdk = SDKS[name](failing.url, sync=sync)
    check(await failure(sdk, Question("nobody")), Seen(404, "model_not_found", "not_found_error"))
    await sdk.aclose()
    assert len(failing.told) == before + 1


# --- in a stream


async def test_a_stream_that_breaks(sdk: Sdk, model: str, vendor: SimulatedVendor) -> None:
    """After content an error is told as one, not as an answer that ends early."""
    vendor.set(cut_after=3)
    asked = Question(model, streamed=True)
    if isinstance(sdk, Responses):  # its SDK raises nothing
        last = (await sdk.events(sdk.opened(asked)))[-1]
        assert (last.type, last.response.error.code) == ("response.failed", "upstream_stream_interrupted")
    else:
        assert "broke off" in str(await failure(sdk, asked))


# --- clients that leave


async def turns_until_cancelled(vendor: SimulatedVendor) -> int:
    for turn in range(TURNS):
        if vendor.cancelled:
            return turn
        await asyncio.sleep(0)
    raise AssertionError(f"the vendor does not know it after {TURNS} turns of the loop")


async def first_of(sdk: Sdk, asked: Question) -> Any:
    """Take the first event of a stream, and leave it."""
    if isinstance(sdk.client, ollama.AsyncClient):
        lines = await sdk.opened(asked)
        first = await anext(lines)
        await lines.aclose()
        return first
    async with sdk.opened(asked) as stream:
        return await anext(aiter(stream))


async def test_a_stream_that_is_left(sdk: Sdk, model: str, vendor: SimulatedVendor) -> None:
    """Ends at the vendor as well, at once."""
    vendor.set(hang_after=3)
    vendor.cancelled = 0
    await first_of(sdk, Question(model, streamed=True))
    await turns_until_cancelled(vendor)


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_a_call_that_is_cancelled(sdk: Sdk, model: str, vendor: SimulatedVendor, streamed: bool) -> None:
    """Before anything of the answer is there: the vendor's call ends with it."""
    vendor.set(hang=True)
    vendor.cancelled = 0
    before = vendor.requests
    task = asyncio.create_task(sdk.ask(Question(model, streamed=streamed)))
    while vendor.requests == before:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await turns_until_cancelled(vendor)

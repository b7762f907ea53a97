"""Credentials that end, under load and in virtual time: requests never notice, whoever issues them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, ProviderError
from providers.credentials.keeper import PATIENCE
from providers.fake import Reply
from providers.http_provider import HttpProvider
from providers.simulator import Callers
from providers.sources import LIMIT
from router import Router
from router.errors import RouteExhausted
from router.views.trace import Attempt
from tests.support.issuing import Issuer, vendor
from tests.support.world import at_rate, now, story

ALONE = "routes: {chat: a/m}\n"
WITH_SPARE = "routes: {chat: {targets: [a/m], fallbacks: [b/m]}}\n"


def router(provider: HttpProvider, text: str = ALONE) -> Router:
    given: dict[str, Any] = {"a": provider, "b": FakeProvider.scripted(Reply("spare"), name="b")}
    providers = "providers: {a: {kind: openai, api_key: unused-here}, b: {kind: fake}}\n"
    return Router.from_text(providers + text, env={}, seed=1, providers=given)


async def ask(app: Router) -> str:
    return (await app.complete("chat", "Hello")).text


@story
async def test_a_thousand_expiries_under_load_fail_no_request() -> None:
    issuer = Issuer(life=10.0)
    issuer.slow = 0.5
    app = router(vendor(issuer, takes=0.25))
    results = await at_rate(1.0, 9_000.0, lambda: ask(app))
    assert {answer for *_, answer in results} == {"well"}
    assert issuer.fetches > 1_000
    assert issuer.callers.refused == 0, "no call was even refused: each credential is renewed before it ends"
    assert max(seconds for _, seconds, _ in results[10:]) < 0.3, "nobody waits for a renewal"


@story
async def test_one_fetch_for_all_who_wait() -> None:
    issuer = Issuer()
    issuer.slow = 2.0
    app = router(vendor(issuer))
    assert set(await asyncio.gather(*(ask(app) for _ in range(500)))) == {"well"}
    assert issuer.fetches == 1


@story
async def test_who_gives_up_takes_the_fetch_from_nobody() -> None:
    issuer = Issuer()
    issuer.slow = 2.0
    app = router(vendor(issuer))
    first = asyncio.ensure_future(ask(app))
    await asyncio.sleep(0.5)
    second = asyncio.ensure_future(ask(app))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == "well"
    assert issuer.fetches == 1
    assert now() == pytest.approx(2.5)


@story
async def test_a_storm_of_refusals_fetches_once_and_fails_nobody() -> None:
    issuer = Issuer()
    app = router(vendor(issuer))
    await ask(app)
    issuer.callers.revoke()
    issuer.slow = 3.0
    assert set(await asyncio.gather(*(ask(app) for _ in range(200)))) == {"well"}
    assert issuer.fetches == 2


@story
async def test_a_vendor_that_refuses_every_credential_is_asked_twice_and_no_more() -> None:
    issuer = Issuer()
    provider = vendor(issuer)
    app = router(provider, WITH_SPARE)
    await ask(app)
    issuer.callers = Callers()  # the vendor knows none of those that are issued
    vendor_of_others = Issuer(callers=issuer.callers)
    assert vendor_of_others.callers is issuer.callers
    other = Callers()
    issuer.callers.issue = other.issue  # type: ignore[method-assign]  # what is issued from now on is for another
    reply = await app.complete("chat", "Hello")
    assert reply.text == "spare"
    attempts = [entry for entry in reply.trace.entries if isinstance(entry, Attempt)]
    assert [(entry.target, entry.status) for entry in attempts] == [("a/m", 401), ("a/m", 401), ("b/m", None)]
    for _ in range(20):
        await app.complete("chat", "Hello")
        await asyncio.sleep(0.1)
    assert issuer.fetches <= 2, "a refused credential is no reason to ask again and again"


@story
async def test_a_token_endpoint_that_is_down_costs_the_next_target_nothing_and_comes_back_by_itself() -> None:
    issuer = Issuer(life=100.0)
    app = router(vendor(issuer), WITH_SPARE)
    issuer.down = "the token endpoint answers 503"
    results = await at_rate(5.0, 200.0, lambda: ask(app))
    assert {answer for *_, answer in results} == {"spare"}
    assert max(seconds for _, seconds, _ in results) < 0.1, "no request waits for what has failed"
    assert issuer.fetches < 12, "it is asked ever more seldom"
    issuer.down = ""
    later = await at_rate(5.0, 120.0, lambda: ask(app))
    assert later[-1][2] == "well"
    assert {answer for start, _, answer in later if start > 270.0} == {"well"}, "within a minute, without a hand"


@story
async def test_an_outage_of_the_endpoint_is_no_evidence_about_the_vendor() -> None:
    issuer = Issuer()
    app = router(vendor(issuer), WITH_SPARE)
    issuer.down = "503"
    for _ in range(50):
        await ask(app)
        await asyncio.sleep(0.2)
    target = app.chain("chat").targets[0]
    assert app.states.target(target).breaker.state == "closed"
    assert app.states.key_guard(target, target.keys[0]).breaker.state == "closed"


@story
async def test_the_error_names_the_source_and_says_when() -> None:
    issuer = Issuer()
    issuer.down = "AADSTS700016: application not found"
    app = router(vendor(issuer))
    with pytest.raises(RouteExhausted) as raised:
        await ask(app)
    error = raised.value
    assert error.code is ErrorCode.AUTHENTICATION
    assert "no credential from an issuer: AADSTS700016: application not found" in str(error)
    assert error.retry_after is not None
    assert 0 < error.retry_after < 2


@story
async def test_a_good_token_serves_through_an_outage_of_its_endpoint() -> None:
    issuer = Issuer(life=100.0)
    app = router(vendor(issuer))
    await ask(app)
    issuer.down = "503"
    results = await at_rate(5.0, 90.0, lambda: ask(app))
    assert {answer for *_, answer in results} == {"well"}


@story
async def test_a_refused_token_is_still_tried_where_no_other_can_be_had() -> None:
    """A vendor's lapse is no reason to throw away the only credential that there is."""
    issuer = Issuer(life=1_000.0)
    app = router(vendor(issuer))
    await ask(app)
    good = dict(issuer.callers.__dict__["_ends"])
    issuer.callers.revoke()
    issuer.down = "503"
    with pytest.raises(RouteExhausted):
        await ask(app)
    issuer.callers.__dict__["_ends"].update(good)  # the vendor has come to its senses
    await asyncio.sleep(120.0)
    assert await ask(app) == "well"


@story
async def test_an_endpoint_that_hangs_is_waited_for_once_and_not_by_all() -> None:
    issuer = Issuer()
    issuer.slow = 10_000.0
    app = router(vendor(issuer), WITH_SPARE)
    results = await at_rate(2.0, 300.0, lambda: ask(app))
    assert {answer for *_, answer in results} == {"spare"}
    slow = [seconds for _, seconds, _ in results if seconds > 2.5]
    assert max(slow) <= PATIENCE + 0.1
    assert len(slow) <= 2 * PATIENCE, "only those that came before it was known"
    assert issuer.fetches >= 3, f"each try ends after {LIMIT} s"
    issuer.slow = 0.5
    await asyncio.sleep(130.0)
    assert await ask(app) in ("well", "spare")
    await asyncio.sleep(1.0)
    assert await ask(app) == "well"


@story
async def test_nobody_is_asked_for_an_app_that_is_idle() -> None:
    issuer = Issuer(life=60.0)
    app = router(vendor(issuer))
    await ask(app)
    await asyncio.sleep(86_400.0)
    assert issuer.fetches <= 2
    assert await ask(app) == "well"


@story
async def test_a_token_without_an_end_serves_until_it_is_refused() -> None:
    issuer = Issuer(life=1e9)
    app = router(vendor(issuer))
    await ask(app)
    await asyncio.sleep(1e6)
    assert await ask(app) == "well"
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [(0.0, "expired 0 s ago"), (-3_600.0, "expired 3600 s ago by this machine's clock")],
)
def test_a_token_that_ended_before_it_came_is_none(told: float, words: str) -> None:
    @story
    async def tells() -> None:
        issuer = Issuer()
        issuer.told = told
        with pytest.raises(RouteExhausted, match=words):
            await ask(router(vendor(issuer)))

    tells()


@story
async def test_a_closed_router_fetches_no_more() -> None:
    issuer = Issuer(life=60.0)
    issuer.slow = 5.0
    app = router(vendor(issuer))
    waiting = asyncio.ensure_future(ask(app))
    await asyncio.sleep(1.0)
    await app.aclose()
    with pytest.raises((RouteExhausted, ProviderError)):
        await waiting
    assert len(asyncio.all_tasks()) == 1
    gc.collect()

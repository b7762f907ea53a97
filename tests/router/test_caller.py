"""`caller`: who asks, in every record of a request, and in nothing that leaves for a vendor or decides an answer."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Reply
from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.testing import run
from router.views.requests import RequestFilter
from tests.support.vendors import VENDORS, routes

FILE = """\
providers: {a: {kind: fake}}
routes:
  chat: {targets: [a/m], retry: {max_attempts: 1}}
  kept: {targets: [a/m], cache: {ttl: 1h}}
cache: {path: memory}
"""


def made(*steps: Any) -> Router:
    return Router.from_text(FILE, env={}, seed=1, providers={"a": FakeProvider.scripted(*steps, name="a")})


async def asked(router: Router, way: str, caller: str | None, route: str = "chat") -> Any:
    """The trace of a request."""
    if way == "plain":
        return (await router.complete(route, "Why?", caller=caller)).trace
    async with router.stream(route, "Why?", caller=caller) as stream:
        async for _ in stream:
            pass
    return stream.trace


@pytest.mark.parametrize("way", ["plain", "stream"])
def test_it_is_in_the_trace_and_finds_its_requests(way: str) -> None:
    """Of answers, answers after a retry, failures and hits of the cache alike."""
    broken = Fail(ErrorCode.AUTHENTICATION)
    router = made(Reply("one"), Reply("two"), broken, Reply("three"))

    async def story() -> None:
        trace = await asked(router, way, "alice")
        await asked(router, way, "bob")
        with pytest.raises(RouteExhausted) as caught:
            await asked(router, way, "alice")
        await asked(router, way, "alice", "kept")
        hit = await asked(router, way, "bob", "kept")
        nobody = await asked(router, way, None, "kept")
        assert (trace.caller, caught.value.trace.caller, hit.caller) == ("alice", "alice", "bob")
        assert (hit.cache, nobody.caller) == ("hit", None)
        assert "caller alice" in trace.render()
        assert trace.as_dict()["caller"] == pickle.loads(pickle.dumps(trace)).caller == "alice"
        feed = router.feed()
        told = [(record.route, record.code, record.caller) for record in await feed.requests()]
        alices = await feed.requests(RequestFilter(caller="alice"))
        view = await feed.trace(alices[0].id)
        assert told == [
            ("kept", None, None),
            ("kept", None, "bob"),
            ("kept", None, "alice"),
            ("chat", "authentication", "alice"),
            ("chat", None, "bob"),
            ("chat", None, "alice"),
        ]
        assert [record.caller for record in alices] == ["alice"] * 3
        assert view is not None
        assert view.record.caller == "alice"

    run(story())


def test_two_callers_share_answers_unless_a_namespace_parts_them() -> None:
    router = made(Reply("one"), Reply("two"))

    async def story() -> list[str]:
        who: list[dict[str, Any]] = [{"caller": "alice"}, {"caller": "bob"}, {"caller": "bob", "namespace": "bob"}]
        return [(await router.complete("kept", "Why?", **fields)).text for fields in who]

    assert run(story()) == ["one", "one", "two"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_no_vendor_is_told(vendor: str) -> None:
    async with Simulator() as simulator, Router.from_text(routes(simulator), env={}) as router:
        await router.complete(f"{vendor}-first", "Why?", caller="secret-alice")
        sent = simulator.vendor(vendor).last_request
        assert sent is not None
        assert "secret-alice" not in repr(sent)


@pytest.mark.parametrize("odd", [7, ["alice"], "\ud800"])
def test_it_is_a_name(odd: object) -> None:
    with pytest.raises(ProviderError, match="caller"):
        run(made().complete("chat", "Why?", caller=odd))

"""What a person does to a running router, and what vendors' headers and levels of the file do to a target."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from providers import ErrorCode
from providers.fake import Fail, Hang
from providers.simulator import Simulator
from router import RouteExhausted, Router, UnknownRoute
from tests.support.vendors import routes
from tests.support.waiting import until
from tests.support.world import World, now, story, well

TWO = "models: {m: {provider: a, id: m}}\nroutes: {chat: {targets: [m], fallbacks: [b/m]}}\n"


@story
async def test_opened_closed_and_reset() -> None:
    """Opened by hand stays open for any time; closed by hand stays closed whatever fails; reset is as new."""
    world = World(TWO, a=lambda _: Fail(ErrorCode.SERVER_ERROR), b=well)
    router = world.router
    router.breaker("m", "open")
    await asyncio.sleep(100_000)
    reply = await router.complete("chat", "hi")
    assert [(skip.target, skip.reason) for skip in reply.trace.skips] == [("m", "circuit_open")]
    assert "opened by hand" in reply.trace.skips[0].message
    router.breaker("m", "close")
    for _ in range(50):
        await router.complete("chat", "hi")
    assert world.calls("a") == 50
    router.breaker("m", "reset")
    for _ in range(50):
        await router.complete("chat", "hi")
    assert world.calls("a") == 55


@story
async def test_all_opened_by_hand_is_exhausted() -> None:
    """No probe goes through what a person has opened."""
    world = World(TWO, a=well, b=well)
    world.router.breaker("m", "open")
    world.router.breaker("b/m", "open")
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("chat", "hi")
    assert caught.value.attempts == ()
    assert caught.value.retry_after is None


@story
async def test_a_provider_stands_for_its_keys() -> None:
    world = World(TWO + "# a: api_keys: [one-long, two-long]\n", a=well, b=well)
    world.router.breaker("a", "open")
    assert (await world.router.complete("chat", "hi")).provider == "b"
    world.router.breaker("a", "reset")
    assert (await world.router.complete("chat", "hi")).provider == "a"


@pytest.mark.parametrize("name", ["m", "a"])
def test_draining(name: str) -> None:
    """What is under way ends well, nothing new comes, and undraining brings it back."""

    @story
    async def tale() -> None:
        world = World(TWO, a=well, b=well)
        async with world.router.stream("chat", "hi") as stream:
            world.router.drain(name)
            assert "".join([chunk.text async for chunk in stream]) == "fine"
        reply = await world.router.complete("chat", "hi")
        assert (reply.provider, reply.trace.skips[0].reason) == ("b", "draining")
        world.router.undrain(name)
        assert (await world.router.complete("chat", "hi")).provider == "a"

    tale()


@pytest.mark.parametrize(("name", "message"), [("chat", '"chat" is a route; name a model'), ("mm", 'did you mean "m"')])
def test_what_is_neither(name: str, message: str) -> None:
    router = World(TWO, a=well, b=well).router
    with pytest.raises(UnknownRoute, match=message):
        router.breaker(name, "open")
    with pytest.raises(UnknownRoute, match=message):
        router.drain(name)


async def test_a_reload_ends_what_was_done_by_hand(tmp_path: Path, simulator: Simulator) -> None:
    """An accepted edit is the new truth, and says which states it ended; a rejected one changes nothing."""
    path = tmp_path / "routes.yaml"
    path.write_text(routes(simulator))
    async with Router.from_yaml(path, env={}, watch=False) as router:
        router.breaker("luna", "open")
        router.drain("haiku")
        path.write_text("routes: {")
        assert not (await router.reload()).accepted
        assert (await router.complete("openai-first", "hi")).target == "qwen"
        path.write_text(routes(simulator, first_token="9s"))
        found = await router.reload()
        assert "luna was opened by hand, haiku was draining: no longer" in found.changes
        assert (await router.complete("openai-first", "hi")).target == "luna"


async def test_sighup_reloads(tmp_path: Path, simulator: Simulator) -> None:
    """As a daemon does; afterwards the signal does what it did before."""
    path = tmp_path / "routes.yaml"
    path.write_text(routes(simulator))
    before = signal.getsignal(signal.SIGHUP)
    async with Router.from_yaml(path, env={}, watch=False) as router:
        end = router.reload_on_hangup()
        try:
            revision = router.revision
            path.write_text(routes(simulator, first_token="9s"))
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: router.revision != revision)
        finally:
            end()
    assert signal.getsignal(signal.SIGHUP) is before


# --- what vendors' headers say


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_used_up_limit_is_not_tried(simulator: Simulator, streamed: bool) -> None:
    """An answer that says 0 remaining holds its target until the reset: no 429 is provoked."""
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}
    simulator.vendor("openai").set(headers=headers | {"x-ratelimit-reset-requests": "90s"})
    async with Router.from_text(routes(simulator), env={}, seed=1) as router:
        for expected in ("luna", "haiku"):
            if streamed:
                async with router.stream("openai-first", "hi") as stream:
                    async for _ in stream:
                        pass
                reply = stream.response
            else:
                reply = await router.complete("openai-first", "hi")
            assert reply.target == expected
        assert [skip.reason for skip in reply.trace.skips] == ["held"]
    assert simulator.vendor("openai").requests == 1


async def test_what_remains_tightens_the_bucket(simulator: Simulator) -> None:
    """The file allows ten at once, the vendor says that one is left: two go, not ten."""
    headers = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "1"}
    simulator.vendor("openai").set(headers=headers)
    text = routes(simulator).replace("kind: openai, ", "kind: openai, limits: {requests: 100/min}, ")
    async with Router.from_text(text, env={}, seed=1) as router:
        replies = [await router.complete("openai-first", "hi") for _ in range(4)]
    assert [reply.target for reply in replies] == ["luna", "luna", "haiku", "haiku"]
    assert replies[-1].trace.skips[0].reason == "limited"


# --- levels of the file


@story
async def test_retries_belong_to_their_target() -> None:
    """A provider that is not to be asked again is not; another is, after its own backoff."""
    text = """\
# a: retry: {same_target: 0}
# b: retry: {backoff: 5s, max_backoff: 5s}
models: {m: {provider: b, id: m, retry: {same_target: 2}}}
routes: {one: {targets: [a/m]}, two: {targets: [m]}}
"""
    world = World(text, a=lambda _: Fail(ErrorCode.SERVER_ERROR), b=lambda _: Fail(ErrorCode.SERVER_ERROR))
    with pytest.raises(RouteExhausted):
        await world.router.complete("one", "hi")
    assert (world.calls("a"), now()) == (1, 0.0)
    with pytest.raises(RouteExhausted):
        await world.router.complete("two", "hi")
    assert world.calls("b") == 3
    assert 0.5 < now() <= 10


@story
async def test_a_models_own_bounds_hold_when_it_is_called_by_name() -> None:
    text = """\
models: {m: {provider: a, id: m, retry: {max_attempts: 1}, timeout: {answer: 2s}}}
routes: {chat: {targets: [m]}}
"""
    world = World(text, a=lambda _: Hang())
    with pytest.raises(RouteExhausted) as caught:
        await world.router.complete("m", "hi")
    assert len(caught.value.attempts) == 1
    assert now() == pytest.approx(2.0)


async def test_a_connection_may_take_as_long_as_the_route_says() -> None:
    """`timeout.connect` of a route bounds a connection that is never accepted, whatever the provider's own is."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        host, port = listener.getsockname()
        crowd = [socket.socket() for _ in range(4)]  # they fill the queue of a server that accepts nobody
        try:
            for each in crowd:
                each.setblocking(False)
                each.connect_ex((host, port))
            text = f"""
providers: {{a: {{kind: openai, base_url: "http://{host}:{port}", api_key: k, timeout: {{connect: 1h}}}}}}
defaults: {{retry: {{same_target: 0}}, timeout: {{total: 1h, first_token: 1h}}}}
routes: {{chat: {{targets: [a/m], timeout: {{connect: 20ms}}}}}}
"""
            async with Router.from_text(text, env={}) as router:
                with pytest.raises(RouteExhausted) as caught:
                    await router.complete("chat", "hi")
            assert caught.value.code is ErrorCode.TIMEOUT
            assert "timeout.connect" in caught.value.attempts[0].message
        finally:
            for each in crowd:
                each.close()

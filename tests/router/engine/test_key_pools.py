"""A pool of API keys: each key has a breaker, holds and limits of its own; the target's own state is shared."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from providers import ErrorCode, ProviderError
from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.config import load_text
from tests.support.vendors import held_answers
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("every_carrier")

KEYS = ("sk-pool-0123456789-one1", "sk-pool-0123456789-two2", "sk-pool-0123456789-six6")
ENDS = [key[-4:] for key in KEYS]


def pooled(simulator: Simulator, *, keys: tuple[str, ...] = KEYS, more: str = "", fallbacks: str = "") -> str:
    listed = ", ".join(f'"{key}"' for key in keys)
    return f"""
providers:
  openai: {{kind: openai, base_url: "{simulator.base_url("openai")}", api_keys: [{listed}]{more}}}
  ollama: {{kind: ollama, base_url: "{simulator.base_url("ollama")}"}}
defaults: {{retry: {{backoff: 1ms, max_backoff: 1ms, max_wait: 50ms}}}}
routes: {{chat: {{targets: [openai/gpt-4o], fallbacks: [{fallbacks}]}}}}
"""


def served(simulator: Simulator) -> Counter[str]:
    """Requests by the last four characters of the key that came with them."""
    return Counter(simulator.vendor("openai").keys)


async def test_keys_share_the_load(simulator: Simulator) -> None:
    """One after another, each key has its turn; the trace names keys by number, never by what they are."""
    async with Router.from_text(pooled(simulator), env={}, seed=1) as router:
        replies = [await router.complete("chat", "hi") for _ in range(9)]
    assert served(simulator) == Counter(dict.fromkeys(ENDS, 3))
    assert sorted(reply.trace.attempts[0].key for reply in replies) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    text = "".join(reply.trace.render() for reply in replies)
    assert "(key 2)" in text
    assert not any(key in text for key in KEYS)


async def test_the_least_busy_key_is_taken(simulator: Simulator) -> None:
    """Calls at the same time are spread over the keys."""
    simulator.vendor("openai").set(fast=False, first_token=0.1, tokens_per_second=1000)
    async with Router.from_text(pooled(simulator), env={}, seed=1) as router:
        await asyncio.gather(*(router.complete("chat", "hi") for _ in range(6)))
    assert served(simulator) == Counter(dict.fromkeys(ENDS, 2))


REFUSALS = {"authentication": 401, "permission": 403, "rate_limited": 429, "quota": 429}


@pytest.mark.parametrize("kind", REFUSALS)
async def test_another_key_goes_on_where_one_is_refused(simulator: Simulator, kind: str) -> None:
    """What concerns the key alone is tried with the next key, before any fallback; the refused one is left alone."""
    simulator.vendor("openai").set(key_errors={KEYS[0]: kind}, retry_after=30)
    text = pooled(simulator, fallbacks='"ollama/qwen3:4b"')
    async with Router.from_text(text, env={}, seed=1) as router:
        replies = [await router.complete("chat", "hi") for _ in range(9)]
    assert {reply.target for reply in replies} == {"openai/gpt-4o"}
    assert served(simulator)[ENDS[0]] == 1
    failed = [attempt for reply in replies for attempt in reply.trace.attempts if attempt.code is not None]
    assert [attempt.status for attempt in failed] == [REFUSALS[kind]]


async def test_all_keys_refused_is_a_failed_target(simulator: Simulator) -> None:
    """Each key is tried once; then the fallback answers."""
    simulator.vendor("openai").set(key_errors=dict.fromkeys(KEYS, "authentication"))
    async with Router.from_text(pooled(simulator, fallbacks='"ollama/qwen3:4b"'), env={}, seed=1) as router:
        reply = await router.complete("chat", "hi")
        again = await router.complete("chat", "hi")
    assert reply.target == "ollama/qwen3:4b"
    assert [attempt.code for attempt in reply.trace.attempts] == [*[ErrorCode.AUTHENTICATION] * 3, None]
    assert [skip.reason for skip in again.trace.skips] == ["circuit_open"]
    assert served(simulator) == Counter(dict.fromkeys(ENDS, 1))


async def test_a_server_error_is_not_the_keys_fault(simulator: Simulator) -> None:
    """With a server that fails, the keys are not tried one by one."""
    simulator.vendor("openai").set(error_rate=1, error="server_error")
    async with Router.from_text(pooled(simulator, fallbacks='"ollama/qwen3:4b"'), env={}, seed=1) as router:
        reply = await router.complete("chat", "hi")
    assert [attempt.code for attempt in reply.trace.attempts] == [ErrorCode.SERVER_ERROR, None]


async def test_each_key_has_its_own_limits(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three keys allow three times as much at the same time."""
    goes_on = held_answers(monkeypatch)
    text = pooled(simulator, more=", limits: {in_flight: 1}")
    async with Router.from_text(text, env={}, seed=1) as router:
        calls = [asyncio.ensure_future(router.complete("chat", "hi")) for _ in range(4)]
        await until(lambda: any(call.done() for call in calls))
        goes_on.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, RouteExhausted) for result in results) == 1
    assert served(simulator) == Counter(dict.fromkeys(ENDS, 1))


async def test_a_key_more_keeps_the_state_of_the_others(simulator: Simulator, tmp_path: Path) -> None:
    """An edit of the pool: the breaker of a refused key lives on, a new key is used, a removed one no more."""
    path = tmp_path / "routes.yaml"
    path.write_text(pooled(simulator, keys=KEYS[:2]))
    simulator.vendor("openai").set(key_errors={KEYS[0]: "authentication"})
    async with Router.from_yaml(path, env={}, watch=False, seed=1) as router:
        for _ in range(4):
            await router.complete("chat", "hi")
        assert served(simulator)[ENDS[0]] == 1
        path.write_text(pooled(simulator))
        assert (await router.reload()).changes == ("provider openai keys 2→3",)
        for _ in range(6):
            await router.complete("chat", "hi")
        assert served(simulator)[ENDS[0]] == 1
        assert served(simulator)[ENDS[2]] == 3
        path.write_text(pooled(simulator, keys=KEYS[2:]))
        await router.reload()
        before = served(simulator)
        for _ in range(3):
            await router.complete("chat", "hi")
        assert served(simulator) - before == Counter({ENDS[2]: 3})


async def test_the_pool_is_held_until_its_first_key_is_free(simulator: Simulator) -> None:
    """When every key was told to wait, the error names the soonest."""
    simulator.vendor("openai").set(key_errors=dict.fromkeys(KEYS, "rate_limited"), retry_after=30)
    async with Router.from_text(pooled(simulator), env={}, seed=1) as router:
        with pytest.raises(RouteExhausted) as caught:
            await router.complete("chat", "hi")
        assert caught.value.code is ErrorCode.RATE_LIMITED
        assert len(caught.value.attempts) == 3
        with pytest.raises(RouteExhausted) as caught:
            await router.complete("chat", "hi")
        assert caught.value.attempts == ()
        assert caught.value.retry_after == pytest.approx(30, abs=5)


async def test_no_key_shows(simulator: Simulator) -> None:
    """Neither in errors nor in the plan's own words."""
    simulator.vendor("openai").set(key_errors=dict.fromkeys(KEYS, "authentication"))
    async with Router.from_text(pooled(simulator), env={}, seed=1) as router:
        with pytest.raises((RouteExhausted, ProviderError)) as caught:
            await router.complete("chat", "hi")
        shown = f"{caught.value} {caught.value!r} {router!r} {router.plan!r} {router.plan.catalogue.keys!r}"
    assert not any(key in shown for key in KEYS)


def test_a_key_twice_is_an_error() -> None:
    """Two of the same would count the same limit twice."""
    loaded = load_text("providers: {a: {kind: openai, api_keys: [k1-long, k1-long]}}\nroutes: {c: a/m}\n", env={})
    assert [found.message for found in loaded.diagnostics] == ["the same key is in the pool twice"]

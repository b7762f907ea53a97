"""`prompt_cache`: vendors keep a conversation's prompt, it stays where that is kept, and what it spares is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from providers.errors import ProviderError
from providers.simulator import Simulator
from providers.types import Message, Price, Tool, Usage
from router import Router
from router.cli.status import render
from router.config import load_text
from router.plan.compile import compile_plan
from router.plan.pricing import cost, note_prompt_cache
from router.views.trace import Trace

KEYS = ("sk-warm-0123456789-one1", "sk-warm-0123456789-two2", "sk-warm-0123456789-six6")
LONG = "Answer in the words of a sailor, and never of the weather. " * 300  # some 4,400 tokens
TOOL = Tool("look_up", "Looks something up. " * 250, {"type": "object", "properties": {"what": {"type": "string"}}})


def routes(simulator: Simulator, model: str, *, vendor: str = "anthropic", cache: str = "auto", keys: int = 1) -> str:
    listed = ", ".join(f'"{key}"' for key in KEYS[:keys])
    return f"""
providers:
  {vendor}: {{kind: {vendor}, base_url: "{simulator.base_url(vendor)}", api_keys: [{listed}], prompt_cache: {cache}}}
models:
  m: {{provider: {vendor}, id: {model}, price: {{input: 4, output: 20, cache_read: 0.4, cache_write: 5}}}}
routes: {{chat: m}}
"""


async def talked(router: Router, turns: int, **params: Any) -> tuple[list[Usage], list[int]]:
    """The usages of a talk, and what each request repeated of the one before, in tokens."""
    said: list[Message] = [Message.system(LONG)]
    usages, repeated, before = [], [], 0
    for number in range(turns):
        said.append(Message.user(f"Question {number}: " + "what of the sea, and of those who sail on it? " * 20))
        reply = await router.complete("chat", said, **params)
        said.append(reply.message)
        usages.append(reply.usage)
        repeated.append(before)
        before = reply.usage.input_tokens or 0
    return usages, repeated


def share(usages: Sequence[Usage], repeated: Sequence[int]) -> float:
    return sum(usage.cache_read_tokens or 0 for usage in usages) / sum(repeated)


@pytest.mark.parametrize(
    ("vendor", "model"),
    [("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-haiku-4-5"), ("openai", "gpt-4.1")],
)
@pytest.mark.parametrize("keys", [1, 3])
async def test_twenty_turns_read_what_they_repeat(vendor: str, model: str, keys: int) -> None:
    """At least 90 % of what each turn repeats of the one before comes from the vendor's cache."""
    async with Simulator() as simulator:
        simulator.vendor(vendor).set(fast=True)
        text = routes(simulator, model, vendor=vendor, keys=keys)
        async with Router.from_text(text, env={}) as router:
            usages, repeated = await talked(router, 20)
    assert share(usages, repeated) >= 0.9
    assert all(usage.cache_read_tokens for usage in usages[1:])


async def test_without_it_nothing_is_kept() -> None:
    async with Simulator() as simulator:
        simulator.vendor("anthropic").set(fast=True)
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5", cache='"off"'), env={}) as router:
            usages, _ = await talked(router, 3)
            reply = await router.complete("chat", "hi")
    assert not any(usage.cache_read_tokens or usage.cache_write_tokens for usage in usages)
    assert reply.trace.prompt_cache is None


async def test_a_talk_of_many_tool_results_reads_what_it_repeats() -> None:
    """30 calls at a time, more blocks than the vendor looks back, over 25 rounds: every round reads all of the last."""
    calls = [{"name": "look_up", "arguments": {"what": str(number)}} for number in range(30)]
    async with Simulator() as simulator:
        vendor = simulator.vendor("anthropic")
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5"), env={}) as router:
            said: list[Message] = [Message.system("Short."), Message.user("Find all of it.")]
            before = 0
            for number in range(50):
                vendor.set(fast=True, tool_call=None if number % 2 else calls)
                reply = await router.complete("chat", said, tools=[TOOL])
                assert (reply.usage.cache_read_tokens or 0) >= 0.95 * before
                written = (reply.usage.cache_read_tokens or 0) + (reply.usage.cache_write_tokens or 0)
                before = written
                said.append(reply.message)
                results = [call.result("found, " * 40).message() for call in reply.tool_calls]
                said += results or [Message.user("And?")]
    assert before > 10_000


async def test_a_streamed_talk_reads_as_well() -> None:
    async with Simulator() as simulator:
        simulator.vendor("anthropic").set(fast=True)
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5"), env={}) as router:
            for _ in range(2):
                async with router.stream("chat", [Message.system(LONG), Message.user("hi")]) as stream:
                    async for _ in stream:
                        pass
    use = stream.response.trace.prompt_cache
    assert use is not None
    assert use.read > 4_000
    assert use.saved is not None
    assert use.saved > 0


async def test_an_hour_is_kept_and_paid_as_such() -> None:
    """The vendor tells what it keeps for an hour, which costs more to write."""
    async with Simulator() as simulator:
        simulator.vendor("anthropic").set(fast=True)
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5", cache="1h"), env={}) as router:
            reply = await router.complete("chat", [Message.system(LONG), Message.user("hi")])
    usage = reply.usage
    assert usage.cache_write_1h_tokens == usage.cache_write_tokens
    assert usage.cache_write_tokens
    short = msgspec.structs.replace(usage, cache_write_1h_tokens=0)
    price = Price(4, 20, 0.4, 5)
    assert reply.cost == pytest.approx(cost(price, usage))
    assert (cost(price, usage) or 0) > (cost(price, short) or 0)


# --- what it spares


@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (Usage(1_000_000, 0, cache_read_tokens=1_000_000), 3.6),
        (Usage(1_000_000, 0, cache_write_tokens=1_000_000), -1.0),
        (Usage(1_000_000, 0, cache_write_tokens=1_000_000, cache_write_1h_tokens=1_000_000), -4.0),
        (Usage(1_000_000, 0, cache_read_tokens=500_000, cache_write_tokens=500_000), 1.3),
    ],
)
def test_what_is_gained_and_lost(usage: Usage, saved: float) -> None:
    """Against the same tokens without a cache; an hour's price is 1.6 times that of five minutes where none is said."""
    trace = Trace("chat", "r")
    note_prompt_cache(trace, Price(4, 20, 0.4, 5), usage)
    assert trace.prompt_cache is not None
    assert trace.prompt_cache.saved == pytest.approx(saved)
    note_prompt_cache(trace, Price(4, 20, 0.4, 5, cache_write_1h=8), usage)
    assert trace.prompt_cache.saved == pytest.approx(saved)
    note_prompt_cache(trace, None, usage)
    assert trace.prompt_cache.saved is None


async def test_trace_figures_and_status_tell_it() -> None:
    """Writes that nobody has read yet are a loss; reading turns it into a gain."""
    async with Simulator() as simulator:
        simulator.vendor("anthropic").set(fast=True)
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5"), env={}) as router:
            said = [Message.system(LONG), Message.user("hi")]
            first = await router.complete("chat", said)
            assert "lost" in first.trace.render()
            second = await router.complete("chat", [*said, first.message, Message.user("and?")])
            text = second.trace.render()
            totals = router.snapshot().figures.totals
            told = render(router.snapshot())
            feed = router.feed()
            view = await feed.trace((await feed.requests(limit=1))[0].id)
    assert "prompt cache: " in text
    assert "saved" in text
    uses = [first.trace.prompt_cache, second.trace.prompt_cache]
    assert totals.cache_read_tokens == sum(use.read for use in uses if use)
    assert totals.cache_write_tokens == sum(use.written for use in uses if use)
    assert totals.prompt_cache_saved == pytest.approx(sum(use.saved or 0 for use in uses if use))
    assert uses[1] is not None
    assert second.trace.as_dict()["prompt_cache"]["read"] == uses[1].read
    assert "prompt caches of the vendors: " in told
    assert "saved" in told
    assert view is not None
    assert view.prompt_cache == uses[1]


# --- where it stays


async def test_a_conversation_stays_at_one_key() -> None:
    """Many talks share the keys, and each keeps its own; a key that is refused hands its talks on."""
    async with Simulator() as simulator:
        vendor = simulator.vendor("anthropic")
        vendor.set(fast=True)
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5", keys=3), env={}) as router:
            used = {}
            for talk in range(12):
                said = [Message.system(LONG), Message.user(f"I am number {talk}.")]
                keys = set()
                for _ in range(3):
                    reply = await router.complete("chat", said)
                    keys.add(reply.trace.attempts[0].key)
                    said += [reply.message, Message.user("and?")]
                used[talk] = keys
            vendor.set(key_errors={KEYS[0][-4:]: "authentication"})
            reply = await router.complete("chat", [Message.system(LONG), Message.user("I am number 0.")])
    assert all(len(keys) == 1 for keys in used.values())
    assert len(set.union(*used.values())) > 1
    assert reply.trace.attempts[-1].key != 1


async def test_affinity_keeps_a_session_at_one_key() -> None:
    """`balance: affinity` does so for a pool of keys as well, whatever is said."""
    async with Simulator() as simulator:
        simulator.vendor("openai").set(fast=True)
        text = routes(simulator, "gpt-4.1", vendor="openai", cache='"off"', keys=3)
        text = text.replace("{chat: m}", "{chat: {targets: [m], balance: affinity}}")
        async with Router.from_text(text, env={}) as router:
            keys = {
                (await router.complete("chat", f"{number}", affinity="one")).trace.attempts[0].key
                for number in range(6)
            }
    assert len(keys) == 1


# --- who decides


def test_the_nearest_level_decides() -> None:
    """Route over model over provider over defaults; a request over all."""
    plan = compile_plan(
        load_text("""
defaults: {prompt_cache: auto}
providers: {a: {kind: fake}, b: {kind: fake, prompt_cache: "off"}}
models: {m: {provider: b, id: x, prompt_cache: 1h}}
routes:
  one: a/x
  two: b/x
  three: m
  four: {targets: [m], prompt_cache: "off"}
""")
    )
    found = {name: plan.chains[name].targets[0].prompt_cache for name in ("one", "two", "three", "four")}
    assert found == {"one": "auto", "two": None, "three": "1h", "four": None}


async def test_a_request_decides_for_itself() -> None:
    async with Simulator() as simulator:
        simulator.vendor("anthropic").set(fast=True)
        async with Router.from_text(routes(simulator, "claude-sonnet-4-5", cache='"off"'), env={}) as router:
            reply = await router.complete("chat", [Message.system(LONG), Message.user("hi")], prompt_cache="auto")
            assert reply.usage.cache_write_tokens
            with pytest.raises(ProviderError, match="prompt_cache"):
                await router.complete("chat", "hi", prompt_cache="always")  # type: ignore[arg-type]  # that is the point


def test_a_talk_that_is_spread_over_targets_is_told() -> None:
    """`check` warns where the next turn goes to another vendor's cache."""
    text = "providers: {{a: {{kind: fake}}}}\nroutes: {{r: {{targets: [a/x, a/y], prompt_cache: auto{more}}}}}\n"
    warned = load_text(text.format(more="")).diagnostics
    assert [finding.severity for finding in warned] == ["warning"]
    assert "balance: affinity" in warned[0].message
    assert not load_text(text.format(more=", balance: affinity")).diagnostics

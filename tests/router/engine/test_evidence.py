"""What takes a target from everybody, in virtual time: evidence about the target, never what befell one request.

In each story a bystander goes on asking, and is served by the target that somebody else's request failed at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from providers import CompletionRequest, ErrorCode, FakeProvider, ProviderSettings
from providers.fake import Fail, Reply, Step
from router import RouteExhausted, Router
from router.testing import run
from tests.support.world import at_rate, now, story

Answers = Callable[[CompletionRequest], Step]


class Town:
    """A router over fakes that look at who asks: `a/m` first, `b/m` where it fails."""

    def __init__(self, a: Answers, b: Answers | None = None, *, routes: str = "", more: str = "") -> None:
        self.fakes = {
            name: FakeProvider(ProviderSettings(name=name, kind="fake", options={"script": script}))
            for name, script in (("a", a), ("b", b or (lambda _: Reply("from b"))))
        }
        text = "providers: {a: {kind: fake}, b: {kind: fake}}\n" + more
        text += routes or "routes: {chat: {targets: [a/m], fallbacks: [b/m]}, alone: {targets: [a/m]}}\n"
        self.router = Router.from_text(text, env={}, seed=1, providers=self.fakes)

    async def ask(self, text: str, route: str = "chat", **params: Any) -> str:
        """Who answers."""
        return (await self.router.complete(route, text, **params)).provider

    def calls(self, name: str = "a") -> int:
        return len(self.fakes[name].requests)


def spoilt(step: Step, word: str = "bad") -> Answers:
    """Answers everybody but those who say the word."""
    return lambda request: step if word in request.messages[-1].text else Reply("fine")


REFUSED = ErrorCode.PERMISSION_DENIED
ONE_REQUEST = {
    "guardrail": Fail(REFUSED, "Blocked by guardrail", status=403),
    "waf": Fail(REFUSED, "an HTML page: Attention Required! | Cloudflare", status=403),
    "file": Fail(REFUSED, "You do not have permission to access the File abc or it may not exist.", status=403),
    "container": Fail(ErrorCode.MODEL_NOT_FOUND, "Container cntr_1 was not found", status=404),
    "feature": Fail(REFUSED, "Web search is not enabled for this organization", status=403),
    "country": Fail(REFUSED, "Country, region, or territory not supported", status=403),
    "legal": Fail(REFUSED, "Unavailable", status=451),
    "tool call": Fail(ErrorCode.SERVER_ERROR, "tool_use_failed: Failed to call a function", status=400),
    "link": Fail(ErrorCode.SERVER_ERROR, "Timeout while fetching the image url", status=500),
    "mcp": Fail(ErrorCode.AUTHENTICATION, "401 from MCP server: tool access denied", status=401),
}


@pytest.mark.parametrize("step", ONE_REQUEST.values(), ids=ONE_REQUEST)
def test_what_one_request_is_refused_for_takes_no_target_from_others(step: Step) -> None:
    """Twenty requests of several people are refused; they fail over, and nobody else is sent away."""

    async def main() -> None:
        town = Town(spoilt(step), more="defaults: {retry: {same_target: 0}}\n")
        for number in range(20):
            assert await town.ask(f"bad {number}", affinity=f"person {number}") == "b"
        assert await town.ask("innocent", "alone") == "a"
        assert (await town.ask("innocent"), town.calls()) == ("a", 22)

    run(main())


UNDECIDED = {
    "401": Fail(ErrorCode.AUTHENTICATION, "Unauthorized", status=401),
    "403": Fail(REFUSED, "Forbidden", status=403),
    "404": Fail(ErrorCode.MODEL_NOT_FOUND, "Not there", status=404),
}


@pytest.mark.parametrize("step", UNDECIDED.values(), ids=UNDECIDED)
def test_words_that_decide_nothing_need_a_second_different_request(step: Step) -> None:
    """The same request again is no confirmation, nor is the same person, nor the conversation gone on; another is."""

    async def main() -> None:
        town = Town(lambda _: step)
        for _ in range(5):
            assert await town.ask("one") == "b"
        longer = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "?"}]
        assert await town.ask([*longer, {"role": "user", "content": "go on"}]) == "b"  # type: ignore[arg-type]  # as apps do
        assert town.calls() == 6
        assert await town.ask("two") == "b"
        assert town.calls() == 7
        assert await town.ask("three") == "b"
        assert town.calls() == 7  # open now

    run(main())


@pytest.mark.parametrize("step", UNDECIDED.values(), ids=UNDECIDED)
def test_one_person_confirms_nothing(step: Step) -> None:
    """Whoever asks in several words, or with the same field of their own, is one witness."""

    async def main() -> None:
        for params in ({"user": "u"}, {"affinity": "s"}, {"extra_body": {"beta": 1}}):
            town = Town(lambda _: step)
            for number in range(5):
                assert await town.ask(f"words {number}", **params) == "b"
            assert town.calls() == 5

    run(main())


@pytest.mark.parametrize("step", UNDECIDED.values(), ids=UNDECIDED)
def test_an_answer_clears_the_doubt(step: Step) -> None:
    """Two different requests are refused, but somebody was served between them."""

    async def main() -> None:
        town = Town(spoilt(step))
        for number in range(10):
            assert await town.ask(f"bad {number}") == "b"
            assert await town.ask("innocent", "alone") == "a"

    run(main())


@pytest.mark.parametrize("step", UNDECIDED.values(), ids=UNDECIDED)
def test_a_doubt_does_not_last(step: Step) -> None:
    """What was refused long ago confirms nothing: the window is the time for which a breaker opens."""

    async def main() -> None:
        town = Town(lambda _: step)
        for number in range(4):
            assert await town.ask(f"words {number}") == "b"
            await asyncio.sleep(301)
        assert town.calls() == 4

    run(main())


@pytest.mark.parametrize(
    ("step", "also"),
    [
        (Fail(ErrorCode.AUTHENTICATION, "Incorrect API key provided: sk-***", status=401), "a/n"),
        (Fail(ErrorCode.MODEL_NOT_FOUND, "The model `m` does not exist", status=404), None),
        (Fail(REFUSED, "Project p does not have access to model m", status=403), None),
        (Fail(REFUSED, "Your account has been suspended", status=403), "a/n"),
    ],
    ids=["key", "model", "access", "account"],
)
def test_words_about_key_or_model_open_at_once(step: Step, also: str | None) -> None:
    """One call is enough; another model of the key is left alone only where the key itself is refused."""

    async def main() -> None:
        routes = "routes: {chat: {targets: [a/m], fallbacks: [b/m]}, other: {targets: [a/n], fallbacks: [b/m]}}\n"
        town = Town(lambda request: step if request.model == "m" else Reply("fine"), routes=routes)
        assert [await town.ask(f"words {number}") for number in range(5)] == ["b"] * 5
        assert town.calls() == 1
        assert await town.ask("hi", "other") == ("b" if also else "a")

    run(main())


@pytest.mark.parametrize(
    "own",
    [
        {"extra_headers": {"OpenAI-Organization": "tenants-own"}},
        {"extra_headers": {"OpenAI-Project": "tenants-own"}},
        {"extra_headers": {"X-Workspace": "tenants-own"}},
        {"extra_body": {"api_key": "tenants-own"}},
    ],
    ids=str,
)
def test_a_tenants_own_account_is_no_evidence(own: dict[str, Any]) -> None:
    """A key or account that came with one call: whatever is said of it, ours is used on."""
    steps = [
        Fail(ErrorCode.AUTHENTICATION, "Incorrect API key provided", status=401),
        Fail(REFUSED, "Your account has been suspended", status=403),
        Fail(ErrorCode.MODEL_NOT_FOUND, "The model `m` does not exist or you do not have access to it", status=404),
        Fail(ErrorCode.QUOTA_EXHAUSTED, "Your credit balance is too low", status=402),
        Fail(ErrorCode.RATE_LIMITED, "Rate limit reached for your account", status=429, retry_after=60.0),
    ]

    async def main() -> None:
        for step in steps:
            town = Town(
                lambda request, step=step: step if request.extra_headers or request.extra_body else Reply("fine")
            )  # type: ignore[misc]  # a default binds it
            for number in range(3):
                assert await town.ask(f"mine {number}", **own) == "b"
            assert await town.ask("innocent", "alone") == "a"

    run(main())


def test_a_cache_key_is_no_account() -> None:
    """What only has such a name: the refusal of our key counts at once."""

    async def main() -> None:
        town = Town(lambda _: Fail(ErrorCode.AUTHENTICATION, "Incorrect API key provided", status=401))
        for fields in ({"prompt_cache_key": "k"}, {"safety_identifier": "i"}):
            assert await town.ask("hi", extra_body=fields, extra_headers={"Idempotency-Key": "1"}) == "b"
        assert town.calls() == 1

    run(main())


def test_a_model_of_the_callers_own_is_no_evidence() -> None:
    """`extra_body` named another model, which is not there."""

    async def main() -> None:
        missing = Fail(ErrorCode.MODEL_NOT_FOUND, "The model `typo` does not exist", status=404)
        town = Town(lambda request: missing if request.extra_body else Reply("fine"))
        for _ in range(3):
            assert await town.ask("hi", extra_body={"model": "typo"}) == "b"
        assert await town.ask("hi", "alone") == "a"

    run(main())


# --- what is limited


PER_MODEL = {
    "gemini": Fail(ErrorCode.QUOTA_EXHAUSTED, "Quota exceeded for metric: x/requests, limit: 20, model: m", status=429),
    "openai": Fail(ErrorCode.RATE_LIMITED, "Rate limit reached for model m on tokens per min", retry_after=60.0),
    "claude": Fail(
        ErrorCode.RATE_LIMITED,
        "would exceed your organization's rate limit of 5 input tokens per minute",
        retry_after=60.0,
    ),
    "unsaid": Fail(ErrorCode.RATE_LIMITED, "Too many requests", retry_after=60.0),
    "unsaid quota": Fail(ErrorCode.QUOTA_EXHAUSTED, "Quota exceeded", status=429),
}
TWO_MODELS = "routes: {chat: {targets: [a/m], fallbacks: [a/n, b/m]}, third: {targets: [a/o], fallbacks: [b/m]}}\n"


@pytest.mark.parametrize("step", PER_MODEL.values(), ids=PER_MODEL)
def test_a_models_limit_leaves_the_keys_other_models(step: Step) -> None:
    """The fallback to another model of the same key serves, and the limited one is left alone."""

    async def main() -> None:
        town = Town(lambda request: step if request.model == "m" else Reply(request.model), routes=TWO_MODELS)
        for _ in range(5):
            assert (await town.router.complete("chat", "hi")).text == "n"
        assert await town.ask("hi", "third") == "a"
        assert [request.model for request in town.fakes["a"].requests].count("m") == 1

    run(main())


PER_KEY = {
    "money": Fail(ErrorCode.QUOTA_EXHAUSTED, "Your credit balance is too low", status=402),
    "plan": Fail(ErrorCode.QUOTA_EXHAUSTED, "You exceeded your current quota, please check your plan", status=429),
    "rate": Fail(ErrorCode.RATE_LIMITED, "Rate limit reached for your account", retry_after=60.0),
}


@pytest.mark.parametrize("step", PER_KEY.values(), ids=PER_KEY)
def test_a_keys_limit_holds_all_its_models(step: Step) -> None:
    """Said once, none of the key's models is asked."""

    async def main() -> None:
        town = Town(lambda _: step, routes=TWO_MODELS)
        assert await town.ask("hi") == "b"
        assert await town.ask("hi", "third") == "b"
        assert town.calls() == 1

    run(main())


@pytest.mark.parametrize("code", [ErrorCode.RATE_LIMITED, ErrorCode.QUOTA_EXHAUSTED])
def test_two_limited_models_are_one_limited_key(code: ErrorCode) -> None:
    """Nobody says whose limit it is: the second model that meets it speaks for the key, as long as both are held."""

    async def main() -> None:
        town = Town(
            lambda request: (
                Fail(code, "Too many", retry_after=60.0 if request.model == "m" else 300.0)
                if now() < 30
                else Reply(request.model)
            ),
            routes=TWO_MODELS,
        )
        assert await town.ask("hi") == "b"
        assert town.calls() == 2
        assert await town.ask("hi", "third") == "b"  # never asked
        assert town.calls() == 2
        await asyncio.sleep(61)
        assert await town.ask("hi", "third") == "a"
        assert (await town.router.complete("chat", "hi")).text == "m"

    run(main())


# --- where nothing else is left


def test_a_revoked_key_is_asked_a_handful_of_times() -> None:
    """600 requests, at 60 a second and then one after another, where nobody else can serve."""

    async def main() -> None:
        town = Town(lambda _: Fail(ErrorCode.AUTHENTICATION, "Incorrect API key provided", status=401))
        results = await at_rate(60, 10, lambda: town.ask("hi", "alone"))
        assert all(isinstance(answer, RouteExhausted) for _, _, answer in results)
        assert town.calls() <= 10
        for _ in range(600):
            with pytest.raises(RouteExhausted) as caught:
                await town.ask("hi", "alone")
        assert town.calls() <= 12
        assert caught.value.retry_after is not None
        await asyncio.sleep(caught.value.retry_after)
        before = town.calls()
        with pytest.raises(RouteExhausted):
            await town.ask("hi", "alone")
        assert town.calls() == before + 1  # the time that was named is right

    run(main())


@pytest.mark.parametrize("hangs", [0.0, 3.0])
def test_a_dead_vendor_is_asked_once_a_second(hangs: float) -> None:
    """One probe at a time, and none within a second of the last."""

    async def main() -> None:
        asked: list[float] = []

        def dead(_: CompletionRequest) -> Step:
            asked.append(now())
            return Fail(ErrorCode.SERVER_ERROR, delay=hangs)

        defaults = "defaults: {retry: {max_wait: 0s, same_target: 0}}\n"
        town = Town(dead, more=defaults)
        results = await at_rate(60, 20, lambda: town.ask("hi", "alone"))
        assert all(isinstance(answer, RouteExhausted) for _, _, answer in results)
        assert all(seconds <= hangs for _, seconds, _ in results)  # nobody waits where no wait is allowed
        assert all(0 < answer.retry_after <= 1.001 for _, _, answer in results[-600:])
        probes = [moment for moment in asked if moment >= 5.0]
        assert all(later - earlier >= 1.0 + hangs - 0.001 for earlier, later in pairwise(probes))
        assert len(probes) >= 3

    run(main())


def test_a_request_waits_for_the_next_probe_and_is_served() -> None:
    """The vendor is back half a second after the last probe: those who may wait are served with it, all of them."""

    async def main() -> None:
        town = Town(
            lambda _: Fail(ErrorCode.SERVER_ERROR) if now() < 20.5 else Reply("back"),
            more="defaults: {retry: {max_wait: 5s, same_target: 0}}\n",
        )
        await at_rate(10, 20.3, lambda: town.ask("hi", "alone"))
        results = await asyncio.gather(*(town.ask("hi", "alone") for _ in range(50)))
        assert set(results) == {"a"}
        assert now() <= 22.6

    run(main())


@story
async def test_probes_before_their_time_leave_the_time_as_it_was() -> None:
    """Both are down and probed all the while; when one is back, the other is not shut out for minutes for that."""
    town = Town(
        lambda _: Fail(ErrorCode.SERVER_ERROR) if now() < 30 else Reply("a"),
        lambda _: Fail(ErrorCode.SERVER_ERROR) if now() < 25 else Reply("b"),
        more="defaults: {retry: {max_wait: 0s, same_target: 0}}\n",
    )
    results = await at_rate(10, 70, lambda: town.ask("hi"))
    later = [answer for began, _, answer in results if began > 26.5]
    assert not any(isinstance(answer, RouteExhausted) for answer in later)
    assert later[-1] == "a"


@story
async def test_a_probe_is_no_licence_for_more_than_the_limits() -> None:
    """Those who waited for it keep to `in_flight` when the breaker has closed."""
    served: list[float] = []

    def answer(_: CompletionRequest) -> Step:
        if now() < 2.5:
            return Fail(ErrorCode.SERVER_ERROR)
        served.append(now())
        return Reply("back", delay=1.0)

    model = "models: {m: {provider: a, id: m, limits: {in_flight: 2}}}\n"
    town = Town(answer, more=model, routes="routes: {alone: m}\n")
    await asyncio.gather(*(town.ask("hi", "alone") for _ in range(20)), return_exceptions=True)
    assert len(served) >= 3
    assert all(third - first >= 0.999 for first, third in zip(served, served[2:], strict=False))

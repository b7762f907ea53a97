"""What a route, a client's key and a call require of whom they ask: it holds on every way, and nothing widens it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, Message, ProviderError, ProviderSettings, Requirement, Routing
from providers.fake import Fail, Reply, Step
from providers.types import CompletionRequest, TokenCount
from router import RouteExhausted, Router
from router.testing import run

FILE = """
providers:
  eu: {kind: fake, labels: {region: eu, retention: none}}
  us: {kind: fake, labels: {region: us}}
  bare: {kind: fake}
models:
  strict: {provider: us, id: s, labels: {region: [uk, ch], retention: none}}
  m: {provider: bare, id: m, labels: {region: eu}}
  vectors: {provider: us, id: v, embeds: {dimensions: 8}}
  twin: {provider: eu, id: v, embeds: {same_as: vectors}}
  ranker: {provider: us, id: r, reranks: true}
  ranker-eu: {provider: eu, id: r, reranks: true}
routes:
  chat: {targets: [us/a, eu/a], balance: ordered, fallbacks: [bare/a, strict], cache: {ttl: 1h}}
  home: {targets: [m], require: {region: eu}, fallbacks: [chat, {to: us/z, on: [timeout]}]}
  hedged: {targets: [us/a, eu/a, us/b], balance: ordered, hedge: {after: 1s, max: 2, budget: 100%}}
  gpt-4: chat
  "claude-*": chat
  embed: {targets: [vectors], fallbacks: [twin], embeds: true, cache: {ttl: 1h}}
  batched: {targets: [vectors], fallbacks: [twin], embeds: true, batch: {wait: 10ms}}
  rank: {targets: [ranker], fallbacks: [ranker-eu], reranks: true}
serve:
  keys: {alice: {key: "sb-0123456789012345678", require: {region: eu}}}
cache: {path: memory}
"""
EU = {"region": "eu"}
BUSY = Fail(ErrorCode.OVERLOADED)
NAMES = ("eu", "us", "bare")


class Shop:
    def __init__(self, text: str = FILE, **scripts: Step) -> None:
        self.fakes = {name: FakeProvider.scripted(scripts.get(name, Reply(f"of {name}")), name=name) for name in NAMES}
        self.router = Router.from_text(text, env={}, providers=self.fakes, monitor=False, seed=1)

    @property
    def asked(self) -> list[str]:
        """The providers that were asked anything."""
        return [name for name, fake in self.fakes.items() if fake.requests]


def ask(shop: Shop, route: str = "chat", **params: Any) -> Any:
    async def main() -> Any:
        async with shop.router as router:
            return await router.complete(route, "hi", **params)

    return run(main())


@pytest.mark.parametrize(
    ("route", "require", "target"),
    [
        ("chat", EU, "eu/a"),
        ("chat", {"region": ["eu", "mars"]}, "eu/a"),
        ("chat", {"region": {"eu", "mars"}}, "eu/a"),
        ("chat", {"region": "us"}, "us/a"),
        ("chat", {"region": ["ch"]}, "strict"),  # one of the label's texts
        ("chat", {"retention": "none"}, "eu/a"),
        ("chat", {"retention": "none", "region": "uk"}, "strict"),  # a model's own label goes before its provider's
        ("chat", {}, "us/a"),
        ("chat", None, "us/a"),
        ("gpt-4", EU, "eu/a"),  # by another name of the route
        ("claude-haiku", EU, "eu/a"),  # by a pattern
        ("home", None, "m"),
        ("home", {"retention": "none"}, "eu/a"),  # over the route that it falls back to
        ("m", EU, "m"),  # a model by its own name
        ("eu/anything", EU, "eu/anything"),  # a model that the file does not have
    ],
)
def test_only_who_has_the_labels_is_asked(route: str, require: Any, target: str) -> None:
    assert ask(Shop(), route, require=require).target == target


@pytest.mark.parametrize("route", ["us/a", "bare/a", "strict", "bare/anything"])
def test_a_target_by_its_name_is_bound_too(route: str) -> None:
    shop = Shop()
    with pytest.raises(RouteExhausted) as caught:
        ask(shop, route, require=EU)
    assert caught.value.code is ErrorCode.REQUIREMENT_NOT_MET
    assert shop.asked == []


@pytest.mark.parametrize("route", ["chat", "home", "hedged"])
def test_no_fallback_or_retry_leaves_what_is_required(route: str) -> None:
    shop = Shop(eu=BUSY, bare=BUSY)
    with pytest.raises(RouteExhausted) as caught:
        ask(shop, route, require=EU)
    assert "us" not in shop.asked
    assert caught.value.code is ErrorCode.OVERLOADED  # who may be asked was, and failed
    assert "region is us, where the call requires eu" in str(caught.value) or route == "home"


def test_a_hedge_keeps_it() -> None:
    shop = Shop(eu=Reply("slow", delay=30.0))
    assert ask(shop, "hedged", require=EU).text == "slow"
    assert shop.asked == ["eu"]


@pytest.mark.parametrize("how", ["restart", "continue"])
def test_a_stream_that_breaks_goes_on_within_it(how: Any) -> None:
    shop = Shop(eu=Reply("half of it", break_after=1))

    async def main() -> Any:
        async with shop.router as router:
            async with router.stream("chat", "hi", require={"retention": "none"}, on_stream_break=how) as stream:
                async for _ in stream:
                    pass
            return stream.response

    assert run(main()).target == "strict"
    assert [request.model for request in shop.fakes["us"].requests] == ["s"]
    assert "bare" not in shop.asked


def test_the_routes_the_keys_and_the_calls_requirements_all_hold() -> None:
    """None of them replaces another, whoever says the same label otherwise."""
    for params in ({"require": {"region": "us"}}, {"require": {"region": ["us", "uk"]}}, {"only": "us"}):
        shop = Shop()
        with pytest.raises(RouteExhausted) as caught:
            ask(shop, "home", caller="alice", **params)
        assert caught.value.code is ErrorCode.REQUIREMENT_NOT_MET
        assert shop.asked == []
    assert ask(Shop(), "chat", caller="alice").target == "eu/a"
    assert ask(Shop(), "chat", caller="bob").target == "us/a"


def test_nothing_left_says_who_was_left_out_by_which_requirement_and_why() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(Shop(), "home", caller="alice", require={"region": "us", "retention": ["none", "30d"]})
    error = caught.value
    assert error.code is ErrorCode.REQUIREMENT_NOT_MET
    line = (
        FILE.splitlines().index(
            "  home: {targets: [m], require: {region: eu}, fallbacks: [chat, {to: us/z, on: [timeout]}]}"
        )
        + 1
    )
    for told in (
        f"us/a  skipped: requirement  region is us, where route home (routes.yaml:{line}) requires eu",
        "m  skipped: requirement  region is eu, where the call requires us; "
        "it has no label retention, where the call requires 30d or none",
        f"us/z  skipped: requirement  region is us, where route home (routes.yaml:{line}) requires eu",
    ):
        assert told in str(error)
    with pytest.raises(RouteExhausted, match=r"where key alice \(routes.yaml:\d+\) requires eu"):
        ask(Shop(), "us/a", caller="alice")
    assert error.trace.as_dict()["of_call"] == {"require": "region us, retention 30d or none"}
    assert "set by the call: require: region us, retention 30d or none" in error.trace.render()


@pytest.mark.parametrize(
    ("require", "told"),
    [
        ("eu", 'require: labels with their texts are expected, such as {"region": "eu"}, not str'),
        ({"regoin": "eu"}, 'no provider or model has a label "regoin" (did you mean "region"?)'),
        ({"region": None}, "require['region']: this must be text"),
        ({"region": True}, "require['region']: this must be text, or a list of texts; put it in quotes"),
        ({"region": []}, "require['region']: the list is empty"),
        ({"region": ""}, "require['region']: this must be text"),
        ({"region": ["eu", 7]}, "require['region']: this must be text"),
        ({"a b": "eu"}, "a label's name is text without white space"),
        ({7: "eu"}, "a label's name is text without white space"),
    ],
)
def test_what_is_no_requirement_is_refused_and_nobody_is_asked(require: Any, told: str) -> None:
    """A tenant's region that is None must not become no requirement."""
    shop = Shop()
    with pytest.raises(ProviderError) as caught:
        ask(shop, require=require)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert told in caught.value.message
    assert shop.asked == []


def test_a_cached_answer_of_somebody_else_is_not_given() -> None:
    shop = Shop()

    async def main() -> None:
        async with shop.router as router:
            assert (await router.complete("chat", "hi")).target == "us/a"
            first = await router.complete("chat", "hi", require=EU)
            assert (first.target, first.cached) == ("eu/a", False)
            again = await router.complete("chat", "hi", require=EU)
            assert (again.target, again.cached) == ("eu/a", True)
            assert (await router.complete("chat", "hi")).target == "us/a"
            alice = await router.complete("chat", "hi", caller="alice")  # the same requirement: the same answer
            assert (alice.target, alice.cached) == ("eu/a", True)
            with pytest.raises(RouteExhausted):
                await router.complete("chat", "hi", require={"region": "uk"}, cache="only")

    run(main())


def test_identical_requests_under_way_are_shared_within_a_requirement_alone() -> None:
    shop = Shop(us=Reply("of us", delay=5.0), eu=Reply("of eu", delay=5.0))

    async def main() -> None:
        async with shop.router as router:
            calls = [router.complete("chat", "hi", **params) for params in ({}, {"require": EU}, {"require": EU})]
            answers = await asyncio.gather(*calls)
        assert [answer.text for answer in answers] == ["of us", "of eu", "of eu"]

    run(main())
    assert len(shop.fakes["eu"].requests) == 1


def test_answers_of_before_a_route_required_anything_are_not_given_after(tmp_path: Any) -> None:
    """Also where both providers are one model at one server, and differ in nothing but their keys."""
    path = tmp_path / "routes.yaml"
    text = (
        "providers: {{plain: {{kind: fake}}, zdr: {{kind: fake, labels: {{retention: none}}}}}}\n"
        "routes: {{chat: {{targets: [{who}], cache: {{ttl: 1h}}{more}}}}}\ncache: {{path: memory}}\n"
    )
    fakes = {name: FakeProvider.scripted(Reply(f"of {name}"), name=name) for name in ("plain", "zdr")}

    async def main() -> None:
        path.write_text(text.format(who="plain/m", more=""))
        async with Router.from_yaml(path, env={}, providers=fakes, monitor=False, watch=False) as router:
            assert (await router.complete("chat", "hi")).text == "of plain"
            path.write_text(text.format(who="zdr/m", more=", require: {retention: none}"))
            await router.reload()
            assert (await router.complete("chat", "hi")).text == "of zdr"

    asyncio.run(main())


def test_vectors_and_ranks_keep_it() -> None:
    shop = Shop()

    async def main() -> None:
        async with shop.router as router:
            await router.embed("embed", ["a"])
            shop.fakes["us"].requests.clear()
            response = await router.embed("embed", ["a"], require=EU)
            assert (response.cached, response.target) == (False, "twin")
            assert (await router.embed("embed", ["a"], require=EU)).cached
            assert (await router.rerank("rank", "q", ["d"], require=EU)).target == "ranker-eu"
            assert (await router.embed("embed", ["b"], caller="alice")).target == "twin"

    run(main())
    assert shop.asked == ["eu"]


def test_a_shared_call_of_vectors_mixes_no_requirements() -> None:
    shop = Shop()

    async def main() -> None:
        async with shop.router as router:
            calls = [router.embed("batched", [text], require=require) for text, require in (("a", None), ("b", EU))]
            made = await asyncio.gather(*calls, router.embed("batched", ["c"], caller="alice"))
        assert [each.target for each in made] == ["vectors", "twin", "twin"]

    run(main())
    assert [request.inputs for request in shop.fakes["us"].requests] == [("a",)]


def test_a_request_that_is_ready_keeps_it() -> None:
    shop = Shop()
    required = Routing(require=(Requirement("my service", (("region", ("eu",)),)),))

    async def main() -> None:
        async with shop.router as router:
            request = CompletionRequest(model="chat", messages=(Message.user("hi"),), routing=required)
            assert (await router.ask(request)).target == "eu/a"
            async with router.ask_stream(request) as stream:
                async for _ in stream:
                    pass
            assert stream.response.target == "eu/a"

    run(main())


class Counting(FakeProvider):
    """A vendor with an endpoint that counts: it is sent the prompt."""

    async def count_exact(self, request: CompletionRequest) -> TokenCount:
        self.requests.append(request)
        return TokenCount(7, exact=True, by="vendor")


def test_a_prompt_is_not_sent_to_be_counted_elsewhere() -> None:
    shop = Shop()
    shop.fakes.update({name: Counting(ProviderSettings(name=name, kind="fake")) for name in NAMES})
    shop.router = Router.from_text(FILE, env={}, providers=shop.fakes, monitor=False)

    async def main() -> None:
        async with shop.router as router:
            assert (await router.count_tokens("chat", "hi", exact=True, require=EU)).tokens == 7
            assert shop.asked == ["eu"]
            with pytest.raises(ProviderError) as caught:
                await router.count_tokens("us/a", "hi", exact=True, require=EU)
            assert caught.value.code is ErrorCode.REQUIREMENT_NOT_MET
            await router.count_tokens("us/a", "hi", require=EU)  # here, by an estimate
            assert shop.asked == ["eu"]

    run(main())


def test_one_model_under_two_names_is_told_apart_by_its_labels() -> None:
    """The same model at the same account under a name that has the label, and under one that has not."""
    text = """
providers: {eu: {kind: fake}}
models: {plain: {provider: eu, id: m}, safe: {provider: eu, id: m, labels: {retention: none}}}
routes: {chat: {targets: [plain], fallbacks: [safe]}}
"""
    shop = Shop(text, eu=Fail(ErrorCode.RATE_LIMITED, retry_after=1.0))
    with pytest.raises(RouteExhausted) as caught:
        ask(shop, require={"retention": "none"}, max_attempts=3)
    assert {attempt.target for attempt in caught.value.attempts} == {"safe"}


def test_a_file_without_labels_pays_nothing_for_them() -> None:
    router = Router.from_text("providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n", env={}, monitor=False)
    target = router.chain("chat").targets[0]
    assert (target.labels, target.barred, dict(router.chain("chat").excluded)) == ({}, "", {})
    assert router.plan.serving.required == {}


DRAWN = """
providers:
  eu: {kind: fake, labels: {region: eu}}
  us: {kind: fake, labels: {region: us}}
  bare: {kind: fake}
routes:
  chat: {targets: {stable: 50, candidate: 50}, fallbacks: [{targets: [stable, eu/z]}]}
  stable: {targets: [us/a], fallbacks: [eu/a]}
  candidate: {targets: [us/b, bare/b], fallbacks: [eu/b]}
  home: {targets: [stable, candidate], require: {region: eu}, balance: ordered}
  strict: {targets: [eu/a, us/a], require: {region: eu}}
  outer: {targets: {strict: 1, candidate: 1}}
  deep: {targets: [strict, {model: eu/d}], require: {region: eu}, fallbacks: [lenient]}
  lenient: {targets: [us/l, eu/l], require: {region: [us, eu]}}
"""


@pytest.mark.parametrize(("route", "require"), [("chat", EU), ("home", None), ("outer", EU), ("deep", None)])
def test_whole_chains_that_share_load_keep_it(route: str, require: Any) -> None:
    """Whichever chain is drawn: its own requirement, that of the route above it, and the call's."""
    for eu in (Reply("fine"), BUSY):
        shop = Shop(DRAWN, eu=eu)

        async def main(shop: Shop = shop) -> None:
            async with shop.router as router:
                for _ in range(8):
                    with suppress(RouteExhausted):
                        await router.complete(route, "hi", require=require)

        run(main())
        assert shop.asked == ["eu"]


def test_a_chain_among_the_targets_is_bound_by_its_own_requirement_alone() -> None:
    shop = Shop(DRAWN, eu=BUSY)

    async def main() -> None:
        async with shop.router as router:
            assert (await router.complete("outer", "hi")).target in ("us/b", "bare/b")

    run(main())
    assert {request.model for request in shop.fakes["us"].requests} <= {"b"}


def test_nothing_left_of_many_chains_tells_all() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(Shop(DRAWN), "chat", require={"region": "mars"})
    assert caught.value.code is ErrorCode.REQUIREMENT_NOT_MET
    assert {skip.target for skip in caught.value.trace.skips} == {"us/a", "eu/a", "us/b", "bare/b", "eu/b", "eu/z"}


SHADOWED = """
providers:
  eu: {kind: fake, labels: {region: eu}}
  us: {kind: fake, labels: {region: us}}
  bare: {kind: fake}
routes:
  chat: {targets: [eu/a], shadow: {to: trial, share: 100%}}
  home: {targets: [eu/a], require: {region: eu}, shadow: {to: mixed, share: 100%}}
  trial: {targets: [us/t], fallbacks: [bare/t]}
  mixed: {targets: [us/m], fallbacks: [eu/m]}
"""


def test_a_copy_goes_to_nobody_who_may_not_have_the_request() -> None:
    shop = Shop(SHADOWED)

    async def main() -> None:
        async with shop.router as router:
            await router.complete("chat", "hi", require=EU)
            await router.complete("home", "hi")
            async with router.stream("chat", "hi", require=EU) as stream:
                async for _ in stream:
                    pass
            await asyncio.sleep(5)
            assert shop.asked == ["eu"]
            assert sorted(request.model for request in shop.fakes["eu"].requests) == ["a", "a", "a", "m"]
            await router.complete("chat", "hi")
            await asyncio.sleep(5)
            assert "us" in shop.asked  # where nothing is required, it is copied

    run(main())


RULED = """
providers:
  eu: {kind: fake, labels: {region: eu}}
  us: {kind: fake, labels: {region: us}}
  bare: {kind: fake}
routes:
  chat: {targets: [eu/a], require: {region: eu}, when: [{if: {tags: {tier: free}}, to: cheap}]}
  cheap: {targets: [us/c], fallbacks: [eu/c]}
  plain: {targets: [eu/a], when: [{if: {tags: {tier: free}}, to: cheap}]}
"""


def test_where_a_rule_leads_the_routes_requirement_holds_too() -> None:
    for route, require in (("chat", None), ("plain", EU)):
        shop = Shop(RULED)
        assert ask(shop, route, require=require, tags={"tier": "free"}).target == "eu/c"
        assert shop.asked == ["eu"]

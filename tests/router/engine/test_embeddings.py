"""Routes of embeddings: split, put together again, failed over between models of the same vectors, never others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import EmbeddingRequest, EmbeddingResponse, ErrorCode, FakeProvider, ProviderError, Usage
from providers.fake import Fail, Hang, Reply
from providers.made_up import vector_of
from providers.simulator import Simulator
from router import RouteExhausted, Router, SyncRouter
from router.testing import run
from tests.support.cancelling import AtAwait, settled
from tests.support.edits import save
from tests.support.waiting import until

WELL = Reply()
FILE = """
providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}
models:
  small: {{provider: a, id: emb, embeds: {{dimensions: 8, max_inputs: 3, max_tokens: 50}}, price: {{input: 1000}}}}
  twin: {{provider: b, id: other, embeds: {{same_as: small}}, price: {{input: 1000}}}}
  ranker: {{provider: a, id: r, reranks: true, price: {{input: 1000}}}}
  chatty: {{provider: a, id: c}}
defaults: {{retry: {{backoff: 1ms, max_backoff: 1ms}}}}
routes:
  embed: {{embeds: true, targets: [small], fallbacks: [twin]{more}}}
  kept: {{embeds: true, targets: [small], fallbacks: [twin], cache: {{ttl: 1h}}{more}}}
  rank: {{reranks: true, targets: [ranker]}}
  chat: chatty
cache: {{path: memory}}
"""


def expected(*texts: str) -> bytes:
    return b"".join(vector_of(text, 8) for text in texts)


def routed(*script: Any, twin: Any = WELL, more: str = "") -> tuple[Router, FakeProvider, FakeProvider]:
    a, b = FakeProvider.scripted(*(script or (WELL,)), name="a"), FakeProvider.scripted(twin, name="b")
    file = FILE.format(more=more)
    return Router.from_text(file, env={}, providers={"a": a, "b": b}, seed=1, monitor=False), a, b


def under_way(router: Router) -> int:
    targets = {target.identity: target for target in router.plan.targets}
    return sum(router.states.target(target).limits.in_flight for target in targets.values())


def ran(story: Callable[[], Any]) -> Any:
    return run(story())


def test_a_long_request_is_split_and_put_together() -> None:
    async def story() -> None:
        router, a, _ = routed()
        texts = [f"text {number}" for number in range(8)]
        async with router:
            response = await router.embed("embed", texts)
        assert response.data == expected(*texts)
        assert [len(request.inputs) for request in a.requests] == [3, 3, 2]
        assert response.usage.input_tokens == 8
        assert response.cost == pytest.approx(8 * 1000 / 1e6)
        assert [attempt.part for attempt in response.trace.attempts] == [1, 2, 3]
        figures = router.snapshot().routes[0].figures.totals
        assert (figures.calls, figures.attempts, figures.input_tokens) == (1, 3, 8)
        assert figures.cost == pytest.approx(response.cost)

    ran(story)


def test_four_parts_are_under_way_at_most() -> None:
    async def story() -> None:
        router, a, _ = routed(Reply(delay=1.0))
        async with router:
            task = asyncio.ensure_future(router.embed("embed", [str(number) for number in range(30)]))
            await asyncio.sleep(0.5)
            seen = [under_way(router)]
            await asyncio.sleep(1.0)
            seen.append(under_way(router))
            assert (await task).count == 30
        assert seen == [4, 4]
        assert len(a.requests) == 10

    ran(story)


def test_a_part_that_fails_goes_to_the_twin_and_one_that_fails_everywhere_fails_all() -> None:
    async def story() -> None:
        def judge(request: EmbeddingRequest) -> Any:
            return Fail(ErrorCode.INVALID_REQUEST, "bad text") if "5" in request.inputs else Reply()

        router, a, b = routed()
        a.script = judge
        texts = [str(number) for number in range(9)]
        async with router:
            with pytest.raises(ProviderError) as caught:
                await router.embed("embed", texts)
            assert caught.value.code is ErrorCode.INVALID_REQUEST  # the part's own
            assert {attempt.part for attempt in caught.value.trace.attempts} >= {2}
            assert not b.requests
            a.script = lambda request: Fail(ErrorCode.OVERLOADED) if "5" in request.inputs else Reply()
            response = await router.embed("embed", texts)
            assert response.data == expected(*texts)
            assert [request.inputs for request in b.requests] == [("3", "4", "5")]
        assert router.snapshot().routes[0].figures.totals.failed == 1

    ran(story)


def test_a_failing_part_ends_the_others() -> None:
    async def story() -> None:
        router, a, _ = routed()
        a.script = lambda request: Fail(ErrorCode.INVALID_REQUEST) if "0" in request.inputs else Hang()
        async with router:
            with pytest.raises(ProviderError):
                await router.embed("embed", [str(number) for number in range(12)])
            assert under_way(router) == 0
        assert a.cancelled == len(a.requests) - 1

    ran(story)


def test_the_deadline_bounds_all_parts_together() -> None:
    async def story() -> None:
        router, _, _ = routed(Reply(delay=2.0), more=", timeout: {total: 5s}")
        loop = asyncio.get_running_loop()
        async with router:
            began = loop.time()
            with pytest.raises((ProviderError, RouteExhausted)) as caught:
                await router.embed("embed", [str(number) for number in range(60)])
            assert caught.value.code is ErrorCode.TIMEOUT
            assert loop.time() - began <= 5.01

    ran(story)


@pytest.mark.parametrize("size", [0, 4, 16])
def test_vectors_of_another_length_never_come_out(size: int) -> None:
    """They are a protocol error, and the twin is asked."""

    class Odd(FakeProvider):
        async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
            data = b"\0" * (4 * size * len(request.inputs))
            return EmbeddingResponse(data=data, dimensions=size, usage=Usage(1, 0))

    async def story() -> None:
        odd, twin = Odd.scripted(Reply(), name="a"), FakeProvider.scripted(Reply(), name="b")
        async with Router.from_text(
            FILE.format(more=""), env={}, providers={"a": odd, "b": twin}, monitor=False
        ) as router:
            response = await router.embed("embed", "x")
            assert response.data == expected("x")
            assert response.trace.attempts[0].code is ErrorCode.PROTOCOL_ERROR

    ran(story)


def test_where_the_file_says_no_length_the_first_answer_does() -> None:
    async def story() -> None:
        sizes = iter([8, 8, 4])

        class Odd(FakeProvider):
            async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
                size = next(sizes)
                return EmbeddingResponse(data=b"\0" * (4 * size), dimensions=size, usage=Usage(1, 0))

        text = "providers: {a: {kind: fake}}\nmodels: {m: {provider: a, id: x, embeds: true}}\n"
        text += "routes: {r: {embeds: true, targets: [m], retry: {max_attempts: 1}}}\n"
        async with Router.from_text(text, env={}, providers={"a": Odd.scripted(name="a")}, monitor=False) as router:
            assert (await router.embed("r", "x")).dimensions == 8
            assert (await router.embed("r", "y")).dimensions == 8
            with pytest.raises(RouteExhausted) as caught:
                await router.embed("r", "z")
            assert caught.value.code is ErrorCode.PROTOCOL_ERROR

    ran(story)


@pytest.mark.parametrize("inputs", ["word " * 500, ["short", "word " * 500], [[1] * 51], [1] * 51])
def test_an_input_that_is_too_long_is_never_sent(inputs: Any) -> None:
    async def story() -> None:
        router, a, _ = routed()
        async with router:
            with pytest.raises(ProviderError) as caught:
                await router.embed("embed", inputs)
            assert caught.value.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED
            assert caught.value.context_window == 50
            assert not a.requests
            assert (await router.embed("embed", inputs, truncate=True)).count == len(a.requests[0].inputs)

    ran(story)


def test_one_that_just_fits_is_sent() -> None:
    async def story() -> None:
        router, _, _ = routed()
        async with router:
            assert (await router.embed("embed", "word " * 49)).count == 1
            assert (await router.embed("embed", [1] * 50)).count == 1

    ran(story)


def test_dimensions_are_what_all_targets_can_give() -> None:
    async def story() -> None:
        text = """
providers: {a: {kind: fake}}
models:
  long: {provider: a, id: x, embeds: {dimensions: 8, shortens: true}}
  fixed: {provider: a, id: y, embeds: {same_as: long, shortens: false}}
routes:
  short: {embeds: true, targets: [long]}
  both: {embeds: true, targets: [long], fallbacks: [fixed]}
"""
        fake = FakeProvider.scripted(Reply(), name="a")
        async with Router.from_text(text, env={}, providers={"a": fake}, monitor=False) as router:
            assert (await router.embed("short", "x", dimensions=4)).dimensions == 4
            assert (await router.embed("both", "x", dimensions=8)).dimensions == 8
            for route, dimensions in (("both", 4), ("both", 9), ("short", 9)):
                with pytest.raises(ProviderError, match="not what every target") as caught:
                    await router.embed(route, "x", dimensions=dimensions)
                assert caught.value.code is ErrorCode.INVALID_REQUEST

    ran(story)


def test_each_kind_of_route_refuses_what_it_does_not_make() -> None:
    async def story() -> None:
        router, a, _ = routed()
        async with router:
            for call, words in (
                (lambda: router.embed("chat", "x"), "this route makes no embeddings"),
                (lambda: router.embed("rank", "x"), "this route makes no embeddings"),
                (lambda: router.embed("chatty", "x"), "this route makes no embeddings"),
                (lambda: router.complete("embed", "x"), "this route makes no answers"),
                (lambda: router.complete("small", "x"), "this route makes no answers"),
                (lambda: router.rerank("embed", "x", ["y"]), "this route makes no ranks"),
            ):
                with pytest.raises(ProviderError, match=words) as caught:
                    await call()
                assert caught.value.code is ErrorCode.INVALID_REQUEST
            with pytest.raises(ProviderError, match="makes no answers"):
                router.stream("embed", "x")
            assert (await router.embed("small", "x")).data == expected("x")
            assert (await router.embed("a/anything", "x")).count == 1
        assert len(a.requests) == 2

    ran(story)


@pytest.mark.parametrize("inputs", [[], "", ["a", ""], [[]], ["a", 1], [1, "a"], [-1], [1.5], None, 5, b"ab", {"a": 1}])
def test_what_is_no_input_is_refused(inputs: Any) -> None:
    async def story() -> None:
        router, a, _ = routed()
        async with router:
            with pytest.raises(ProviderError) as caught:
                await router.embed("embed", inputs)
            assert caught.value.code is ErrorCode.INVALID_REQUEST
            with pytest.raises(TypeError, match="dimensions"):
                await router.embed("embed", "x", dimension=4)  # type: ignore[call-arg]  # as apps misspell it
        assert not a.requests

    ran(story)


def test_ranks_come_the_best_first() -> None:
    async def story() -> None:
        router, _, _ = routed()
        async with router:
            response = await router.rerank("rank", "blue sky", ["grass", {"text": "the blue sky"}, "a sky"], top_n=2)
            assert [each.index for each in response.results] == [1, 2]
            assert response.cost is not None
            assert response.route == "rank"
            assert response.trace.attempts[0].target == "ranker"

    ran(story)


def test_budgets_count_what_vectors_cost() -> None:
    async def story() -> None:
        router, a, _ = routed(more=", budget: $0.009/d")
        a.script = lambda request: Reply()
        async with router:
            await router.embed("embed", [str(number) for number in range(10)])
            assert router.spending[0].usd == pytest.approx(0.01)
            with pytest.raises(RouteExhausted) as caught:
                await router.embed("embed", "more")
            assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED

    ran(story)


def test_a_slow_target_is_hedged_by_time() -> None:
    async def story() -> None:
        text = FILE.format(more="").replace(
            "targets: [small], fallbacks: [twin]}",
            "targets: [small, twin], hedge: {after: 1s, budget: 100%}, retry: {budget: 100%}}",
        )
        a, b = FakeProvider.scripted(Hang(), name="a"), FakeProvider.scripted(Reply(), name="b")
        async with Router.from_text(text, env={}, providers={"a": a, "b": b}, seed=3, monitor=False) as router:
            for _ in range(2):
                response = await router.embed("embed", "x")
                assert response.target == "twin"
            assert a.cancelled >= 1

    ran(story)


def test_cancelled_at_every_await_it_leaves_nothing_behind() -> None:
    for moment in range(1, 40):

        async def story(moment: int = moment) -> bool:
            router, _, _ = routed(Reply(delay=0.1), more=", batch: {wait: 50ms}" if moment % 2 else "")
            async with router:
                task = asyncio.ensure_future(router.embed("kept", [str(number) for number in range(7)]))
                for _ in range(moment):
                    await asyncio.sleep(0)
                    if moment > 20:
                        await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.wait([task])
                snapshot = router.snapshot()
                assert under_way(router) == 0
                assert all(route.figures.in_flight == 0 for route in snapshot.routes)
                assert (await router.embed("kept", "0")).data == expected("0")
                return task.cancelled()

        ran(story)


async def test_a_reload_in_between_changes_nothing_for_what_is_under_way(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE.format(more=""))
    fake = FakeProvider.scripted(Reply(delay=0.05), name="a")
    texts = [str(number) for number in range(20)]
    given = {"a": fake, "b": fake, "z": fake}
    async with Router.from_yaml(file, env={}, watch=False, providers=given, monitor=False) as router:
        task = asyncio.ensure_future(router.embed("embed", texts))
        await until(lambda: fake.requests)
        text = "providers: {z: {kind: fake}}\nmodels: {m: {provider: z, id: x, embeds: true}}\n"
        save(file, f"{text}routes: {{other: {{embeds: true, targets: [m]}}}}\n")
        assert (await router.reload()).accepted
        assert (await task).data == expected(*texts)
        assert (await router.embed("other", "x")).count == 1


def test_without_a_loop_it_is_the_same() -> None:
    a = FakeProvider.scripted(Reply(), name="a")
    file = FILE.format(more="")
    with SyncRouter.from_text(file, env={}, providers={"a": a, "b": a}, monitor=False) as router:
        assert router.embed("embed", ["x", "y"]).data == expected("x", "y")
        assert router.rerank("rank", "x", ["y", "x"]).results[0].index == 1


# --- together


def test_requests_of_one_moment_share_a_call() -> None:
    async def story() -> None:
        router, a, _ = routed(more=", batch: {wait: 5ms, most: 3}")
        async with router:
            replies = await asyncio.gather(*(router.embed("embed", f"text {number}") for number in range(3)))
            assert len(a.requests) == 1
            for number, reply in enumerate(replies):
                assert reply.data == expected(f"text {number}")
                assert reply.usage.input_tokens == 1
                assert reply.cost == pytest.approx(0.001)
                assert len(reply.trace.attempts) == 1
            figures = router.snapshot().routes[0].figures.totals
            assert (figures.calls, figures.input_tokens, figures.cost) == (3, 3, pytest.approx(0.003))
            await router.embed("embed", "alone")
            assert len(a.requests) == 2

    ran(story)


def test_others_parameters_are_another_call() -> None:
    async def story() -> None:
        router, a, _ = routed(more=", batch: {wait: 5ms}")
        async with router:
            await asyncio.gather(
                router.embed("embed", "a", input_type="query"),
                router.embed("embed", "b", input_type="document"),
                router.embed("embed", "c", user="ann"),
            )
        assert len(a.requests) == 3

    ran(story)


def test_who_leaves_takes_nothing_from_the_others() -> None:
    async def story() -> None:
        router, a, _ = routed(Reply(delay=1.0), more=", batch: {wait: 5ms}")
        async with router:
            tasks = [asyncio.ensure_future(router.embed("embed", str(number))) for number in range(2)]
            await asyncio.sleep(0.001)
            tasks[0].cancel()  # before the call
            await asyncio.sleep(0.001)
            tasks.append(asyncio.ensure_future(router.embed("embed", "2")))
            await asyncio.sleep(0.5)
            tasks[1].cancel()  # while it is made
            assert (await tasks[2]).data == expected("2")
            assert [request.inputs for request in a.requests] == [("1", "2")]
            all_leave = [asyncio.ensure_future(router.embed("embed", str(number))) for number in range(2)]
            await asyncio.sleep(0.5)
            for task in all_leave:
                task.cancel()
            await asyncio.wait(all_leave)
            assert under_way(router) == 0
        assert a.cancelled == 1

    ran(story)


def test_a_shared_call_that_fails_fails_each_with_its_own_error() -> None:
    async def story() -> None:
        router, _, _ = routed(
            Fail(ErrorCode.SERVER_ERROR), twin=Fail(ErrorCode.OVERLOADED), more=", batch: {wait: 5ms}"
        )
        async with router:
            tasks = [router.embed("embed", str(number)) for number in range(3)]
            errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, RouteExhausted) for error in errors)
        assert len({id(error) for error in errors}) == 3
        assert all(error.trace.attempts for error in errors if isinstance(error, RouteExhausted))

    ran(story)


# --- split, kept, in any order: the same as one call


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=9), min_size=1, max_size=5),
    st.sampled_from(["", ", batch: {wait: 5ms, most: 4}", ", batch: {parallel: 1}"]),
    st.booleans(),
)
def test_however_it_is_made_it_is_what_one_call_makes(asked: list[list[str]], more: str, at_once: bool) -> None:
    async def story() -> None:
        router, a, _ = routed(more=more)
        async with router:
            calls = [router.embed("kept", texts) for texts in asked]
            replies = await asyncio.gather(*calls) if at_once else [await call for call in calls]
            for texts, reply in zip(asked, replies, strict=True):
                assert reply.data == expected(*texts)
                assert reply.usage.input_tokens == len(texts)
            if not at_once:
                sent = [text for request in a.requests for text in request.inputs]
                assert sorted(sent) == sorted({text for texts in asked for text in texts})  # each once

    ran(story)


# --- through sockets

WIRED = """
providers:
  openai: {{kind: openai, base_url: "{openai}", api_key: k-0123456789abcdef0, dialect: openai}}
  other: {{kind: openai, base_url: "{other}", api_key: k-0123456789abcdef0}}
models:
  small: {{provider: openai, id: text-embedding-3-small}}
  twin: {{provider: other, id: dep, embeds: {{same_as: small, max_inputs: 5000}}}}
defaults: {{retry: {{backoff: 1ms, max_backoff: 1ms}}, timeout: {{connect: 60s, answer: 60s, total: 120s}}}}
routes:
  embed: {{embeds: true, targets: [small], fallbacks: [twin]}}
""".replace("text-embedding-3-small}}", "text-embedding-3-small, embeds: true}}")


@pytest.fixture
async def wired() -> AsyncIterator[tuple[Router, Simulator]]:
    async with Simulator(seed=1) as simulator:
        simulator.add_vendor("other").set(fast=True)
        simulator.vendor("openai").set(fast=True)
        file = WIRED.format(openai=simulator.base_url("openai"), other=simulator.base_url("other"))
        async with Router.from_text(file, env={}, seed=1, monitor=False) as router:
            yield router, simulator


async def test_2049_inputs_are_two_calls(wired: tuple[Router, Simulator]) -> None:
    router, simulator = wired
    texts = [f"text {number}" for number in range(2049)]
    response = await router.embed("embed", texts)
    assert simulator.vendor("openai").requests == 2
    assert response.data == b"".join(vector_of(text, 1536) for text in texts)


@pytest.mark.parametrize("fault", ["missing", "extra", "doubled", "shorter", "no_numbers"])
async def test_a_vendor_that_answers_wrongly_is_left_for_its_twin(wired: tuple[Router, Simulator], fault: str) -> None:
    router, simulator = wired
    simulator.vendor("openai").set(embeddings=fault)
    response = await router.embed("embed", ["a", "b", "c"])
    assert response.target == "twin"
    assert response.data == b"".join(vector_of(text, 1536) for text in "abc")
    assert response.trace.attempts[0].code is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "knob",
    [
        {"error_rate": 1.0, "error": "overloaded"},
        {"reset": True},
        {"cut_after": 0},
        {"error_rate": 1.0, "error": "quota"},
    ],
)
async def test_an_outage_falls_back_to_the_twin(wired: tuple[Router, Simulator], knob: dict[str, Any]) -> None:
    router, simulator = wired
    simulator.vendor("openai").set(**knob)
    response = await router.embed("embed", ["a", "b"])
    assert response.target == "twin"
    assert response.data == vector_of("a", 1536) + vector_of("b", 1536)


async def test_tokens_are_inputs(wired: tuple[Router, Simulator]) -> None:
    router, simulator = wired
    response = await router.embed("embed", [[1, 2, 3], [4]])
    assert response.data == vector_of((1, 2, 3), 1536) + vector_of((4,), 1536)
    assert response.usage.input_tokens == 4
    response = await router.embed("embed", [1, 2, 3])
    assert response.data == vector_of((1, 2, 3), 1536)
    assert simulator.vendor("openai").requests == 2


async def test_shorter_vectors_are_asked_for(wired: tuple[Router, Simulator]) -> None:
    router, simulator = wired
    assert (await router.embed("embed", "a", dimensions=256)).dimensions == 256
    last = simulator.vendor("openai").last_request
    assert last is not None
    assert last.body["dimensions"] == 256


async def test_more_than_the_body_may_have_is_split(wired: tuple[Router, Simulator]) -> None:
    router, simulator = wired
    texts = [f"{number} {'x ' * 14_000}" for number in range(200)]  # 5.6 MB
    simulator.vendor("openai").set(max_input_tokens=100_000, dimensions=8)
    with pytest.raises((RouteExhausted, ProviderError)):
        await router.embed("embed", texts, dimensions=4, timeout={"total": 0.000001})
    response = await router.embed("embed", texts, dimensions=8)
    assert response.count == 200
    assert len(response.trace.attempts) > 1


def test_numbers_that_are_none_never_come_out() -> None:
    """Of a kind that is not ours, which nobody has checked."""

    class Broken(FakeProvider):
        async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
            return EmbeddingResponse(data=b"\0\0\xc0\x7f" * 8, dimensions=8, usage=Usage(1, 0))

    async def story() -> None:
        broken, twin = Broken.scripted(WELL, name="a"), FakeProvider.scripted(WELL, name="b")
        given = {"a": broken, "b": twin}
        async with Router.from_text(FILE.format(more=""), env={}, providers=given, monitor=False) as router:
            response = await router.embed("embed", "x")
            assert response.target == "twin"
            assert response.data == expected("x")

    ran(story)


def test_a_call_says_whom_to_ask() -> None:
    async def story() -> None:
        router, a, b = routed()
        async with router:
            assert (await router.embed("embed", "x", only="twin")).target == "twin"
            assert (await router.embed("embed", "x", avoid=["a"])).target == "twin"
            with pytest.raises(ProviderError):
                await router.embed("embed", "x", only="nobody")
        assert not a.requests
        assert len(b.requests) == 2

    ran(story)


def test_errors_before_a_call_have_a_trace_too() -> None:
    async def story() -> None:
        router, _, _ = routed()
        async with router:
            for wrong in ({"inputs": "word " * 500}, {"inputs": "x", "dimensions": 3}):
                with pytest.raises(ProviderError) as caught:
                    await router.embed("embed", **wrong)  # type: ignore[arg-type]  # both are of its own
                assert caught.value.trace.route == "embed"

    ran(story)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("more", ["", ", batch: {wait: 50ms}", ", hedge: {after: 50ms, budget: 100%}"])
def test_cancelled_at_each_of_its_awaits(late: bool, count: int, more: str) -> None:
    """One by one, until one is let through."""

    async def story(strike: int) -> bool:
        router, _, _ = routed(Reply(delay=0.1), more=more)
        async with router:
            work = AtAwait(router.embed("kept", [str(number) for number in range(count)]), strike, late=late)
            await settled(work)
            assert under_way(router) == 0
            assert all(route.figures.in_flight == 0 for route in router.snapshot().routes)
            assert (await router.embed("kept", "0")).data == expected("0")
            return work.awaits < strike

    assert any(run(story(strike)) for strike in range(1, 60))

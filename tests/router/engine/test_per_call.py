"""What one call says over its route: who may be asked, how often, and what becomes of a stream that breaks."""

from __future__ import annotations

from typing import Any

import pytest

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Reply
from router import RouteExhausted, Router
from router.testing import run

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
models: {mini: a/mini}
routes:
  chat: {targets: [mini], fallbacks: [b/y, c/z]}
  kept: {targets: [mini], fallbacks: [b/y], cache: {ttl: 1h}}
"""
BUSY = Fail(ErrorCode.OVERLOADED)


def router_of(**scripts: Reply | Fail) -> Router:
    fakes = {name: FakeProvider.scripted(scripts.get(name, Reply(f"of {name}")), name=name) for name in "abc"}
    return Router.from_text(FILE, env={}, providers=fakes, monitor=False)


def ask(router: Router, route: str = "chat", **params: Any) -> Any:
    async def main() -> Any:
        async with router:
            return await router.complete(route, "hi", **params)

    return run(main())


@pytest.mark.parametrize(
    ("params", "target"),
    [
        ({"only": "b"}, "b/y"),  # a provider
        ({"only": ["mini"]}, "mini"),  # a model of the file
        ({"only": ["c/z"]}, "c/z"),  # a target
        ({"only": ("b", "c")}, "b/y"),
        ({"avoid": "a"}, "b/y"),
        ({"avoid": ["a", "b/y"]}, "c/z"),
        ({"avoid": "a/mini"}, "b/y"),  # the model by its name at the vendor
        ({"only": ["a", "c"], "avoid": ["mini"]}, "c/z"),
        ({"only": None, "avoid": None}, "mini"),
    ],
)
def test_only_who_is_meant_is_asked(params: dict[str, Any], target: str) -> None:
    reply = ask(router_of(), **params)
    assert reply.target == target
    left_out = {skip.target for skip in reply.trace.skips if skip.reason == "excluded"}
    assert left_out <= {"mini", "b/y", "c/z"} - {target}


def test_where_nobody_is_left_the_error_says_who_was_left_out_and_why() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(router_of(), only="b", avoid="b")
    assert {skip.target: skip.message for skip in caught.value.trace.skips} == {
        "mini": "the call asks others only (only)",
        "b/y": "the call avoids it (avoid)",
        "c/z": "the call asks others only (only)",
    }


def test_what_is_left_out_is_not_waited_for_either() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(router_of(b=BUSY), only="b")
    assert {attempt.target for attempt in caught.value.trace.attempts} == {"b/y"}


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"only": "bb"}, 'only: no provider, model or target is named "bb" (did you mean "b"?)'),
        ({"avoid": ["nobody"]}, 'avoid: no provider, model or target is named "nobody"'),
        ({"only": []}, "only: the list is empty"),
        ({"only": [1]}, "only: a name, or a list of names"),
        ({"max_attempts": 0}, "max_attempts: a whole number of at least 1"),
        ({"max_attempts": True}, "max_attempts: a whole number of at least 1"),
        ({"on_stream_break": "retry"}, "on_stream_break: one of error, restart, continue"),
    ],
)
def test_what_makes_no_sense_is_told(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(router_of(), **params)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert told in str(caught.value)


def test_as_many_attempts_as_the_call_says() -> None:
    with pytest.raises(RouteExhausted) as caught:
        ask(router_of(a=BUSY, b=BUSY, c=BUSY), max_attempts=2)
    assert len(caught.value.trace.attempts) == 2
    assert "max_attempts of the call is 2" in str(caught.value)


def test_a_stream_that_breaks_does_what_the_call_says() -> None:
    broken = Reply("once upon a time", break_after=1)

    async def main(**params: Any) -> str:
        async with router_of(a=broken) as router, router.stream("chat", "hi", **params) as stream:
            _ = [chunk async for chunk in stream]
            return stream.response.text

    assert run(main(on_stream_break="restart")) == "of b"
    with pytest.raises(ProviderError) as caught:
        run(main())
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED


def test_a_kept_answer_of_somebody_who_is_left_out_is_not_given() -> None:
    async def main() -> list[tuple[str, bool]]:
        async with router_of() as router:
            replies = [
                await router.complete("kept", "hi", **params) for params in ({}, {"avoid": "a"}, {}, {"avoid": "a"})
            ]
        return [(reply.target or "", reply.cached) for reply in replies]

    assert run(main()) == [("mini", False), ("b/y", False), ("mini", True), ("b/y", True)]


def test_the_route_itself_stays_as_it_is() -> None:
    async def main() -> list[str | None]:
        async with router_of() as router:
            return [(await router.complete("chat", "hi", **more)).target for more in ({}, {"only": "c"}, {})]

    assert run(main()) == ["mini", "c/z", "mini"]

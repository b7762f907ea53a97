"""What errors of one's own server mean, as the file says it; and who is tried first after a failure."""

from __future__ import annotations

import pytest

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Reply
from router import Router
from router.config import load_text
from router.testing import run
from tests.support.raw_server import serving

TWO = "providers: {{a: {{kind: fake{errors}}}, b: {{kind: fake}}}}\nroutes: {{chat: {{targets: [a/x], {more}}}}}\n"
B = "fallbacks: [b/y]"


def router_of(
    *script: Reply | Fail, errors: str = "", more: str = B, and_then: str = ""
) -> tuple[Router, FakeProvider, FakeProvider]:
    a, b = FakeProvider.scripted(*script, name="a"), FakeProvider.scripted(Reply("of b"), name="b")
    text = TWO.format(errors=errors and f", errors: [{errors}]", more=more)
    return Router.from_text(text + and_then, env={}, providers={"a": a, "b": b}, monitor=False), a, b


def asked(router: Router) -> tuple[str, list[tuple[str, str | None]]]:
    """The answer, and who was tried with what came of it."""

    async def main() -> tuple[str, list[tuple[str, str | None]]]:
        async with router:
            reply = await router.complete("chat", "hi")
            return reply.text, [(attempt.target, attempt.code) for attempt in reply.trace.attempts]

    return run(main())


CONFLICT = Fail(ErrorCode.INVALID_REQUEST, "The Queue Full, come back", status=409)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("{status: 409, code: overloaded}", "overloaded"),
        ("{text: queue full, code: rate_limited}", "rate_limited"),
        ("{status: 409, text: QUEUE, code: server_error}", "server_error"),
        ("{status: 408, code: timeout}, {text: full, code: overloaded}, {status: 409, code: timeout}", "overloaded"),
    ],
)
def test_an_error_means_what_the_file_says_of_it(rule: str, code: str) -> None:
    router, *_ = router_of(CONFLICT, errors=rule)
    assert asked(router) == ("of b", [("a/x", code), ("b/y", None)])


@pytest.mark.parametrize(
    "rule", ["", "{status: 410, code: overloaded}", "{status: 409, text: empty, code: overloaded}"]
)
def test_what_fits_no_rule_means_what_it_says(rule: str) -> None:
    router, *_ = router_of(CONFLICT, errors=rule)
    with pytest.raises(ProviderError) as caught:
        asked(router)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


def test_it_counts_for_the_breaker_as_what_it_means() -> None:
    router, *_ = router_of(CONFLICT, errors="{status: 409, code: overloaded}")

    async def main() -> str:
        async with router:
            for _ in range(10):
                await router.complete("chat", "hi")
            return next(target.health.state for target in router.snapshot().targets if target.name == "a/x")

    assert run(main()) == "open"


@pytest.mark.parametrize("streamed", [False, True])
async def test_through_a_socket_plain_and_streamed(streamed: bool) -> None:
    body = b'{"error": {"message": "no slot is free"}}'
    answer = b"HTTP/1.1 409 Conflict\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    async with serving(answer % (len(body), body)) as server:
        text = f"""
providers:
  a: {{kind: openai, base_url: "{server.url}", api_key: k-1234567890, errors: [{{text: no slot, code: overloaded}}]}}
  b: {{kind: fake}}
routes: {{chat: {{targets: [a/x], fallbacks: [b/y]}}}}
"""
        b = FakeProvider.scripted(Reply("of b"), name="b")
        async with Router.from_text(text, env={}, providers={"b": b}, monitor=False) as router:
            if streamed:
                async with router.stream("chat", "hi") as stream:
                    _ = [chunk async for chunk in stream]
                reply = stream.response
            else:
                reply = await router.complete("chat", "hi")
    assert [(attempt.target, attempt.code) for attempt in reply.trace.attempts] == [
        ("a/x", "overloaded"),
        ("b/y", None),
    ]


def test_a_tier_may_serve_after_requests_that_the_first_calls_wrong() -> None:
    more = "fallbacks: [{to: b/y, on: [invalid_request]}]"
    router, *_ = router_of(Fail(ErrorCode.INVALID_REQUEST, "bad", status=400), more=more)
    assert asked(router)[0] == "of b"


SAME_FIRST = f"{B}, retry: {{first: same_target, same_target: 2, backoff: 1s}}"
BUSY = Fail(ErrorCode.OVERLOADED, status=503)


def test_the_same_target_is_tried_first_where_the_file_says_so() -> None:
    router, *_ = router_of(BUSY, BUSY, Reply("of a"), more=SAME_FIRST)
    assert asked(router) == ("of a", [("a/x", "overloaded"), ("a/x", "overloaded"), ("a/x", None)])


def test_the_next_is_tried_when_the_same_was_as_often_as_it_may_be() -> None:
    router, *_ = router_of(BUSY, more=SAME_FIRST)
    assert asked(router) == ("of b", [("a/x", "overloaded")] * 3 + [("b/y", None)])


@pytest.mark.parametrize("code", [ErrorCode.MODEL_NOT_FOUND, ErrorCode.TIMEOUT, ErrorCode.UNSUPPORTED])
def test_what_would_fail_again_goes_on_at_once(code: ErrorCode) -> None:
    router, *_ = router_of(Fail(code), more=SAME_FIRST)
    assert asked(router)[1] == [("a/x", str(code)), ("b/y", None)]


def test_a_wait_that_is_too_long_goes_on_at_once() -> None:
    router, *_ = router_of(Fail(ErrorCode.RATE_LIMITED, retry_after=60), more=SAME_FIRST)
    assert asked(router)[1] == [("a/x", "rate_limited"), ("b/y", None)]


def test_without_it_the_next_comes_first() -> None:
    router, *_ = router_of(BUSY, Reply("of a"), more=f"{B}, retry: {{same_target: 2}}")
    assert asked(router) == ("of b", [("a/x", "overloaded"), ("b/y", None)])


NEVER_OPEN = "defaults: {breaker: {consecutive: 1000, min_calls: 1000}}"


def test_the_budget_of_retries_bounds_it() -> None:
    def tried_again(budget: str) -> int:
        more = f"{B}, retry: {{first: same_target, backoff: 1ms, budget: {budget}}}"
        router, *_ = router_of(BUSY, more=more, and_then=NEVER_OPEN)

        async def main() -> int:
            async with router:
                replies = [await router.complete("chat", "hi") for _ in range(200)]
            return sum(len(reply.trace.attempts) > 2 for reply in replies)

        return run(main())

    assert tried_again("1%") < tried_again("100%")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{code: overloaded}", "an error is told by its status, its text, or both"),
        ("{status: 200, code: overloaded}", "from 400 to 599"),
        ("{status: 409, code: any}", "this must be one error code"),
        ("{status: 409, code: busy}", 'no error code is named "busy"'),
        ("{status: 409, code: cancelled}", "cancelled never falls back"),
        ("{status: 409}", '"code" is missing'),
    ],
)
def test_a_wrong_rule_is_told_with_its_place(rule: str, told: str) -> None:
    found = load_text(TWO.format(errors=f", errors: [{rule}]", more=B), env={}).diagnostics
    assert [told in each.message and "providers.a.errors" in str(each) for each in found] == [True]

"""`can_restart=False`: a stream whose reader can't take back what was shown never begins anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers import CompletionRequest, ErrorCode, FakeProvider, Message, ProviderError
from providers.fake import Fail, Reply, Step
from router import Router
from router.testing import run

WHOLE = "The sky is blue."


def made(policy: str, first: Step, second: Step, cache: str = "") -> Router:
    text = f"""\
providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}
routes: {{chat: {{targets: [a/m], fallbacks: [b/m], on_stream_break: {policy}{cache}}}}}
cache: {{path: memory}}
"""
    a, b = FakeProvider.scripted(first, name="a"), FakeProvider.scripted(second, name="b")
    return Router.from_text(text, env={}, seed=1, providers={"a": a, "b": b})


def opened(router: Router, way: str, can_restart: bool = False, **fields: Any) -> Any:
    if way == "stream":
        return router.stream("chat", "Why?", can_restart=can_restart, **fields)
    request = CompletionRequest(model="chat", messages=(Message.user("Why?"),), **fields)
    return router.ask_stream(request, can_restart=can_restart)


async def shown(stream: Any) -> tuple[str, ProviderError | None, bool]:
    """What a reader has who can't take anything back, what it ended with, and whether it was told to begin anew."""
    text, restarted = "", False
    try:
        async with stream:
            async for chunk in stream:
                text += chunk.text
                restarted = restarted or chunk.restarted
    except ProviderError as error:
        return text, error, restarted
    return text, None, restarted


both = pytest.mark.parametrize("way", ["stream", "ask_stream"])


@both
@pytest.mark.parametrize(
    ("policy", "fields"),
    [("restart", {}), ("continue", {"response_format": "json"})],
    ids=["restart", "what can't be continued"],
)
def test_a_break_that_would_begin_anew_is_raised(way: str, policy: str, fields: dict[str, Any]) -> None:
    """With the partial answer, which is exactly what was shown; nobody else is asked."""
    router = made(policy, Reply(WHOLE, break_after=2), Reply("Another."))
    text, error, restarted = run(shown(opened(router, way, **fields)))
    assert error is not None
    assert error.code is ErrorCode.STREAM_INTERRUPTED
    assert error.partial is not None
    assert (error.partial.text, restarted) == (text, False)
    assert text == WHOLE[:8]
    assert router.provider("b").requests == []  # type: ignore[attr-defined]  # a FakeProvider


@both
def test_going_on_from_the_text_stays(way: str) -> None:
    router = made("continue", Reply(WHOLE, break_after=2), Reply(WHOLE[8:]))
    assert run(shown(opened(router, way))) == (WHOLE, None, False)


@both
def test_before_the_first_content_it_fails_over(way: str) -> None:
    router = made("restart", Fail(ErrorCode.OVERLOADED), Reply("Another."))
    assert run(shown(opened(router, way))) == ("Another.", None, False)


def test_who_can_begin_anew_shares_no_call_with_who_can_not() -> None:
    """At the same time, of a route that keeps answers: each gets what it can bear."""
    router = made("restart", Reply(WHOLE, break_after=2, delay=1), Reply("Another."), ", cache: {ttl: 1h}")

    async def story() -> Any:
        return await asyncio.gather(shown(opened(router, "stream", True)), shown(opened(router, "stream", False)))

    (text, error, restarted), (kept, interrupted, never) = run(story())
    assert (text, error, restarted) == (f"{WHOLE[:8]}Another.", None, True)
    assert (kept, never) == (WHOLE[:8], False)
    assert interrupted is not None
    assert interrupted.code is ErrorCode.STREAM_INTERRUPTED


@pytest.mark.parametrize(("policy", "calls"), [("error", 1), ("restart", 2)])
def test_where_nothing_begins_anew_all_share_one_call(policy: str, calls: int) -> None:
    """The word parts two requests only where it makes a difference."""
    router = made(policy, Reply(WHOLE, delay=1), Reply("Another."), ", cache: {ttl: 1h}")

    async def story() -> Any:
        return await asyncio.gather(shown(opened(router, "stream", True)), shown(opened(router, "stream", False)))

    assert {text for text, _, _ in run(story())} == {WHOLE}
    assert len(router.provider("a").requests) == calls  # type: ignore[attr-defined]  # a FakeProvider

"""first_token, idle, answer and total, each exactly what its name says, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.timeouts import bounded, timed
from providers.types import StreamChunk, Timeout
from router.testing import run

PING = StreamChunk()


class Source:
    """Chunks, each after a wait; remembers whether it was closed."""

    def __init__(self, *steps: tuple[float, StreamChunk]) -> None:
        self.steps = steps
        self.closed = False

    async def __call__(self) -> AsyncIterator[StreamChunk]:
        try:
            for wait, chunk in self.steps:
                await asyncio.sleep(wait)
                yield chunk
        finally:
            self.closed = True


def read(source: Source, timeout: Timeout, *, pause: float = 0.0, deadline: float | None = None) -> tuple[str, float]:
    """The phase that ran out ("" for none) and when it ended."""

    async def story() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        try:
            async for _ in timed(source(), timeout, provider="p", model="m", deadline=deadline):
                await asyncio.sleep(pause)
        except ProviderError as error:
            assert error.code is ErrorCode.TIMEOUT  # noqa: PT017 - either end is right
            return error.phase or "", loop.time()
        return "", loop.time()

    return run(story())


def text(wait: float) -> tuple[float, StreamChunk]:
    return wait, StreamChunk("x")


def ping(wait: float) -> tuple[float, StreamChunk]:
    return wait, PING


TIMEOUT = Timeout(first_token=10, idle=5, answer=10, total=60)


def test_a_stream_in_time_is_left_alone() -> None:
    """Nothing is added and nothing lost."""
    assert read(Source(text(9), text(4), text(4)), TIMEOUT) == ("", 17.0)


def test_keep_alives_stretch_idle_to_ten_minutes() -> None:
    """A model may think in silence, for as long as its vendor says now and then that it is there."""
    assert read(Source(text(1), *[ping(4)] * 99, text(4)), TIMEOUT) == ("", 401.0)
    assert read(Source(text(1), *[ping(4)] * 999), TIMEOUT) == ("idle", 601.0)
    assert read(Source(text(1), ping(4), ping(99)), TIMEOUT) == ("idle", 10.0)  # it has fallen silent


def test_keep_alives_stretch_a_patient_first_token_alone() -> None:
    """Who writes less than a minute wants to go on soon; from a minute on the vendor's word is heard."""
    assert read(Source(*[ping(3)] * 9), TIMEOUT) == ("first_token", 10.0)
    patient = Timeout(first_token=60, total=None)
    assert read(Source(*[ping(50)] * 10, text(40)), patient) == ("", 540.0)
    assert read(Source(*[ping(50)] * 99), patient) == ("first_token", 600.0)
    assert read(Source(ping(50), text(99)), patient) == ("first_token", 110.0)


def test_total_bounds_what_comes_before_the_first_content() -> None:
    """A stream that goes on is never cut; a deadline that began earlier counts from there."""
    patient = Timeout(first_token=None, idle=5, total=60)
    assert read(Source(*[text(4)] * 999), patient) == ("", 3996.0)
    assert read(Source(*[ping(4)] * 99), patient) == ("total", 60.0)
    assert read(Source(*[ping(4)] * 99), patient, deadline=30.0) == ("total", 30.0)
    assert read(Source(text(29), *[text(4)] * 9), patient, deadline=30.0) == ("", 65.0)


def test_the_consumers_time_is_not_idle_time() -> None:
    """A slow reader is not blamed on the vendor."""
    assert read(Source(text(1), text(1), text(1)), TIMEOUT, pause=8) == ("", 27.0)
    assert read(Source(text(1), ping(1), ping(1), text(1)), TIMEOUT, pause=8) == ("", 36.0)
    assert read(Source(ping(1), text(8)), TIMEOUT, pause=8) == ("", 25.0)


def test_the_message_names_the_limit() -> None:
    """The seconds and the setting; a deadline without a limit of its own names no number."""

    def streaming(*steps: tuple[float, StreamChunk]) -> str:
        async def story() -> str:
            with pytest.raises(ProviderError) as caught:
                async for _ in timed(Source(*steps)(), TIMEOUT, provider="p", model="m"):
                    pass
            return caught.value.message

        return run(story())

    def message(timeout: Timeout, deadline: float | None = None) -> str:
        async def story() -> str:
            with pytest.raises(ProviderError) as caught:
                await bounded(asyncio.sleep(99), timeout, provider="p", model="m", deadline=deadline)
            return caught.value.message

        return run(story())

    assert message(Timeout(answer=2.5)) == "no answer within 2.5 s (timeout.answer)"
    assert message(Timeout(answer=None, total=None), 7.0) == "the call's deadline passed (timeout.total)"
    assert streaming(text(99)) == "no content within 10 s (timeout.first_token)"
    assert streaming(text(1), text(9)) == "no further content for 5 s (timeout.idle)"
    assert streaming(text(1), *[ping(4)] * 999) == "nothing but keep-alives for 600 s (timeout.idle)"


def test_no_limit_is_no_limit() -> None:
    """None switches a timeout off."""
    assert read(Source(text(1e6), text(1e6)), Timeout(first_token=None, idle=None, total=None)) == ("", 2e6)


def test_a_timeout_closes_the_stream_below() -> None:
    """So that the vendor is told to stop; leaving early does the same."""
    source = Source(text(99))
    read(source, TIMEOUT)
    assert source.closed

    left = Source(text(1), text(1))

    async def leave() -> None:
        below = left()  # held, so that only closing it can end it
        chunks = timed(below, TIMEOUT, provider="p", model="m")
        async for _ in chunks:
            break
        await chunks.aclose()  # type: ignore[attr-defined]  # an async generator has it
        assert left.closed

    run(leave())


def test_a_cancelled_reader_closes_the_stream_below() -> None:
    """At once, not when the loop ends."""
    source = Source(text(1), text(99))

    async def story() -> None:
        below = source()

        async def consume() -> None:
            async for _ in timed(below, TIMEOUT, provider="p", model="m"):
                pass

        reader = asyncio.create_task(consume())
        await asyncio.sleep(3)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert source.closed

    run(story())


@pytest.mark.parametrize(
    ("takes", "timeout", "phase", "until"),
    [
        (9.0, TIMEOUT, None, 9.0),
        (99.0, TIMEOUT, "answer", 10.0),
        (99.0, Timeout(answer=None, total=7), "total", 7.0),
        (99.0, Timeout(answer=30, total=7), "total", 7.0),
        (99.0, Timeout(answer=None, total=None), None, 99.0),
        (99.0, Timeout(first_token=3, idle=3), None, 99.0),
    ],
)
def test_plain_calls(takes: float, timeout: Timeout, phase: str | None, until: float) -> None:
    """They have a time of their own: a stream's is not for them."""

    async def story() -> tuple[str | None, float]:
        loop = asyncio.get_running_loop()
        try:
            await bounded(asyncio.sleep(takes), timeout, provider="p", model="m")
        except ProviderError as error:
            assert (error.code, error.provider, error.model) == (ErrorCode.TIMEOUT, "p", "m")  # noqa: PT017
            return error.phase, loop.time()
        return None, loop.time()

    assert run(story()) == (phase, until)

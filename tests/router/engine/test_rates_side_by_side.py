"""Limits of several rates, through a router: who waits, who is refused, and what they are told."""

from __future__ import annotations

import asyncio

import pytest

from router import RouteExhausted
from router.config import load_text
from router.monitor.routes import written as shown_as
from router.testing import run
from tests.support.world import World, at_rate, well

MINUTE, HOUR = 60.0, 3600.0


def world_of(limits: str, *, max_wait: str = "0s") -> World:
    text = f"# a: limits: {{{limits}}}\nroutes: {{chat: a/m}}\ndefaults: {{retry: {{max_wait: {max_wait}}}}}\n"
    return World(text, a=well)


def test_a_quota_says_when_it_has_room_again() -> None:
    """`retry_after` is when the first of the window leaves it, exactly."""

    async def main() -> None:
        world = world_of("requests: [60/min, 3/h]")
        for _ in range(3):
            await world.router.complete("chat", "hi")
            await asyncio.sleep(100)
        with pytest.raises(RouteExhausted) as caught:
            await world.router.complete("chat", "hi")
        assert caught.value.retry_after == pytest.approx(HOUR - 300)
        await asyncio.sleep(caught.value.retry_after)
        await world.router.complete("chat", "hi")

    run(main())


def test_the_line_is_first_come_first_served() -> None:
    """Those who wait have their turn reserved, and who comes after them is told of the moment after theirs."""

    async def main() -> None:
        world = world_of("requests: 2/min", max_wait="2m")
        order: list[int] = []

        async def ask(number: int) -> None:
            await world.router.complete("chat", "hi")
            order.append(number)

        waiting = [asyncio.create_task(ask(number)) for number in range(4)]
        await asyncio.sleep(1)
        (provider,) = world.router.snapshot().providers
        assert provider.keys[0].limits[0].pressure == 1.0
        await asyncio.gather(*waiting)
        assert order == [0, 1, 2, 3]
        assert asyncio.get_running_loop().time() == pytest.approx(90)  # the second flows in, the window has two

    run(main())


def test_who_gives_up_waiting_leaves_the_turn_to_others() -> None:
    async def main() -> None:
        world = world_of("requests: 2/h", max_wait="2h")
        for _ in range(2):
            await world.router.complete("chat", "hi")
        waiting = asyncio.create_task(world.router.complete("chat", "hi"))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.sleep(HOUR - 2)
        await asyncio.gather(*(world.router.complete("chat", "hi") for _ in range(2)))
        assert asyncio.get_running_loop().time() == pytest.approx(HOUR)

    run(main())


@pytest.mark.parametrize(("limits", "in_an_hour"), [("requests: [30/min, 500/h]", 500), ("requests: 10/min", 600)])
def test_under_overload_what_is_allowed_is_served(limits: str, in_an_hour: int) -> None:
    async def main() -> list[float]:
        world = world_of(limits)
        asked = await at_rate(1, 2 * HOUR, lambda: world.router.complete("chat", "hi"))
        return [began for began, _, answer in asked if not isinstance(answer, Exception)]

    served = run(main())
    for begin in range(0, int(HOUR), 97):
        assert sum(begin <= at < begin + HOUR for at in served) <= in_an_hour
    assert len(served) >= 0.95 * 2 * in_an_hour


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("500/min", "500/min"),
        ("[60/min, 1000/d]", "60/min, 1k/d"),
        ("200k/min", "200k/min"),
        ("0.5/s", "1 in 2s"),
    ],
)
def test_rates_are_shown_as_they_are_written(written: str, shown: str) -> None:
    found = load_text(
        f"providers: {{a: {{kind: fake, limits: {{tokens: {written}}}}}}}\nroutes: {{chat: a/m}}\n", env={}
    )
    assert found.file is not None
    assert shown_as("tokens", found.file.providers["a"].limits.tokens) == shown


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("[]", "a list of rates needs one at least"),
        ("60", "a rate needs a period: write 60/min"),
        ("[60/min, 5]", "a rate needs a period: write 5/min"),
        ("0/min", "this must be more than 0"),
        ("[60/min, x]", '"x" is not a rate, such as'),
        ("[60/week]", "periods: s, min, h, d"),
        ("[[60/min]]", "is not a rate"),
        ("{a: 1}", "is not a rate"),
    ],
)
def test_wrong_rates_are_diagnosed(written: str, says: str) -> None:
    loaded = load_text(
        f"providers: {{a: {{kind: fake, limits: {{requests: {written}}}}}}}\nroutes: {{chat: a/m}}\n", env={}
    )
    assert says in "\n".join(diagnostic.message for diagnostic in loaded.diagnostics)

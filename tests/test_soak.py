"""What the soak makes of its figures: a real leak is seen, however slow the machine, and what is no leak is none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.memory import in_use
from tests.support.scripts import run
from tests.support.soak import MINUTE, Look, growth, too_much

LOOKS = 240  # of twenty minutes
SMALL = 300  # requests from one look to the next, on a slow machine


def looks(after: Callable[[int], None]) -> list[Look]:
    """Twenty minutes in which each look is preceded by some requests, that leave what they leave."""
    seen = []
    for number in range(LOOKS):
        after(number)
        seen.append(Look(number * 5.0, number * SMALL, in_use(), 100_000_000, 100, 130))
    return seen


@pytest.mark.parametrize("size", [30, 1000])
def test_a_kilobyte_of_a_hundred_requests_is_seen(size: int) -> None:
    """Be it one thing or many small ones."""
    kept = []

    def leak(number: int) -> None:
        kept.extend(bytes(size) for _ in range(SMALL // 100 * 1000 // size))

    grown = growth(looks(leak))
    assert "leak" in too_much(grown)
    assert 9 < grown["leak"] < 40, "bytes of a request; the head of a small thing is as large as itself"


def test_what_comes_and_goes_is_no_leak() -> None:
    rings: list[list[bytes]] = [[] for _ in range(7)]

    def turn(number: int) -> None:
        rings[number % 7] = [bytes(1000) for _ in range(number % 5 * 100)]

    assert too_much(growth(looks(turn))) == []


@pytest.mark.parametrize("leak", [0.0, 10.0])
def test_what_goes_with_the_load_is_no_leak(leak: float) -> None:
    """A machine that has less and more time fills bounded things less and more."""
    chance, asked, seen = random.Random(1), [0], []
    for number in range(LOOKS):
        asked.append(asked[-1] + chance.randrange(100, 300) * (1 + number * 4 // LOOKS))
        load = asked[-1] - asked[-1 - min(number + 1, MINUTE)]
        allocated = 60_000_000 + 200 * load + leak * asked[-1] + chance.gauss(0, 20_000)
        seen.append(Look(number * 5.0, asked[-1], int(allocated), 100_000_000, 100, 130))
    assert growth(seen)["leak"] == pytest.approx(leak, abs=2.0)


@pytest.mark.parametrize(
    ("name", "most"), [("allocated", 0.02), ("private", 0.02), ("descriptors", 0.1), ("tasks", 0.1)]
)
def test_what_grows_by_more_than_it_may_is_told(name: str, most: float) -> None:
    def grown(share: float) -> dict[str, float]:
        last = LOOKS * 3 // 4
        return growth(
            [
                Look(
                    0.0,
                    number * 10_000,
                    **{
                        each: int(1_000_000 * (1 + (share if each == name and number >= last else 0)))
                        for each in ("allocated", "private", "descriptors", "tasks")
                    },
                )
                for number in range(LOOKS)
            ]
        )

    assert too_much(grown(most * 0.9)) == []
    assert too_much(grown(most * 1.1)) == [name]


@pytest.mark.parametrize("name", ["descriptors", "tasks"])
@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_told_from_a_swing(name: str, leak: float, seed: int) -> None:
    """Connections come and go with the faults, so that their number doubles and halves all the time."""
    chance, other = random.Random(seed), {"descriptors": "tasks", "tasks": "descriptors"}[name]
    grown = growth(
        [
            Look(
                number * 5.0,
                number * SMALL,
                60_000_000,
                100_000_000,
                **{name: chance.randrange(63, 128) + int(leak * number), other: 100},
            )
            for number in range(LOOKS)
        ]
    )
    assert too_much(grown) == ([name] if leak else [])


def test_what_is_allocated_is_counted_to_the_byte() -> None:
    """Small things, which are in pools, and large ones."""
    for size, count in ((100, 10_000), (10_000, 100), (1_000_000, 1)):
        before = in_use()
        kept = [bytearray(size) for _ in range(count)]
        assert 1_000_000 <= in_use() - before < 1_900_000
        del kept
        assert abs(in_use() - before) < 300_000


PAGES = """
import mmap, sys
from tests.support.memory import private

before = private()
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
    assert set(mapped[::4096]) == {ord("x")}
    assert private() - before < 2_000_000
    kept = bytearray(mapped)
assert private() - before > 8_000_000
"""


async def test_the_pages_of_files_are_not_private(tmp_path: Path) -> None:
    """But those of what the process has made are. A new process has no room left over from what is gone."""
    path = tmp_path / "file"
    await asyncio.to_thread(path.write_bytes, b"x" * 10_000_000)
    assert await run(PAGES, str(path)) == ""

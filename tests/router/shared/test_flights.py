"""The right to make a call: renewed while it is needed, given back by whoever leaves, and never another one's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from router.shared.flights import Flights
from router.testing import run


class Server:
    """Replies when it is told to, or at once."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self.sent: list[str] = []
        self.waiting: list[asyncio.Future[Any]] = []

    def send(self, *command: str) -> asyncio.Future[Any]:
        self.sent.append(" ".join([command[0], *(word for word in command if word in ("NX", "XX"))]))
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.at_once:
            reply.set_result(b"OK")
        else:
            self.waiting.append(reply)
        return reply


async def nothing() -> None:
    """Nobody has an answer."""


def test_it_is_renewed_as_long_as_the_call_takes() -> None:
    async def story() -> None:
        server = Server()
        flights = Flights(server.send)
        assert await flights.turn("f", 10.0, nothing) is None
        await asyncio.sleep(31)
        flights.release("f")
        assert server.sent == ["SET NX", *["SET XX"] * 10, "EVAL"]
        await asyncio.sleep(60)
        flights.release("f")
        assert len(server.sent) == 12

    run(story())


@pytest.mark.parametrize("granted", [True, False])
def test_who_leaves_before_the_reply_gives_it_back(granted: bool) -> None:
    async def story() -> None:
        server = Server(at_once=False)
        flights = Flights(server.send)
        task = asyncio.create_task(flights.turn("f", 10.0, nothing))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        server.waiting[0].set_result(b"OK" if granted else None)
        await asyncio.sleep(30)
        assert server.sent == (["SET NX", "EVAL"] if granted else ["SET NX"])

    run(story())


def test_what_has_ended_meanwhile_is_not_taken_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        server = Server()
        flights = Flights(server.send)
        await flights.turn("f", 10.0, nothing)
        asyncio.get_running_loop().advance(11.0)  # type: ignore[attr-defined]  # it is the virtual one, held up
        flights.release("f")
        assert server.sent == ["SET NX"]

    run(story())


def test_the_others_look_more_and_more_rarely_and_not_for_ever() -> None:
    async def story() -> None:
        looked: list[float] = []
        clock = asyncio.get_running_loop().time
        began = clock()

        async def look() -> None:
            looked.append(round(clock() - began, 3))

        def send(*_: str) -> asyncio.Future[Any]:
            reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            reply.set_result(None)  # another one has it
            return reply

        assert await Flights(send).turn("f", 2.0, look) is None
        assert looked == pytest.approx([0, 0.025, 0.075, 0.175, 0.375, 0.775, 1.175, 1.575, 1.975, 2.0], abs=0.002)

    run(story())


def test_without_a_server_nobody_waits() -> None:
    async def story() -> None:
        def send(*_: str) -> asyncio.Future[Any]:
            reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            reply.set_result(ConnectionError("away"))
            return reply

        began = asyncio.get_running_loop().time()
        assert await Flights(send).turn("f", 10.0, nothing) is None
        assert asyncio.get_running_loop().time() == began

    run(story())

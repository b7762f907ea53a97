"""The right to make a call, once its holder was held up too long or the server has lost it: it is another's then."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from router.shared.flights import Flights
from router.testing import VirtualTimeLoop, run


class Server:
    """Keeps one right, as a server does; what it does not keep any more is not renewed."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.until = 0.0

    def send(self, *command: str) -> asyncio.Future[Any]:
        now = asyncio.get_running_loop().time()
        holder = self.holder if now < self.until else None
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        match command:
            case "SET", _, label, how, "PX", milliseconds if (holder is None) == (how == "NX"):
                self.holder, self.until = label, now + int(milliseconds) / 1000
                reply.set_result(b"OK")
            case "DEL", _:
                self.holder = None
                reply.set_result(1)
            case _:
                reply.set_result(None)
        return reply


async def nothing() -> None:
    """Nobody has an answer."""


def test_who_comes_back_after_it_ended_neither_renews_nor_ends_another_s() -> None:
    async def story() -> None:
        server = Server()
        frozen, other = Flights(server.send), Flights(server.send)
        assert await frozen.turn("f", 10.0, nothing) is None
        first = server.holder
        cast(VirtualTimeLoop, asyncio.get_running_loop()).advance(11.0)  # it was stopped, and goes on
        await other.turn("f", 10.0, nothing)
        second = server.holder
        assert second != first
        await asyncio.sleep(4.0)
        assert server.holder == second, "it is the other who renews it"
        frozen.release("f")
        assert server.holder == second
        other.release("f")
        assert server.holder is None

    run(story())


def test_who_lost_it_with_the_server_s_data_does_not_end_another_s() -> None:
    async def story() -> None:
        server = Server()
        one, other = Flights(server.send), Flights(server.send)
        await one.turn("f", 10.0, nothing)
        server.holder = None
        await asyncio.sleep(3.5)
        await other.turn("f", 10.0, nothing)
        second = server.holder
        one.release("f")
        assert server.holder == second

    run(story())

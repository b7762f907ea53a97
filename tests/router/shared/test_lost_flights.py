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
        self.is_cut = self.is_away = False  # the one: it hears one command more, whose reply does not arrive

    def send(self, *command: str) -> asyncio.Future[Any]:
        if not self.is_away:
            reply = self._replied(*command)
            if not self.is_cut:
                return reply
        self.is_away, self.is_cut = self.is_away or self.is_cut, False
        loop = asyncio.get_running_loop()
        reply = loop.create_future()
        loop.call_soon(reply.set_result, ConnectionError("no reply"))
        return reply

    def _replied(self, *command: str) -> asyncio.Future[Any]:
        now = asyncio.get_running_loop().time()
        holder = self.holder if now < self.until else None
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        match command:
            case "SET", _, label, how, "PX", milliseconds if (holder is None) == (how == "NX"):
                self.holder, self.until = label, now + int(milliseconds) / 1000
                reply.set_result(b"OK")
            case "EVAL", _, "1", _, label:
                if label == holder:
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


def test_a_right_that_was_given_without_a_word_of_it_is_given_back() -> None:
    """Else all others would wait ten seconds for a call that nobody makes."""

    async def story() -> None:
        server = Server()
        one, other = Flights(server.send), Flights(server.send)
        server.is_cut = True
        assert await one.turn("f", 10.0, nothing) is None  # it is on its own
        assert server.holder is not None
        server.is_away, began = False, asyncio.get_running_loop().time()
        await other.turn("f", 10.0, nothing)
        assert asyncio.get_running_loop().time() - began < 1.5
        assert server.holder is not None

    run(story())


def test_a_right_is_given_back_as_soon_as_the_server_is() -> None:
    async def story() -> None:
        server = Server()
        one, other = Flights(server.send), Flights(server.send)
        await one.turn("f", 10.0, nothing)
        server.is_away = True
        one.release("f")
        await asyncio.sleep(2.0)
        server.is_away = False
        assert server.holder is not None
        await other.turn("f", 10.0, nothing)
        second = server.holder
        await asyncio.sleep(2.0)
        assert server.holder == second, "the first gives back its own alone"

    run(story())

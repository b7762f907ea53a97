"""Answers that are checked and kept: only valid ones are stored, and every hit has a value of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from providers.fake import FakeProvider, Reply
from providers.types import CompletionRequest, Message
from router import RouteExhausted, Router
from router.testing import run


class Point(BaseModel):
    x: int


class Other(BaseModel):
    y: int = 0


class Strict(BaseModel):
    """The same schema as `Point`, but for its title, and a rule that no schema says."""

    model_config = {"title": "Point"}
    x: int

    @field_validator("x")
    @classmethod
    def _large(cls, value: int) -> int:
        if value < 10:
            raise ValueError("too small")
        return value


Strict.__name__ = "Point"
Strict.__doc__ = None


class World:
    def __init__(self, folder: Path, *answers: str, **more: Any) -> None:
        self.fake = FakeProvider.scripted(*(Reply(answer, every=0.1) for answer in answers), name="a")
        text = f"""
providers: {{a: {{kind: fake}}}}
cache: {{path: {folder}}}
defaults: {{retry: {{same_target: 0}}}}
routes: {{chat: {{targets: [a/m], cache: 1h}}, checked: {{targets: [a/m], cache: 1h, accept: {{valid_json: true}}}}}}
"""
        self.router = Router.from_text(text, env={}, providers={"a": self.fake}, monitor=False, **more)

    async def ask(self, wanted: Any = Point, *, stream: bool = False, **more: Any) -> Any:
        if not stream:
            return await self.router.complete("chat", "x", response_format=wanted, **more)
        async with self.router.stream("chat", "x", response_format=wanted, **more) as chunks:
            async for _ in chunks:
                pass
            return chunks.response

    @property
    def calls(self) -> int:
        return len(self.fake.requests)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_a_hit_has_the_value(tmp_path: Path, first: bool, second: bool) -> None:
    async def story() -> None:
        made, hit = await world.ask(stream=first), await world.ask(stream=second)
        assert (made.parsed, hit.parsed, hit.cached) == (Point(x=1), Point(x=1), True)
        assert made.parsed is not hit.parsed

    world = World(tmp_path, '```json\n{"x": 1}\n```', "no")
    run(story())
    assert world.calls == 1


def test_a_hit_of_another_process_has_the_value(tmp_path: Path) -> None:
    async def story(world: World) -> Any:
        reply = await world.ask()
        await world.router.aclose()
        return reply

    run(story(World(tmp_path, '{"x": 1}')))
    again = World(tmp_path, "no")
    assert run(story(again)).parsed == Point(x=1)
    assert again.calls == 0


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_not_valid_is_not_kept(tmp_path: Path, stream: bool) -> None:
    async def story() -> Any:
        with pytest.raises(Exception, match=r"\$\.x: "):
            await world.ask(stream=stream)
        return await world.ask(stream=stream)

    world = World(tmp_path, '{"x": "one"}', '{"x": 1}')
    reply = run(story())
    assert (reply.parsed, reply.cached, world.calls) == (Point(x=1), False, 2)


def test_the_schema_is_a_part_of_the_key(tmp_path: Path) -> None:
    async def story() -> None:
        assert (await world.ask(Point)).parsed == Point(x=1)
        assert (await world.ask(Other)).parsed == Other(y=2)
        assert (await world.ask("json")).parsed == {"y": 3}

    world = World(tmp_path, '{"x": 1}', '{"y": 2}', '{"y": 3}')
    run(story())
    assert world.calls == 3


def test_types_of_one_schema_read_for_themselves(tmp_path: Path) -> None:
    """What one takes, the other may not: then it is no hit."""

    async def story() -> None:
        assert isinstance((await world.ask(Point)).parsed, Point)
        strict = await world.ask(Strict)
        assert (type(strict.parsed), strict.parsed.x, strict.cached) == (Strict, 20, False)
        assert type((await world.ask(Strict)).parsed) is Strict

    assert Point.model_json_schema() == Strict.model_json_schema()
    world = World(tmp_path, '{"x": 1}', '{"x": 20}', "no")
    run(story())
    assert world.calls == 2


@pytest.mark.parametrize("stream", [False, True])
def test_those_who_ask_at_the_same_time_have_values_of_their_own(tmp_path: Path, stream: bool) -> None:
    async def story() -> None:
        replies = await asyncio.gather(*(world.ask(stream=stream) for _ in range(5)))
        assert [reply.parsed for reply in replies] == [Point(x=1)] * 5
        assert len({id(reply.parsed) for reply in replies}) == 5

    world = World(tmp_path, '{"x": 1}', "no")
    run(story())
    assert world.calls == 1


def test_those_who_read_it_otherwise_do_not_share_the_call(tmp_path: Path) -> None:
    async def story() -> None:
        one, other = await asyncio.gather(world.ask(Point), world.ask(Strict), return_exceptions=True)
        assert one.parsed == Point(x=1)
        assert isinstance(other, RouteExhausted)

    world = World(tmp_path, '{"x": 1}')
    run(story())
    assert world.calls == 2


def test_requests_that_ask_for_no_check_have_no_value(tmp_path: Path) -> None:
    async def story() -> None:
        parts = {"name": "Point", "schema": Point.model_json_schema(), "strict": True}
        ready = CompletionRequest(model="chat", messages=(Message.user("x"),), response_format=parts)
        await world.ask(Point)
        reply = await world.router.ask(ready)
        assert (reply.text, reply.cached, reply.parsed) == ('{"x": 1}', True, None)

    world = World(tmp_path, '{"x": 1}', "no")
    run(story())


def test_what_was_kept_unchecked_is_no_hit_for_who_checks(tmp_path: Path) -> None:
    async def story() -> None:
        parts = {"name": "Point", "schema": Point.model_json_schema(), "strict": True}
        ready = CompletionRequest(model="chat", messages=(Message.user("x"),), response_format=parts)
        assert (await world.router.ask(ready)).text == "words"
        reply = await world.ask(Point)
        assert (reply.parsed, reply.cached) == (Point(x=1), False)

    world = World(tmp_path, "words", '{"x": 1}')
    run(story())


def test_the_apps_function_sees_an_answer_once(tmp_path: Path) -> None:
    seen = []

    def accept(reply: Any) -> bool:
        seen.append(reply.text)
        return True

    async def story() -> None:
        await world.ask()
        await world.ask()

    world = World(tmp_path, '{"x": 1}', accept=accept)
    run(story())
    assert len(seen) == 1

"""What type checkers know of a reply's value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SOURCE = """
from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from pydantic import BaseModel, TypeAdapter

from router import Reply, Router, RouterStream, SyncRouter
from router.views.trace import Trace


class Model(BaseModel):
    a: int


@dataclass
class Data:
    a: int


class Typed(TypedDict):
    a: int


def add(a: int) -> int:
    return a


async def asks(router: Router) -> None:
    reply = await router.complete("chat", "x", response_format=Model, max_tokens=5)
    assert_type(reply, Reply[Model])
    assert_type(reply.parsed.a, int)
    assert_type(reply.trace, Trace)
    assert_type((await router.complete("chat", "x", response_format=Data)).parsed, Data)
    assert_type((await router.complete("chat", "x", response_format=Typed)).parsed, Typed)
    assert_type((await router.complete("chat", "x", response_format=list[Model])).parsed, list[Model])
    assert_type((await router.complete("chat", "x", response_format=TypeAdapter(Data))).parsed, Data)
    assert_type((await router.complete("chat", "x", response_format="json")).parsed, Any)
    assert_type((await router.complete("chat", "x", response_format={"schema": {}})).parsed, Any)
    assert_type((await router.complete("chat", "x", tools=[add], cache="skip")).text, str)
    union: Reply = await router.complete("chat", "x", response_format=Model | Data)
    async with router.stream("chat", "x", response_format=Model) as stream:
        assert_type(stream, RouterStream[Model])
        assert_type(stream.response.parsed.a, int)
    async with router.stream("chat", "x", response_format=TypeAdapter(list[Data]), can_restart=False) as listed:
        assert_type(listed.response.parsed, list[Data])
    async with router.stream("chat", "x", cache="skip") as plain:
        assert_type(plain.response.parsed, Any)
    kept: RouterStream = plain
    for call in reply.tool_calls:
        assert_type((await call.run_async([add])).is_error, bool)


def waits(router: SyncRouter) -> Reply[Model]:
    assert_type(router.complete("chat", "x").text, str)
    with router.stream("chat", "x", response_format=Typed) as stream:
        assert_type(stream.response.parsed, Typed)
    return router.complete("chat", "x", response_format=Model)


def accept(reply: Reply) -> bool | str:
    return reply.route == "chat"


def makes() -> None:
    Router.from_yaml("routes.yaml", accept=accept)
"""
WRONG = """
from pydantic import BaseModel

from router import Router


class Model(BaseModel):
    a: int


async def asks(router: Router) -> None:
    reply = await router.complete("chat", "x", response_format=Model)
    reply.parsed.b
    await router.complete("chat", "x", response_format=Model, max_tokens="5")
    await router.complete("chat", "x", response_format=5)
    router.stream("chat", "x", response_format=Model).response.parsed.c
"""


def checked(folder: Path, source: str) -> str:
    (folder / "app.py").write_text(source)
    command = [sys.executable, "-m", "mypy", str(folder / "app.py")]  # strict; `make lint` has read all else by then
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    return done.stdout + done.stderr


def test_the_value_has_the_type_that_was_asked_for(tmp_path: Path) -> None:
    assert "app.py" not in checked(tmp_path, SOURCE)


def test_mistakes_are_seen(tmp_path: Path) -> None:
    told = checked(tmp_path, WRONG)
    assert '"Model" has no attribute "b"' in told
    assert '"Model" has no attribute "c"' in told
    assert told.count(": error: No overload variant") == 2

"""Many apps run on uvloop, whose connections, cancellation and Unix sockets are its own: what holds on asyncio's loop
over real sockets has to hold there. The tests below this folder are those of the modules that they import."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What pytest-asyncio makes the loops of tests with."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def every_carrier() -> str:
    """Requests are carried by ours: what httpx's own transport does is the same on any loop, and is tested on one."""
    return "aiohttp"

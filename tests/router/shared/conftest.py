"""A server for the tests of what is shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path, port: int) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, port)
    yield server
    server.kill()

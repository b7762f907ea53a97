"""Shared answers over TLS, to a server whose certificate is known, and to one whose is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answer_shops import file, shops
from tests.support.certificates import Certificates
from tests.support.redis_server import RedisServer, needs_redis, with_tls
from tests.support.shared_routers import events_of, states_of
from tests.support.waiting import until

pytestmark = [needs_redis, pytest.mark.usefixtures("patient")]


async def test_they_are_shared_where_the_certificate_is_known(tmp_path: Path, certificates: Certificates) -> None:
    more = with_tls(certificates)
    server = RedisServer(tmp_path, *more)
    try:
        text = file(f"rediss://127.0.0.1:{more[1]}?ssl_ca_certs={certificates.ca}", shared=", single_flight: on")
        async with shops(text, text) as (one, other):
            await one.store()
            assert await other.level() == "shared"
            assert (one.calls, other.calls) == (1, 0)
            assert await other.router.cache.clear() is not None
            assert await other.level() == ""
    finally:
        server.kill()


async def test_else_each_has_its_own_and_says_why(tmp_path: Path, certificates: Certificates) -> None:
    more = with_tls(certificates)
    server = RedisServer(tmp_path, *more)
    try:
        text = file(f"rediss://127.0.0.1:{more[1]}")
        async with shops(text, text) as (one, other):
            await one.store()
            assert await other.level() == ""
            assert (await other.ask()).text == "answer of 1"
            await until(lambda: "away" in states_of(other.router))
            assert any("certificate" in event.sentence.lower() for event in events_of(other.router))
    finally:
        server.kill()

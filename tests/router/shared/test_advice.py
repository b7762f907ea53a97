"""What is said where a server refuses a process for what its file says: the server's words, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plan.rules import SharedRules
from router.shared.sharing import attempt
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis


@pytest.mark.parametrize(
    ("who", "database", "advice"),
    [("", 0, "user and password"), (":other@", 0, "user and password"), (":word@", 99, "number of a database")],
)
async def test_a_wrong_url_is_told_with_how_to_mend_it(tmp_path: Path, who: str, database: int, advice: str) -> None:
    server = RedisServer(tmp_path, "--requirepass", "word", password="word")
    try:
        url = f"redis://{who}127.0.0.1:{server.port}/{database}"
        said = await attempt(SharedRules(url=url, app="shop", timeout=60.0))
        assert "shared.url" in said
        assert advice in said
        assert "other@" not in said
    finally:
        server.kill()

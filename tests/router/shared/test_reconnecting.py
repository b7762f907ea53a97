"""An edit of the file that leaves what was shared gives back what the process had of it."""

from __future__ import annotations

from pathlib import Path

from router import Router
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.shared_routers import file, served
from tests.support.waiting import until


@needs_redis
async def test_places_come_free_at_once(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    text = file(server.url, "6000/min, in_flight: 4", wait="1s")
    path.write_text(text)
    async with Router.from_yaml(path, env={}, monitor=False) as router:
        assert await served(router)
        with server.client() as client:

            def held() -> list[str | None]:
                return [client.hget(name, "sum") for name in client.scan_iter("sb:{shop/0}:gh:*")]

            await until(lambda: held() not in ([], ["0"]))
            path.write_text(text.replace("app: shop", "app: other"))
            await router.reload()
            await until(lambda: held() == ["0"])

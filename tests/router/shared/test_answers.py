"""Answers that routers share over a real server: who gets them, who does not, and what lies there."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from providers.fake import Reply
from router import RouteExhausted, Router
from router.cli.cache import command as cache
from router.cli.check import command as check
from router.cli.explain import command as explain
from router.cli.show import command as show
from router.errors import CacheUnavailable
from tests.support.answer_shops import KEY, PROMPT, SECRET, Shop, file, raw, shops
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = [needs_redis, pytest.mark.usefixtures("patient")]


@pytest.mark.parametrize("asked", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("stored", [False, True], ids=["plain", "stream"])
async def test_what_one_has_paid_for_the_other_gets(server: RedisServer, stored: bool, asked: bool) -> None:
    async with shops(file(server.url), file(server.url)) as (one, two):
        first = await one.ask(stream=stored)
        await one.router.cache.written()
        second = await two.ask(stream=asked)
        assert (second.text, second.cached, second.usage, second.cost) == (first.text, True, first.usage, first.cost)
        assert (second.trace.cache, second.trace.cache_level) == ("hit", "shared")
        third = await two.ask(stream=asked)
        assert (third.trace.cache, third.trace.cache_level) == ("hit", "memory")
        assert two.calls == 0
        stats, figures = two.router.cache.stats, two.router.snapshot().cache
        assert (stats.hits, stats.from_shared, figures.from_shared) == (2, 1, 1)


async def test_an_answer_that_a_router_stores_at_its_end_is_shared(server: RedisServer) -> None:
    async with shops(file(server.url)) as (one,):
        await one.ask()
    async with shops(file(server.url)) as (two,):
        assert (await two.ask()).text == "answer of 0"


async def test_it_ends_with_its_route_s_time(server: RedisServer) -> None:
    texts = [file(server.url, cache=more) for more in ("", ", stale_if_error: 1h", ", stale_if_error: true")]
    lasts = []
    for text in texts:
        async with shops(text) as (shop,):
            await shop.store(f"prompt {len(lasts)}")
            with raw(server) as client:
                (name,) = client.keys("*:c:*")
                lasts.append(client.ttl(name))
                client.flushall()
    assert 3590 < lasts[0] <= 3600
    assert 7190 < lasts[1] <= 7200
    assert lasts[2] > 3000 * 86_400


async def test_what_no_cache_keeps_is_not_shared(server: RedisServer) -> None:
    async with shops(file(server.url)) as (shop,):
        for answer in ("", " \n", "x" * 4000):
            shop.fake.script = [Reply(answer)]
            await shop.store(f"for {len(answer)}")
        with raw(server) as client:
            assert client.keys("*:c:*") == []


@pytest.mark.parametrize("harm", ["cut", "changed", "moved", "foreign", "empty"])
async def test_what_was_tampered_with_is_a_miss_is_told_and_is_deleted(server: RedisServer, harm: str) -> None:
    async with shops(file(server.url), file(server.url)) as (one, two):
        await one.store()
        await one.store("another")
        with raw(server) as client:
            names = client.keys("*:c:*")
            values = {name: client.get(name) for name in names}
            for name in names:
                value = values[name]
                other = next(values[each] for each in names if each != name)
                harmed = {
                    "cut": value[:-1],
                    "changed": value.replace(b"answer of 0", b"answer of 9"),
                    "moved": other,
                    "foreign": b"signalbox answer 1\n{}",
                    "empty": b"",
                }[harm]
                assert harmed != value
                client.set(name, harmed)
            assert (await two.ask()).text == "answer of 1"
            await two.router.cache.written()
            assert len(client.keys("*:c:*")) == 2, "one was deleted, and stored anew"
            assert client.ttl(names[0]) > 0 or client.ttl(names[1]) > 0
        events = [event for event in two.router.telemetry.events if event.kind == "shared"]
        assert [event.fields["state"] for event in events] == ["forged"]
        assert two.calls == 1


@pytest.mark.parametrize("more", [{"secret": "another"}, {"shared": ", app: other"}])
async def test_those_of_another_secret_or_app_share_nothing(server: RedisServer, more: dict[str, str]) -> None:
    text = file(server.url, **more).replace("app: shop, ", "", 1 if "shared" in more else 0)
    async with shops(file(server.url), text) as (one, two):
        await one.store()
        assert await two.level() == ""
        assert await one.level() == "shared"
        assert not [event for event in two.router.telemetry.events if event.kind == "shared"]


async def test_namespaces_are_kept_apart(server: RedisServer) -> None:
    async with shops(file(server.url), file(server.url)) as (one, two):
        await one.store(namespace="x")
        assert await two.level(namespace="y") == ""
        assert await two.level() == ""
        assert await two.level(namespace="x") == "shared"


ASKED = [("planted-route", None), ("planted-route", "x"), ("planted-route", "y"), ("other", None), ("other", "x")]
SCOPES: dict[str, tuple[dict[str, str], list[int]]] = {
    "all": ({}, []),
    "a route": ({"route": "other"}, [0, 1, 2]),
    "a namespace": ({"namespace": "x"}, [0, 2, 3]),
    "a namespace of a route": ({"route": "other", "namespace": "x"}, [0, 1, 2, 3]),
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_one_clears_nobody_finds_and_all_else_stays(
    server: RedisServer, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, stay = SCOPES[scope]
    wanted = ["shared" if place in stay else "" for place in range(len(ASKED))]
    async with shops(*[file(server.url)] * 3) as (one, two, three):
        for route, namespace in ASKED:
            await one.store(route=route, namespace=namespace)
            assert await two.level(route=route, namespace=namespace) == "shared"
        await one.router.cache.clear(**what)  # type: ignore[arg-type]  # the names are those of the arguments
        for shop in (three, two, one):  # who has never looked, who has, and who has cleared
            found = [await shop.level(route=route, namespace=namespace) for route, namespace in ASKED]
            assert found == wanted
        for route, namespace in ASKED:
            await two.store(route=route, namespace=namespace)
        assert [await one.level(route=route, namespace=namespace) for route, namespace in ASKED] == ["shared"] * 5


async def test_what_one_clears_leaves_the_memory_of_others_and_nothing_else_does(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.cache.shared_level.LOOK_EVERY", 0.0)
    async with shops(file(server.url), file(server.url)) as (one, two):
        for shop in (one, two):
            await shop.store(namespace="x")
            await shop.store(namespace="y")
        await one.router.cache.clear(namespace="x")
        while await two.held(namespace="x"):
            await two.router.cache.written()
        assert await two.held(namespace="y") == "memory"
        await one.store(namespace="x")
        for _ in range(3):
            assert await one.held(namespace="x") == "memory", "a clearing of its own is no news"
            await one.router.cache.written()


async def test_the_folder_of_a_machine_that_was_off_follows_too(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("router.cache.shared_level.LOOK_EVERY", 0.0)
    text = file(server.url, more=f"cache: {{path: '{tmp_path}/a'}}")
    async with shops(text) as (one,):
        await one.store(namespace="x")
        await one.store(namespace="y")
    async with shops(file(server.url)) as (other,):
        await other.router.cache.clear(namespace="x")
    async with shops(text) as (again,):
        while await again.level(namespace="x"):
            await again.router.cache.written()
        assert await again.level(namespace="y") == "disk"
        await again.store(namespace="x")
    async with shops(text) as (again,):
        for _ in range(3):
            assert await again.level(namespace="x") == "disk", "what was cleared before is no news"
            await again.router.cache.written()


async def test_the_folder_takes_what_came_from_the_server(server: RedisServer, tmp_path: Path) -> None:
    text = file(server.url, more=f"cache: {{path: '{tmp_path}/a'}}")
    async with shops(file(server.url), text) as (one, two):
        await one.store()
        assert await two.level() == "shared"
        await two.router.cache.written()
        assert await two.level() == "disk"


async def test_without_a_folder_in_the_file_there_is_none(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGNALBOX_CACHE_DIR", raising=False)
    async with shops(file(server.url, more="")) as (one,):
        assert one.router.cache.place[0] is None


async def test_nothing_in_the_names_tells_what_was_asked(server: RedisServer) -> None:
    async with shops(file(server.url, shared=", single_flight: on")) as (one,):
        await one.store(namespace="planted-tenant")
        await one.router.cache.clear(route="planted-route", namespace="planted-tenant")
        await one.store(namespace="planted-tenant")
        await one.ask(stream=True)
    seen = set()
    with raw(server) as client:
        for name in client.keys("*"):
            seen.add(name)
            kind = client.type(name)
            if kind == b"hash":
                seen |= {item for pair in client.hgetall(name).items() for item in pair}
            elif b":c:" in name:
                value = client.get(name)
                assert SECRET.encode() not in value
                assert KEY.encode() not in value
            else:
                seen.add(client.get(name))
    whole = b" ".join(seen)
    assert b":c:" in whole
    assert b":cg" in whole
    for word in (KEY, SECRET, PROMPT, "planted", "route", "tenant", "model", "https", "answer"):
        assert word.encode() not in whole


async def test_answers_come_and_go_with_the_file(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(file(server.url))
    async with shops(file(server.url)) as (other,), Router.from_yaml(path, env={}, watch=False) as router:
        await other.store()

        async def level() -> str:
            router.cache.forget_memory()
            try:
                return (await router.complete("planted-route", PROMPT, cache="only")).trace.cache_level
            except RouteExhausted:
                return ""

        assert await level() == "shared"
        for text, wanted, change in (
            (file(server.url, secret="another"), "", "shared reconnects"),
            (file(server.url, shared=", single_flight: on"), "shared", "shared"),
            (file(server.url).replace("share: [cache]", "share: [limits]"), "", "shared.share"),
            (file(server.url).replace("[cache]", "[limits, cache]"), "shared", "shared.share"),
            (file(server.url).split("shared: ")[0] + "cache: {path: memory}", "", "shared"),
        ):
            path.write_text(text)
            changes = (await router.reload()).changes
            assert any(each.startswith(change) for each in changes), changes
            if wanted:
                await router.__aenter__()
            assert await level() == wanted


def test_on_a_loop_after_another(server: RedisServer) -> None:
    shop = Shop(file(server.url))

    async def story() -> str:
        async with Router.from_text(file(server.url), env={}, providers={"a": shop.fake}) as other:
            await other.complete("planted-route", PROMPT)
        await shop.router.__aenter__()
        return await shop.level()

    assert [asyncio.run(story()) for _ in range(3)] == ["shared"] * 3
    asyncio.run(shop.router.aclose())


async def test_a_clearing_that_the_server_does_not_confirm_is_told(server: RedisServer) -> None:
    async with shops(file(server.url)) as (one,):
        await one.store()
        server.kill()
        with pytest.raises(CacheUnavailable, match="server does not answer"):
            await one.router.cache.clear()
        assert await one.level() == "", "but memory has forgotten"


async def test_a_router_that_is_dropped_lets_go_of_the_connection(server: RedisServer) -> None:
    router = Router.from_text(file(server.url, more="telemetry: {monitor: off}\ncache: {path: memory}"), env={})
    await router.__aenter__()
    await router.complete("planted-route", PROMPT)
    await router.cache.written()
    with raw(server) as client:
        assert len(client.client_list()) == 2
        del router
        gc.collect()
        await until(lambda: len(client.client_list()) == 1)


def as_documented(server: RedisServer, user: str, leave_out: str = "") -> str:
    """Make a user with the rights of the docs but for one; returns its address."""
    page = (Path(__file__).parents[3] / "docs/shared.md").read_text()
    (rights,) = re.findall(r"^ACL SETUSER signalbox on >\S+ (.*)$", page, re.MULTILINE)
    with server.client() as client:
        wanted = [right for right in rights.split() if right != leave_out]  # their order counts
        client.execute_command("ACL", "SETUSER", user, "on", ">word", *wanted)
    return server.url.replace("//", f"//{user}:word@")


async def test_the_rights_of_the_docs_are_enough(server: RedisServer) -> None:
    text = file(as_documented(server, "all"), shared=", single_flight: on")
    async with shops(text, text) as (one, two):
        await one.store()
        assert await two.level() == "shared"
        await two.router.cache.clear()
        assert await one.level() == ""
        await one.store()
        assert await two.level() == "shared"
        assert not [event for event in two.router.telemetry.events if event.kind == "shared"]


@pytest.mark.parametrize(
    "right", ["", "+ping", "+get", "+set", "+mget", "+del", "+hset", "+hgetall", "+client|setname"]
)
def test_check_online_tells_a_right_that_lacks(server: RedisServer, tmp_path: Path, right: str) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(file(as_documented(server, "less", right)))
    result = CliRunner().invoke(check, [str(path), "--online"], standalone_mode=False)
    assert result.return_value == (1 if right else 0)
    assert ("shared: the server answers" in result.output) is not bool(right)
    if right:
        assert f"'{right[1:]}'" in result.output
        assert "docs/shared.md" in result.output
    with raw(server) as client:
        assert client.keys("*") == [] or right == "+del", "nothing of it stays"


async def test_people_see_that_answers_are_shared(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(file(server.url))
    (tmp_path / "ask").write_text(PROMPT)
    run = partial(asyncio.to_thread, CliRunner().invoke)
    async with shops(file(server.url)) as (one,):
        await one.store()
        explained = await run(explain, ["planted-route", "-f", str(path), "-p", PROMPT])
        assert "cache: 1h, shared by all machines" in explained.output
        assert "answers are shared over the server of `shared`" in (await run(show, ["-f", str(path)])).output
        assert "on the server of `shared`" in (await run(cache, ["stats", "-f", str(path)])).output
        assert "and all that machines share" in (await run(cache, ["clear", "-f", str(path)])).output
        assert await one.level() == ""
        assert "(shared)" not in (await one.ask()).trace.render()


WITHOUT = """
import asyncio, sys
from router import Router

async def main():
    async with Router.from_text('''FILE''', env={}) as router:
        for _ in range(2):
            reply = await router.complete("planted-route", "hi")
        await router.cache.written()
        assert reply.trace.cache == "hit"
        return len(asyncio.all_tasks())

tasks = asyncio.run(main())
print(sorted(name for name in sys.modules if name == "redis" or name.startswith("router.shared")), tasks)
"""


def test_a_cache_that_is_not_shared_imports_nothing_and_has_no_task() -> None:
    before, _, after = file("redis://nowhere").partition("shared: ")
    program = WITHOUT.replace("FILE", before + after.partition("\n")[2] + "telemetry: {monitor: off}")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] 1"

"""Edits of the file while clients are there: careless ones open no door and cut nobody off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router import Router
from router.config.listen import Address
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.server import Server
from tests.support.served import CHAT, FILE, Held, ask, question
from tests.support.waiting import until

KEY, OTHER = "sb-0123456789abcdefghij", "sb-abcdefghijklmnopqrst"
BOTH = f"serve: {{keys: {{a: {{key: {KEY}, limits: {{in_flight: 1}}}}, b: {{key: {OTHER}}}}}}}\n"
WITHOUT_A = f"serve: {{keys: {{b: {{key: {OTHER}}}}}}}\n"


@asynccontextmanager
async def followed(path: Path, serve: str, provider: Held) -> AsyncIterator[tuple[int, Router]]:
    """A gateway on a file."""
    await asyncio.to_thread(path.write_text, FILE + serve)
    router = Router.from_yaml(path, watch=False, providers={"fake": provider}, monitor=False)
    async with router:
        server = Server(server_of(Gateway(router)), [Address("127.0.0.1", 0)])
        await server.start()
        try:
            yield server.addresses[0].port, router
        finally:
            await server.stop()
            server.abort()


@pytest.fixture
def held() -> Held:
    held = Held()
    held.gate.set()
    return held


@pytest.fixture
def edit(tmp_path: Path) -> Callable[[str], None]:
    def write(serve: str) -> None:
        (tmp_path / "routes.yaml").write_text(FILE + serve)

    return write


@pytest.mark.parametrize("careless", ["", "serve: {}\n", "serve: {keys: {}}\n", "serve:\n"])
async def test_keys_that_are_gone_open_no_door(
    tmp_path: Path, held: Held, edit: Callable[[str], None], careless: str
) -> None:
    """The proxy of docs/serve.md sends `Host: 127.0.0.1`, from this machine."""
    async with followed(tmp_path / "routes.yaml", BOTH, held) as (port, router):
        edit(careless)
        await router.reload()
        for key in ({}, {"x_api_key": KEY}, {"x_api_key": "wrong"}):
            assert (await ask(port, "POST", CHAT, question(), **key)).status == 401
        assert held.requests == []
        edit("serve: {anonymous: {routes: [chat]}}\n")  # which is meant
        await router.reload()
        assert (await ask(port, "POST", CHAT, question())).status == 200
        edit(BOTH)
        await router.reload()
        assert (await ask(port, "POST", CHAT, question(), x_api_key=KEY)).status == 200


async def test_keys_that_came_by_a_reload_are_kept_as_well(
    tmp_path: Path, held: Held, edit: Callable[[str], None]
) -> None:
    async with followed(tmp_path / "routes.yaml", "", held) as (port, router):
        assert (await ask(port, "POST", CHAT, question())).status == 200
        edit(BOTH)
        await router.reload()
        assert (await ask(port, "POST", CHAT, question())).status == 401
        edit("")
        await router.reload()
        assert (await ask(port, "POST", CHAT, question())).status == 401


async def test_a_client_that_is_taken_out_has_its_stream_to_the_end_and_no_other(
    tmp_path: Path, held: Held, edit: Callable[[str], None]
) -> None:
    held.gate.clear()
    async with followed(tmp_path / "routes.yaml", BOTH, held) as (port, router):
        asking = asyncio.ensure_future(ask(port, "POST", CHAT, question(stream=True), x_api_key=KEY))
        await until(lambda: held.requests)
        edit(WITHOUT_A)
        await router.reload()
        assert (await ask(port, "POST", CHAT, question(), x_api_key=KEY)).status == 401
        edit(BOTH)  # and back, while it still streams
        await router.reload()
        held.gate.set()
        answer = await asking
        assert answer.status == 200
        assert b"data: [DONE]" in answer.body
        assert router.clients.in_flight("a") == 0
        for _ in range(2):
            assert (await ask(port, "POST", CHAT, question(), x_api_key=KEY)).status == 200


async def test_a_file_that_is_wrong_changes_nobodys_rights(
    tmp_path: Path, held: Held, edit: Callable[[str], None]
) -> None:
    async with followed(tmp_path / "routes.yaml", BOTH, held) as (port, router):
        for wrong in (
            "serve: {keys: {a: {key: short}}}\n",
            "serve: {listen: 0.0.0.0:4180}\n",
            f"serve: {{listen: 0.0.0.0:4180, anonymous: {{}}, keys: {{b: {{key: {OTHER}}}}}}}\n",
            "serve: {keys: {a: {key: ${UNSET_FOR_SURE}}}}\n",
            "serve: [",
        ):
            edit(wrong)
            result = await router.reload()
            assert not result.accepted
            assert (await ask(port, "POST", CHAT, question(), x_api_key=KEY)).status == 200
            assert (await ask(port, "POST", CHAT, question())).status == 401


async def test_keys_whose_variables_are_gone_open_no_door(
    tmp_path: Path, held: Held, edit: Callable[[str], None]
) -> None:
    async with followed(tmp_path / "routes.yaml", BOTH, held) as (port, router):
        edit("serve: {keys: {a: {key: '${UNSET_FOR_SURE}', when_unset: disable}}}\n")
        assert (await router.reload()).accepted
        assert (await ask(port, "POST", CHAT, question())).status == 401
        assert (await ask(port, "POST", CHAT, question(), x_api_key=KEY)).status == 401

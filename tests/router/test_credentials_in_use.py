"""Credentials from the file and from the app, through real sockets: pools, streams, edits, forks of the way there."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from providers import ProviderError
from providers.simulator import Callers, Simulator
from router import ConfigError, Router
from router.errors import RouteExhausted
from router.testing import run
from router.views.trace import Attempt
from tests.support.command import signalbox

CHAT = "routes: {chat: a/m}\n"


def file(url: str, key: str, more: str = "") -> str:
    return f"providers: {{a: {{kind: openai, api: chat, base_url: '{url}', {key}{more}}}}}\n{CHAT}"


def issued_by(callers: Callers) -> Callable[[], Awaitable[tuple[str, float]]]:
    async def issue() -> tuple[str, float]:
        return callers.issue(60), 60

    return issue


async def ask(app: Router) -> str:
    return (await app.complete("chat", "Hello")).text


async def test_a_function_of_the_app_gives_the_tokens(simulator: Simulator) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=True)
    callers = vendor.callers = Callers()
    app = Router.from_text(
        file(simulator.base_url("openai"), 'api_key: "${NOT_SET}"'),
        env={},
        credentials={"a": issued_by(callers)},
    )
    async with app:
        for _ in range(5):
            assert await ask(app)
        assert callers.issued == 1
        callers.revoke()
        replies = await asyncio.gather(*(app.complete("chat", "Hello") for _ in range(20)))
        assert callers.issued == 2, "one for all of them"
        codes = [entry.code for entry in replies[0].trace.entries if isinstance(entry, Attempt)]
        assert codes == ["authentication", None]


async def test_a_stream_that_began_before_the_end_goes_on(simulator: Simulator) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(first_token=0.0, tokens_per_second=60.0, output_tokens=30)
    callers = vendor.callers = Callers()
    app = Router.from_text(
        file(simulator.base_url("openai"), "api_key: unused"),
        env={},
        credentials={"a": issued_by(callers)},
    )
    async with app, app.stream("chat", "Hello") as stream:
        pieces = 0
        async for chunk in stream:
            pieces += bool(chunk.text)
            if pieces == 3:
                callers.revoke()
        assert pieces == 30
        assert await ask(app)


async def test_a_program_of_the_file(simulator: Simulator, tmp_path: Path) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=True)
    callers = vendor.callers = Callers()
    token = tmp_path / "token"
    token.write_text(callers.issue(60))
    command = f"[{sys.executable}, -c, 'import sys; print(open(sys.argv[1]).read())', {token}]"
    app = Router.from_text(file(simulator.base_url("openai"), f"api_key: {{command: {command}}}"), env={})
    async with app:
        assert await ask(app)
        callers.revoke()
        token.write_text(callers.issue(60))
        assert await ask(app), "what was refused is asked for again"


async def test_a_pool_goes_on_with_its_other_keys(simulator: Simulator) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=True)
    keys = f"api_keys: [{{command: [{sys.executable}, -c, 'raise SystemExit(3)']}}, a-key-of-the-pool]"
    app = Router.from_text(file(simulator.base_url("openai"), keys), env={})
    async with app:
        replies = [await app.complete("chat", "Hello") for _ in range(6)]
        assert all(reply.text for reply in replies)
    failed = [entry for reply in replies for entry in reply.trace.entries if getattr(entry, "code", None)]
    assert failed
    assert "exit status 3" in str(failed[0])


SECRET = "tok-" + "S3cr3t" * 8


async def test_no_text_has_the_token(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """A vendor sends it back in its error, as proxies do."""
    caplog.set_level(logging.DEBUG)
    vendor = simulator.vendor("openai")
    vendor.callers = Callers()
    told = f"the key {SECRET} is unknown"
    vendor.callers.refusal = lambda *asked: (401, told)  # type: ignore[method-assign]
    app = Router.from_text(
        file(simulator.base_url("openai"), "api_key: unused"), env={}, credentials={"a": lambda: SECRET}
    )
    async with app:
        with pytest.raises(RouteExhausted) as raised:
            await ask(app)
        snapshot = repr(app.snapshot())
        provider = app.provider("a")
    error = raised.value
    shown = [str(error), repr(error), repr(error.trace), repr(error.__dict__), snapshot, caplog.text]
    shown += [repr(provider.__dict__), repr(app.plan), repr(pickle.dumps(error))]
    assert not [text for text in shown if "S3cr3t" in text]
    assert "the key [key] is unknown" in str(error)


async def test_an_edit_changes_the_source_and_an_edit_of_something_else_does_not(
    simulator: Simulator, tmp_path: Path
) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=True)
    callers = vendor.callers = Callers()
    log = tmp_path / "log"

    def command(mark: str) -> str:
        text = f'open("{log}", "a").write("{mark}"); print("{callers.issue(60)}")'
        return f"api_key: {{command: [{sys.executable}, -c, '{text}']}}"

    path, first, url = tmp_path / "routes.yaml", command("1"), simulator.base_url("openai")
    path.write_text(file(url, first))
    async with Router.from_yaml(path, env={}, watch=False) as app:
        assert await ask(app)
        path.write_text(file(url, first, ", limits: {in_flight: 5}"))
        await app.reload()
        assert await ask(app)
        assert log.read_text() == "1"
        path.write_text(file(url, command("2")))
        await app.reload()
        assert await ask(app)
        assert log.read_text() == "12"


async def test_the_app_s_functions_stay_through_edits(simulator: Simulator, tmp_path: Path) -> None:
    simulator.vendor("openai").set(fast=True)
    asked: list[int] = []
    path, url = tmp_path / "routes.yaml", simulator.base_url("openai")
    path.write_text(file(url, 'api_key: "${NOT_SET}"'))
    app = Router.from_yaml(path, env={}, watch=False, credentials={"a": lambda: asked.append(1) or "a-token"})
    async with app:
        await ask(app)
        path.write_text(file(url, 'api_key: "${NOT_SET_EITHER}"', ", limits: {in_flight: 5}"))
        assert (await app.reload()).accepted
        await ask(app)
    assert len(asked) == 1


def test_a_function_for_nobody_is_told() -> None:
    with pytest.raises(ValueError, match=r'credentials: no provider is named "b"'):
        Router.from_text(file("http://localhost/v1", "api_key: x"), env={}, credentials={"b": lambda: "x"})


def test_an_unset_address_is_not_excused_by_a_function() -> None:
    """The token would go to the vendor's own address in its place."""
    with pytest.raises(Exception, match="NOT_SET"):
        Router.from_text(file("${NOT_SET}", "api_key: x"), env={}, credentials={"a": lambda: "x"})


@pytest.mark.parametrize("providers", ["'${NOT_SET}'", "{a: '${NOT_SET}'}", "{a: {api_key: '${NOT_SET}'}}"])
def test_a_file_that_says_next_to_nothing_is_told_as_such(providers: str) -> None:
    with pytest.raises(ConfigError):
        Router.from_text(f"providers: {providers}\n{CHAT}", env={}, credentials={"a": lambda: "x"})


def test_functions_work_in_virtual_time() -> None:
    """As apps test themselves: the thread of one that blocks takes no time."""

    async def story() -> None:
        app = Router.from_text(
            file("http://127.0.0.1:9/v1", "api_key: x", ", timeout: {connect: 1s}"),
            env={},
            credentials={"a": lambda: (_ for _ in ()).throw(RuntimeError("no login"))},
        )
        with pytest.raises(RouteExhausted, match="no credential from the app's function: RuntimeError: no login"):
            await ask(app)

    run(story())


def test_one_router_after_another_loop_keeps_its_token(tmp_path: Path) -> None:
    asked: list[int] = []

    async def once(app: Router) -> None:
        with pytest.raises((RouteExhausted, ProviderError)):
            await ask(app)

    app = Router.from_text(
        file("http://127.0.0.1:9/v1", "api_key: x", ", timeout: {connect: 1s}, retry: {same_target: 0}"),
        env={},
        credentials={"a": lambda: asked.append(1) or ("a-token", 600)},
    )
    for _ in range(3):
        asyncio.run(once(app))
    assert len(asked) == 1


# --- the command


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    good = f"a: {{kind: openai, api_key: {{command: [{sys.executable}, -c, 'print(\"hush-hush-1234\")'], ttl: 10m}}}}"
    bad = f"b: {{kind: openai, api_key: {{command: [{sys.executable}, -c, 'raise SystemExit(3)']}}}}"
    path.write_text(f"providers:\n  {good}\n  {bad}\nroutes: {{chat: [a/m, b/m]}}\n")
    return path


async def test_check_fetches_only_when_asked(routes: Path) -> None:
    ran = await signalbox("check", cwd=routes.parent)
    assert ran.code == 0
    assert "gave a credential" not in ran.out + ran.err
    ran = await signalbox("check", "--online", cwd=routes.parent)
    said = ran.out + ran.err
    assert ran.code == 1
    assert f"a: command {Path(sys.executable).name} gave a credential that holds for 10m" in said
    assert said.count("b: no credential from command") == 1
    assert "hush" not in said


async def test_show_names_the_source(routes: Path) -> None:
    ran = await signalbox("show", cwd=routes.parent)
    assert f"(key by command {Path(sys.executable).name})" in ran.out
    assert "hush" not in ran.out + ran.err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_goes_on_with_the_token_of_its_parent() -> None:
    asked: list[int] = []

    async def once(app: Router) -> None:
        with pytest.raises((RouteExhausted, ProviderError)) as raised:
            await ask(app)
        assert "connection_failed" in str(raised.value)

    app = Router.from_text(
        file("http://127.0.0.1:9/v1", "api_key: x", ", timeout: {connect: 1s}, retry: {same_target: 0}"),
        env={},
        credentials={"a": lambda: asked.append(1) or ("a-token", 600)},
        monitor=False,
    )
    asyncio.run(once(app))
    assert len(asked) == 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(once(app))
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0

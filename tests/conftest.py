"""Shared: the simulator over real sockets, and a router on it."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from providers.simulator import Simulator
from providers.transport.httpx_engine import HttpxEngine
from router import Router
from router.monitor.socket.paths import FOLDER
from tests.support.paths import ROOT
from tests.support.ports import held_port
from tests.support.vendors import VENDORS, routes

COUNT = "PYTEST_XDIST_WORKER_COUNT"

# A script's background has Ctrl-C ignored, and hands that on to the programs under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Neither how fast the machine is nor chance decides a test. `make properties` tries much more, and other examples each
# time, than there is time for in every run.
for name, examples in (("usual", 25), ("long", 1000)):
    settings.register_profile(
        name,
        max_examples=examples,
        derandomize=name == "usual",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is loaded stays: the collector need not go through it again and again, neither then nor in any test.

    Nor has it to look as often as in an app: at Python's usual 700 it takes a sixth of the engine's tests, and a third
    of the dashboard's.
    """
    gc.disable()
    try:
        if session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            _load_its_part()
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 10, 10)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of xdist's processes, which begin with equal parts, has its share of the slow tests first: what is taken
    from it by those that are done earlier, and what is left for the end, is short."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    count = int(os.environ[COUNT])
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    parts = (
        slow[number::count] + others[len(others) * number // count : len(others) * (number + 1) // count]
        for number in range(count)
    )
    items[:] = chain.from_iterable(parts)


def _load_its_part() -> None:
    """Each of xdist's processes begins with other modules, and finds the rest compiled by the others."""
    sys.dont_write_bytecode = False
    number, count = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), int(os.environ.get(COUNT, "1"))
    modules = sorted(path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / "tests").rglob("test_*.py"))
    for parts in modules[len(modules) * number // count : len(modules) * (number + 1) // count]:
        with suppress(Exception):  # which is told when it is collected
            importlib.import_module(".".join(parts))


@pytest.fixture(autouse=True, scope="session")
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sockets, cached answers and ledgers of routers under test stay out of the user's own folders: no dashboard of
    theirs sees them, and nothing of theirs decides a test."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        patch.setenv("SIGNALBOX_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        patch.setenv("SIGNALBOX_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield folder


@pytest.fixture(autouse=True, scope="session")
def programs_start_fast() -> Iterator[None]:
    """Programs that tests start find what others of them have compiled: it is a third of their start. Nor do they read
    the certificates of this world, which a variable names."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PYTHONDONTWRITEBYTECODE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def authorities_are_read_once() -> Iterator[None]:
    """httpx, and so each official SDK, reads all certificates of this world for each client, also for plain HTTP."""
    made = httpx.create_ssl_context
    usual: dict[tuple[str | None, ...], ssl.SSLContext] = {}

    def create(verify: ssl.SSLContext | str | bool = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None:
            return made(verify, cert, trust_env)
        named = tuple(os.environ.get(name) if trust_env else None for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        if named not in usual:
            usual[named] = made(trust_env=trust_env)
        return usual[named]

    with pytest.MonkeyPatch.context() as patch:
        for name in ("httpx", "httpx2"):
            patch.setattr(f"{name}._transports.default.create_ssl_context", create)
        yield


@pytest.fixture(autouse=True, scope="session")
def disks_are_waited_for() -> Iterator[None]:
    """No read of a stored answer is late, however busy this machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("router.cache.disk.READ_WAIT", 60.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def same_picture_everywhere() -> Iterator[None]:
    """The dashboard's pictures depend on no machine's time zone, colours or animations."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("TZ", "UTC"), ("TEXTUAL_ANIMATIONS", "none"), ("COLORTERM", "truecolor")):
            patch.setenv(name, value)
        for name in ("NO_COLOR", "TEXTUAL_THEME", "TEXTUAL_DRIVER"):
            patch.delenv(name, raising=False)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(params=["aiohttp", "httpx"])
def every_carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Requests are carried by ours over aiohttp, and by httpx's own transport, as one that an app hands in."""
    if request.param == "httpx":

        def carried(*, proxy: str | None, verify: bool | str, **_: object) -> HttpxEngine:
            return HttpxEngine(httpx.AsyncHTTPTransport(verify=verify, proxy=proxy))

        monkeypatch.setattr("providers.transport.http.AiohttpEngine", carried)
    return str(request.param)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of loopback that nobody listens at, for a server that is yet to be started."""
    with held_port() as held:
        yield held


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as running:
        for name in VENDORS:
            running.vendor(name).set(fast=True)
        yield running


@pytest.fixture
async def router(simulator: Simulator) -> AsyncIterator[Router]:
    async with Router.from_text(routes(simulator), env={}, seed=1) as running:
        yield running

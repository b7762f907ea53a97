"""A router that was made, and used, before its process forked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from providers.transport.engine import ConnectError
from providers.transport.httpx_engine import HttpxEngine
from tests.support.prompted_server import prompted
from tests.support.scripts import run

pytestmark = pytest.mark.slow

# How a forked child ends: with all that Python does at the end, or without, as multiprocessing's do.
ENDS = (
    "sys.exit()",
    "os._exit(0)",
    "router.close(); sys.exit()",
    "del router, stream, chunks; gc.collect(); sys.exit()",
)

SYNC = """
import gc, os, sys
from router import SyncRouter
from router.errors import RouterClosed

router = SyncRouter.from_text({routes!r}, env={{}})
stream = router.stream("chat", "hi")
chunks = iter(stream)
print(next(chunks).text)
print("parent", router.complete("chat", "hi").text, flush=True)
child = os.fork()
if not child:
    try:
        next(chunks)
    except RouterClosed as error:
        print(error)
    stream.close()
    print("child", router.complete("chat", "hi").text)
    print("child", router.complete("chat", "hi").text, flush=True)
    {end}
assert os.waitpid(child, 0)[1] == 0
print("parent", router.complete("chat", "go").text)
print(*(chunk.text for chunk in chunks))
router.close()
"""


@pytest.mark.parametrize("end", ENDS)
async def test_a_child_has_connections_of_its_own_and_leaves_its_parents_alone(end: str) -> None:
    """Also a stream that runs at the fork: the child can't read it, and the parent's goes on however the child ends."""
    async with prompted() as (_, routes):
        printed = await run(SYNC.format(routes=routes, end=end))
    assert printed.splitlines() == [
        "more",
        "parent connection 2",
        "this stream belongs to the process that this one was forked from; ask again here",
        "child connection 3",
        "child connection 3",
        "parent connection 2",
        "more more ",
    ]


ASYNC = """
import asyncio, os, sys
from router import Router

router = Router.from_text({routes!r}, env={{}}, monitor=False)

async def ask(who):
    print(who, (await router.complete("chat", "hi")).text)
    print(who, router.snapshot().figures.totals.succeeded, flush=True)

{program}
"""

BETWEEN_LOOPS = """
asyncio.run(ask("parent"))
child = os.fork()
if not child:
    asyncio.run(ask("child"))
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
asyncio.run(ask("parent"))
"""

IN_A_LOOP = """
import multiprocessing

def in_child():
    asyncio.run(ask("child"))

async def main():
    async with router:
        await ask("parent")
        under_way = asyncio.create_task(router.complete("chat", "hang"))
        while not router.snapshot().figures.in_flight:
            await asyncio.sleep(0)
        child = multiprocessing.get_context("fork").Process(target=in_child)
        child.start()
        await asyncio.to_thread(child.join)
        assert child.exitcode == 0
        await ask("parent")
        under_way.cancel()
        await asyncio.wait([under_way])

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("program", "child", "again"), [(BETWEEN_LOOPS, 2, 3), (IN_A_LOOP, 2, 3)], ids=["between loops", "in a loop"]
)
async def test_a_child_uses_an_async_router_on_a_loop_of_its_own(program: str, child: int, again: int) -> None:
    """Its figures begin anew, and its parent's go on."""
    async with prompted() as (_, routes):
        printed = await run(ASYNC.format(routes=routes, program=program))
    assert printed.splitlines() == [
        "parent connection 1",
        "parent 1",
        f"child connection {child}",
        "child 1",
        f"parent connection {again}",
        "parent 2",
    ]


STEP_BY_STEP = """
loop = asyncio.new_event_loop()
stream = router.stream("chat", "hi")
print(loop.run_until_complete(anext(stream)).text)
loop.run_until_complete(ask("parent"))
child = os.fork()
if not child:
    asyncio.run(ask("child"))
    sys.exit()
assert os.waitpid(child, 0)[1] == 0

async def rest():
    await ask("parent")
    await router.complete("chat", "go")
    print(*[chunk.text async for chunk in stream])
    await router.aclose()

loop.run_until_complete(asyncio.wait_for(rest(), 30))
loop.close()
"""


async def test_a_child_that_ends_takes_nothing_out_of_its_parents_loop() -> None:
    """The loop stands still at the fork, so that Python's end in the child collects all that was on it."""
    async with prompted() as (_, routes):
        printed = await run(ASYNC.format(routes=routes, program=STEP_BY_STEP))
    assert printed.splitlines() == [
        "more",
        "parent connection 2",
        "parent 1",
        "child connection 3",
        "child 1",
        "parent connection 2",
        "parent 2",
        "more more ",
    ]


BUDGET = """
import os, sqlite3, sys
from router import SyncRouter

router = SyncRouter.from_yaml("routes.yaml", env={}, watch=False)
router.complete("chat", "hi")       # spent, and not on disk yet
child = os.fork()
if not child:
    assert router.router.spending[0].usd == 1.0
    router.complete("chat", "hi")
    router.close()
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
router.close()
with sqlite3.connect(os.environ["SIGNALBOX_STATE_DIR"] + "/spending.sqlite3") as ledger:
    print(ledger.execute("select sum(usd) from spent").fetchone())
ledger.close()
"""


async def test_what_was_spent_before_a_fork_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))
    (tmp_path / "routes.yaml").write_text(
        "providers: {a: {kind: fake}}\n"
        "models: {m: {provider: a, id: m, price: {input: 100000, output: 0}}}\n"
        "routes: {chat: {targets: [m], budget: $100/d}}\n"
    )
    assert await run(BUDGET, folder=tmp_path) == "(2.0,)\n"


WORKERS = """
import os, threading
from router import SyncRouter

router = SyncRouter.from_yaml("routes.yaml", env={}, watch=False)
ending = threading.Event()

def ask():
    number = 0
    while not ending.is_set():
        number += 1
        router.complete("chat", f"{threading.get_ident()} {number}")
        router.router.states  # the state of all stays readable

threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if not child:
        router.complete("chat", str(os.getpid()))
        router.complete("chat", "hi")
        router.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
ending.set()
for thread in threads:
    thread.join()
router.close()
print("done")
"""


async def test_forks_beside_busy_threads_never_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are kept on disk and budgets written meanwhile: no child begins with a lock that nobody gives back."""
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"SIGNALBOX_{name}_DIR", str(tmp_path / name))
    (tmp_path / "routes.yaml").write_text(
        "providers: {a: {kind: fake}}\n"
        "models: {m: {provider: a, id: m, price: {input: 1, output: 1}}}\n"
        "routes: {chat: {targets: [m], budget: $100/d, cache: {ttl: 1h}}}\n"
    )
    assert await run(WORKERS, folder=tmp_path) == "done\n"


def test_a_transport_of_the_parent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that an app hands in keeps its own connections: in a child it says so, in place of writing into them."""
    engine = HttpxEngine(httpx.AsyncHTTPTransport())

    async def ask() -> None:
        await engine.send("GET", "http://127.0.0.1:1/", {}, None, 1.0)

    with pytest.raises(ConnectError):
        asyncio.run(ask())
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(ConnectError, match="hand in one that was made here"):
        asyncio.run(ask())

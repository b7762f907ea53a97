"""A router while Python comes to its end: after the main thread, in `atexit`, in `__del__`; and in signal handlers."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import pytest

from router import SyncRouter
from router.errors import RouterClosed
from tests.support.prompted_server import prompted
from tests.support.scripts import run

pytestmark = pytest.mark.slow

threads_begin = pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3), reason="no thread begins once the main one has ended (CPython 113964)"
)

BEGIN = """
import asyncio, atexit, builtins, gc, os, signal, sqlite3, sys, threading, time
from router import Router, SyncRouter
from router.errors import RouterClosed

def ask(router):
    return router.complete("chat", "hi").text.split()[0]

class Service:
    def __init__(self):
        self.router = SyncRouter.from_yaml("routes.yaml", env={})

    def __del__(self):
        self.at_end()
        print("deleted", flush=True)
"""

ENDS = {
    "a thread that goes on": """
router = SyncRouter.from_yaml("routes.yaml", env={})

def later():
    threading.main_thread().join()
    print(ask(router))
    router.close()

threading.Thread(target=later).start()
""",
    "a loop in a thread that goes on": """
async def main():
    async with Router.from_yaml("kept.yaml", env={}) as router:
        threading.main_thread().join()
        print((await router.complete("chat", "hi")).text.split()[0])
        await router.reload()

threading.Thread(target=lambda: asyncio.run(main())).start()
""",
    "atexit, the first call": """
router = SyncRouter.from_yaml("routes.yaml", env={})

@atexit.register
def at_end():
    print(ask(router))
    router.close()
""",
    "atexit, further calls": """
router = SyncRouter.from_yaml("routes.yaml", env={})
ask(router)

@atexit.register
def at_end():
    print(router.complete("chat", "ho").text.split()[0])
    router.close()
""",
    "atexit, closing": """
router = SyncRouter.from_yaml("routes.yaml", env={})
print(ask(router))
atexit.register(router.close)
""",
    "atexit, closing on a loop": """
router = Router.from_yaml("kept.yaml", env={})
print(asyncio.run(router.complete("chat", "hi")).text.split()[0])
atexit.register(lambda: asyncio.run(router.aclose()))
""",
    "no closing": """
router = SyncRouter.from_yaml("routes.yaml", env={})
print(ask(router))
""",
}


async def printed(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a program prints that has a file with everything that works in threads: a host's name, a cache, a budget."""
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"SIGNALBOX_{name}_DIR", str(folder / name))
    async with prompted() as (_, routes):
        full = (
            routes.replace("chat: v/m", "chat: {targets: [m], budget: $100/d, cache: {ttl: 1h}}")
            + "models: {m: {provider: v, id: m, price: {input: 1, output: 1}}}\n"
        )
        (folder / "kept.yaml").write_text(full)
        (folder / "routes.yaml").write_text(full.replace("127.0.0.1", "localhost"))
        return await run(BEGIN + program, folder=folder)


@threads_begin
@pytest.mark.parametrize("end", ENDS)
async def test_calls_and_closing_work_until_the_end(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pool of threads takes work by then; nothing is said of it."""
    assert await printed(ENDS[end], tmp_path, monkeypatch) == "connection\n"


SPENT = """
router = SyncRouter.from_yaml("routes.yaml", env={})
atexit.register(router.close)
atexit.register(lambda: print(ask(router)))
"""
READ = """
import os, sqlite3
database = sqlite3.connect(os.environ["SIGNALBOX_STATE_DIR"] + "/spending.sqlite3")
print(database.execute("select sum(usd) > 0 from spent").fetchone()[0])
database.close()
"""


@threads_begin
async def test_what_was_spent_at_the_end_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await printed(SPENT, tmp_path, monkeypatch) == "connection\n"
    assert await run(READ) == "1\n"


@pytest.mark.parametrize("where", ["builtins.kept = service", "pass"], ids=["last of all", "with its module"])
@pytest.mark.parametrize("used", ["print(ask(service.router))", "print('connection')"], ids=["used", "not used"])
async def test_del_at_the_end_never_hangs(
    where: str, used: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python has stopped the router's thread by then: closing has nothing to do, and a call says so."""
    program = f"""
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Python may name what nobody could close in time, with `-W error`

def at_end(self):
    self.router.close()
    try:
        ask(self.router)
    except RouterClosed as error:
        print(error, flush=True)

Service.at_end = at_end
service = Service()
{used}
{where}
"""
    closed = "this router is closed"
    assert await printed(program, tmp_path, monkeypatch) == f"connection\n{closed}\ndeleted\n"
    calling = program.replace("    self.router.close()\n", "")
    ending = "Python is ending, and runs no more threads: make this call before"
    assert await printed(calling, tmp_path, monkeypatch) == f"connection\n{ending}\ndeleted\n"


async def test_closed_by_a_collection_in_its_own_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python collects in whichever thread it likes: the router's own can't wait for its own end."""
    program = """
Service.at_end = lambda self: self.router.close()
service = Service()
print(ask(service.router))
thread = next(thread for thread in threading.enumerate() if thread.name == "signalbox-router")
service.itself = service
gc.disable()
loop = service.router.router.loop
del service
loop.call_soon_threadsafe(gc.collect)
thread.join()
"""
    assert await printed(program, tmp_path, monkeypatch) == "connection\ndeleted\n"


async def test_signal_handlers_may_call_and_close_it_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler comes in between in the thread that it interrupts, also where that one has just taken a lock."""
    program = """
handled = 0

def at_each_line(frame, event, argument):
    global handled
    if event == "line" and not inside:
        inside.append(frame)
        try:
            handled += 1
            at(router)
        finally:
            inside.clear()
    return at_each_line

def at_each_call(frame, event, argument):
    return at_each_line if frame.f_code.co_filename.endswith(("router/sync.py", "router/loop_thread.py")) else None

for at in (ask, SyncRouter.close):
    inside = []
    router = SyncRouter.from_yaml("routes.yaml", env={})
    sys.settrace(at_each_call)
    try:
        ask(router)
    except RouterClosed:
        pass
    finally:
        sys.settrace(None)
    router.close()
    assert handled > 5
    handled = 0
print("done")
"""
    assert await printed(program, tmp_path, monkeypatch) == "done\n"


def test_where_no_thread_begins_any_more_a_call_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves nothing open, which would be warned of."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with SyncRouter.from_text("providers: {a: {kind: openai, api_key: k}}\nroutes: {chat: a/m}", env={}) as router:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RouterClosed, match="Python is ending"):
            router.complete("chat", "hi")
        gc.collect()

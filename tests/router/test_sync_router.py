"""`SyncRouter` and threads: many callers, and every way to an end."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from providers.fake import FakeProvider, Hang, Reply
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, CompletionResponse
from router import Router, SyncRouter
from router.errors import RouterClosed
from tests.support.prompted_server import prompted
from tests.support.scripts import run

FILE = "providers: {a: {kind: fake}}\nroutes: {chat: a/x}\n"
PATIENCE = 60.0  # seconds in which another thread does what it should


def router_of(script: object) -> SyncRouter:
    fake = FakeProvider(ProviderSettings(name="a", kind="fake", options={"script": script}))
    return SyncRouter.from_text(FILE, env={}, providers={"a": fake})


@pytest.fixture
def hanging() -> Iterator[SyncRouter]:
    router = router_of([Hang()])
    yield router
    router.close()


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Start a thread; gives the list that will have what it returned or raised."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def wait_until_under_way(router: SyncRouter, calls: int) -> None:
    while router.snapshot().figures.in_flight < calls:
        pass


def test_closing_releases_threads_that_wait(hanging: SyncRouter) -> None:
    """Each gets an error that says why; one that reads a stream as well."""
    waiting = [in_thread(lambda: hanging.complete("chat", "hi")) for _ in range(3)]
    waiting.append(in_thread(lambda: list(hanging.stream("chat", "hi"))))
    wait_until_under_way(hanging, 4)
    hanging.close()
    for thread, outcome in waiting:
        thread.join(PATIENCE)
        assert isinstance(outcome[0], RouterClosed)
        assert str(outcome[0]) == "the router was closed while this call was under way"


@pytest.mark.parametrize("used", [False, True])
def test_after_closing_every_call_says_so(used: bool) -> None:
    """Also where the router was never used; and closing again changes nothing."""
    router = router_of([Reply("hello")])
    if used:
        router.complete("chat", "hi")
    router.close()
    router.close()
    calls: list[Callable[[], object]] = [
        lambda: router.complete("chat", "hi"),
        lambda: list(router.stream("chat", "hi")),
        lambda: router.count_tokens("chat", "hi"),
        lambda: router.clear_cache(),
        lambda: router.snapshot(),
    ]
    for call in calls:
        with pytest.raises(RouterClosed, match="this router is closed"):
            call()


def test_closing_from_several_threads_at_once(hanging: SyncRouter) -> None:
    waiting, outcome = in_thread(lambda: hanging.complete("chat", "hi"))
    wait_until_under_way(hanging, 1)
    closing = [in_thread(hanging.close) for _ in range(4)]
    for thread, closed in closing:
        thread.join(PATIENCE)
        assert closed == [None]
    waiting.join(PATIENCE)
    assert isinstance(outcome[0], RouterClosed)


def test_many_threads_call_at_once() -> None:
    """All share one loop, and each gets its own answer."""
    with router_of(lambda request: Reply(request.messages[0].text)) as router, ThreadPoolExecutor(16) as pool:
        prompts = [f"prompt {number}" for number in range(200)]
        answers = pool.map(lambda prompt: router.complete("chat", prompt).text, prompts)
        assert list(answers) == prompts


def test_a_call_on_its_own_loop_is_refused() -> None:
    """It would wait for itself for ever."""
    calls: list[object] = []

    def ask_again(_: object) -> Reply:
        try:
            calls.append(router.complete("chat", "again"))
        except RuntimeError as error:
            calls.append(str(error))
        return Reply("hello")

    with router_of(ask_again) as router:
        assert router.complete("chat", "hi").text == "hello"
    assert calls == ["a SyncRouter can't be called on its own event loop; call its `router` there, and await"]


def test_a_dropped_router_ends_its_thread() -> None:
    """Without `close`; what it is made of is collected."""
    router = router_of([Reply("hello")])
    router.complete("chat", "hi")
    inside = weakref.ref(router.router)
    thread = next(thread for thread in threading.enumerate() if thread.name == "signalbox-router")
    del router
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    del thread
    gc.collect()
    assert inside() is None


@pytest.mark.parametrize("kind", [Router, SyncRouter])
def test_it_is_not_pickled_and_says_what_to_do(kind: type[Router | SyncRouter]) -> None:
    router = kind.from_text(FILE, env={})
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"Make one in each process, from the file: Router\.from_yaml\(path\)"):
            attempt(router)
    with pytest.raises(TypeError, match="a stream can't be pickled or copied"):
        pickle.dumps(router.stream("chat", "hi"))


EXIT = """
import threading, time
from router import SyncRouter
router = SyncRouter.from_text({routes!r}, env={{}})
print(router.complete("chat", "hi").text)
stream = iter(router.stream("chat", "hi"))
print(next(stream).text)
{more}
"""
HANGING_THREAD = """
threading.Thread(target=router.complete, args=("chat", "hang"), daemon=True).start()
while router.snapshot().figures.in_flight < 2: pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("more", ["", HANGING_THREAD], ids=["idle", "a call under way"])
async def test_a_program_that_ends_without_closing_ends_in_silence(more: str) -> None:
    """It hangs on nothing, and says nothing: no traceback, no warning of what was left open."""
    async with prompted() as (_, routes):
        assert await run(EXIT.format(routes=routes, more=more)) == "connection 1\nmore\n"


INTERRUPTED = """
import os, signal, threading
from router import SyncRouter
router = SyncRouter.from_text({routes!r}, env={{}})
came = threading.Event()

def once(*_):
    if not came.is_set():
        came.set()
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, once)

def interrupt():
    while not router.router.loop or not router.router.snapshot().figures.in_flight: pass
    while not came.is_set():  # CPython sleeps over a signal of the moment in which a lock's wait begins, until the next
        os.kill(os.getpid(), signal.SIGINT)
        came.wait(0.01)

threading.Thread(target=interrupt).start()
try:
    router.complete("chat", "hang")
except KeyboardInterrupt:
    print("interrupted")
while router.snapshot().figures.in_flight: pass
print(router.snapshot().figures.totals.cancelled)
print(router.complete("chat", "hi").text)
router.close()
"""


@pytest.mark.slow
async def test_ctrl_c_in_a_thread_that_waits_cancels_its_call() -> None:
    """The call ends upstream, and the router goes on."""
    async with prompted() as (_, routes):
        assert (await run(INTERRUPTED.format(routes=routes))).startswith("interrupted\n1\nconnection ")


def test_ctrl_c_as_a_call_begins_cancels_it_on_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come when the loop has the call, and its caller does not know so yet."""
    ended: list[tuple[type[BaseException], bool]] = []

    class Watched(FakeProvider):
        async def complete(self, request: CompletionRequest) -> CompletionResponse:
            try:
                return await super().complete(request)
            except BaseException as error:
                ended.append((type(error), threading.current_thread() is threading.main_thread()))
                raise

    hanging = Watched.scripted(Hang(), Reply("fine"), name="a")
    text = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"
    begin = asyncio.run_coroutine_threadsafe
    with SyncRouter.from_text(text, env={}, providers={"a": hanging}, monitor=False) as router:

        def interrupted(*work: Any) -> Any:
            monkeypatch.undo()
            begin(*work)
            while not router.snapshot().figures.in_flight:
                pass
            raise KeyboardInterrupt

        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            router.complete("chat", "hi")
        while router.snapshot().figures.in_flight:
            pass
        assert ended == [(asyncio.CancelledError, False)]
        assert router.complete("chat", "hi").text == "fine"


DYING = """
import threading
from router import SyncRouter
from router.errors import RouterClosed
router = SyncRouter.from_text({routes!r}, env={{}})

def read_and_die():
    next(iter(router.stream("chat", "hi")))

reading = threading.Thread(target=read_and_die)
reading.start()
reading.join()
while router.snapshot().figures.in_flight: pass    # its stream is closed, since nobody can read it any more

def ask():
    try:
        router.complete("chat", "hang")
    except RouterClosed:
        print("released")

def end():
    raise SystemExit

asking = threading.Thread(target=ask)
asking.start()
while not router.snapshot().figures.in_flight: pass
router.router.loop.call_soon_threadsafe(end)        # as whatever an app runs there may do
asking.join()
print(router.complete("chat", "hi").text)
router.close()
"""


@pytest.mark.slow
async def test_threads_that_die_take_nothing_along() -> None:
    """One that was reading a stream ends it upstream; the loop's own releases who waits, and is replaced."""
    async with prompted() as (_, routes):
        assert (await run(DYING.format(routes=routes))).startswith("released\nconnection ")

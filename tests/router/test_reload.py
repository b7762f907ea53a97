"""Editing the file while it is in use: real files, real sockets, every kind of save."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.config import ConfigError, load_text
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Plan
from tests.support.edits import save
from tests.support.idle import assert_idle
from tests.support.saving import measure
from tests.support.waiting import until

RULES = "defaults: {breaker: {consecutive: 1, open_for: 1h, max_open_for: 1h}, retry: {same_target: 0}}\n"
VENDORS = ("openai", "anthropic", "ollama")


def file_of(simulator: Simulator, targets: str = "luna: 1", *, more: str = "", without: str = "") -> str:
    providers = "".join(
        f'  {name}: {{kind: {name}, base_url: "{simulator.base_url(name)}", api_key: k}}\n'
        for name in VENDORS
        if name != without
    )
    return f"""\
providers:
{providers}models:
  luna: {{provider: openai, id: gpt-4o}}
{"" if without == "anthropic" else "  haiku: {provider: anthropic, id: claude-haiku-4-5}"}
routes:
  chat: {{targets: {{{targets}}}}}
{more}"""


async def until_gone(found: weakref.ref[Any]) -> None:
    """Nobody holds on to it any more. What of it is still open then is a warning, and so an error."""
    await until(lambda: gc.collect() >= 0 and found() is None)


def health(router: Router, name: str) -> str:
    """What is shown of a target."""
    return next(target.health.state for target in router.snapshot().targets if target.name == name)


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def in_pieces(path: Path, text: str) -> None:
    with path.open("w") as file:
        for start in range(0, len(text), 40):
            file.write(text[start : start + 40])
            file.flush()


def by_link(path: Path, text: str) -> None:
    """As Kubernetes does: the name is a link to a folder's link that is swapped."""
    number = sum(1 for _ in path.parent.glob("..v*"))
    folder = path.parent / f"..v{number}"
    folder.mkdir()
    (folder / path.name).write_text(text)
    link = path.parent / "..data_tmp"
    link.symlink_to(folder.name)
    link.replace(path.parent / "..data")
    if not path.is_symlink():
        path.unlink()
        path.symlink_to(f"..data/{path.name}")


@pytest.mark.parametrize("save", [in_place, save, in_pieces, by_link])
async def test_every_kind_of_save_is_followed(
    simulator: Simulator, tmp_path: Path, save: Callable[[Path, str], None]
) -> None:
    """In place, by renaming, in pieces, by swapping a link: the new content takes over, each time."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator))
    async with Router.from_yaml(path, env={}) as router:
        assert (await router.complete("chat", "hi")).target == "luna"
        assert router.watching
        for targets, name in (("haiku: 1", "haiku"), ("luna: 2", "luna"), ("haiku: 3", "haiku")):
            before = router.revision
            save(path, file_of(simulator, targets))
            await until(lambda before=before: router.revision != before)
            assert (await router.complete("chat", "hi")).target == name
    assert not router.watching


async def test_a_wrong_edit_changes_nothing(simulator: Simulator, tmp_path: Path) -> None:
    """The old plan goes on, what is wrong is told, and the next right edit takes over."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator))
    async with Router.from_yaml(path, env={}, watch=False) as router:
        revision = router.revision
        path.write_text(file_of(simulator, "lunna: 1"))
        found = await router.reload()
        assert (found.accepted, found.revision, router.revision) == (False, revision, revision)
        assert 'no model or route is named "lunna" (did you mean "luna"?)' in str(found)
        assert (await router.complete("chat", "hi")).target == "luna"
        path.unlink()
        assert "no such file" in str(await router.reload())
        path.write_text(file_of(simulator, "haiku: 1"))
        found = await router.reload()
        assert found.accepted
        assert found.changes == ("chat: haiku added, luna removed",)
        assert router.last_reload is found
        assert (await router.complete("chat", "hi")).target == "haiku"


async def test_a_router_of_text_has_nothing_to_reload(simulator: Simulator) -> None:
    """It says so; and a file that is wrong from the start is no router."""
    router = Router.from_text(file_of(simulator), env={})
    with pytest.raises(ValueError, match="not from a file"):
        await router.reload()
    with pytest.raises(ConfigError):
        Router.from_text("routes: 3", env={})


async def test_state_stays_by_identity(simulator: Simulator, tmp_path: Path) -> None:
    """An open breaker survives every edit that leaves provider and model as they are; a new key is a new start."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator, "luna: 1, haiku: 1", more=RULES))
    simulator.vendor("openai").set(error_rate=1, error="server_error")
    async with Router.from_yaml(path, env={}, watch=False) as router:
        for _ in range(2):
            await router.complete("chat", "hi")
        assert health(router, "luna") == "open"
        path.write_text(file_of(simulator, "luna: 7, haiku: 1", more=RULES.replace("consecutive: 1", "consecutive: 2")))
        assert (await router.reload()).changes == ("chat: luna 1→7, luna breaker, haiku breaker",)
        assert health(router, "luna") == "open"
        path.write_text(path.read_text().replace("api_key: k", "api_key: other"))
        assert "provider openai reconnects" in (await router.reload()).changes
        assert health(router, "luna") == "closed"


async def test_rules_change_in_place(simulator: Simulator, tmp_path: Path) -> None:
    """What a target is judged by from now on; what it did before still counts."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator, "luna: 1", more=RULES.replace("consecutive: 1", "consecutive: 9")))
    simulator.vendor("openai").set(error_rate=1, error="server_error")
    async with Router.from_yaml(path, env={}, watch=False) as router:
        for number in (3, 2):
            with pytest.raises(RouteExhausted):
                await router.complete("chat", "hi")
            assert health(router, "luna") == "closed"
            rules = RULES.replace("consecutive: 1", f"consecutive: {number}")
            path.write_text(file_of(simulator, "luna: 1", more=rules))
            assert (await router.reload()).accepted
        with pytest.raises(RouteExhausted):
            await router.complete("chat", "hi")
        assert health(router, "luna") == "open"


async def test_what_no_route_names_keeps_its_state_as_well(simulator: Simulator, tmp_path: Path) -> None:
    """A target that is called by provider/model-id stays shut out over an edit, though the file never names it."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator, more=RULES))
    simulator.vendor("ollama").set(error_rate=1, error="server_error")
    async with Router.from_yaml(path, env={}, watch=False) as router:
        with pytest.raises(RouteExhausted):
            await router.complete("ollama/m", "hi")
        [target] = router.chain("ollama/m").targets
        assert router.states.target(target).breaker.state == "open"
        path.write_text(file_of(simulator, "luna: 2", more=RULES))
        assert (await router.reload()).accepted
        [target] = router.chain("ollama/m").targets
        assert router.states.target(target).breaker.state == "open"


async def test_what_is_removed_drains(simulator: Simulator, tmp_path: Path) -> None:
    """A stream that runs at a removed provider ends in peace; then its connections are closed."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator, "haiku: 1"))
    simulator.vendor("anthropic").set(fast=False, first_token=0.0, tokens_per_second=200)
    async with Router.from_yaml(path, env={}, watch=False) as router:
        provider = weakref.ref(router.provider("anthropic"))
        async with router.stream("chat", "Why is the sky blue?") as stream:
            first = await anext(stream)
            path.write_text(file_of(simulator, "luna: 1", without="anthropic"))
            found = await router.reload()
            assert "provider anthropic removed, draining 1" in found.changes
            rest = [chunk.text async for chunk in stream]
        assert "Rayleigh" in first.text + "".join(rest)
        assert (await router.complete("chat", "hi")).target == "luna"
        await until_gone(provider)


@pytest.mark.slow
async def test_saving_again_and_again_under_load(simulator: Simulator, tmp_path: Path) -> None:
    """Saves without a pause, a third of them wrong, while calls run: none is lost, nothing is left behind."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator))
    threads = threading.active_count()
    answered, stop = 0, False

    async def calls(router: Router) -> None:
        nonlocal answered
        while not stop:
            assert (await router.complete("chat", "hi")).text
            answered += 1

    async with Router.from_yaml(path, env={}) as router:
        await router.complete("chat", "hi")
        descriptors = len(os.listdir("/proc/self/fd"))
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(calls(router))
            for number in range(120):
                wrong = number % 3 == 1
                text = "routes: [" if wrong else file_of(simulator, f"luna: {number + 1}, haiku: 1")
                (save if number % 2 else in_place)(path, text)
                goal = answered + 2
                await until(lambda goal=goal: answered >= goal)
            save(path, file_of(simulator, "luna: 1, haiku: 999"))
            await until(lambda: any(target.weight == 999 for target in router.chain("chat").targets))
            stop = True
        assert answered >= 240
        assert_idle(router)
        assert {target.health.state for target in router.snapshot().targets} == {"closed"}
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 90  # two pools of 20, each with both its ends here
    await until(lambda: threading.active_count() <= threads + 6)  # those of the default executor stay
    left = {getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks()}
    assert not left & {"_follow", "aclose", "complete"}


async def test_a_dropped_router_stops_watching(simulator: Simulator, tmp_path: Path) -> None:
    """The watcher does not keep it alive, and ends with it."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator))
    before = asyncio.all_tasks()
    router = Router.from_yaml(path, env={})
    await router.count_tokens("chat", "hi")
    assert router.watching
    gone = weakref.ref(router)
    del router
    await until_gone(gone)
    await until(lambda: asyncio.all_tasks() <= before)


def plan(text: str) -> Plan:
    return compile_plan(load_text(text, env={}))


@pytest.mark.slow
async def test_several_edits_while_one_drains(simulator: Simulator, tmp_path: Path) -> None:
    """A provider that goes, comes back and goes again while a stream runs there is closed when the stream has ended."""
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(simulator, "haiku: 1"))
    simulator.vendor("anthropic").set(fast=False, first_token=0.0, tokens_per_second=200)
    async with Router.from_yaml(path, env={}, watch=False) as router:
        provider = weakref.ref(router.provider("anthropic"))
        async with router.stream("chat", "Why is the sky blue?") as stream:
            text = (await anext(stream)).text
            for number, without in enumerate(("anthropic", "anthropic", "", "anthropic"), 1):
                path.write_text(file_of(simulator, f"luna: {number}", without=without))
                assert (await router.reload()).accepted
            text += "".join([chunk.text async for chunk in stream])
        assert "Rayleigh" in text
        await until_gone(provider)
    assert simulator.vendor("anthropic").cancelled == 0


@pytest.mark.slow
async def test_many_saves_under_load(tmp_path: Path) -> None:
    """Thirty saves, a third of them invalid, fifty calls under way; `python -m benchmarks.reload` is the long run."""
    found = await measure(tmp_path, saves=30, seconds=0.0, lines=20)
    assert found.failures == []
    assert found.left_behind == []
    assert found.answered >= 50


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "routes: {c: {targets: {a/m: 70, a/n: 30}}}",
            "routes: {c: {targets: {a/m: 50, a/n: 50}}}",
            "c: a/m 70→50, a/n 30→50",
        ),
        ("routes: {c: a/m}", "routes: {c: a/m, d: a/n}", "route d added"),
        ("routes: {c: a/m, d: a/n}", "routes: {c: a/m}", "route d removed"),
        ("routes: {c: a/m}", "routes: {c: {targets: [a/m], fallbacks: [a/n]}}", "c: 1→2 tiers"),
        (
            "routes: {c: [a/m]}",
            "routes: {c: {targets: [a/m], timeout: {total: 5s}}}",
            "c: timeout.total 30m→5s, a/m timeouts, retries or params",
        ),
        ("routes: {c: [a/m, a/n]}", "routes: {c: {targets: [a/m, a/n], balance: affinity}}", "c: weighted→affinity"),
    ],
)
def test_differences_read_well(before: str, after: str, words: str) -> None:
    """What an edit changed, in a phrase."""
    head = "providers: {a: {kind: ollama}}\n"
    assert words in "; ".join(differences(plan(head + before), plan(head + after), {}))

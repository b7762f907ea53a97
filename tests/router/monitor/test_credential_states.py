"""How a credential that a source issues is, as `status`, `show --json` and the dashboard tell it; never what it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from providers.simulator import Simulator
from providers.sources import CredentialState
from router import RouteExhausted, Router
from router.cli.show import command as show
from router.monitor.merge import merge
from router.views.credential import told
from router.views.figures import Snapshot

FILE = """
providers:
  a: {{kind: openai, base_url: "{url}"}}
  plain: {{kind: openai, base_url: "{url}", api_key: sk-0123456789}}
routes: {{chat: {{targets: [a/gpt-4o], retry: {{max_attempts: 1}}}}, other: plain/gpt-4o}}
"""
SECRET = "planted-token-0123456789"


@asynccontextmanager
async def routed(function: Any) -> AsyncIterator[Router]:
    async with Simulator() as simulator:
        simulator.vendor("openai").set(fast=True)
        text = FILE.format(url=simulator.base_url("openai"))
        async with Router.from_text(text, env={}, monitor=False, credentials={"a": function}) as router:
            yield router


def state_in(snapshot: Snapshot, name: str = "a") -> CredentialState | None:
    [provider] = [each for each in snapshot.providers if each.name == name]
    return provider.keys[0].credential


async def test_when_it_was_fetched_and_when_it_ends() -> None:
    async with routed(lambda: (SECRET, 3600)) as router:
        assert state_in(router.snapshot()) is None, "nobody has asked for it yet"
        await router.complete("chat", "Hi")
        await router.complete("other", "Hi")
        snapshot = router.snapshot()
        state = state_in(snapshot)
        assert state is not None
        assert state.fetched == pytest.approx(snapshot.time, abs=5)
        assert state.ends == pytest.approx(snapshot.time + 3590, abs=5)
        assert (state.failures, state.why, state.retry) == (0, "", None)
        assert state_in(snapshot, "plain") is None
        assert SECRET.encode() not in msgspec.json.encode(snapshot)
        assert state_in(router.snapshot()) == state, "what did not change is the same"


async def test_a_source_that_fails_says_why_and_when_it_is_asked_again() -> None:
    def fails() -> str:
        raise RuntimeError("the vault is sealed")

    async with routed(fails) as router:
        with pytest.raises(RouteExhausted):
            await router.complete("chat", "Hi")
        state = state_in(router.snapshot())
        assert state is not None
        assert (state.fetched, state.failures) == (None, 1)
        assert "the vault is sealed" in state.why
        assert state.retry is not None


async def test_what_holds_until_it_is_refused_has_no_end() -> None:
    async with routed(lambda: SECRET) as router:
        await router.complete("chat", "Hi")
        state = state_in(router.snapshot())
        assert state is not None
        assert state.ends is None
        assert "until it is refused" in told(state, router.snapshot().time)


async def test_of_several_processes_the_worst_is_shown() -> None:
    def fails() -> str:
        raise RuntimeError("sealed")

    snapshots = []
    for function in (lambda: (SECRET, 3600), fails, lambda: (SECRET, 60)):
        async with routed(function) as router:
            await asyncio.gather(router.complete("chat", "Hi"), return_exceptions=True)
            snapshots.append(router.snapshot(with_sketches=True))
    state = state_in(merge(snapshots))
    assert state is not None
    assert state.failures == 1
    well = state_in(merge([snapshots[0], snapshots[2]]))
    assert well == state_in(snapshots[2]), "of those that are well the one that ends first"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (CredentialState("aws"), "aws: none yet"),
        (CredentialState("aws", 1000, 4600), "aws: holds for 40m, fetched 20m ago"),
        (CredentialState("aws", 1000, 2000), "aws: holds no longer, fetched 20m ago"),
        (CredentialState("aws", 1000), "aws: holds until it is refused, fetched 20m ago"),
        (
            CredentialState("entra", 1000, 4600, 3, "no login", 2204),
            "entra: holds for 40m, fetched 20m ago; failed 3 times, next try in 4s: no login",
        ),
        (CredentialState("entra", failures=1, why="no login"), "entra: none yet; failed once: no login"),
    ],
)
def test_it_is_told_in_a_line(state: CredentialState, words: str) -> None:
    assert told(state, 2200) == words


def test_show_names_the_sources(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(
        "providers: {a: {kind: openai, api_key: {command: [vault, read]}}, b: {kind: openai, api_key: k}}\n"
        "routes: {chat: [a/m, b/m]}\n"
    )
    done = CliRunner().invoke(show, [str(path), "--json"])
    assert done.exit_code == 0, done.output
    [route] = json.loads(done.stdout)["routes"]
    assert [branch["credentials"] for branch in route["tiers"][0]["branches"]] == [["command vault"], []]

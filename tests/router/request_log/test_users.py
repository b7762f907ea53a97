"""The user of a request in the log on disk: as a keyed hash, unless the file wants it otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from providers import FakeProvider
from router import Router
from router.cli.log import command
from router.cli.simulate import command as simulate
from router.request_log.reader import LogReader
from router.testing import run
from tests.support.request_logs import line, write_log

FILE = """
providers: {a: {kind: fake}}
models: {vectors: {provider: a, id: v, embeds: {dimensions: 2}}}
routes: {chat: {targets: [a/m], fallbacks: [a/n]}}
telemetry: {log: {path: logs%s}}
"""


async def logged(folder: Path, more: str = "") -> str:
    """Ask for some users, and return the file whose log has it."""
    file = folder / "routes.yaml"
    file.write_text(FILE % more)
    async with Router.from_yaml(
        file, env={}, providers={"a": FakeProvider.scripted(name="a")}, monitor=False
    ) as router:
        await router.complete("chat", "hi", user="alice@corp.example")
        await router.complete("chat", "hi", end_user="bob", tags={"tier": "free"})
        await router.embed("vectors", "hi", end_user="alice@corp.example")
        async with router.stream("chat", "hi") as stream:
            async for _ in stream:
                pass
    return str(file)


def users_of(folder: Path) -> list[str | None]:
    return [each.user for each in LogReader(folder / "logs").lines()]


def shown(*args: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in CliRunner().invoke(command, [*args, "--json"]).stdout.splitlines()]


async def test_a_user_is_a_hash_that_is_the_same_for_the_same_user(tmp_path: Path) -> None:
    await logged(tmp_path)
    alice, bob, again, nobody = users_of(tmp_path)
    assert alice == again != bob
    assert None not in (alice, bob)
    assert nobody is None
    for path in (tmp_path / "logs").glob("*.jsonl"):
        assert "alice" not in path.read_text()
        assert "bob" not in path.read_text()
    assert (tmp_path / "logs" / "users.key").stat().st_mode & 0o777 == 0o600
    await logged(tmp_path)  # the next start
    assert users_of(tmp_path) == [alice, bob, again, nobody] * 2


async def test_another_key_makes_other_hashes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        await logged(folder)
    assert not set(users_of(one)) & set(users_of(other)) - {None}


async def test_the_file_may_want_the_text_or_nothing(tmp_path: Path) -> None:
    for users, expected in (("plain", ["alice@corp.example", "bob", "alice@corp.example", None]), ("off", [None] * 4)):
        folder = tmp_path / users
        folder.mkdir()
        await logged(folder, f", users: {users}")
        assert users_of(folder) == expected
        assert not (folder / "logs" / "users.key").exists()


@pytest.mark.parametrize("more", ["", ", users: plain"])
async def test_the_command_finds_a_users_requests_by_name_and_by_hash(tmp_path: Path, more: str) -> None:
    path = await logged(tmp_path, more)
    found = shown(path, "--user", "alice@corp.example")
    assert [each["route"] for each in found] == ["chat", "vectors"]
    assert shown(path, "--user", found[0]["user"]) == found
    assert shown(path, "--user", "carol") == []
    assert f"user {found[0]['user']}" in CliRunner().invoke(command, [path]).output


def test_a_budget_by_user_holds_for_the_requests_of_a_log(tmp_path: Path) -> None:
    """Ten requests of one user at $0.002 each, and ten of ten users: a cent a day for each stops the one alone."""
    path = tmp_path / "routes.yaml"
    path.write_text(
        'providers: {openai: {kind: openai, api_key: "${KEY}"}}\n'
        "models: {mini: {provider: openai, id: gpt, price: {input: 1, output: 10}, params: {max_tokens: 101}}}\n"
        "routes: {chat: {targets: [mini], budget: {usd: 0.009/d, by: user}}}\n"
    )
    one = [line(at, at * 10.0, user="9f86d081884c7d65") for at in range(10)]
    many = [line(20 + at, at * 10.0 + 5, user=f"{at:016x}") for at in range(10)]
    log = write_log(tmp_path / "log", [*one, *many])
    result = CliRunner().invoke(simulate, [str(path), "--traffic", str(log), "--json"], standalone_mode=False)
    assert result.exception is None, result.output
    now = json.loads(result.output)["sides"][1]
    assert now["routes"]["chat"]["failed"] == pytest.approx(5 / 20)


def test_embeddings_of_a_scenario_count_for_their_users(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(
        "providers: {a: {kind: fake, budget: {usd: 1/d, by: user}}}\n"
        "models: {v: {provider: a, id: v, embeds: {dimensions: 2}, price: {input: 1, output: 0}}}\n"
        "routes: {embed: {embeds: true, targets: [v]}}\n"
    )
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("duration: 1m\ntraffic: [{route: embed, rate: 1/s, users: 3}]\n")
    result = CliRunner().invoke(simulate, [str(file), "-s", str(scenario), "--json"], standalone_mode=False)
    assert result.exception is None, result.output
    assert {each for each in json.loads(result.output)["budgets"] if "user" in each} == {
        f"provider a, user {number}" for number in (1, 2, 3)
    }


def test_the_trace_shows_no_user() -> None:
    async def story() -> None:
        async with Router.from_text("providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n", env={}) as router:
            reply = await router.complete("chat", "hi", user="alice")
            assert reply.trace is not None
            assert "alice" not in reply.trace.render() + repr(reply.trace.as_dict())

    run(story())

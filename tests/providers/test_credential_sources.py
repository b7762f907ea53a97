"""What sources give: programs, functions, and the real SDKs against token endpoints on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from providers.credentials.command import MOST, CommandSource, issued_of, words_of
from providers.credentials.function import FunctionSource
from providers.sources import LIMIT, Issued, NoCredential

# --- what a program writes


def python(text: str) -> CommandSource:
    return CommandSource((sys.executable, "-c", text))


async def test_the_first_line_is_the_token() -> None:
    issued = await python("print('abc'); print('def')").fetch()
    assert (issued.token, issued.lifetime) == ("abc", None)


NOW = datetime.now(UTC)  # when the tests were read, which may be long before they run
IN_AN_HOUR = NOW + timedelta(hours=1)
DOCUMENTS: dict[str, dict[str, Any]] = {
    "Kubernetes": {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "T", "expirationTimestamp": IN_AN_HOUR.strftime("%Y-%m-%dT%H:%M:%SZ")},
    },
    "OAuth": {"access_token": "T", "token_type": "Bearer", "expires_in": 3600},
    "OAuth with a text": {"access_token": "T", "expires_in": "3600"},
    "az": {"accessToken": "T", "expiresOn": "2020-01-01 00:00:00.000000", "expires_on": int(IN_AN_HOUR.timestamp())},
    "gcloud": {"credential": {"access_token": "T", "token_expiry": IN_AN_HOUR.isoformat()}},
    "a moment in milliseconds of a second": {"token": "T", "expires_at": IN_AN_HOUR.isoformat(timespec="milliseconds")},
    "a vault": {"data": {"api_key": "T"}, "expires_in": 3600},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_of_this_world_are_read(name: str) -> None:
    issued = issued_of(json.dumps(DOCUMENTS[name], indent=2), None if name != "a vault" else 3600.0)
    assert issued.token == "T"
    assert issued.lifetime is not None
    assert (IN_AN_HOUR - datetime.now(UTC)).total_seconds() - 30 <= issued.lifetime <= 3600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "begins like JSON"),
        ("{}", "no field token"),
        ('{"token": 5}', "no field token"),
        ('{"token": "T", "expires_at": "soon"}', "its expires_at is no moment"),
        ('{"token": "T", "expires_in": true}', "its expires_in is no moment"),
        ('{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S"}', "credential_process"),
        ("[" * 100_000, "begins like JSON"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, words: str) -> None:
    with pytest.raises(NoCredential, match=words):
        issued_of(text, None)


def test_ttl_holds_where_the_output_says_nothing() -> None:
    assert issued_of("abc", 600.0).lifetime == 600.0
    assert issued_of('{"token": "abc"}', 600.0).lifetime == 600.0
    assert issued_of('{"token": "abc", "expires_in": 60}', 600.0).lifetime == 60.0


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            "import sys; print('tok-12345678'); sys.exit('denied: tok-12345678 is bad')",
            r"exit status 1: denied: \[key\]",
        ),
        ("import sys; sys.exit(7)", "exit status 7$"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("", "it wrote nothing"),
        (f"print('x' * {MOST + 1})", "it wrote over 64 KiB"),
        ("import itertools\nfor n in itertools.count(): print(n)", "signal 9|over 64 KiB"),
    ],
)
async def test_a_program_that_fails_says_why_without_its_secret(program: str, words: str) -> None:
    with pytest.raises(NoCredential, match=words) as raised:
        await python(program).fetch()
    assert "12345678" not in str(raised.value)


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(NoCredential, match="can't be run: No such file"):
        await CommandSource(("no-such-program-here",)).fetch()


async def test_a_program_gets_no_input_and_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "me")
    issued = await python("import os, sys; print(os.environ['WHO'] + repr(sys.stdin.read()))").fetch()
    assert issued.token == "me''"


def test_a_text_is_words_and_no_shell_is_started_in_silence() -> None:
    assert words_of("vault read -field='the key' secret/x") == ("vault", "read", "-field=the key", "secret/x")
    assert words_of(("sh", "-c", "a | b")) == ("sh", "-c", "a | b")
    for text in ("a | b", "a > b", "a && b", "a; b", "echo $(a)", "echo `a`"):
        with pytest.raises(ValueError, match="no shell runs this"):
            words_of(text)
    for text in ("", "   ", "a 'b"):
        with pytest.raises(ValueError, match=r"program is expected|no command line"):
            words_of(text)


def test_an_argument_is_in_no_repr() -> None:
    source = CommandSource(("curl", "-H", "X-Vault-Token: hunter2hunter2"))
    assert "hunter2" not in repr(source) + source.name


# --- what a function gives


async def of_async() -> tuple[str, timedelta]:
    return "abc", timedelta(minutes=5)


class Callable_:
    async def __call__(self) -> str:
        return "abc"


FUNCTIONS: dict[str, tuple[Callable[[], Any], float | None]] = {
    "a text": (lambda: "abc", None),
    "seconds from now": (lambda: ("abc", 300), 300.0),
    "epoch seconds": (lambda: ("abc", time.time() + 300), 300.0),
    "a moment": (lambda: ("abc", datetime.now(UTC) + timedelta(minutes=5)), 300.0),
    "a moment without a zone": (
        lambda: ("abc", (datetime.now(UTC) + timedelta(minutes=5)).replace(tzinfo=None)),
        300.0,
    ),
    "RFC 3339": (lambda: ("abc", (datetime.now(UTC) + timedelta(minutes=5)).isoformat()), 300.0),
    "async": (of_async, 300.0),
    "an object": (Callable_(), None),
    "a function that gives a coroutine": (lambda: of_async(), 300.0),
    "no expiry": (lambda: ("abc", None), None),
    "a line end behind it": (lambda: "abc\n", None),
}


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_what_functions_may_give(name: str) -> None:
    function, life = FUNCTIONS[name]
    issued = await FunctionSource("a", function).fetch()
    assert issued.token == "abc"
    assert issued.lifetime is None if life is None else issued.lifetime == pytest.approx(life, abs=5)


@pytest.mark.parametrize("given", [None, 5, b"abc", ("abc",), ("abc", "soon"), ("abc", 1e300)])
async def test_what_they_may_not_give(given: object) -> None:
    with pytest.raises((NoCredential, ValueError)):
        await FunctionSource("a", lambda: given).fetch()  # type: ignore[arg-type, return-value]


async def test_a_function_that_blocks_holds_up_no_loop() -> None:
    goes_on = threading.Event()
    source = FunctionSource("a", lambda: "abc" if goes_on.wait(60) else "held up")
    fetching = asyncio.ensure_future(source.fetch())
    await asyncio.sleep(0)
    goes_on.set()
    assert (await fetching).token == "abc"


def test_issued_shows_nothing() -> None:
    assert "abc" not in repr(Issued(token="abc", secrets=("def",)))


def test_what_is_no_function_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="credentials: a: a function is expected, not str"):
        FunctionSource("a", "abc")  # type: ignore[arg-type]


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tmp_path / "held"  # by the child, while it lives
    os.mkfifo(held)
    reader: list[int] = []

    class OnceItHangs(threading.Timer):
        """Its time is up when the child has begun, and no sooner."""

        def run(self) -> None:
            assert self.interval == LIMIT - 1
            reader.append(os.open(held, os.O_RDONLY))
            assert os.read(reader[0], 8) == b"begun\n"
            self.function(*self.args)

    monkeypatch.setattr("providers.credentials.command.threading.Timer", OnceItHangs)
    program = f"sh -c 'echo begun; exec sleep 600' > {held} & wait"
    with pytest.raises(NoCredential, match="signal 9"):
        asyncio.run(CommandSource(("sh", "-c", program)).fetch())
    with open(reader[0], "rb") as end:
        assert select.select([end], [], [], 60)[0], "its child goes on"
        assert end.read() == b""

"""`${file:…}` and the file itself, whatever stands there: a reason with its place, no secret, no waiting."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from router import ConfigError, Router, UnreadableFile
from router.config import load

PASTED = [
    "sk-proj-AbCdEfGhIjKlMnOpQrStUv0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "gsk_9aZbYcXdWeVfUgThSiRj12345678",
    "0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
]


def write(folder: Path, secret: str) -> Path:
    path = folder / "routes.yaml"
    text = f'providers:\n  a:\n    kind: fake\n    api_key: "${{file:{secret}}}"\nroutes: {{x: a/m}}\n'
    path.write_text(text)
    return path


def told(path: Path) -> str:
    """The one diagnostic; it has the place of the value."""
    [found] = load(path, env={}).diagnostics
    assert (found.line, found.column, found.path) == (4, 14, "providers.a.api_key")
    return found.render()


def folder(at: Path) -> None:
    at.mkdir()


def pipe(at: Path) -> None:
    os.mkfifo(at)


def circle(at: Path) -> None:
    at.symlink_to(at)


def dangling(at: Path) -> None:
    at.symlink_to("nowhere")


def unix_socket(at: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.fspath(at))


def holds(content: bytes) -> Callable[[Path], None]:
    def write(at: Path) -> None:
        at.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: None, "there is no file key"),
        (dangling, "there is no file key"),
        (folder, "the file key: a directory; name the file in it"),
        (pipe, "the file key: not a regular file but a pipe, a socket or a device"),
        (unix_socket, "the file key: not a regular file but a pipe, a socket or a device"),
        (circle, "the file key: can't be read (Too many levels of symbolic links); check the path"),
        (holds(b""), "the file key is empty; write the secret into it"),
        (holds(b"\n"), "the file key is empty; write the secret into it"),
        (holds(b"hush\xff\xfe"), "the file key is not UTF-8 text; save it as UTF-8"),
        (holds(b"hush" * 20_000), "the file key is too large for a secret (over 64 KiB)"),
        (holds(b"hush" * 1_000_000), "the file key: larger than 1 MiB"),
    ],
)
def test_what_is_no_secret_file_is_told(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    """With line, column and what to do, and nothing of the content."""
    make(tmp_path / "key")
    text = told(write(tmp_path, "key"))
    assert words in text
    assert "hush" not in text


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "a directory"),
        ("key/deeper", "there is no file key/deeper"),
        ("/dev/zero", "the file /dev/zero: not a regular file"),
        ("/dev/stdin/x", "there is no file /dev/stdin/x"),
        ("~nobody-of-that-name/key", "there is no file ~nobody-of-that-name/key"),
        ("x" * 5000, "can't be read (File name too long); check the path"),
        ("a\\0b", "no path that a file can have"),
        ("two\\nlines", "the file that this ${file:…} names is not there"),
    ],
)
def test_whatever_is_written_as_a_path(tmp_path: Path, written: str, words: str) -> None:
    """It is told, never raised."""
    (tmp_path / "key").write_text("hush")
    assert words in told(write(tmp_path, written))


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize("around", ["{}", "/run/{}", "~/{}.txt", "{}\\0", "{}/x"])
def test_a_key_that_was_pasted_into_the_braces_is_not_repeated(tmp_path: Path, pasted: str, around: str) -> None:
    """Neither in the message, nor in the line of the file beside it, nor in the text that the dashboard shows."""
    path = write(tmp_path, around.format(pasted))
    loaded = load(path, env={})
    assert pasted not in told(path)
    assert pasted not in loaded.shown
    with pytest.raises(ConfigError) as caught:
        Router.from_yaml(path, env={})
    assert pasted not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "/run/secrets/openai",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "../vault/openai-api-key-2026-01-production",
        "C:/Users/jörg/keys/openai.txt",
        "~/.config/signalbox/key",
    ],
)
def test_the_path_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    """Who mistyped a path sees which."""
    assert f"there is no file {name}" in told(write(tmp_path, name))


def test_a_secret_is_its_text(tmp_path: Path) -> None:
    """Without the last line end, and without the mark that some editors put before it."""
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfhush\r\n")
    file = load(write(tmp_path, "key"), env={}).require()
    key = file.providers["a"].api_key
    assert key is not None
    assert key.key_ is not None
    assert key.key_.get_secret_value() == "hush"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: None, "no such file"),
        (folder, "a directory; name the file in it"),
        (pipe, "not a regular file but a pipe, a socket or a device; name a file"),
        (circle, "can't be read (Too many levels of symbolic links)"),
        (holds(b"\xff\xfer\x00"), "not UTF-8 text"),
        (holds(b"\x7fELF\0\0"), "a binary file"),
        (holds(b"#" * 2_000_000), "larger than 1 MiB; a routes file is small: is this the right file?"),
    ],
)
async def test_what_is_no_routes_file_is_told(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    """At the start as an error; of a router that runs, by its `last_reload`, and the old plan goes on."""
    path = tmp_path / "other.yaml"
    make(path)
    with pytest.raises(UnreadableFile) as caught:
        Router.from_yaml(path, env={})
    assert str(caught.value).startswith(f"{path}: {words}")
    (tmp_path / "key").write_text("hush")
    running = write(tmp_path, "key")
    async with Router.from_yaml(running, env={}, watch=False) as router:
        running.unlink()
        make(running)
        assert not (await router.reload()).accepted
        assert words in str(router.last_reload)
        assert (await router.complete("x", "hi")).text


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "\udcff"])
def test_whatever_path_is_given(path: str) -> None:
    """A name that no file can have is an unreadable file, not an error of Python's."""
    with pytest.raises(UnreadableFile):
        Router.from_yaml(path, env={})


async def test_a_running_router_tells_of_a_bad_secret(tmp_path: Path) -> None:
    """The edit is rejected with its place; the old key goes on."""
    (tmp_path / "key").write_text("hush")
    path = write(tmp_path, "key")
    async with Router.from_yaml(path, env={}, watch=False) as router:
        (tmp_path / "key").write_bytes(b"\xff")
        assert not (await router.reload()).accepted
        assert router.last_reload is not None
        [found] = router.last_reload.diagnostics
        assert (found.line, found.column) == (4, 14)
        assert "not UTF-8" in found.message
        assert (await router.complete("x", "hi")).text

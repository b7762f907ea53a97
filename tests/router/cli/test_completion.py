"""`signalbox completion install`, and what a real bash then completes."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to complete in"),
]

ROUTES = """\
providers: {openai: {kind: openai, api_key: "${NOT_SET_HERE}"}, near: {kind: ollama}}
models: {fast: openai/gpt-6-luna, "qwen:4b": near/qwen3}
routes: {chat: fast, chores: fast}
"""
# Asks the function that the script defines, as bash does when Tab is pressed.
ASK = """
eval "$2"
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_signalbox_completion signalbox 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return home_in(tmp_path)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What bash reads to complete."""
    return bash(home_in(tmp_path_factory.mktemp("home")), "signalbox completion install bash --print")


def home_in(tmp_path: Path) -> Path:
    """A home with `signalbox` on the path, and a folder `work` with files in it."""
    program = tmp_path / "bin" / "signalbox"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m router.cli "$@"\n')
    program.chmod(0o755)
    work = tmp_path / "work"
    (work / "conf").mkdir(parents=True)
    (work / "routes.yaml").write_text(ROUTES)
    (work / "other.yml").write_text("providers: {a: {kind: fake}}\nroutes: {elsewhere: a/m}\n")
    (work / "notes.txt").write_text("")
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "SHELL": "/bin/bash",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
    }


def bash(home: Path, script: str, *args: str) -> str:
    command = ["bash", "--norc", "--noprofile", "-c", script, "bash", *args]
    done = subprocess.run(command, cwd=home / "work", env=environment(home), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("signalbox sh", {"show"}),
        ("signalbox s", {"schema", "serve", "show", "simulate", "status"}),
        ("signalbox cache ", {"clear", "stats", "why"}),
        ("signalbox check --o", {"--online"}),
        ("signalbox ask ch", {"chat", "chores"}),
        ("signalbox show fa", {"fast"}),
        ("signalbox show o", {"other.yml"}),
        ("signalbox show -f other.yml e", {"elsewhere"}),
        ("signalbox show other.yml e", {"elsewhere"}),
        ("signalbox models n", {"near"}),
        ("signalbox check -f ro", {"routes.yaml"}),
        ("signalbox check --file=ro", {"routes.yaml"}),
        ("signalbox check ro", {"routes.yaml"}),
        ("signalbox serve c", {"conf/"}),
        ("signalbox show qwen:4", {"4b"}),  # bash replaces what stands behind the colon
        ("signalbox completion install z", {"zsh"}),
        ("signalbox cache clear --route cha", {"chat"}),
        ("signalbox serve conf/x", {""}),
        ("signalbox show -f missing.yaml x", {""}),
    ],
)
def test_what_bash_completes(home: Path, script: str, line: str, found: set[str]) -> None:
    """Verbs, options, files; and the names of the file, of that which the line names, whatever errors it has."""
    assert set(bash(home, ASK, line, script).rstrip("\n").split("\n")) == found


@pytest.mark.parametrize(
    ("shell", "prompt"), [(["bash", "--noprofile", "-i"], "$ "), (["zsh", "-i"], "# ")], ids=["bash", "zsh"]
)
def test_installed_it_works_in_a_new_shell(home: Path, shell: list[str], prompt: str) -> None:
    """By the Tab key, in a terminal."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]}")
    (home / ".bashrc").write_text("PS1='$ '")  # without a line end
    (home / ".zshrc").write_text("PS1='# '")
    bash(home, f"signalbox completion install {shell[0]}")
    _typed(home, shell, prompt, "signalbox ask chor\t", "chores")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_installed_fish_knows_it(home: Path) -> None:
    """As fish itself tells what the Tab key would bring."""
    ask = """fish -c 'complete -C "signalbox ask ch"'"""
    assert bash(home, f"signalbox completion install fish >&2 && {ask}").split() == ["chat", "chores"]


def _typed(home: Path, command: list[str], prompt: str, keys: str, completed: str) -> None:
    """Type into an interactive shell until its line has what these keys lead to."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        command,
        cwd=home / "work",
        env=environment(home),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as shell:
        os.close(follower)
        _until(leader, prompt)
        os.write(leader, keys.encode())
        _until(leader, completed)
        shell.kill()
    os.close(leader)


def _until(leader: int, words: str) -> str:
    seen = ""
    while words not in seen:
        assert select.select([leader], [], [], 60)[0], seen
        seen += os.read(leader, 4096).decode()
    return seen


def test_to_install_twice_changes_nothing_and_remove_takes_it_all_away(home: Path) -> None:
    start_up = home / ".bashrc"
    start_up.write_text("alias ll='ls -l'\n")
    bash(home, "signalbox completion install")
    once = start_up.read_text()
    assert once.startswith("alias ll='ls -l'\n# >>> signalbox completion >>>\n")
    bash(home, "signalbox completion install && signalbox completion install bash")
    assert start_up.read_text() == once
    bash(home, "signalbox completion remove")
    assert start_up.read_text() == "alias ll='ls -l'\n"
    assert not list((home / ".local").rglob("*completion*"))


def test_print_writes_nothing(home: Path) -> None:
    before = sorted(home.rglob("*"))
    assert "complete -F" in bash(home, "signalbox completion install --print")
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("shell", "script", "start_up"),
    [
        ("zsh", ".local/share/signalbox/completion.zsh", ".zshrc"),
        ("fish", ".config/fish/completions/signalbox.fish", None),
    ],
)
def test_other_shells_get_theirs(home: Path, shell: str, script: str, start_up: str | None) -> None:
    bash(home, f"signalbox completion install {shell}")
    assert "_SIGNALBOX_COMPLETE" in (home / script).read_text()
    assert not (home / ".bashrc").exists()
    if start_up:
        assert script in (home / start_up).read_text()


def test_a_start_up_file_that_is_a_link_stays_one(home: Path) -> None:
    (home / "dotfiles").write_text("")
    (home / ".bashrc").symlink_to(home / "dotfiles")
    bash(home, "signalbox completion install")
    assert (home / ".bashrc").is_symlink()
    assert "signalbox completion" in (home / "dotfiles").read_text()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh to complete in")
def test_zsh_takes_its_script(home: Path) -> None:
    bash(home, "signalbox completion install zsh && ZDOTDIR=$HOME zsh -ic 'print $_comps[signalbox]' | grep signalbox")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish to complete in")
def test_fish_completes(home: Path) -> None:
    done = bash(home, "signalbox completion install fish && fish -c 'complete -C \"signalbox sho\"'")
    assert "show" in done

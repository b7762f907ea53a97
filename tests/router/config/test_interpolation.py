"""Variables in values: filled in after YAML was read, exactly once, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import load_text
from router.config.interpolate import Interpolator, Unset

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def escaped(text: str) -> str:
    return text.replace("$", "$$")


def expand(text: str, folder: Path = Path(), **env: str) -> str:
    return Interpolator(env, folder).expand(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "x"),
        ("${A}/${A}", "x/x"),
        ("${B:-y}", "y"),
        ("${A:-y}", "x"),
        ("${EMPTY:-y}", "y"),
        ("${B:-}", ""),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$A $5 $", "$A $5 $"),
        ("${B:-a:-b}", "a:-b"),
        ("${B:-http://127.0.0.1:1}/v1", "http://127.0.0.1:1/v1"),
    ],
)
def test_forms(text: str, value: str) -> None:
    """As the documentation tells; a dollar sign without a brace is one."""
    assert expand(text, A="x", EMPTY="") == value


@pytest.mark.parametrize("text", ["${A", "${}", "${A B}", "${1}", "${A-b}", "${:-x}"])
def test_other_forms_are_refused(text: str) -> None:
    """A `${` that is none of the forms is a mistake, not text."""
    with pytest.raises(ValueError, match=r"\$\{"):
        expand(text, A="x")


@pytest.mark.parametrize(("text", "state"), [("${B}", "is not set"), ("${EMPTY}", "is empty")])
def test_what_is_not_set_is_named(text: str, state: str) -> None:
    """With the way to give a default."""
    with pytest.raises(Unset, match=state):
        expand(text, EMPTY="")


def test_files_hold_secrets(tmp_path: Path) -> None:
    """Relative to the routes file, without the last line end; a missing or a huge one is told by its name."""
    (tmp_path / "key").write_text("hush\n")
    assert expand("Bearer ${file:key}", tmp_path) == "Bearer hush"
    assert expand(f"${{file:{tmp_path / 'key'}}}") == "hush"
    with pytest.raises(Unset, match="no file other"):
        expand("${file:other}", tmp_path)
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    with pytest.raises(ValueError, match="too large"):
        expand("${file:large}", tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        expand("${file:binary}", tmp_path)


@given(NAMES, VALUES, VALUES)
def test_a_value_is_taken_as_it_is(name: str, value: str, around: str) -> None:
    """Whatever it holds, dollar signs and braces too: nothing in it is filled in again."""
    text = f"{escaped(around)}${{{name}}}{escaped(around)}"
    if value:
        assert expand(text, **{name: value}) == around + value + around


@given(VALUES)
def test_escaped_text_is_itself(text: str) -> None:
    """A dollar sign is written twice."""
    assert expand(escaped(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_value_never_becomes_yaml(value: str) -> None:
    """A key that looks like YAML is still a key."""
    text = 'providers: {a: {kind: openai, api_key: "${KEY}"}}\nroutes: {chat: a/m}\n'
    loaded = load_text(text, env={"KEY": value})
    assert loaded.file is not None
    key = loaded.file.providers["a"].api_key
    assert key is not None
    assert key.key_ is not None
    assert key.key_.get_secret_value() == value


def test_an_unquoted_variable_may_be_a_number() -> None:
    """`max_attempts: ${N}` takes 3 as a number; quoted it takes it too, since a count may be text."""
    defaults = "defaults: {retry: {max_attempts: '${N}'}}\n"
    text = defaults + "providers:\n  a:\n    kind: ollama\n    verify: ${V}\nroutes: {chat: a/m}\n"
    loaded = load_text(text, env={"N": "3", "V": "false"})
    assert loaded.file is not None, loaded.diagnostics
    assert loaded.file.defaults.retry.max_attempts == 3
    assert loaded.file.providers["a"].verify is False


def test_a_parameter_takes_the_type_of_what_is_filled_in() -> None:
    """Unquoted it may be a number; quoted it is text, which max_tokens is not."""
    text = "providers: {a: {kind: openai}}\nmodels:\n  m:\n    provider: a\n    id: m\n    params:\n"
    routes = "routes: {chat: m}\n"
    loaded = load_text(f"{text}      max_tokens: ${{N}}\n{routes}", env={"N": "42"})
    assert loaded.file is not None, loaded.diagnostics
    assert loaded.file.models["m"].params == {"max_tokens": 42}
    (found,) = load_text(f'{text}      max_tokens: "${{N}}"\n{routes}', env={"N": "42"}).diagnostics
    assert (found.line, found.column) == (7, 19)

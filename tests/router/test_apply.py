"""A plan from a dict, and one that an app hands over while the router runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import ConfigError, Router, SyncRouter
from router.config import load_text
from router.config.as_text import as_text
from router.config.diagnostics import Findings
from router.config.yaml_reader import read_yaml
from router.errors import RouterClosed
from tests.support.edits import save

DATA: dict[str, Any] = {
    "providers": {"a": {"kind": "fake"}},
    "routes": {"chat": {"targets": [{"model": "a/m", "weight": 2}], "timeout": {"total": "5s"}}},
}
TEXT = "providers: {a: {kind: fake}}\nroutes: {chat: a/m, more: a/n}\n"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc_-.5: #\n\u00e4\U0001f600", min_size=1, max_size=30), values, min_size=1))
def test_a_dict_is_read_as_it_is(data: dict[str, Any]) -> None:
    """But for a variable alone, which stands for what it holds, and for characters that no YAML has."""
    text = as_text(data)
    findings = Findings("x", text)
    root = read_yaml(text, findings)
    assert root is not None, findings.sorted()
    assert root.data() == data


@pytest.mark.parametrize(
    "text",
    ["no", "1e3", "0o17", "~", "<<", "12:30", "- a", "a: b", "'", '"', "", " x ", "\t", "\x7f", "\x85\u2028", "null"],
)
def test_text_stays_text(text: str) -> None:
    written = as_text({"a": text, "b": {text or "x": 1}})
    root = read_yaml(written, Findings("x", written))
    assert root is not None
    assert root.data() == {"a": text, "b": {text or "x": 1}}


def test_a_variable_alone_is_what_it_holds() -> None:
    data = {**DATA, "models": {"m": {"provider": "a", "id": "x", "params": {"max_tokens": "${MOST}"}}}}
    router = Router.from_dict(data, env={"MOST": "42"})
    assert router.chain("m").targets[0].params == {"max_tokens": 42}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ([], "a routes.yaml is a mapping, not list"),
        ({"routes": {1: "a/m"}}, "routes: a key is text, not int (1)"),
        (
            {"cache": {"path": Path("x")}},
            "cache.path: text, a number, a boolean, a list or a mapping is expected, not PosixPath",
        ),
        (
            {"routes": {"chat": {"a/m", "b/m"}}},
            "routes.chat: text, a number, a boolean, a list or a mapping is expected, not set",
        ),
    ],
)
def test_what_yaml_has_not_is_a_type_error_that_says_where(data: Any, why: str) -> None:
    with pytest.raises(TypeError) as caught:
        Router.from_dict(data)
    assert str(caught.value) == why


def test_a_dict_without_end_is_refused() -> None:
    data: dict[str, Any] = {}
    data["a"] = data
    with pytest.raises(TypeError, match="nested more than 50 levels deep"):
        Router.from_dict(data)


def test_mistakes_in_a_dict_have_line_column_and_source() -> None:
    with pytest.raises(ConfigError) as caught:
        Router.from_dict({**DATA, "routes": {"chat": {"targets": ["a/m"], "timeout": {"total": math.inf}}}})
    (found,) = caught.value.diagnostics
    assert (found.line, found.path, found.source) == (9, "routes.chat.timeout.total", "      total: .inf")


async def test_a_text_or_dict_takes_over_and_its_difference_is_given() -> None:
    async with Router.from_dict(DATA, env={}) as router:
        result = await router.apply(TEXT)
        assert result.accepted
        assert result.revision == router.revision == load_text(TEXT, env={}).revision
        assert "route more added" in result.changes
        assert (await router.complete("more", "hi")).text
        again = await router.apply(DATA)
        assert "route more removed" in again.changes
        assert (await router.apply(DATA)).changes == ()


async def test_what_is_wrong_is_raised_and_the_old_plan_goes_on() -> None:
    async with Router.from_text(TEXT, env={}) as router:
        revision = router.revision
        with pytest.raises(ConfigError) as caught:
            await router.apply(TEXT.replace("a/n", "nix/n"))
        assert [(found.file, found.line, found.column) for found in caught.value.diagnostics] == [
            ("routes.yaml", 2, 27)
        ]
        with pytest.raises(TypeError):
            await router.apply(3)  # type: ignore[arg-type]  # what it refuses
        assert router.revision == revision
        assert (await router.complete("more", "hi")).text


async def test_variables_and_paths_are_those_of_the_file_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(TEXT)
    (tmp_path / "more.yaml").write_text("routes: {other: a/m}\n")
    (tmp_path / "key").write_text("k")
    text = 'include: more.yaml\nproviders: {a: {kind: fake, api_key: "${file:key}", headers: {x: "${X}"}}}\n'
    async with Router.from_yaml(path, env={"X": "1"}, watch=False) as router:
        await router.apply(text)
        assert router.routes == ("other",)
        save(path, TEXT + "# saved\n")  # the file is followed as before
        assert (await router.reload()).accepted
        assert router.routes == ("chat", "more")


async def test_those_who_watch_see_it_as_a_save() -> None:
    async with Router.from_text(TEXT, env={}) as router:
        await router.apply(DATA)
        view = await router.feed().config()
        assert view.text == as_text(DATA)
        assert view.log[0].changes
        assert [event.kind for event in router.telemetry.events][-1] == "reload"


def test_sync_routers_have_the_same() -> None:
    with SyncRouter.from_dict(DATA, env={}) as router:
        assert "route more added" in router.apply(TEXT).changes
        assert router.complete("more", "hi").text
    with pytest.raises(RouterClosed):
        router.apply(DATA)


async def test_a_closed_router_takes_nothing() -> None:
    router = Router.from_dict(DATA)
    await router.aclose()
    with pytest.raises(RouterClosed):
        await router.apply(TEXT)

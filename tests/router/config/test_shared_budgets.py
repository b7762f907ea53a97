"""What check says of budgets that machines share, and what shows that they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli.show import command as show
from router.config import load_text
from router.config.diagnostics import Diagnostic
from router.plan.budget import Budget
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Plan

FILE = """
providers: {a: {kind: fake, PROVIDER}}
routes: {chat: {targets: [a/m], ROUTE}}
serve: {keys: {alice: {key: key-of-alice-0123456789, KEY}}}
shared: {url: redis://x, share: [budgets]}
"""


def text(provider: str = "weight: 1", route: str = "", key: str = "") -> str:
    written = FILE.replace("PROVIDER", provider).replace("ROUTE", route).replace("KEY", key)
    return written.replace(", weight: 1", "")


def found(written: str) -> list[Diagnostic]:
    return [one for one in load_text(written, env={}).diagnostics if "price is not known" not in one.message]


def plan(written: str) -> Plan:
    return compile_plan(load_text(written, env={}))


@pytest.mark.parametrize(("where", "line"), [("provider", 2), ("route", 3), ("key", 4)])
def test_one_that_is_too_large_to_be_counted_is_an_error_where_it_stands(where: str, line: int) -> None:
    (error,) = found(text(**{where: "budget: $9000001/month"}))
    assert (error.severity, error.line) == ("error", line)
    assert "at most $9,000,000" in error.message
    assert "take budgets out of shared.share" in error.message
    assert found(text(**{where: "budget: $9000000/month"})) == []
    alone = text(**{where: "budget: $9000001/month"}).replace(", share: [budgets]", "")
    assert [one.severity for one in found(alone)] == ["warning"]


def test_one_of_a_provider_that_is_not_shared_may_be_as_large_as_it_likes() -> None:
    written = text("shared: false, budget: $9000001/month", "budget: $1/d")
    assert found(written) == []
    made = plan(written)
    assert made.is_shared(Budget("route chat", 1.0, 86_400.0))
    assert not made.is_shared(Budget("provider a", 9_000_001.0, 2_629_746.0))


def test_a_file_without_budgets_is_told_that_none_is_shared() -> None:
    (warning,) = found(text())
    assert (warning.severity, warning.line, warning.path) == ("warning", 5, "shared.share")
    assert warning.message.startswith("no budget is shared")


def test_what_holds_for_budgets_without_any_that_are_shared_has_no_effect() -> None:
    written = text(route="limits: {}, budget: $1/d").replace("limits: {}, ", "")
    written = written.replace("share: [budgets]", "share: [limits], budgets_away: refuse")
    warnings = [one for one in found(written) if one.path == "shared.budgets_away"]
    assert [one.message for one in warnings] == [
        "this has no effect: budgets are not shared; write share: [limits, budgets]"
    ]


def test_workers_of_one_machine_need_nothing_for_it() -> None:
    written = text(route="budget: $1/d").replace("redis://x", "local")
    (warning,) = found(written)
    assert (warning.severity, warning.path) == ("warning", "shared.share")
    assert not plan(written).is_shared(Budget("route chat", 1.0, 86_400.0))


@pytest.mark.parametrize("word", ["local", "never", "all"])
def test_there_is_no_other_way_without_the_server(word: str) -> None:
    (error,) = found(text(route="budget: $1/d").replace("[budgets]", f"[budgets], budgets_away: {word}"))
    assert error.message.startswith("this must be one of 'share' or 'refuse'")


def test_a_reload_says_what_changes() -> None:
    before = text(route="budget: $1/d")
    after = before.replace("[budgets]", "[budgets], budgets_away: refuse")
    assert "shared.budgets_away changed" in differences(plan(before), plan(after), {})
    both = before.replace("[budgets]", "[limits, budgets]")
    assert "shared.share changed" in differences(plan(before), plan(both), {})


def test_show_says_whose_budget_it_is(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(text("budget: $2/d, shared: false", "budget: $1/d"))
    told = CliRunner().invoke(show, ["chat", "--file", str(path)], standalone_mode=False).output
    assert f"budget of route chat: $1 a day, of all machines  {path}:3\n" in told
    assert f"budget of provider a: $2 a day  {path}:2\n" in told

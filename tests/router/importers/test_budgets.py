"""Budgets and aliases of a LiteLLM config: as much may be spent in as long a time, by whom it was meant for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config import load_text
from router.config.diagnostics import Findings
from router.config.units import BUDGET_PERIODS, budget
from router.config.yaml_reader import read_yaml
from router.importers.litellm import Imported, import_litellm
from router.importers.litellm.budgets import in_period

OPENAI = "- {model_name: chat, litellm_params: {model: openai/gpt-4o, api_key: os.environ/K}}\n"
OTHERS = "- {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/A}}\n"
EU = "- {model_name: eu, litellm_params: {model: openai/gpt-4o, api_key: os.environ/E, api_base: https://eu.example/v1}}\n"


def of(models: str, rest: str = "") -> tuple[dict[str, Any], Imported]:
    """What is made of a config; it is valid."""
    made = import_litellm(f"model_list:\n{models}{rest}", Path("config.yaml"))
    env = {name: f"value-of-{name.lower()}-0123456789" for name in made.variables}
    assert [found.render() for found in load_text(made.text, env=env).diagnostics if found.severity == "error"] == []
    root = read_yaml(made.text, Findings("routes.yaml", made.text))
    assert root is not None
    data = root.data()
    assert isinstance(data, dict)
    return data, made


def told(made: Imported, sort: str) -> dict[str, str]:
    return {note.what: note.text for note in made.notes if note.sort == sort}


@pytest.mark.parametrize(
    ("usd", "duration", "text", "is_same"),
    [
        (100, "1d", "$100/d", True),
        (100, "24h", "$100/d", True),
        (0.5, "1h", "$0.5/h", True),
        (3, "60s", "$3/min", True),
        (3, "1m", "$3/min", True),
        (300, "1mo", "$300/month", True),
        (300, "7d", "$300/w", True),
        (300, "1w", "$300/w", True),
        (300, "30d", "$300/month", False),
        (600, "2mo", "$300/month", False),
        (100, "10d", "$70/w", False),
        (100, "2d", "$50/d", False),
        (0.000000000001, "1d", "$0.000000000001/d", True),
    ],
)
def test_a_period_is_the_same_or_as_much(usd: float, duration: str, text: str, is_same: bool) -> None:
    made = in_period(usd, duration)
    assert made is not None
    assert made.text() == text
    assert bool(made.told) is not is_same
    amount, seconds = budget(text)
    assert amount == pytest.approx(usd * seconds / _seconds(duration), rel=0.02)


def _seconds(duration: str) -> float:
    units = {"mo": float(BUDGET_PERIODS["month"]), "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
    unit = "mo" if duration.endswith("mo") else duration[-1]
    return int(duration.removesuffix(unit)) * units[unit]


@pytest.mark.parametrize("duration", ["", "d", "0d", "-1d", "1 fortnight", "os.environ/X", "1y"])
def test_what_is_no_duration_is_no_budget(duration: str) -> None:
    assert in_period(100, duration) is None


def test_a_vendors_budget_is_its_providers() -> None:
    config = "router_settings: {provider_budget_config: {openai: {budget_limit: 100, time_period: 1d}}}\n"
    data, made = of(OPENAI + OTHERS, config)
    assert data["providers"]["openai"]["budget"] == "$100/d"
    assert "budget" not in data["providers"]["anthropic"]
    assert told(made, "left out") == {}
    assert "budgets" in told(made, "differs")


def test_newer_words_for_it_are_known() -> None:
    config = "router_settings: {provider_budget_config: {anthropic: {max_budget: 5, budget_duration: 12h}}}\n"
    data, made = of(OPENAI + OTHERS, config)
    assert data["providers"]["anthropic"]["budget"] == "$0.416667/h"
    assert "12h" in told(made, "differs")["router_settings.provider_budget_config.anthropic"]


def test_several_providers_of_a_vendor_never_spend_more_than_it_may() -> None:
    config = "router_settings: {provider_budget_config: {openai: {budget_limit: 100, time_period: 1d}}}\n"
    data, made = of(OPENAI + EU, config)
    assert [each["budget"] for each in data["providers"].values()] == ["$50/d", "$50/d"]
    assert "equal part" in told(made, "check")["router_settings.provider_budget_config.openai"]


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ("{mistral: {budget_limit: 100, time_period: 1d}}", "mistral"),  # nobody has a model of it
        ("{openai: {budget_limit: 100}}", "openai.budget_limit"),  # it never begins anew
        ("{openai: {budget_limit: 100, time_period: soon}}", "openai.time_period"),
        ("{openai: {budget_limit: lots, time_period: 1d}}", "openai.budget_limit"),
    ],
)
def test_what_can_not_be_said_is_told(config: str, what: str) -> None:
    data, made = of(OPENAI, f"router_settings: {{provider_budget_config: {config}}}\n")
    assert "budget" not in data["providers"]["openai"]
    assert f"router_settings.provider_budget_config.{what}" in told(made, "left out")


def test_an_entrys_budget_is_its_own() -> None:
    """Two with the same budget do not spend each other's, and those without one are bounded by none."""
    entry = "- {{model_name: {}, litellm_params: {{model: openai/gpt-4o, api_key: os.environ/K{}}}}}\n"
    bounded = ", max_budget: 10, budget_duration: 1d"
    data, made = of(entry.format("a", bounded) + entry.format("b", bounded) + entry.format("c", ""))
    assert [each.get("budget") for each in data["providers"].values()] == ["$10/d", "$10/d", None]
    assert len({data["routes"][name].split("/")[0] for name in "abc"}) == 3
    assert [note.what for note in made.notes if note.sort == "differs"].count("a.max_budget") == 1


def test_two_of_a_pool_with_budgets_stay_two() -> None:
    entry = "- {{model_name: a, litellm_params: {{model: openai/gpt-4o, api_key: os.environ/{}, {}}}}}\n"
    bounded = "max_budget: 10, budget_duration: 1d"
    data, _ = of(entry.format("K1", bounded) + entry.format("K2", bounded))
    assert len(data["providers"]) == 2
    assert all("api_keys" not in each for each in data["providers"].values())


def test_an_entrys_budget_without_a_period_is_told() -> None:
    _, made = of("- {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: os.environ/K, max_budget: 10}}\n")
    assert told(made, "left out") == {
        "a.litellm_params.max_budget": "a budget here has a period, and is a provider's, a route's or a client's: "
        "budget: $20/d under one of them"
    }


def test_the_proxys_budget_is_that_of_its_one_client() -> None:
    config = "litellm_settings: {max_budget: 100, budget_duration: 30d}\ngeneral_settings: {master_key: os.environ/M}\n"
    data, made = of(OPENAI, config)
    assert data["serve"]["keys"]["litellm"] == {"key": "${M}", "budget": "$100/month"}
    assert "30d" in told(made, "differs")["litellm_settings.max_budget"]
    _, without_client = of(OPENAI, "litellm_settings: {max_budget: 100, budget_duration: 1d}\n")
    assert {"litellm_settings.max_budget", "litellm_settings.budget_duration"} <= told(
        without_client, "left out"
    ).keys()


def test_with_a_redis_all_machines_spend_together() -> None:
    budgets = "provider_budget_config: {openai: {budget_limit: 100, time_period: 1d}}"
    data, _ = of(OPENAI, f"router_settings: {{redis_host: os.environ/H, {budgets}}}\n")
    assert data["shared"]["share"] == ["limits", "holds", "breakers", "budgets"]
    data, _ = of(OPENAI, "router_settings: {redis_host: os.environ/H}\n")
    assert "budgets" not in data["shared"]["share"]


# --- aliases


def test_an_alias_is_the_same_route_in_either_section() -> None:
    for section, key in (
        ("router_settings", "model_group_alias"),
        ("litellm_settings", "model_group_alias"),
        ("litellm_settings", "model_alias_map"),
    ):
        data, made = of(OPENAI, f"{section}: {{{key}: {{gpt-4: chat}}}}\n")
        assert data["routes"] == {"chat": "openai/gpt-4o", "gpt-4": "chat"}
        assert told(made, "left out") == {}


def test_an_alias_of_a_vendors_model_that_no_list_has() -> None:
    data, made = of(
        OPENAI + OTHERS, "litellm_settings: {model_alias_map: {fast: openai/gpt-4o-mini, Big: claude-opus-4-1}}\n"
    )
    assert data["routes"]["fast"] == "openai/gpt-4o-mini"
    assert data["routes"]["Big"] == "anthropic/claude-opus-4-1"
    _, made = of(OPENAI, "litellm_settings: {model_alias_map: {m: mistral/mistral-large}}\n")
    assert "litellm_settings.model_alias_map.m" in told(made, "left out")


def test_an_alias_of_a_group_that_is_not_there_is_told() -> None:
    _, made = of(OPENAI, "router_settings: {model_group_alias: {gpt-4: nobody}}\n")
    assert "router_settings.model_group_alias.gpt-4" in told(made, "left out")

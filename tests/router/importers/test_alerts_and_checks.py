"""Alerts, health checks and retries of a LiteLLM config, and what is said of keys that have an equal elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config import load_text
from router.config.diagnostics import Findings
from router.config.yaml_reader import read_yaml
from router.importers.litellm import Imported, import_litellm

MODELS = """
- {model_name: chat, litellm_params: {model: openai/gpt-4o, api_key: os.environ/K}}
- {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/A}}
"""
BUDGET = "router_settings: {provider_budget_config: {openai: {budget_limit: 100, time_period: 1d}}}\n"
SECRET = "https://hooks.slack.com/services/T0000/B0000/abcdefghijklmnop"


def of(rest: str, models: str = MODELS) -> tuple[dict[str, Any], Imported]:
    """What is made of a config; it is valid, and no webhook is in it."""
    made = import_litellm(f"model_list:\n{models}{rest}", Path("config.yaml"))
    env = {name: f"https://{name.lower().replace('_', '-')}.example/0123456789" for name in made.variables}
    assert [each.render() for each in load_text(made.text, env=env).diagnostics if each.severity == "error"] == []
    assert "abcdefghijklmnop" not in made.text + str(made.notes)
    root = read_yaml(made.text, Findings("routes.yaml", made.text))
    assert root is not None
    data = root.data()
    assert isinstance(data, dict)
    return data, made


def told(made: Imported, sort: str) -> dict[str, str]:
    return {note.what: note.text for note in made.notes if note.sort == sort}


def test_slacks_alerts_are_alerts() -> None:
    data, made = of("general_settings: {alerting: [slack], alerting_threshold: 60}\n" + BUDGET)
    to = "${SLACK_WEBHOOK_URL}"
    assert data["alerts"] == [
        {"on": "error_rate", "above": "5%", "for": "1m", "to": to},
        {"on": "p95", "above": "1m", "to": to},
        {"on": "breaker_open", "to": to},
        {"on": "budget", "to": to},
    ]
    assert told(made, "left out") == {}
    assert made.variables.count("SLACK_WEBHOOK_URL") == 1


def test_types_and_their_webhooks() -> None:
    data, made = of(
        "general_settings:\n  alerting: [slack, webhook, email]\n"
        "  alert_types: [budget_alerts, llm_too_slow, daily_reports]\n"
        f"  alert_to_webhook_url: {{budget_alerts: [os.environ/MONEY, {SECRET}]}}\n{BUDGET}"
    )
    assert data["alerts"] == [
        {"on": "budget", "to": "${MONEY}"},
        {"on": "budget", "to": "${ALERT_WEBHOOK_URL}"},
        {"on": "p95", "above": "5m", "to": "${SLACK_WEBHOOK_URL}"},
        {"on": "budget", "to": "${WEBHOOK_URL}"},
    ]
    assert "daily_reports" in told(made, "left out")["general_settings.alert_types"]
    assert "no email" in told(made, "left out")["general_settings.alerting"]


def test_without_a_budget_no_alert_is_of_one() -> None:
    data, _ = of("general_settings: {alerting: [slack]}\n")
    assert [each["on"] for each in data["alerts"]] == ["error_rate", "p95", "breaker_open"]


def test_mail_alone_is_told_and_left_out() -> None:
    data, made = of("general_settings: {alerting: [email]}\n")
    assert "alerts" not in data
    assert "webhooks" in told(made, "left out")["general_settings.alerting"]


@pytest.mark.parametrize(("more", "every"), [("", "5m"), (", health_check_interval: 30", "30s")])
def test_checks_in_the_background_are_health(more: str, every: str) -> None:
    data, made = of(f"general_settings: {{background_health_checks: true{more}}}\n")
    assert [said["health"] for said in data["providers"].values()] == [every, every]
    assert "free" in told(made, "differs")["general_settings.background_health_checks"]
    data, _ = of("general_settings: {background_health_checks: false}\n")
    assert not any("health" in said for said in data["providers"].values())


def test_one_target_is_tried_again_before_its_fallbacks() -> None:
    data, _ = of("router_settings: {num_retries: 2, fallbacks: [{chat: [claude]}]}\n")
    assert data["defaults"]["retry"] == {"same_target": 2}
    assert data["routes"]["chat"]["retry"] == {"first": "same_target"}
    assert isinstance(data["routes"]["claude"], str)


@pytest.mark.parametrize("rest", ["", "router_settings: {num_retries: 0, fallbacks: [{chat: [claude]}]}\n"])
def test_nothing_is_said_of_retries_where_there_are_none(rest: str) -> None:
    data, _ = of(rest)
    assert isinstance(data["routes"]["chat"], str) or "retry" not in data["routes"]["chat"]


def test_several_targets_go_on_to_the_next() -> None:
    second = "- {model_name: chat, litellm_params: {model: openai/gpt-4.1, api_key: os.environ/K}}\n"
    data, _ = of("router_settings: {num_retries: 2, fallbacks: [{chat: [claude]}]}\n", MODELS + second)
    assert "retry" not in data["routes"]["chat"]


@pytest.mark.parametrize(
    ("rest", "what", "says"),
    [
        ("router_settings: {enable_tag_filtering: true}\n", "router_settings.enable_tag_filtering", "when:"),
        ("litellm_settings: {tag_budget_config: {a: 1}}\n", "litellm_settings.tag_budget_config", "by: tag.NAME"),
        ("litellm_settings: {max_end_user_budget: 5}\n", "litellm_settings.max_end_user_budget", "by: user"),
    ],
)
def test_what_has_an_equal_is_said_where(rest: str, what: str, says: str) -> None:
    _, made = of(rest)
    assert says in told(made, "left out")[what]

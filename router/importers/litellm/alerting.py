"""Alerts of LiteLLM's proxy (https://docs.litellm.ai/docs/proxy/alerting) as those of a routes.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.config.yaml_reader import Node
from router.importers.litellm.reading import Fields, Tell, entries, items
from router.importers.litellm.settings_of_models import duration
from router.importers.variables import Variables, named

_SLOW = 300.0  # seconds: LiteLLM's threshold where nothing is written
_ERRORS = {"on": "error_rate", "above": "5%", "for": "1m"}
_TYPES: Mapping[str, dict[str, Any]] = {
    "llm_exceptions": _ERRORS,
    "llm_too_slow": {"on": "p95"},
    "llm_requests_hanging": {"on": "p95"},
    "cooldown_deployment": {"on": "breaker_open"},
    "outage_alerts": {"on": "breaker_open"},
    "region_outage_alerts": {"on": "breaker_open"},
    "budget_alerts": {"on": "budget"},
}
_TEXT = (
    "alerts go by figures of the last minute: once for a trouble, and once when it is over; what errors are too many "
    "(5%) is a guess"
)


def alerts_of(general: Fields, variables: Variables, tell: Tell) -> list[dict[str, Any]]:
    """Make alerts of what the proxy tells by Slack's webhooks, or its own; what has no equal is told."""
    node = general.left.get("alerting")
    if node is None:
        return []
    ways = [str(way.value) for way in items(node)] or [str(node.value)]
    if not {"slack", "webhook"} & set(ways):
        return []
    general.take("alerting")
    for way in ways:
        if way not in ("slack", "webhook"):
            tell("left out", "general_settings.alerting", f"no {way}: alerts go to webhooks")
    slow, of_types = general.number("alerting_threshold") or _SLOW, entries(general.take("alert_to_webhook_url"))
    made: list[dict[str, Any]] = []
    for kind in _kinds(general, tell) if "slack" in ways else ():
        said = dict(_TYPES[kind]) | ({"above": duration(slow)} if _TYPES[kind]["on"] == "p95" else {})
        made += [{**said, "to": to} for to in _addresses(of_types.get(kind), variables)]
    if "webhook" in ways:
        made.append({"on": "budget", "to": variables.refer("WEBHOOK_URL")})
    tell("differs", "general_settings.alerting", _TEXT)
    return [alert for number, alert in enumerate(made) if alert not in made[:number]]


def _kinds(general: Fields, tell: Tell) -> list[str]:
    node = general.take("alert_types")
    if node is None:
        return list(_TYPES)
    asked = [str(each.value) for each in items(node)]
    without = [name for name in asked if name not in _TYPES]
    if without:
        tell(
            "left out",
            "general_settings.alert_types",
            f"nobody is told of {', '.join(without)}: see `signalbox status`",
        )
    return [name for name in asked if name in _TYPES]


def _addresses(node: Node | None, variables: Variables) -> list[str]:
    """The webhooks of a type: they are secrets, so that one in the clear becomes a variable."""
    texts = [str(each.value) for each in (items(node) or [node])] if node is not None else []
    if not texts:
        return [variables.refer("SLACK_WEBHOOK_URL")]
    return [
        variables.in_place_of(text, "ALERT_WEBHOOK_URL") if named(text) is None else variables.written(text)
        for text in texts
    ]

"""A routes.yaml out of the config of LiteLLM's proxy or router.

The format is as https://docs.litellm.ai/docs/proxy/config_settings has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from router.config import units
from router.importers.litellm.deployments import Deployment, ModelList
from router.importers.litellm.page import routes_yaml
from router.importers.litellm.reading import NotLiteLLM, read_config, texts
from router.importers.litellm.routes import Plan, Planner
from router.importers.litellm.settings import Settings, SettingsReader
from router.importers.notes import Note, Notes, Place
from router.importers.variables import Variables, named

__all__ = ["Imported", "NotLiteLLM", "import_litellm"]

_LONGEST_REQUEST = 1800.0  # seconds: timeout.total where nothing is written


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The text of a routes.yaml, what is told of it, and the variables that it needs."""

    text: str
    notes: tuple[Note, ...]
    variables: tuple[str, ...]
    plan: Plan


def import_litellm(text: str, path: Path) -> Imported:
    """Make a routes.yaml of a LiteLLM config. No key of the config is in what comes of it: each is a variable.

    Args:
        text: the config.
        path: where it is: files that it includes are beside it.

    Raises:
        ConfigError: it is no YAML; has all that is wrong.
        NotLiteLLM: it is something else, or has no model that could be called here.
        UnreadableFile: a file that it includes can't be read.
    """
    notes = Notes()
    config = read_config(text, path, notes)
    variables = Variables(name for each in texts(config.root) if (name := named(each)) is not None)
    deployments = ModelList(config, variables, notes).deployments
    settings = SettingsReader(config, variables, notes).read()
    _make_room(settings, deployments)
    plan = Planner(deployments, settings, config, notes).make()
    _share_budgets(settings, plan)
    for said, _ in plan.providers.values() if settings.health is not None else ():
        said["health"] = settings.health
    _tell_what_differs(settings, plan, Place(path.name, 1), notes)
    told = notes.sorted(config.files)
    if not plan.routes:
        reasons = "".join(f"\n  {note}" for note in told)
        raise NotLiteLLM(f"{path.name} has no model that Signalbox could call{reasons}")
    used = tuple(variables.used)
    return Imported(text=routes_yaml(path.name, plan, settings, told, used), notes=told, variables=used, plan=plan)


def _make_room(settings: Settings, deployments: list[Deployment]) -> None:
    """A timeout of one answer that is longer than that of a whole request has no effect: LiteLLM has none of those."""
    written = [settings.defaults.get("timeout", {}), *(each.settings.get("timeout", {}) for each in deployments)]
    longest = max((units.duration(value) for each in written for value in each.values()), default=0)
    if longest > _LONGEST_REQUEST:
        settings.defaults.setdefault("timeout", {})["total"] = units.format_duration(2 * longest)
        settings.origins.setdefault("timeout", "total: so that the longest timeout of a model has its time")


def _share_budgets(settings: Settings, plan: Plan) -> None:
    """Where the router has a Redis, LiteLLM's processes spend together. Without any budget no alert is of one."""
    has_budget = settings.client_budget is not None or any("budget" in said for said, _ in plan.providers.values())
    settings.alerts = [alert for alert in settings.alerts if has_budget or alert["on"] != "budget"]
    if has_budget and "limits" in settings.shared.get("share", ()):
        settings.shared["share"].append("budgets")


def _tell_what_differs(settings: Settings, plan: Plan, place: Place, notes: Notes) -> None:
    """What is otherwise here for all of the file, where it has to do with it."""
    differences = {
        "shares": (
            any(len(tier.targets) > 1 for route in plan.routes.values() for tier in route.tiers),
            "targets without weights share equally, as in LiteLLM, but exactly: there they are drawn by chance",
        ),
        "cooldowns": (
            "breaker" in settings.defaults or any("breaker" in said for said, _ in plan.models.values()),
            "LiteLLM counts failures a minute, a breaker those in a row (allowed_fails and one more) and their rate; "
            "it opens for open_for, longer each time, and a route's only target has one too",
        ),
        "retries": (
            "retry" in settings.defaults,
            "LiteLLM retries before it falls back, at any deployment of the name; here each other target of a route is "
            "asked first, and the same one again where nothing else is left, or before the fallbacks where it is the "
            "only one (first: same_target)",
        ),
        "timeouts": (
            "timeout" in settings.defaults,
            "the seconds are those of one answer, or until a stream's first content; what goes on after that is "
            "bounded by timeout.idle, the whole request by timeout.total",
        ),
        "budgets": (
            settings.client_budget is not None or any("budget" in said for said, _ in plan.providers.values()),
            "a period begins by the calendar, in UTC, and not with the first call; what a model of unknown price costs "
            "is not counted",
        ),
        "fallbacks": (
            any(route.fallbacks for route in plan.routes.values()),
            "a fallback is tried with its own fallbacks after it; after which errors, docs/errors.md says",
        ),
    }
    for what, (holds, text) in differences.items():
        if holds:
            notes.add("differs", place, what, text)

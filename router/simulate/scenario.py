"""From files to a checked scenario on a compiled plan; mistakes are told as those of a routes.yaml are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

from providers import registry
from providers.base import Provider
from providers.settings import ProviderSettings
from providers.spelling import did_you_mean
from router.config import Diagnostic, LoadResult, load_text
from router.config.diagnostics import Findings, dotted
from router.config.includes import with_included
from router.config.loader import read_text
from router.config.validate import read_as
from router.config.yaml_reader import Node, read_yaml
from router.plan.compile import compile_plan
from router.plan.plan import Chain, Plan
from router.plan.pricing import is_known
from router.plan.target import Target
from router.simulate.schema import LONGEST, MOST_EVENTS, MOST_REQUESTS, OF_ROUTES, OF_TARGETS, Scenario

_NEEDS = "duration and traffic"
_FILE = "file:"
_REFERENCE = re.compile(r"\$\$|\$\{(?P<name>file:[^}]*|[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-)?")
# What stands for a variable: an address, which is as good a key as any; where that does not fit, a word, such as the
# name of a host; then a number, such as a port.
_STAND_INS = (
    "http://simulated.invalid/{name}",
    "simulated-{number}",
    "{number}",
    "true",
    "redis://simulated.invalid",  # of `shared`
)
_PORT = re.compile(r"://[^/]*:\$\{([A-Za-z_][A-Za-z0-9_]*)\}(?:/|$)")
_CONNECTION = frozenset(
    {"api_key", "api_keys", "base_url", "headers", "proxy", "verify", "client_cert", "unix_socket", "options"}
)
_OF_SHARED = frozenset({"url", "secret"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file gave; `scenario` is None when `diagnostics` has an error."""

    scenario: Scenario | None
    diagnostics: tuple[Diagnostic, ...]
    name: str


def load_routes(path: str | Path, *, env: Mapping[str, str] | None = None) -> LoadResult:
    """A routes.yaml for a simulation: keys and addresses of providers need not be set, and are never read.

    So a run is the same wherever it is run. Other variables come from `env` (None: the process's environment).

    Raises:
        UnreadableFile: missing, a directory, over 1 MiB, or not text.
    """
    where = Path(path)
    text = read_text(where)
    findings = Findings(str(path), text)
    root = read_yaml(text, findings)
    if root is not None:
        with_included(root, where, text, findings)
    wanted, unread = _references(root) if root is not None else ({}, set())
    given = {name: value for name, value in (os.environ if env is None else env).items() if name not in unread}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(chain.from_iterable(wanted.values())), 1)}
    ports = {name for node in _connections(root) for name in _PORT.findall(node.value)} if root is not None else set()
    tries = {name: _STAND_INS.index("{number}") if name in ports else 0 for name in numbers}
    while True:
        stand_ins = {
            name: _STAND_INS[tries[name]].format(name=name.removeprefix(_FILE), number=number)
            for name, number in numbers.items()
        }
        files = {name.removeprefix(_FILE): value for name, value in stand_ins.items() if name.startswith(_FILE)}
        loaded = load_text(text, name=str(path), env=given | stand_ins, folder=where.parent, files=files)
        wrong = [found.path for found in loaded.diagnostics if found.severity == "error"]
        misfits = {name for path in wrong for name in _behind(wanted.get(path, []), tries)}
        if not misfits:
            return loaded
        tries |= {name: tries[name] + 1 for name in misfits}


def _behind(names: list[str], tries: Mapping[str, int]) -> list[str]:
    """List those of one text that have been tried least, and have something left to try."""
    least = min((tries[name] for name in names), default=0)
    return [name for name in names if tries[name] == least and least + 1 < len(_STAND_INS)]


def _references(root: Node) -> tuple[dict[str, list[str]], set[str]]:
    """List the variables and files that need a stand-in, by the path of the text that has them; and the variables that
    are not to be read, those with a default of their own included. What is used elsewhere too is no secret.
    """
    connections = list(_connections(root))
    own = {id(node) for node in connections}
    elsewhere = {name for node in _texts(root) if id(node) not in own for name, _ in _names(node.value)}
    found = {
        dotted(node.path): [each for each in _names(node.value) if each[0] not in elsewhere] for node in connections
    }
    wanted = {path: [name for name, has_default in names if not has_default] for path, names in found.items()}
    return wanted, {name for names in found.values() for name, _ in names}


def _names(text: str) -> list[tuple[str, bool]]:
    """List what a text refers to, a variable or `file:` and a path, and whether it has a default."""
    found = [match for match in _REFERENCE.finditer(text) if match["name"]]
    return [(match["name"], match["default"] is not None) for match in found]


def compile_simulated(loaded: LoadResult) -> Plan:
    """Compile a file for a simulation: a kind that refuses what stands for its key knows nothing of its models."""
    return compile_plan(loaded, _create)


def _create(settings: ProviderSettings) -> Provider:
    try:
        return registry.create(settings)
    except Exception:  # kinds of others may raise anything; which of it is due to the stand-ins nobody can tell
        return registry.create(ProviderSettings(name=settings.name, kind="fake"))


def _connections(root: Node) -> Iterator[Node]:
    """The texts that shape the connections to providers and to what is shared."""
    shared = root.get("shared")
    if shared is not None and isinstance(shared.value, dict):
        for name in _OF_SHARED & shared.value.keys():
            yield from _texts(shared.value[name])
    alerts = root.get("alerts")
    for alert in alerts.value if alerts is not None and isinstance(alerts.value, list) else ():
        if (to := alert.get("to")) is not None:
            yield from _texts(to)
    providers = root.get("providers")
    if providers is None or not isinstance(providers.value, dict):
        return
    for provider in providers.value.values():
        if isinstance(provider.value, dict):
            for name, node in provider.value.items():
                if name in _CONNECTION:
                    yield from _texts(node)


def _texts(node: Node) -> Iterator[Node]:
    children = node.value.values() if isinstance(node.value, dict) else node.value
    if isinstance(node.value, dict | list):
        for child in children:
            yield from _texts(child)
    elif isinstance(node.value, str):
        yield node


def load_scenario(path: str | Path, plan: Plan) -> Loaded:
    """Read and check a scenario for a plan; its errors are in the result's `diagnostics`.

    Raises:
        UnreadableFile: missing, a directory, over 1 MiB, or not text.
    """
    return scenario_from(read_text(Path(path)), plan, name=str(path))


def scenario_from(text: str, plan: Plan, *, name: str = "scenario.yaml") -> Loaded:
    """Like `load_scenario`, for text that is at hand."""
    findings = Findings(name, text)
    root = read_yaml(text, findings, needs=_NEEDS)
    scenario = None
    if root is not None:
        scenario = read_as(Scenario, root, findings, needs=_NEEDS)
        _Rules(root, plan, findings).check()
        if scenario is not None:
            _check_sizes(scenario, root, findings)
    return Loaded(None if findings.failed else scenario, findings.sorted(), name)


def names_of(target: Target) -> tuple[str, str, str]:
    """Every name that a scenario may call a target by."""
    return target.name, f"{target.provider}/{target.model}", target.provider


class _Rules:
    """Names must be those of the routes file. The tree may be malformed: what has no shape is passed over."""

    def __init__(self, root: Node, plan: Plan, findings: Findings) -> None:
        self._root = root
        self._plan = plan
        self._findings = findings
        self._routes = list(plan.file.routes)
        self._targets = {name: target for target in plan.targets for name in names_of(target)}
        self._asked: dict[str, Chain] = {}  # the routes that have traffic

    def check(self) -> None:
        for line in _items(self._root.get("traffic")):
            self._route(line.get("route"))
            self._require(line.get("require"))
        for name, node in _entries(self._root.get("targets")).items():
            if name != "default":
                self._target(name, node, node.key_at, ["default"])
        for event in _items(self._root.get("events")):
            who = event.get("who")
            for node in [who] if who is not None and isinstance(who.value, str) else _items(who):
                if isinstance(node.value, str):
                    self._target(node.value, node, node.at, [])
        for name, node in _entries(self._root.get("expect")).items():
            self._expect(name, node)

        away = self._root.get("shared_away")
        if away is not None and self._plan.shared is None:
            self._findings.add(away.key_at, away.path, "the routes file has no `shared`: there is no server to be away")

    def _route(self, node: Node | None) -> None:
        if node is None or not isinstance(node.value, str):
            return
        asked = self._plan.chain(node.value)
        if asked is None:
            near = did_you_mean(node.value, self._plan.chains)
            routes = ", ".join(self._routes)
            self._findings.add(
                node.at,
                node.path,
                f'no route, model or provider/model-id is named "{node.value}"{near}; routes: {routes}',
            )
        else:
            self._asked[node.value] = asked
            for target in asked.everybody:
                self._targets |= dict.fromkeys(names_of(target), target)

    def _require(self, labels: Node | None) -> None:
        known = self._plan.file.labels
        for name, node in _entries(labels).items():
            if name not in known:
                near = did_you_mean(name, known)
                self._findings.add(node.key_at, node.path, f'no provider or model has a label "{name}"{near}')

    def _target(self, name: str, node: Node, at: tuple[int, int], others: list[str]) -> None:
        if name not in self._targets and name not in self._plan.file.providers and name not in self._plan.file.models:
            near = did_you_mean(name, [*self._targets, *others])
            known = ", ".join(dict.fromkeys(found.name for found in self._targets.values()))
            hint = " (a route's targets are named one by one)" if name in self._routes else ""
            self._findings.add(at, node.path, f'no target is named "{name}"{near}{hint}; targets: {known}')

    def _expect(self, name: str, node: Node) -> None:
        if name in self._asked:
            wrong, kind, other = OF_TARGETS, "route", "target"
            costs = list(self._asked[name].everybody)
        elif name in self._targets:
            wrong, kind, other = OF_ROUTES, "target", "route"
            costs = [target for target in self._targets.values() if name in names_of(target)]
        else:
            if name in self._routes:
                message = f'no traffic goes to the route "{name}": nothing could be said of it'
            else:
                near = did_you_mean(name, [*self._asked, *self._targets])
                message = f'no route with traffic and no target is named "{name}"{near}'
            self._findings.add(node.key_at, node.path, message)
            return
        for metric, found in _entries(node).items():
            if metric in wrong:
                self._findings.add(
                    found.key_at, found.path, f'"{metric}" is of a {other}; "{name}" is a {kind} in this scenario'
                )
        cost = node.get("cost")
        unpriced = sorted({target.name for target in costs if not is_known(target.capabilities.price)})
        if cost is not None and unpriced:
            message = f"the cost can't be known: no price is known of {', '.join(unpriced)} (models: price:)"
            self._findings.add(cost.key_at, cost.path, message)


def _check_sizes(scenario: Scenario, root: Node, findings: Findings) -> None:
    """A scenario that would run for hours is more likely a mistake of a unit."""
    duration = root.value["duration"]
    if scenario.duration > LONGEST:
        findings.add(duration.at, duration.path, "a scenario lasts no longer than 7 d")
        return
    requests = 0.0
    for number, line in enumerate(scenario.traffic):
        node = root.value["traffic"].value[number]
        end = scenario.duration if line.until is None else min(line.until, scenario.duration)
        if line.start >= end:
            findings.add(node.place, node.path, "this begins after it has ended")
        if not any(line.rate.values()):
            findings.add(node.value["rate"].place, node.path, "the rate is always 0: no request would come")
        turns = line.turns.always or line.turns.p50 or line.turns.max or 1
        moments = sorted({line.start, end, *(moment for moment in line.rate if line.start < moment < end)})
        for begin, finish in pairwise(moments):
            requests += turns * (finish - begin) * (line.rate_at(begin) + line.rate_at(finish)) / 2
    if requests > MOST_REQUESTS:
        findings.add(
            duration.at, (), f"that is about {requests:,.0f} requests; more than {MOST_REQUESTS:,} take too long"
        )
    if len(scenario.events) > MOST_EVENTS:
        findings.add(root.value["events"].place, ("events",), f"more than {MOST_EVENTS} events")
    for name, spans in (("events", scenario.events), ("shared_away", scenario.shared_away)):
        for number, span in enumerate(spans):
            if span.at >= scenario.duration:
                node = root.value[name].value[number]
                findings.add(node.value["at"].at, node.path, "this begins after the scenario has ended")


def _entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []

"""Makes providers, models and routes of deployments: names, tiers, aliases, fallbacks without circles, wildcards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from router.config.yaml_reader import Node
from router.importers.litellm.connections import Connection
from router.importers.litellm.deployments import Deployment, pooled, share
from router.importers.litellm.names import free, of_route, valid
from router.importers.litellm.reading import Config
from router.importers.litellm.settings import Rule, Settings
from router.importers.litellm.vendors import VENDORS, split_model
from router.importers.notes import Notes, Place, shown_name


@dataclass
class Tier:
    """Targets that share load, by name, with their weights; after which error it is tried, where it is a fallback."""

    targets: dict[str, float]
    on: str | None = None


@dataclass
class Fallback:
    """A route, model or provider/model-id that is tried next, or a route's own tier written in place."""

    to: str | Tier
    on: str | None
    comment: str


@dataclass
class Route:
    """A route to be. `asked` is the name that clients know it by; `alias_of` is the route that it is the same as."""

    name: str
    asked: str
    comment: str
    tiers: list[Tier] = field(default_factory=list)
    fallbacks: list[Fallback] = field(default_factory=list)
    alias_of: str | None = None
    makes: str = ""  # the key that says so, where it makes no answers
    vectors_of: str = ""  # the model whose vectors it makes


@dataclass
class Plan:
    """All that is to be written of providers, models and routes, with what stands beside each."""

    providers: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    models: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of serve
    direct: list[str] | bool = field(default_factory=list)


class Planner:
    """Makes the plan of a config."""

    def __init__(self, deployments: list[Deployment], settings: Settings, config: Config, notes: Notes) -> None:
        self._settings = settings
        self._config = config
        self._notes = notes
        self._wildcards = [each for each in deployments if each.is_wildcard]
        self._groups: dict[str, list[Deployment]] = {}
        for each in deployments:
            if not each.is_wildcard:
                self._groups.setdefault(each.group, []).append(each)
        self._provider_names: dict[str, str] = {}  # by what each is
        self._vendors: dict[str, str] = {}  # LiteLLM's, of the providers that many may use
        self._model_names: dict[str, str] = {}
        self._by_asked: dict[str, str] = {}  # routes by the name that clients know
        self._names_of_wildcards: dict[str, str] = {}  # providers by the prefix before /*
        self.plan = Plan()

    def make(self) -> Plan:
        for each in self._wildcards:
            self._wildcard(each)
        for name in sorted(self._groups, key=lambda name: of_route(name) != name):  # who can keep its name, does
            self._by_asked[name] = free((of_route(name),), self._by_asked.values())
        for name in self._groups:
            route = self._by_asked[name]
            self.plan.routes[route] = Route(route, name, "")
        for name, group in self._groups.items():
            self._route(self.plan.routes[self._by_asked[name]], group)
        self._aliases()
        self._fallbacks()
        if not self.plan.routes and self._wildcards:
            self._example()
        self._names()
        self._budgets()
        return self.plan

    # --- providers and models

    def _provider(self, connection: Connection, comment: str, wished: str = "") -> str:
        what = json.dumps([connection.as_dict(), connection.alone], sort_keys=True)
        if what not in self._provider_names:
            vendor, place = valid(connection.vendor), connection.place
            its_own = (
                place if connection.vendor == "openai" and not connection.is_usual and connection.base_url else vendor
            )
            if its_own == "" or (its_own == "openai" and connection.base_url is not None):
                its_own = "openai-compatible"
            name = free(
                (wished, its_own, f"{its_own}-{place}" if place not in ("", its_own) else ""), self.plan.providers
            )
            self._provider_names[what] = name
            if not connection.alone:
                self._vendors[name] = connection.vendor
            self.plan.providers[name] = (connection.as_dict(), comment)
        return self._provider_names[what]

    def _target(self, each: Deployment) -> str:
        """The name of a model, or provider/model-id where nothing is said of it."""
        provider = self._provider(each.connection, f"{each.connection.vendor}/… of {each.place}")
        if not each.settings:
            return f"{provider}/{each.model}"
        model = {"provider": provider, "id": each.model, **each.settings}
        what = json.dumps(model, sort_keys=True)
        if what not in self._model_names:
            last = each.model.rpartition("/")[2]
            wished = (each.name and valid(each.name), valid(last), f"{provider}-{valid(last)}")
            taken = {*self.plan.models, *self.plan.routes, *map(of_route, self._settings.aliases)}
            name = free((word for word in wished if word), taken)
            self._model_names[what] = name
            self.plan.models[name] = (model, f"{shown_name(each.group)}, {_lines(each)}")
        return self._model_names[what]

    def _budgets(self) -> None:
        for vendor, budget, node in self._settings.budgets:
            place, what = self._config.place(node), f"router_settings.provider_budget_config.{shown_name(vendor)}"
            names = [name for name, of in self._vendors.items() if of == vendor]
            if not names:
                text = "no model of this vendor that could be taken over has a provider without a budget of its own"
                self._notes.add("left out", place, what, text)
            for name in names:
                self.plan.providers[name][0]["budget"] = budget.text(1 / len(names))
            if len(names) > 1:
                text = f"{', '.join(names)} are of this vendor: each has an equal part of it"
                self._notes.add("check", place, what, text)
            if names and budget.told:
                self._notes.add("differs", place, what, budget.told)

    # --- routes

    def _route(self, route: Route, group: list[Deployment]) -> None:
        lines = [str(each.place) for each in group]
        by = share(group) if self._settings.strategy == "simple-shuffle" else None
        route.comment = f"{shown_name(route.asked)}, {', '.join(lines[:4])}{', …' if len(lines) > 4 else ''}"
        if by is not None and len(group) > 1:
            route.comment += f"; shares by {by}"
            self._tell_shares(route.asked, group, by)
        group = self._of_one_kind(route, group)
        for order in sorted({each.order for each in group}):
            tier = Tier({})
            for each in pooled([each for each in group if each.order == order]):
                target = self._target(each)
                tier.targets[target] = tier.targets.get(target, 0) + each.weight
            if not any(tier.targets.values()):
                tier.targets = dict.fromkeys(tier.targets, 1)
            route.tiers.append(tier)

    def _of_one_kind(self, route: Route, group: list[Deployment]) -> list[Deployment]:
        """Those that make the same as the first: vectors of two models would be no use together."""
        first = group[0]
        route.makes = first.makes
        what = shown_name(route.asked)
        kept = [each for each in group if each.makes == first.makes]
        for each in group:
            if each not in kept:
                self._notes.add(
                    "left out", each.place, what, "the whole entry: the others of this name make something else"
                )
        if first.makes == "embeds":
            route.vectors_of = first.model
            for each in kept:
                if each.model != first.model:
                    each.settings["embeds"] = {"same_as": self._target(first)}
                    text = f"taken for another name of {first.model}: an index must not have vectors of two models"
                    self._notes.add("check", each.place, what, text)
        return kept

    def _tell_shares(self, asked: str, group: list[Deployment], by: str) -> None:
        place = group[0].place
        if by != "weight":
            text = (
                f"LiteLLM draws by {by} as a weight; here the shares are the same, and {by} is a limit too, which holds"
            )
            self._notes.add("differs", place, f"{shown_name(asked)}.litellm_params.{by}", text)
        if any(not each.weight for each in group):
            text = f"who has no {by} beside others that have it is never drawn in LiteLLM, and has weight 0 here"
            self._notes.add("check", place, f"{shown_name(asked)}.litellm_params.{by}", text)

    def _aliases(self) -> None:
        for alias, (node, key) in self._settings.aliases.items():
            said = node.get("model") or node
            what = f"{key}.{shown_name(alias)}"
            target = self._by_asked.get(str(said.value))
            direct = None if target else self._direct(str(said.value))
            if target is None and direct is None and key.endswith("model_alias_map"):  # which needs no list
                direct = self._vendors_own(str(said.value))
            if alias in self._by_asked:
                self._notes.add("left out", self._config.place(node), what, "a model of model_list has that name")
                continue
            if target is None and direct is None:
                self._notes.add(
                    "left out",
                    self._config.place(node),
                    what,
                    "no model that could be taken over has the name it is for",
                )
                continue
            if (hidden := node.get("hidden")) is not None and hidden.value is True:
                text = "it is listed as all routes are; under serve.names in its place it is not"
                self._notes.add("differs", self._config.place(node), what, text)
            name = free((of_route(alias),), {*self.plan.routes, *self.plan.models})
            self._by_asked[alias] = name
            tiers = [Tier({direct: 1})] if direct else []
            comment = f"{key.rpartition('.')[2]}, {self._config.place(node)}"
            self.plan.routes[name] = Route(name, alias, comment, tiers, alias_of=target)

    # --- wildcards

    def _wildcard(self, each: Deployment) -> None:
        """`openai/*` of the model `openai/*`: a provider of that name, which clients may ask for any model."""
        group, place = each.group, each.place
        prefix = group.removesuffix("/*")
        is_plain = group.endswith("/*") and "*" not in prefix and each.model == "*"
        provider = self._provider(
            each.connection, f"{shown_name(group)}, {each.place}", valid(prefix) if is_plain else ""
        )
        if isinstance(self.plan.direct, list) and provider not in self.plan.direct:
            self.plan.direct.append(provider)
        what = f"{shown_name(group)}"
        if is_plain and provider == prefix:
            self._names_of_wildcards[prefix] = provider
            text = f"no list is needed: any {provider}/MODEL goes there (serve.direct; in an app it always does)"
            self._notes.add("differs", place, what, text)
        elif each.is_any_vendors:
            text = "LiteLLM finds the vendor of any name; here a call says PROVIDER/MODEL, of this file's providers"
            self._notes.add("differs", place, what, text)
        elif is_plain or group == "*":
            text = f"ask for {provider}/MODEL: a name without its provider leads to a route, never to any model"
            self._notes.add("differs", place, what, text)
        else:
            text = f"a pattern within names has no counterpart: {provider}/MODEL asks for any of its models"
            self._notes.add("left out", place, what, text)

    def _direct(self, name: str) -> str | None:
        """provider/model-id for a name that a wildcard takes."""
        for each in sorted(self._wildcards, key=lambda each: -len(each.group)):  # the narrowest first
            if fnmatchcase(name, each.group):
                before = each.group.removesuffix("*") if each.group.endswith("/*") else f"{each.connection.vendor}/"
                model = name.removeprefix(before).replace("$", "$$")
                return f"{self._provider(each.connection, '')}/{model}"
        return None

    def _vendors_own(self, name: str) -> str | None:
        """provider/model-id for a name of LiteLLM's whose vendor has a provider here."""
        vendor, model = split_model(name, None)
        found = next((provider for provider, of in self._vendors.items() if of == vendor), None)
        return None if found is None else f"{found}/{model.replace('$', '$$')}"

    def _example(self) -> None:
        each = self._wildcards[0]
        provider = self._provider(each.connection, "")
        model = VENDORS[each.connection.vendor].example or "MODEL"
        comment = "an example: a file has one route at least"
        self.plan.routes["chat"] = Route("chat", "chat", comment, [Tier({f"{provider}/{model}": 1})])

    # --- fallbacks

    def _fallbacks(self) -> None:
        rules: dict[tuple[str | None, str], Rule] = {}
        for rule in self._settings.rules:
            if rules.setdefault((rule.on, rule.source), rule) is not rule:
                text = "the first list of this model holds"
                self._notes.add(
                    "left out", self._config.place(rule.node), f"{rule.key}.{shown_name(rule.source)}", text
                )
            if rule.source != "*" and rule.source not in self._by_asked:
                text = "no model that could be taken over has this name"
                self._notes.add(
                    "left out", self._config.place(rule.node), f"{rule.key}.{shown_name(rule.source)}", text
                )
        after: dict[str, set[str]] = {}
        for route in list(self.plan.routes.values()):
            if route.alias_of is not None or not route.tiers:
                continue
            for on in ("context_length_exceeded", "content_filtered", None):
                found = rules.get((on, route.asked)) or rules.get((on, "*"))
                for node in [] if found is None else found.targets:
                    self._fallback(route, found, node, after)

    def _fallback(self, route: Route, rule: Rule | None, node: Node, after: dict[str, set[str]]) -> None:
        assert rule is not None
        said = node.get("model") or node
        name = str(said.value)
        place = self._config.place(node)
        to = self._by_asked.get(name)
        if to is not None and self.plan.routes[to].alias_of is not None:
            to = self.plan.routes[to].alias_of
        comment = f"{rule.key}, {place}"
        if to is None:
            direct = self._direct(name)
            if direct is None or route.makes:
                text = f"no model that could be taken over is named {shown_name(name)}"
                self._notes.add("left out", place, f"{rule.key}.{shown_name(rule.source)}", text)
            else:
                route.fallbacks.append(Fallback(direct, rule.on, comment))
        elif to == route.name:
            pass  # `*` takes the model itself too
        elif (route.makes, route.vectors_of) != (self.plan.routes[to].makes, self.plan.routes[to].vectors_of):
            text = f"{shown_name(name)} makes something else: an index must not have vectors of two models"
            self._notes.add("left out", place, f"{rule.key}.{shown_name(route.asked)}", text)
        elif _reaches(to, route.name, after):
            for tier in self.plan.routes[to].tiers:
                comment = f"{comment}; {to} in place, which falls back to this route itself"
                route.fallbacks.append(Fallback(tier, rule.on, comment))
        elif all((each.to, each.on) != (to, rule.on) for each in route.fallbacks):
            after.setdefault(route.name, set()).add(to)
            route.fallbacks.append(Fallback(to, rule.on, comment))

    # --- the names that clients know

    def _names(self) -> None:
        """A name that can be none here leads to its route all the same."""
        self.plan.names = {asked: name for asked, name in self._by_asked.items() if asked != name}
        for asked, name in self.plan.names.items():
            text = f"the route is {name}: clients of `signalbox serve` may go on asking for the old name (serve.names)"
            self._notes.add("check", self._place_of(asked), shown_name(asked), text)
        if any(each.group == "*" for each in self._wildcards):
            self.plan.direct = True

    def _place_of(self, asked: str) -> Place:
        if asked in self._groups:
            return self._groups[asked][0].place
        return self._config.place(self._settings.aliases[asked][0])


def _reaches(start: str, goal: str, after: Mapping[str, set[str]]) -> bool:
    """Whether a route's fallbacks lead to another, by way of whatever routes."""
    seen, left = set(), [start]
    while left:
        name = left.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            left += after.get(name, ())
    return False


def _lines(each: Deployment) -> str:
    return ", ".join(map(str, each.places))

"""What stands beside `model_list`: the settings of the router, the library and the proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from router.config.diagnostics import has_credential
from router.config.serve_rules import LEAST_KEY
from router.config.yaml_reader import Node
from router.importers.litellm.alerting import alerts_of
from router.importers.litellm.budgets import Amount
from router.importers.litellm.budgets import take as take_budget
from router.importers.litellm.reading import SECTIONS, Config, Fields, as_number, entries, items
from router.importers.litellm.settings_of_models import breaker, duration, retries, timeouts
from router.importers.litellm.without import why
from router.importers.notes import Notes, Sort, shown_name
from router.importers.variables import Variables, named

_BALANCES = {
    "simple-shuffle": None,
    "least-busy": "least_busy",
    "latency-based-routing": "least_latency",
    "cost-based-routing": "cheapest",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}
_BETWEEN_CHECKS = 300.0  # seconds, where the file does not say
_CACHE_TTL = 600  # seconds; LiteLLM keeps answers as long as its store does, where the file does not say
_REDIS = ("url", "host", "port", "db", "username", "password", "ssl")
_KEPT_ELSEWHERE = ("s3", "gcs", "azure-blob", "qdrant-semantic", "redis-semantic", "disk")


class Rule(NamedTuple):
    """A list of fallbacks of one model, and after which errors they are tried (`on`; None is any)."""

    source: str
    targets: list[Node]
    on: str | None
    key: str
    node: Node


@dataclass
class Settings:
    """All that stands beside the models; `rules` has the fallbacks as they are written."""

    defaults: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)  # where a key of the defaults is from
    rules: list[Rule] = field(default_factory=list)
    aliases: dict[str, tuple[Node, str]] = field(default_factory=dict)  # what each is for, and the key that says so
    budgets: list[tuple[str, Amount, Node]] = field(default_factory=list)  # of vendors
    client: str | None = None  # the key of the one client
    client_budget: tuple[str, str] | None = None  # what it may spend, and where that is from
    in_flight: int | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    health: str | None = None  # how often each provider is asked whether it is there
    strategy: str = "simple-shuffle"


_ONES = (
    ("context_window_fallbacks", "context_length_exceeded"),
    ("content_policy_fallbacks", "content_filtered"),
    ("fallbacks", None),
)


class SettingsReader:
    """Reads the sections; what is left of them is told."""

    def __init__(self, config: Config, variables: Variables, notes: Notes) -> None:
        self._config = config
        self._variables = variables
        self._notes = notes
        self.made = Settings()

    def read(self) -> Settings:
        root = Fields(self._config.root)
        sections = {name: self._section(root, name) for name in SECTIONS if name != "model_list"}
        router, library, general = (
            sections[name] for name in ("router_settings", "litellm_settings", "general_settings")
        )
        for name, section in (("router_settings", router), ("litellm_settings", library)):
            self._fallbacks(name, section)
            self._policies(name, section)
            self._aliases(name, section)
        self._routing(router)
        self._budgets(router)
        self._redis(router)
        self._cache(library)
        self._general(general)
        for name, section in (("litellm_settings", library), ("general_settings", general)):
            self._budget_of_all(name, section)
        self._environment(root)
        for name, section in sections.items():
            for key, node in section.left.items():
                self._left(f"{name}.{shown_name(key)}", key, node)
        for key, node in root.left.items():
            self._left(shown_name(key), key, node)
        return self.made

    def _section(self, root: Fields, name: str) -> Fields:
        node = root.take(name)
        if node is not None and not isinstance(node.value, dict):
            self._tell("left out", node, name, "this is no mapping")
        return Fields(node)

    def _tell(self, sort: Sort, node: Node, what: str, text: str) -> None:
        self._notes.add(sort, self._config.place(node), what, text)

    def _left(self, what: str, key: str, node: Node) -> None:
        if node.value not in (None, {}, []):
            self._tell("left out", node, what, why(key))

    def _from(self, key: str, section: str, node: Node) -> None:
        self.made.origins[key] = f"{section} ({self._config.place(node)})"

    # --- fallbacks

    def _fallbacks(self, section: str, fields: Fields) -> None:
        for key, on in _ONES:
            for item in items(fields.take(key)):
                if not isinstance(item.value, dict):
                    self._tell("left out", item, f"{section}.{key}", "it does not say whose fallback it is")
                for source, node in entries(item).items():
                    targets = items(node) if isinstance(node.value, list) else [node]
                    self.made.rules.append(Rule(source, targets, on, f"{section}.{key}", node))
        everybodys = fields.take("default_fallbacks")
        if everybodys is not None:
            targets = items(everybodys) or [everybodys]
            self.made.rules.append(Rule("*", targets, None, f"{section}.default_fallbacks", everybodys))

    # --- policies of all

    def _policies(self, section: str, fields: Fields) -> None:
        """Those of the router win over those of the library, which come after."""
        left = dict(fields.left)
        whole = "timeout" if "timeout" in left else "request_timeout"
        found = {
            "timeout": timeouts(fields, whole, "stream_timeout"),
            "retry": self._retry(fields),
            "breaker": breaker(_whole(fields, "allowed_fails"), fields.number("cooldown_time")),
        }
        for policy, values in found.items():
            taken = {name: node for name, node in left.items() if name not in fields.left and _is_of(policy, name)}
            if values and policy not in self.made.defaults:
                self.made.defaults[policy] = values
                self._from(policy, section, next(iter(taken.values())))
            elif values:
                for name, node in taken.items():
                    self._tell("left out", node, f"{section}.{name}", f"router_settings says the {policy}, which holds")

    def _retry(self, fields: Fields) -> dict[str, Any]:
        found: dict[str, Any] = dict(retries(fields, "num_retries"))
        wait = fields.number("retry_after")
        if wait:
            found["backoff"] = duration(wait)
            if wait > 8:  # what it doubles to at most, where nothing is written
                found["max_backoff"] = duration(wait)
        return found

    def _routing(self, router: Fields) -> None:
        node = router.take("routing_strategy")
        if node is not None:
            self.made.strategy = str(node.value)
            if self.made.strategy not in _BALANCES:
                self._tell(
                    "left out", node, "router_settings.routing_strategy", "no strategy of LiteLLM's that is known"
                )
            elif balance := _BALANCES[self.made.strategy]:
                self.made.defaults["balance"] = balance
                self._from("balance", "router_settings.routing_strategy", node)
                if self.made.strategy.startswith("usage"):
                    text = "LiteLLM counts the tokens of this minute, least_busy the calls under way"
                    self._tell("differs", node, "router_settings.routing_strategy", text)

    def _aliases(self, section: str, fields: Fields) -> None:
        for key in ("model_group_alias", "model_alias_map"):
            for alias, node in entries(fields.take(key)).items():
                self.made.aliases.setdefault(alias, (node, f"{section}.{key}"))

    # --- budgets

    def _budgets(self, router: Fields) -> None:
        key = "provider_budget_config"
        for vendor, node in entries(router.take(key)).items():
            fields = Fields(node)
            budget = take_budget(fields, ("budget_limit", "max_budget"), ("time_period", "budget_duration"))
            if budget is not None:
                self.made.budgets.append((vendor, budget, node))
            for name, left in fields.left.items():
                self._left(f"router_settings.{key}.{shown_name(vendor)}.{shown_name(name)}", name, left)

    def _budget_of_all(self, section: str, fields: Fields) -> None:
        """What all requests may cost: those of the one client that there is, where there is one."""
        node = fields.left.get("max_budget")
        if node is None or self.made.client is None or self.made.client_budget is not None:
            return
        budget = take_budget(fields, ("max_budget",), ("budget_duration",))
        if budget is not None:
            self.made.client_budget = budget.text(), f"{section}.max_budget ({self._config.place(node)})"
            text = "it is what the one client may spend: a further one has a budget of its own"
            self._tell("differs", node, f"{section}.max_budget", "; ".join(filter(None, (text, budget.told))))

    # --- the cache, and what is shared

    def _cache(self, library: Fields) -> None:
        node, params = library.take("cache"), Fields(library.take("cache_params"))
        kind, ttl = params.text("type") or "local", params.number("ttl") or params.number("default_in_memory_ttl")
        mode, namespace = params.text("mode"), params.text("namespace")
        is_on = node is not None and node.value is True
        if node is not None and is_on and mode == "default_off":
            text = "kept by each call's own wish; a route has cache: {ttl: 1h}"
            self._tell("left out", node, "litellm_settings.cache", text)
        elif node is not None and is_on:
            self.made.defaults["cache"] = {"ttl": duration(ttl or _CACHE_TTL)}
            if namespace is not None:
                self.made.defaults["cache"]["namespace"] = self._variables.written(namespace)
            self._from("cache", "litellm_settings.cache", node)
            if kind == "redis":
                self._share(params, ["cache"], node)
                self.made.shared["secret"] = self._variables.refer("SB_SHARED_SECRET")
            if kind in _KEPT_ELSEWHERE:
                text = f"answers are kept in memory and in a folder (cache.path), or in a Redis (shared); not in {kind}"
                self._tell("differs", node, "litellm_settings.cache_params.type", text)
        for key, left in params.left.items():
            self._left(f"litellm_settings.cache_params.{shown_name(key)}", key, left)

    def _redis(self, router: Fields) -> None:
        first = next((node for name, node in router.left.items() if name in ("redis_url", "redis_host")), None)
        if first is not None:
            names = [name for name in router.left if name.startswith("redis_")]
            fields = Fields(None, **{name.removeprefix("redis_"): router.left.pop(name) for name in names})
            self._share(fields, ["limits", "holds", "breakers"], first)
            for key, left in fields.left.items():
                self._left(f"router_settings.redis_{shown_name(key)}", key, left)

    def _share(self, fields: Fields, what: list[str], node: Node) -> None:
        shared = self.made.shared
        if not shared:
            text = 'it needs `pip install "llm-signalbox[redis]"`; a password in its address is URL-encoded'
            self._tell("check", node, "shared", text)
            shared["url"] = self._redis_url(fields)
            self.made.origins["shared"] = f"the Redis of {self._config.place(node)}"
        else:  # of the router and of the cache there is one
            fields.take(*_REDIS)
        shared["share"] = [*shared.get("share", ()), *what]

    def _redis_url(self, fields: Fields) -> str:
        url = fields.text("url")
        host, port, database = fields.text("host"), fields.text("port"), fields.text("db")
        user, password = fields.text("username"), fields.text("password")
        scheme = "rediss" if fields.flag("ssl") else "redis"
        if url is not None:
            is_literal = named(url) is None and has_credential(url)
            return self._variables.in_place_of(url, "REDIS_URL") if is_literal else self._variables.written(url)
        if host is None:
            return self._variables.refer("REDIS_URL")
        if "://" in host:
            scheme, _, host = host.partition("://")
        login = ""
        if password:
            login = "" if user is None else self._variables.written(user)
            is_literal = named(password) is None
            secret = (
                self._variables.in_place_of(password, "REDIS_PASSWORD")
                if is_literal
                else self._variables.written(password)
            )
            login = f"{login}:{secret}"
        at = f"{login}@" if login else ""
        where = f"{self._variables.written(host)}:{self._variables.written(port or '6379')}"
        return f"{scheme}://{at}{where}/{self._variables.written(database or '0')}"

    # --- the proxy

    def _general(self, general: Fields) -> None:
        alerting = general.left.get("alerting")
        if alerting is not None:
            tell = partial(self._tell_of, alerting)
            self.made.alerts = alerts_of(general, self._variables, tell)
        self._health(general)
        node = general.take("master_key")
        if node is not None:
            self._master_key(node)
        most = general.number("global_max_parallel_requests")
        if most:
            self.made.in_flight = int(most)
        each = general.number("max_parallel_requests")
        if each:
            self.made.defaults["limits"] = {"in_flight": int(each)}
            self.made.origins["limits"] = "general_settings.max_parallel_requests"

    def _tell_of(self, node: Node, sort: Sort, what: str, text: str) -> None:
        self._tell(sort, node, what, text)

    def _health(self, general: Fields) -> None:
        node = general.left.get("background_health_checks")
        if node is None or node.value is not True:
            return
        general.take("background_health_checks")
        self.made.health = duration(max(1.0, general.number("health_check_interval") or _BETWEEN_CHECKS))
        text = "LiteLLM calls each model; health asks each provider for its list of models, which is free"
        self._tell("differs", node, "general_settings.background_health_checks", text)

    def _master_key(self, node: Node) -> None:
        written = str(node.value)
        name = named(written)
        if name is not None:
            self.made.client = self._variables.refer(name)
        else:
            self.made.client = self._variables.in_place_of(written, "LITELLM_MASTER_KEY")
            text = f"a key in the clear: written as {self.made.client}; set that variable to it"
            if len(written) < LEAST_KEY:
                text = (
                    f"a key in the clear of fewer than {LEAST_KEY} characters, which can be guessed: written as "
                    f"{self.made.client}; `signalbox key litellm` makes one for it"
                )
            self._tell("check", node, "general_settings.master_key", text)
        text = "one client of serve.keys, who may call all routes; it commands nothing, and makes no keys for others"
        self._tell("differs", node, "general_settings.master_key", text)

    def _environment(self, root: Fields) -> None:
        for name, node in entries(root.take("environment_variables")).items():
            shown = shown_name(name) if re.fullmatch(r"\w{1,80}", name) else "…"
            text = "a routes.yaml sets no variables: set it in the environment of the process"
            self._tell("left out", node, f"environment_variables.{shown}", text)


def _whole(fields: Fields, name: str) -> float | None:
    """A number that may be 0."""
    node = fields.left.get(name)
    number = None if node is None else as_number(node)
    if number is not None:
        del fields.left[name]
    return number


def _is_of(policy: str, name: str) -> bool:
    return {
        "timeout": "timeout" in name,
        "retry": "retr" in name,
        "breaker": name in ("allowed_fails", "cooldown_time"),
    }[policy]

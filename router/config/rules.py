"""The rules that no single value can break: names, weights, references, circles, unused and disabled parts."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import dropwhile
from typing import Any, TypeGuard

import msgspec

from providers import catalog
from providers.header_names import authenticates, belongs_to_connection
from router.config.diagnostics import Findings, shown_way
from router.config.interpolate import Expanded, shown
from router.config.key_rules import check_keys
from router.config.param_forms import expected, known_params
from router.config.param_rules import why_refused
from router.config.schema import KIND_OF_OPTION
from router.config.serve_rules import ServeRules
from router.config.shared_rules import check_shared
from router.config.spelling import Spelling
from router.config.yaml_reader import Node, core_scalar

MAX_TIERS = 200  # of one chain: a request tries a few
MAX_TOLD = 9  # names of providers that a message lists
_NAME = r"[a-z0-9][a-z0-9._-]*"


def check_names(root: Node, disabled: Mapping[str, str], aliases: Collection[str], findings: Findings) -> None:
    """Adds a finding for every broken rule. The tree may be malformed: what has no shape is passed over.

    Args:
        disabled: the providers that are left out.
        aliases: the further names of the routes.
    """
    _Rules(root, disabled, aliases, findings).check()


class _Rules:
    def __init__(self, root: Node, disabled: Mapping[str, str], aliases: Collection[str], findings: Findings) -> None:
        self._root = root
        self._aliases = aliases
        self._findings = findings
        self._disabled = disabled
        self._providers = _entries(root.get("providers"))
        self._models = _entries(root.get("models"))
        self._routes = _entries(root.get("routes"))
        self._targets = [*self._models, *self._routes, *aliases]
        self._used: set[str] = set()
        self._reach: dict[str, frozenset[str]] = {}
        self._spelling = Spelling()

    def check(self) -> None:
        for entries in (self._providers, self._models):
            for name, node in entries.items():
                if not re.fullmatch(_NAME, name):
                    self._error(node, f'"{name}" is not a name: use a-z, 0-9, ".", "_" and "-"', at=node.key_at)
        for node in self._providers.values():
            self._provider(node)
            self._headers(node)
        for node in self._models.values():
            self._model(node)
        for node in self._routes.values():
            self._route(node)
        self._chains()
        check_shared(self._root, self._findings)
        serving = ServeRules(self._root, self._findings, self._spelling, self._aliases)
        serving.check()
        if not self._findings.failed:
            self._used |= serving.used
            self._left_over()

    def _error(self, node: Node, message: str, *, at: tuple[int, int] | None = None) -> None:
        self._findings.add(at or node.place, node.path, message)

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        """Looked up once: it takes milliseconds."""
        from providers.registry import known_kinds

        return known_kinds()

    def _provider(self, node: Node) -> None:
        from providers.openai.dialects import DIALECTS
        from providers.registry import is_known
        from providers.registry import remedy as kind_instead

        kind = node.get("kind")
        if kind is None or not isinstance(kind.value, str) or kind.unset:
            return
        known = is_known(kind.value, lambda: self._kinds)
        if not known:
            is_large = kind.value.casefold() in self._kinds  # it is one of them, in large letters
            near = ("" if is_large else kind_instead(kind.value)) or self._spelling.near(kind.value, self._kinds)
            text = f'no provider kind is named "{shown(kind.value)}"{near}; known kinds: {", ".join(self._kinds)}'
            self._error(kind, text)
        for option, owner in KIND_OF_OPTION.items():
            found = node.get(option)
            if found is not None and known and kind.value != owner:
                self._error(found, f'"{option}" is for kind {owner} only', at=found.key_at)
        dialect = node.get("dialect")
        if dialect is not None and isinstance(dialect.value, str) and dialect.value not in DIALECTS:
            near = self._spelling.near(dialect.value, DIALECTS)
            text = f'no dialect is named "{shown(dialect.value)}"{near}; dialects: {", ".join(DIALECTS)}'
            self._error(dialect, text)
        elif dialect is not None and node.get("base_url") is None and dialect.value in DIALECTS:
            url = DIALECTS[dialect.value].base_url
            if "{" in url and dialect.value != "generic":
                self._error(dialect, f'dialect "{dialect.value}" needs a base_url, such as {url}')
        self._connection(node)
        self._one_login(node)
        check_keys(node, self._findings, is_left_out=str(node.path[-1]) in self._disabled)

    def _headers(self, provider: Node) -> None:
        for name, header in _entries(provider.get("headers")).items():
            if belongs_to_connection(name):
                self._error(
                    header, f'the header "{name}" cannot be set: it belongs to the connection', at=header.key_at
                )

    def _one_login(self, node: Node) -> None:
        url = node.get("base_url")
        has_key = node.get("api_key") is not None or node.get("api_keys") is not None
        if has_key and url is not None and isinstance(url.value, str) and "@" in url.value.partition("?")[0]:
            text = "its user and password are not sent, since the key takes their place in Authorization: take one out"
            self._findings.add(url.place, url.path, text, severity="warning")

    def _connection(self, node: Node) -> None:
        base_url, unix_socket = node.get("base_url"), node.get("unix_socket")
        if unix_socket is not None and not (base_url and str(base_url.value).startswith("http://")):
            text = "unix_socket takes plain HTTP: add base_url: http://localhost/v1, or the path that the server has"
            self._error(unix_socket, text, at=unix_socket.key_at)
        certificate = node.get("client_cert")
        for file in (node.get("verify"), *(certificate and certificate.get(name) for name in ("cert", "key"))):
            path = file and not file.unset and isinstance(file.value, str) and core_scalar(file.value)
            if file and isinstance(path, str) and re.search(r"[./\\]", path) and not os.path.exists(path):
                text = f"there is no file {shown(file.value)} here: calls would fail"
                self._findings.add(file.place, file.path, text, severity="warning")

    def _priced(self, price: Node | None) -> None:
        """A price "as that of" a model has to be known."""
        like = None if price is None else price.get("like")
        if like is None or not isinstance(like.value, str) or like.unset:
            return
        vendor, slash, model = like.value.partition("/")
        if not (slash and vendor and model):
            self._error(like, "a known model is written VENDOR/MODEL, or the price is {input: …, output: …}")
        elif vendor not in catalog.vendors():
            near = self._spelling.near(vendor, catalog.vendors())
            self._error(like, f'no vendor "{shown(vendor)}" is known with prices{near}')
        elif catalog.named(vendor, model).price is None:
            text = f'no price of "{shown(model)}" at {vendor} is known; `signalbox prices fetch` gets the newest'
            self._error(like, text)

    def _model(self, node: Node) -> None:
        self._params(node)
        self._priced(node.get("price"))
        provider = node.get("provider")
        if provider is None or not isinstance(provider.value, str) or provider.unset:
            return
        if provider.value not in self._providers:
            near = self._spelling.near(provider.value, self._providers)
            self._error(provider, f'no provider is named "{shown(provider.value)}"{near}')

    def _params(self, owner: Node) -> None:
        for name, node in _entries(owner.get("params")).items():
            if name not in known_params():
                near = self._spelling.near(name, known_params())
                self._error(
                    node, f'no parameter is named "{name}"{near}; a vendor\'s own go in extra_body', at=node.key_at
                )
                continue
            for header in _entries(node) if name == "extra_headers" else ():
                if belongs_to_connection(header) or authenticates(header):
                    text = f'the header "{header}" goes along with no call; a key belongs under its provider'
                    self._error(node.value[header], text, at=node.value[header].key_at)
            try:
                value = msgspec.convert(node.data(), known_params()[name])
            except msgspec.ValidationError:
                self._error(node, f"this must be {expected(known_params()[name])}")
                continue
            refused = why_refused(name, node, value)
            if refused is not None:
                self._error(refused[0], refused[2], at=refused[1])

    def _route(self, node: Node) -> None:
        self._params(node)
        self._tier(node)
        for item in _items(node.get("fallbacks")):
            to = item.get("to")
            if to is not None and isinstance(to.value, str) and not to.unset:
                self._target(to)
            self._tier(item)
        for rule in _items(node.get("when")):
            to = rule.get("to")
            if to is not None and isinstance(to.value, str) and not to.unset:
                self._target(to)

    def _tier(self, owner: Node) -> None:
        seen: set[tuple[str, str]] = set()  # a model, and the params that it gets here
        weights: list[float] = []
        for target in _items(owner.get("targets")):
            self._params(target)
            model, weight = target.get("model"), target.get("weight")
            weights.append(_weight(weight))
            if model is None or not isinstance(model.value, str) or model.unset:
                continue
            params = target.get("params")
            what = model.value, repr(None if params is None else params.data())
            if what in seen:
                self._error(model, f'"{shown(model.value)}" is in this tier twice')
            seen.add(what)
            self._target(model)
            if params is not None and self._is_route(model.value):
                text = f'"{shown(model.value)}" is a route: params belong to the models of its own targets'
                self._error(params, text, at=params.key_at)
        if weights and not any(weights):
            targets = owner.value["targets"]
            self._error(targets, "all weights are 0: nothing could be chosen", at=targets.key_at)

    def _is_route(self, target: str) -> bool:
        """Whether a target is a route with its whole chain: what is a model as well is the model."""
        provider, _, model_id = target.partition("/")
        is_model = target in self._models or (model_id and provider in self._providers)
        return target in self._routes and not is_model

    def _target(self, node: Node) -> None:
        name = str(node.value)
        provider, slash, model_id = name.partition("/")
        if re.search(r",\s|\s[0-9.]+%?$", name):
            text = "this is the name of one model: several are a list, [a, b], or with weights {a: 70, b: 30}"
            self._error(node, text)
            return
        if name in self._models or name in self._routes or (slash and model_id and provider in self._providers):
            return
        if slash and provider not in self._providers:
            near = self._spelling.near(provider, self._providers) or self._missing_provider(provider)
            self._error(node, f'no provider is named "{shown(node.value).partition("/")[0]}"{near}')
        else:
            near = self._spelling.near(name, self._targets) or "; a model is written PROVIDER/MODEL" * ("/" not in name)
            self._error(node, f'no model or route is named "{shown(node.value)}"{near}')

    def _missing_provider(self, name: str) -> str:
        """What to add to a message about a provider that is not there."""
        if name in self._kinds:
            return f'; write it under providers: {{{name}: {{kind: {name}, api_key: "${{{name.upper()}_API_KEY}}"}}}}'
        few = list(self._providers)[:MAX_TOLD]
        return f"; providers: {', '.join(few)}" if few else ""

    def _chains(self) -> None:
        """Circles, and chains without bound; without recursion, since a file may have thousands of routes."""
        tiers: dict[str, int] = {}
        for start in self._routes:
            way = {start: self._next_routes(start)} if start not in tiers else {}
            while way:
                name = next(reversed(way))
                item = next(way[name], None)
                if item is None:
                    del way[name]
                    self._count_tiers(name, tiers)
                elif (target := str(item.value)) in way:
                    circle = shown_way([*dropwhile(lambda name: name != target, way), target])
                    self._error(item, f"these routes lead to each other in a circle: {circle}")
                elif target not in tiers:
                    way[target] = self._next_routes(target)

    def _next_routes(self, name: str) -> Iterator[Node]:
        """The targets and fallbacks of a route that are routes."""
        fallbacks = _items(self._routes[name].get("fallbacks"))
        for owner in (self._routes[name], *fallbacks):
            for target in _items(owner.get("targets")):
                model = target.get("model")
                if model is not None and isinstance(model.value, str) and self._is_route(model.value):
                    yield model
        for item in fallbacks:
            to = item.get("to")
            if to is not None and isinstance(to.value, str) and to.value in self._routes:
                yield to

    def _count_tiers(self, name: str, tiers: dict[str, int]) -> None:
        """Of a route whose fallbacks are counted; one that is too long counts as nothing for those before it."""
        inner = [str(item.value) for item in self._next_routes(name)]
        others = len(_items(self._routes[name].get("fallbacks"))) - len(inner)
        tiers[name] = 1 + others + sum(tiers.get(route, 0) for route in inner)
        if tiers[name] > MAX_TIERS:
            text = f"its chain has {tiers[name]} tiers, with the routes that it leads to; at most {MAX_TIERS}"
            self._error(self._routes[name], text, at=self._routes[name].key_at)
            tiers[name] = 0

    def _left_over(self) -> None:
        for name, node in self._routes.items():
            reached = self._reached(name)
            for rule in _items(node.get("when")):
                led = str(rule.value["to"].value)
                reached |= self._reached(led) if led in self._routes else {led}
            self._used |= reached
            if all(self._provider_of(target) in self._disabled for target in reached):
                lacking = ", ".join(sorted({self._disabled[self._provider_of(target)] for target in reached}))
                text = f"every target is at a provider that is left out; not set: {lacking}"
                self._error(node, text, at=node.key_at)
        for name, node in self._models.items():
            if name not in self._used:
                self._unused(node, f'no route uses the model "{name}"')
        providers = {self._provider_of(name) for name in (*self._used, *self._models)}
        for name, node in self._providers.items():
            if name not in providers:
                self._unused(node, f'nothing uses the provider "{name}"')

    def _unused(self, node: Node, message: str) -> None:
        self._findings.add(node.key_at, node.path, message, severity="warning")

    def _reached(self, route: str) -> frozenset[str]:
        """All targets of a route's whole chain."""
        if route not in self._reach:
            inner = {str(node.value) for node in self._next_routes(route)}
            fallbacks = _items(self._routes[route].get("fallbacks"))
            named = [to for item in fallbacks if (to := item.get("to")) is not None]
            for owner in (self._routes[route], *fallbacks):
                named += [target.value["model"] for target in _items(owner.get("targets"))]
            found = {str(node.value) for node in named} - inner
            self._reach[route] = frozenset(found).union(*map(self._reached, inner))
        return self._reach[route]

    def _provider_of(self, target: str) -> str:
        model = self._models.get(target)
        return str(model.value["provider"].value) if model is not None else target.partition("/")[0]


def _entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _weight(node: Node | None) -> float:
    """What is written, or 1; what is no number is told elsewhere."""
    value = None if node is None else node.value
    if isinstance(value, Expanded) and value.plain:
        value = core_scalar(value)
    return value if _is_number(value) else 1.0


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

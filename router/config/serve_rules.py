"""The rules of the `serve` section that no single value can break: who may come in, by which key, and to what."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from providers.header_names import authenticates, belongs_to_connection
from router.config.diagnostics import Findings
from router.config.globs import compiled, is_glob
from router.config.interpolate import is_path, shown
from router.config.key_forms import remedy
from router.config.listen import Address, read_address
from router.config.serve_schema import MAX_ADDRESSES
from router.config.spelling import Spelling
from router.config.units import count
from router.config.yaml_reader import Node, core_scalar

LEAST_KEY = 20  # characters: shorter ones can be guessed
_NAME = r"[a-z0-9][a-z0-9._-]*"
_NO_NAME = "anonymous"  # what callers without a key are called
_SENDABLE = r"[!-~]+"  # what a header takes without escapes (RFC 9110, section 5.5)
_MOST_WORKERS = 256  # whose ports are compared
_MAX_COMPARISONS = 10_000  # of names with patterns: beyond 140 patterns not all are compared
# They say what a body is or how it may be answered, or where a request came from: the first are ours, and the second
# nobody's business.
_OURS = frozenset({"content-type", "accept", "accept-encoding", "accept-charset", "user-agent", "origin", "referer"})
_OF_THE_WAY = r"x-forwarded-.*|forwarded|via|x-real-ip|true-client-ip|(?:cf|fastly)-.*ip|x-client-ip"


def why_not_open(address: Address, *, has_keys: bool, has_anonymous: bool) -> str:
    """Say why this address must not be listened to; "" when it may."""
    if address.is_loopback:
        return ""
    at_home = f"listen on 127.0.0.1:{address.port}"
    if not has_keys:
        return (
            f"{address} lets other machines in, and nobody needs a key: write serve.keys "
            f"(`signalbox key NAME` makes one), or {at_home}"
        )
    if has_anonymous:
        return f"{address} lets other machines in, with serve.anonymous even without a key: take that out, or {at_home}"
    return ""


def is_name(text: str) -> bool:
    """Say whether a client may be called so."""
    return re.fullmatch(_NAME, text) is not None and text != _NO_NAME


class ServeRules:
    """Checks the `serve` section of a tree, which may be malformed: what has no shape is passed over.

    `used` are the models and provider/model-id that it leads to besides the routes.
    """

    def __init__(self, root: Node, findings: Findings, spelling: Spelling, aliases: Collection[str]) -> None:
        self._shared = root.get("shared")
        self._serve = root.get("serve")
        self._findings = findings
        self._spelling = spelling
        self._providers = _entries(root.get("providers"))
        self._models = _entries(root.get("models"))
        self._routes = _entries(root.get("routes"))
        self._names_of_routes = (*self._routes, *aliases)
        self._targets = [*self._names_of_routes, *self._models]
        self._left = _MAX_COMPARISONS
        self.used: set[str] = set()

    def check(self) -> None:
        """Add a finding for every broken rule."""
        if self._serve is None:
            return
        keys = self._serve.get("keys")
        clients = _entries(keys)
        anonymous = self._serve.get("anonymous")
        for name, client in clients.items():
            self._client(name, client)
        self._same_keys(clients)
        for owner in (*clients.values(), *filter(None, [anonymous])):
            for route in _items(owner.get("routes")):
                self._target(route)
        self._listen(has_keys=bool(clients), anonymous=anonymous)
        self._names()
        self._direct()
        for origin in _items(self._serve.get("origins")):
            if origin.value == "*" and not clients:
                text = '"*" lets every web page in, and nobody needs a key: name the origins, or write serve.keys'
                self._error(origin, text)
        for header in _items(self._child("forward", "headers")):
            self._header(header)
        for name in ("cert", "key"):
            self._file(self._child("tls", name))
        self._workers(clients)

    def _error(self, node: Node, message: str, *, at: tuple[int, int] | None = None) -> None:
        self._findings.add(at or node.place, node.path, message)

    def _warn(self, node: Node, message: str) -> None:
        self._findings.add(node.place, node.path, message, severity="warning")

    def _child(self, *names: str) -> Node | None:
        node = self._serve
        for name in names:
            node = None if node is None else node.get(name)
        return node

    # --- clients

    def _client(self, name: str, client: Node) -> None:
        if not is_path(name):
            text = "a client's name stands here, not its key: write `alice: ${SB_KEY_ALICE}`"
            self._findings.add(client.key_at, client.path[:-1], text)
        elif not re.fullmatch(_NAME, name):
            self._error(client, f'"{name}" is not a name: use a-z, 0-9, ".", "_" and "-"', at=client.key_at)
        elif name == _NO_NAME:
            self._error(
                client, f'"{name}" is what callers without a key are called: take another name', at=client.key_at
            )
        if not isinstance(client.value, dict):
            return
        key, digest = client.get("key"), client.get("sha256")
        if key is None and digest is None:
            text = "it has no key: write key or sha256 (`signalbox key NAME` makes both)"
            self._error(client, text, at=client.key_at)
        elif key is not None and digest is not None:
            self._error(digest, "key and sha256 exclude each other", at=digest.key_at)
        if key is not None and type(key.value) is str and not key.unset and remedy(key.value, name) is not None:
            variable = f"SB_KEY_{re.sub('[^A-Z0-9]+', '_', name.upper())}"
            text = f"this is a placeholder or another tool's form and no key: set {variable}, and write ${{{variable}}}"
            self._error(key, text)
        elif key is not None and isinstance(key.value, str) and not key.unset:
            self._key(key, str(key.value))

    def _key(self, node: Node, key: str) -> None:
        if len(key) < LEAST_KEY:
            text = (
                f"a key of {len(key)} characters can be guessed: at least {LEAST_KEY} (`signalbox key NAME` makes one)"
            )
            self._error(node, text)
        elif not re.fullmatch(_SENDABLE, key):
            self._error(node, "no client could send this key: it has spaces, line ends or letters beyond ASCII in it")

    def _same_keys(self, clients: Mapping[str, Node]) -> None:
        seen: dict[str, tuple[str, Node]] = {}
        vendors: dict[str, str] = {}
        for provider, config in self._providers.items():
            for key in (config.get("api_key"), *_items(config.get("api_keys"), alone=False)):
                key = None if key is None else key.get("key")
                if key is not None and isinstance(key.value, str) and not key.unset:
                    vendors[sha256(key.value.encode(errors="backslashreplace")).hexdigest()] = provider
        for name, client in clients.items():
            for kind in ("key", "sha256"):
                node = client.get(kind)
                if node is None or node.unset or not isinstance(node.value, str):
                    continue
                digest = (
                    sha256(node.value.encode(errors="backslashreplace")).hexdigest()
                    if kind == "key"
                    else node.value.lower()
                )
                if digest in vendors:
                    text = f"it is the key of the provider {vendors[digest]} as well: who knows it needs no gateway"
                    self._warn(node, text)
                other, first = seen.setdefault(digest, (name, node))
                if other != name:
                    self._error(
                        node,
                        f"it is the key of {other} as well ({self._findings.line(first.at)}): "
                        "each client needs its own",
                    )

    # --- addresses

    def _listen(self, *, has_keys: bool, anonymous: Node | None) -> None:
        taken: list[tuple[Address, Node]] = []
        for node in _items(self._child("listen"))[:MAX_ADDRESSES]:
            address = _address(node)
            if address is None:
                continue
            self._taken(node, address, taken)
            taken.append((address, node))
            why = why_not_open(address, has_keys=has_keys, has_anonymous=anonymous is not None)
            if why:
                self._error(node, why)
        metrics = self._child("metrics", "listen")
        first = _address(metrics)
        if metrics is None or first is None:
            return
        for number in range(max(1, min(_count(self._child("workers")), _MOST_WORKERS))):
            address = replace(first, port=first.port + number if first.port else 0)
            if self._taken(metrics, address, taken):
                break

    def _taken(self, node: Node, address: Address, taken: list[tuple[Address, Node]]) -> bool:
        """Tell of an address that can't be had beside those taken before."""
        other, where = next((pair for pair in taken if address.clashes(pair[0])), (None, node))
        if other is None:
            return False
        if address == other:
            text = f"the address {address} is here twice ({self._findings.line(where.at)})"
        else:
            text = f"{address} can't be had beside {other} ({self._findings.line(where.at)}), which takes the same port"
        self._error(node, text)
        return True

    # --- names

    def _target(self, node: Node) -> None:
        """A route, model or provider/model-id that somebody may ask for."""
        if not isinstance(node.value, str) or node.unset or node.value in self._routes:
            return
        name, told = str(node.value), shown(node.value)
        provider, slash, model_id = name.partition("/")
        if name in self._models or (slash and model_id and provider in self._providers):
            self.used.add(name)
        elif slash and provider not in self._providers:
            near = self._spelling.near(provider, self._providers)
            self._error(node, f'no provider is named "{told.partition("/")[0]}"{near}')
        else:
            near = self._spelling.near(name, self._targets)
            self._error(node, f'no route or model is named "{told}"{near}')

    def _names(self) -> None:
        names = _entries(self._child("names"))
        before: dict[str, re.Pattern[str]] = {}
        for glob, target in names.items():
            self._target(target)
            if not glob:
                self._error(target, 'this pattern fits nothing: write a model\'s name, or "*"', at=target.key_at)
            first = self._taker(glob, before)
            if first is not None:
                text = f'never reached: "{first}" above takes all that it fits; put this one before it'
                self._error(target, text, at=target.key_at)
            if is_glob(glob):
                before[glob] = _covering(glob)
        told: set[str] = set()
        for route in self._routes:
            taker = None if route in names else self._taker(route, before)
            if taker is not None and taker not in told and names[taker].value != route:
                told.add(taker)
                text = f'"{taker}" takes the route "{route}" too: clients can\'t get it by its own name; put '
                node = names[taker]
                self._findings.add(node.key_at, node.path, f"{text}`{route}: {route}` before it", severity="warning")
        self._listed(names, before)

    def _listed(self, names: Mapping[str, Node], patterns: Mapping[str, re.Pattern[str]]) -> None:
        direct = self._child("direct")
        is_direct = direct is not None and core_scalar(str(direct.value)) is not False
        for node in _items(self._child("listed")):
            name = node.value
            if not isinstance(name, str) or node.unset or name in names or self._is_route(name):
                continue
            if is_direct and (name in self._models or name.partition("/")[0] in self._providers):
                continue
            if self._taker(name, patterns) is None and self._left >= 0:
                near = self._spelling.near(name, self._targets)
                text = f'"{shown(name)}" leads to nothing: add it to names, with the route that it gets{near}'
                self._error(node, text)

    def _is_route(self, name: str) -> bool:
        patterns = filter(is_glob, self._names_of_routes)
        return name in self._names_of_routes or any(compiled(glob).match(name) for glob in patterns)

    def _taker(self, text: str, patterns: Mapping[str, re.Pattern[str]]) -> str | None:
        """The first pattern that takes a name, or all of another pattern; None also where there are too many."""
        self._left -= len(patterns)
        return (
            next((glob for glob, takes in patterns.items() if takes.fullmatch(text)), None) if self._left >= 0 else None
        )

    def _direct(self) -> None:
        direct = self._child("direct")
        if direct is not None and direct.value is True:
            self.used |= {f"{provider}/*" for provider in self._providers}
        self.used |= {f"{node.value}/*" for node in _items(direct, alone=False)}
        for owner in (self._serve, *_entries(self._child("keys")).values()):
            assert owner is not None, "it is there when this is called"
            self._are_providers(owner.get("direct") if owner is self._serve else owner.get("own_keys"))

    def _are_providers(self, names: Node | None) -> None:
        for node in _items(names, alone=False):
            if isinstance(node.value, str) and not node.unset and node.value not in self._providers:
                near = self._spelling.near(node.value, self._providers)
                self._error(node, f'no provider is named "{shown(node.value)}"{near}')

    # --- the rest

    def _header(self, node: Node) -> None:
        if not isinstance(node.value, str) or node.unset:
            return
        name = str(node.value).lower()
        if authenticates(name):
            self._error(
                node, f'the header "{shown(node.value)}" goes on to no vendor: it is what lets the client in here'
            )
        elif belongs_to_connection(name) or name in _OURS:
            self._error(
                node, f'the header "{shown(node.value)}" goes on to no vendor: it belongs to the client\'s connection'
            )
        elif re.fullmatch(_OF_THE_WAY, name):
            self._error(node, f'the header "{shown(node.value)}" goes on to no vendor: it says where the client is')

    def _file(self, node: Node | None) -> None:
        if node is not None and isinstance(node.value, str) and not node.unset and not os.path.exists(node.value):
            self._warn(node, f"there is no file {shown(node.value)} here: clients could not connect")

    def _workers(self, clients: Mapping[str, Node]) -> None:
        assert self._serve is not None
        node = self._serve.get("workers")
        workers = _count(node)
        if node is None or workers < 2:
            return
        for address in _items(self._serve.get("listen")):
            if isinstance(address.value, str) and address.value.endswith(":0"):
                self._error(address, f"each of {workers} workers would take another port: write one, or one worker")
        share = self._shared and self._shared.get("share")
        are_rates = self._shared is not None and (share is None or "limits" in _words(share))
        alone = {"in_flight"} if are_rates else {"in_flight", "requests", "tokens"}
        limited = [name for name, client in clients.items() if alone & _entries(client.get("limits")).keys()]
        if not limited and self._serve.get("in_flight") is None:
            return
        whose = f"the limits of {', '.join(limited[:3])}{', …' if len(limited) > 3 else ''}" if limited else "in_flight"
        text = f"workers know nothing of each other's requests: each of {workers} gets one part in {workers} of {whose}"
        self._warn(node, text)


def _words(node: Node) -> list[object]:
    """What stands in a list, or alone."""
    return [item.value for item in _items(node)] or [node.value]


def _covering(glob: str) -> re.Pattern[str]:
    """What takes every pattern that this one takes: where the other has a `*`, this one needs one too."""
    return re.compile(
        "".join({"*": ".*", "?": "[^*]"}.get(part, re.escape(part)) for part in re.sub(r"\*+", "*", glob))
    )


def _address(node: Node | None) -> Address | None:
    try:
        return None if node is None or node.unset else read_address(node.value)
    except ValueError:
        return None  # has been told


def _count(node: Node | None) -> int:
    try:
        return 1 if node is None or node.unset else count(core_scalar(str(node.value)))
    except ValueError:
        return 1  # has been told


def _entries(node: Node | None) -> dict[str, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _items(node: Node | None, *, alone: bool = True) -> list[Node]:
    """The entries of a list; a text is a list of one, where it may stand alone."""
    value: Any = None if node is None else node.value
    if isinstance(value, list):
        return value
    return [node] if alone and node is not None and isinstance(value, str | int) else []

"""Rewrites the short forms to the long one, each value keeping its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from router.config.diagnostics import Findings
from router.config.yaml_reader import Node

_ROUNDED = 1.0  # percent by which thirds and the like may miss 100
_PERCENT = r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*"
_OF_TARGETS = ("model", "weight", "params")
WITHOUT_SETTINGS = ("entra", "google", "aws")  # sources of keys that may be `default`
_OWNERS = ("providers", "models", "routes")

# What a value alone stands for, where a policy is a mapping: the keys that get it.
ALONE = {
    ("defaults", "timeout"): ("total",),
    ("routes", "timeout"): ("total",),
    ("providers", "timeout"): ("answer", "first_token"),  # of a call, where a route has the whole request
    ("models", "timeout"): ("answer", "first_token"),
    ("models", "price"): ("like",),
    ("providers", "health"): ("every",),
    **{(owner, "limits"): ("requests",) for owner in ("defaults", *_OWNERS, "clients")},
    **{(owner, "cache"): ("ttl",) for owner in ("defaults", "routes")},
    **{(owner, "hedge"): ("after",) for owner in ("defaults", "routes")},
    **{(owner, "budget"): ("usd",) for owner in ("providers", "routes", "clients", "shadows")},
    ("routes", "shadow"): ("to",),
    ("telemetry", "log"): ("path",),
}
_HEDGED = "p95"  # what `hedge: true` waits for


def expand_shorthand(root: Node, findings: Findings) -> None:
    """Make the long form of all short ones: `chat: mini`, `timeout: 30s`, `a: 70%`, a fallback that is no mapping …"""
    for owner, section in _sections(root):
        for (kind, name), keys in ALONE.items():
            if kind == owner and (policy := section.get(name)) is not None:
                section.value[name] = _policy(policy, keys)
    for provider in _named(root, "providers"):
        certificate = provider.get("client_cert")
        if certificate is not None and isinstance(certificate.value, str):
            provider.value["client_cert"] = _mapping(certificate, cert=certificate)
        _keys(provider)
    _models(root)
    _clients(root)
    _routes(root, findings)


def _keys(provider: Node) -> None:
    """A key alone, and a source that is taken as it is."""
    if (alone := provider.get("api_key")) is not None:
        provider.value["api_key"] = _key(alone)
    pool = provider.get("api_keys")
    if pool is not None and not pool.unset and isinstance(pool.value, str | dict | list):
        items = pool.value if isinstance(pool.value, list) else [pool]
        provider.value["api_keys"] = _like(pool, [_key(item) for item in items])


def _key(node: Node) -> Node:
    if node.unset or node.value is None:
        return node
    if not isinstance(node.value, dict):
        return _mapping(node, key=node)
    sources = {
        name: _like(child, {}) if name in WITHOUT_SETTINGS and child.value in ("default", True) else child
        for name, child in node.value.items()
    }
    return _like(node, sources)


def _sections(root: Node) -> Iterator[tuple[str, Node]]:
    """The sections that have policies, with the kind of each."""
    for name in ("defaults", "telemetry"):
        if (section := root.get(name)) is not None and isinstance(section.value, dict):
            yield name, section
    for owner in _OWNERS:
        for section in _named(root, owner):
            yield owner, section


def _named(root: Node, owner: str) -> list[Node]:
    """Those of the top level's mappings that are mappings themselves."""
    entries = root.get(owner)
    found = entries.value.values() if entries is not None and isinstance(entries.value, dict) else ()
    return [node for node in found if isinstance(node.value, dict)]


def _policy(policy: Node, keys: tuple[str, ...]) -> Node:
    """The mapping that a value alone stands for; what no value of these keys could be is left to be told as it is."""
    value = policy.value
    if keys == ("like",) and not isinstance(value, str):
        return policy
    if keys == ("usd",) and not (isinstance(value, str) and value.lstrip().startswith("$")):
        return policy
    if keys == ("after",) and value is True:
        value = _HEDGED
    if keys in (("every",), ("path",)) and (value is True or value == "on"):
        return _like(policy, {})
    if keys == ("path",) and not (isinstance(value, str) and value != "off"):
        return policy
    if value is None or isinstance(value, dict | bool) or (isinstance(value, list) and keys != ("requests",)):
        return policy
    return _like(policy, {key: Node(value, (*policy.path, key), policy.at, policy.key_at) for key in keys})


def _models(root: Node) -> None:
    """`mini: openai/gpt-6-luna`, `embeds: true`."""
    models = root.get("models")
    if models is None or not isinstance(models.value, dict):
        return
    for name, model in models.value.items():
        if isinstance(model.value, str) and "/" in model.value:
            provider, _, its_id = model.value.partition("/")
            models.value[name] = _mapping(model, provider=_like(model, provider), id=_like(model, its_id))
        embeds = model.get("embeds")
        if embeds is not None and embeds.value is True:
            model.value["embeds"] = _mapping(embeds)


def _clients(root: Node) -> None:
    serve = root.get("serve")
    clients = None if serve is None else serve.get("keys")
    if clients is not None and isinstance(clients.value, dict):
        for name, client in clients.value.items():
            if isinstance(client.value, str):
                clients.value[name] = _mapping(client, key=client)
            for policy in ("budget", "limits"):
                if (written := clients.value[name].get(policy)) is not None:
                    clients.value[name].value[policy] = _policy(written, ALONE["clients", policy])


def _routes(root: Node, findings: Findings) -> None:
    routes = root.get("routes")
    if routes is None or not isinstance(routes.value, dict):
        return
    for name, route in routes.value.items():
        if isinstance(route.value, str | list):
            routes.value[name] = _mapping(route, targets=route)
        rules = routes.value[name].get("when")
        if rules is not None and isinstance(rules.value, dict):
            routes.value[name].value["when"] = _like(rules, [_like(rules, rules.value)])
        _targets(routes.value[name], findings)
        shadow = routes.value[name].get("shadow")
        if shadow is not None and (budget := shadow.get("budget")) is not None:
            shadow.value["budget"] = _policy(budget, ALONE["shadows", "budget"])
        fallbacks = routes.value[name].get("fallbacks")
        if fallbacks is None:
            continue
        if isinstance(fallbacks.value, str | dict):
            routes.value[name].value["fallbacks"] = fallbacks = _like(fallbacks, [_like(fallbacks, fallbacks.value)])
        if isinstance(fallbacks.value, list):
            fallbacks.value = [_fallback(item, findings) for item in fallbacks.value]


def _fallback(item: Node, findings: Findings) -> Node:
    if isinstance(item.value, str):
        return _mapping(item, to=item)
    _targets(item, findings)
    codes = item.get("on")
    if codes is not None and isinstance(codes.value, str):
        item.value["on"] = _like(codes, [codes])
    return item


def _targets(owner: Node, findings: Findings) -> None:
    targets = owner.get("targets")
    if targets is None:
        return
    if isinstance(targets.value, str):
        made = [_mapping(targets, model=targets)]
    elif isinstance(targets.value, dict):
        made = [_weighted(name, weight) for name, weight in targets.value.items()]
    elif isinstance(targets.value, list):
        made = [_target(item) for item in targets.value]
    else:
        return
    total = _percents([weight for target in made if (weight := target.get("weight")) is not None], len(made))
    if abs(total - 100) >= _ROUNDED:
        text = f"the shares come to {total:g}%, of which each gets its part: make them 100%"
        findings.add(targets.key_at, targets.path, text, severity="warning")
    owner.value["targets"] = _like(targets, made)


def _target(item: Node) -> Node:
    if isinstance(item.value, str):
        return _mapping(item, model=item)
    if isinstance(item.value, dict) and len(item.value) == 1:
        [(name, weight)] = item.value.items()
        if name not in _OF_TARGETS and _is_weight(weight.value):  # `- openai/gpt-6-luna: 70`
            return _weighted(name, weight)
    return item


def _is_weight(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or (isinstance(value, str) and re.fullmatch(_PERCENT, value) is not None)


def _weighted(name: str, weight: Node) -> Node:
    return _mapping(weight, model=Node(name, weight.path[:-1], weight.key_at, weight.key_at), weight=weight)


def _percents(weights: list[Node], targets: int) -> float:
    """Make numbers of weights in percent, where all of a tier are; returns their sum, which is 100 for others.

    With a 0 among them one is being drained: what is left need be no whole.
    """
    found = [re.fullmatch(_PERCENT, weight.value) if isinstance(weight.value, str) else None for weight in weights]
    if found and len(found) == targets and all(found):
        for weight, match in zip(weights, found, strict=True):
            weight.value = float(match[1]) if match else weight.value
        if all(weight.value for weight in weights):
            return float(sum(weight.value for weight in weights))
    return 100.0


def _mapping(node: Node, **entries: Node) -> Node:
    return _like(node, entries)


def _like(node: Node, value: object) -> Node:
    return Node(value, node.path, node.at, node.key_at)

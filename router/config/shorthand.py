"""Rewrites the short forms to the long one, each value keeping its place in the file."""

from __future__ import annotations

from router.config.yaml_reader import Node


def expand_shorthand(root: Node) -> None:
    """`chat: mini`, `[a, b]` and `{a: 70}` become lists of targets; fallback items, client_cert and keys of clients
    become mappings.
    """
    providers = root.get("providers")
    if providers is not None and isinstance(providers.value, dict):
        for provider in providers.value.values():
            certificate = provider.get("client_cert")
            if certificate is not None and isinstance(certificate.value, str):
                provider.value["client_cert"] = _mapping(certificate, cert=certificate)
    serve = root.get("serve")
    clients = None if serve is None else serve.get("keys")
    if clients is not None and isinstance(clients.value, dict):
        for name, client in clients.value.items():
            if isinstance(client.value, str):
                clients.value[name] = _mapping(client, key=client)
    routes = root.get("routes")
    if routes is None or not isinstance(routes.value, dict):
        return
    for name, route in routes.value.items():
        if isinstance(route.value, str | list):
            routes.value[name] = _mapping(route, targets=route)
        _targets(routes.value[name])
        fallbacks = routes.value[name].get("fallbacks")
        if fallbacks is not None and isinstance(fallbacks.value, list):
            fallbacks.value = [_fallback(item) for item in fallbacks.value]


def _fallback(item: Node) -> Node:
    if isinstance(item.value, str):
        return _mapping(item, to=item)
    _targets(item)
    codes = item.get("on")
    if codes is not None and isinstance(codes.value, str):
        item.value["on"] = _like(codes, [codes])
    return item


def _targets(owner: Node) -> None:
    targets = owner.get("targets")
    if targets is None:
        return
    if isinstance(targets.value, str):
        made = [_mapping(targets, model=targets)]
    elif isinstance(targets.value, dict):
        made = [
            _mapping(weight, model=Node(name, targets.path, weight.key_at, weight.key_at), weight=weight)
            for name, weight in targets.value.items()
        ]
    elif isinstance(targets.value, list):
        made = [_mapping(item, model=item) if isinstance(item.value, str) else item for item in targets.value]
    else:
        return
    owner.value["targets"] = _like(targets, made)


def _mapping(node: Node, **entries: Node) -> Node:
    return _like(node, entries)


def _like(node: Node, value: object) -> Node:
    return Node(value, node.path, node.at, node.key_at)

"""Routes that are other names of a route (`gpt-4: chat`), and names that are patterns (`"claude-*": fast`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from providers.printable import one_line
from router.config.diagnostics import Findings, shown_way
from router.config.globs import common_name, is_glob, specificity
from router.config.yaml_reader import Node

LONGEST = 256  # characters of a route's name
_MOST_WORK = 2_000_000  # characters of patterns that are compared: beyond some hundred alike not all are


def take_aliases(root: Node, findings: Findings) -> dict[str, str]:
    """Take the routes out of the tree whose value is another route's name, and give the route that each leads to; of
    those in a circle none. The names of all routes are checked.
    """
    routes, models = root.get("routes"), root.get("models")
    if routes is None or not isinstance(routes.value, dict):
        return {}
    for name, node in routes.value.items():
        _check_name(name, node, findings)
        if models is not None and (model := models.get(name)) is not None:
            text = f'a model ({findings.line(model.key_at)}) and a route share the name "{name}"'
            findings.add(node.key_at, node.path, text)
    _check_patterns(routes.value, findings)
    named = {name: node for name, node in routes.value.items() if _names_another(name, node, routes.value)}
    ends = _ends(named, findings)
    for name in named:
        del routes.value[name]
    return {name: route for name, route in ends.items() if route is not None}


def write_routes(root: Node, aliases: Mapping[str, str], findings: Findings) -> None:
    """Write the route in the place of each alias of it, wherever the file names one; what is told of such a place says
    both names.
    """

    def write(node: Node) -> None:
        findings.rename((node.at, node.key_at), f'"{node.value}" is another name of "{aliases[node.value]}"')
        node.value = aliases[node.value]

    for node in _users(root):
        if isinstance(node.value, str) and node.value in aliases:
            write(node)
    providers = [str(provider.path[-1]) for provider in _children(root.get("providers"))]
    for node in _targets(root):  # where provider/model-id goes before the route of this name
        if isinstance(node.value, str) and node.value in aliases and node.value.partition("/")[0] not in providers:
            write(node)


def _check_name(name: str, node: Node, findings: Findings) -> None:
    if not name or len(name) > LONGEST or not name.isprintable() or any(map(str.isspace, name)):
        text = f"is no name of a route: it is 1 to {LONGEST} printed characters without white space"
        findings.add(node.key_at, node.path, f'"{one_line(name[:LONGEST])}" {text}')


def _check_patterns(routes: Mapping[str, Node], findings: Findings) -> None:
    """Add a finding for every two patterns that fit the same name, where neither is more specific."""
    alike: dict[tuple[int, int, int], list[str]] = {}
    work = 0
    for glob in filter(is_glob, routes):
        others = alike.setdefault(specificity(glob), [])
        for other in others:
            work += len(glob)
            name = common_name(glob, other) if work < _MOST_WORK and len(glob) <= LONGEST else None
            if name is not None:
                line = findings.line(routes[other].key_at)
                text = f'"{other}" ({line}) and this pattern both fit "{name}", and neither is more specific: '
                node = routes[glob]
                findings.add(node.key_at, node.path, f"{text}make one of them longer, or write that name itself")
                break
        others.append(glob)


def _names_another(name: str, node: Node, routes: Mapping[str, Node]) -> bool:
    return isinstance(node.value, str) and not node.unset and node.value != name and node.value in routes


def _ends(named: Mapping[str, Node], findings: Findings) -> dict[str, str | None]:
    """The route that each name leads to at last. A circle is told once."""
    ends: dict[str, str | None] = {}
    for name in named:
        way: dict[str, Node] = {}
        at = name
        while at in named and at not in ends and at not in way:
            way[at] = named[at]
            at = str(named[at].value)
        if at in way:
            node = way[at]
            steps = [*way]
            circle = [*steps[steps.index(at) :], at]
            findings.add(node.place, node.path, f"these routes name each other in a circle: {shown_way(circle)}")
            ends.update(dict.fromkeys(way))
        else:
            ends.update(dict.fromkeys(way, ends.get(at, at)))
    return ends


def _users(root: Node) -> Iterator[Node]:
    """Yield the values that may name a route, outside of the routes' own."""
    for route in _children(root.get("routes")):
        for leads in (*_children(route.get("fallbacks")), *_children(route.get("when"))):
            to = leads.get("to")
            if to is not None:
                yield to
        shadow = route.get("shadow")
        if shadow is not None and (to := shadow.get("to")) is not None:
            yield to
    serve = root.get("serve")
    if serve is not None:
        yield from _children(serve.get("names"))
        for owner in (serve.get("anonymous"), *_children(serve.get("keys"))):
            yield from _children(owner and owner.get("routes"))
    for alert in _children(root.get("alerts")):
        if (of := alert.get("route")) is not None:
            yield of


def _targets(root: Node) -> Iterator[Node]:
    """Yield the values that name the targets of routes, and of tiers in place."""
    for route in _children(root.get("routes")):
        for owner in (route, *_children(route.get("fallbacks"))):
            for target in _children(owner.get("targets")):
                model = target.get("model")
                if model is not None:
                    yield model


def _children(node: Node | None) -> list[Node]:
    if node is None:
        return []
    if isinstance(node.value, dict):
        return list(node.value.values())
    return list(node.value) if isinstance(node.value, list) else [node]

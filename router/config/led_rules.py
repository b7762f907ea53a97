"""Policies of routes that others draw or lead to by a rule, which hold for who asks by name alone: a warning where
they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from router.config.diagnostics import Findings, Path_
from router.config.policies import BUILT_IN, OF_REQUESTS, effective
from router.config.schema import RoutesFile
from router.config.yaml_reader import Place

# What is the asked route's alone, and where else it can be said.
_ASKED_ONLY: dict[tuple[str, str | None], str] = {
    ("hedge", None): "",
    ("cache", None): "",
    ("accept", None): "",
    ("on_stream_break", None): "",
    ("budget", None): ", or a budget at a provider",
    ("limits", None): ", or limits at its models",
    ("shadow", None): "",
    ("batch", None): "",
    **dict.fromkeys(sorted(OF_REQUESTS), ""),
}


def check_led(file: RoutesFile, origins: Mapping[Path_, Place], aliases: Mapping[str, str], findings: Findings) -> None:
    """Add a warning for each policy of a route that does nothing for those who are led there by another route.

    None is added where the other route says for itself what holds, or comes to the same; nor where the file has the
    route asked for by its own name: by another name of it, by a client, or by a name of `serve`.
    """
    asked = {*aliases.values(), *_served(file)}
    for name, leading in _leading(file).items():
        if name in asked:
            continue
        for (policy, key), elsewhere in _ASKED_ONLY.items():
            without = [other for other in leading if _is_lost(file, name, other, policy, key)]
            if not without:
                continue
            path = ("routes", name, policy) if key is None else ("routes", name, policy, key)
            who = " and ".join(f'"{other}"' for other in without)
            text = (
                f"{policy if key is None else f'{policy}.{key}'} is that of the route that was asked for: it holds for "
                f'who asks for "{name}" by name, and does nothing for requests of {who}; write it there{elsewhere}'
            )
            place = next(origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins)
            findings.add(place, path, text, severity="warning")


def _leading(file: RoutesFile) -> dict[str, list[str]]:
    """Return the routes that others lead to, each with those others."""
    found: dict[str, list[str]] = {}
    for other in file.routes:
        for name in dict.fromkeys(_led_from(file, other)):
            if name != other:
                found.setdefault(name, []).append(other)
    return found


def _is_lost(file: RoutesFile, name: str, other: str, policy: str, key: str | None) -> bool:
    """Say whether a route has a policy that another one, which leads to it, neither has nor says anything of."""
    if not _says(file, name, policy, key) or _says(file, other, policy, key):
        return False
    if policy not in BUILT_IN:
        return True
    mine, theirs = effective(file, policy, route=name), effective(file, policy, route=other)
    return any(mine[each].value != theirs[each].value for each in (mine if key is None else (key,)))


def _says(file: RoutesFile, name: str, policy: str, key: str | None) -> bool:
    written = getattr(file.routes[name], policy) if policy in file.routes[name].model_fields_set else None
    return written is not None and (key is None or key in written.model_fields_set)


def _led_from(file: RoutesFile, name: str) -> Iterator[str]:
    """Yield the routes whose chains a route draws among its targets, and those to which its rules lead."""
    route = file.routes[name]
    for ref in (*route.targets, *(ref for fallback in route.fallbacks for ref in fallback.tier)):
        if file.is_route(ref.model):
            yield ref.model
    yield from (rule.to for rule in route.when if rule.to in file.routes)


def _served(file: RoutesFile) -> Iterator[str]:
    """Yield what clients ask for by the file's own word."""
    if file.serve is None:
        return
    yield from file.serve.names.values()
    for client in (*file.serve.keys.values(), file.serve.anonymous):
        yield from (client and client.routes) or ()

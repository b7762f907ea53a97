"""Which route a name leads to that is no route's own: another name of it, or one that a pattern fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from router.config.globs import compiled, is_glob, specificity

_LONGEST = 512  # characters of a name: no longer one fits a pattern
_KEPT = 1024  # names that are remembered with the pattern that fits


class RouteNames:
    """The further names of a file's routes.

    Args:
        routes: the names of the routes, patterns among them.
        aliases: the route of each further name, patterns among them.
    """

    def __init__(self, routes: Iterable[str] = (), aliases: Mapping[str, str] | None = None) -> None:
        self.aliases = dict(aliases or {})
        self._led = {**{route: route for route in routes}, **self.aliases}
        globs = sorted(filter(is_glob, self._led), key=specificity, reverse=True)
        self._patterns: list[tuple[re.Pattern[str], str]] = [(compiled(glob), glob) for glob in globs]
        self._found: dict[str, str | None] = {}

    def route_of(self, name: str) -> str | None:
        """Return the route of the exact name, else of the most specific pattern that fits; None where there is none."""
        found = self.found_by(name)
        return None if found is None else self._led[found]

    def found_by(self, name: str) -> str | None:
        """Return that further name or pattern, as the file has it."""
        if name in self.aliases:
            return name
        if not self._patterns or len(name) > _LONGEST:
            return None
        if name in self._found:
            return self._found[name]
        found = next((glob for pattern, glob in self._patterns if pattern.match(name)), None)
        if len(self._found) >= _KEPT:
            del self._found[next(iter(self._found))]
        self._found[name] = found
        return found

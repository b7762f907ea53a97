"""What a router does with its file while it runs: read it again, or take over another text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.parts import Parts
from router.reload import reload_on_hangup
from router.views.file import ReloadResult


class FileCalls:
    """The part of `Router` that changes the plan."""

    _parts: Parts

    async def reload(self) -> ReloadResult:
        """Read the file again, once nobody writes it. A file with errors changes nothing; the result says why.

        Requests under way end on the plan that they began with; breakers and limits of what is unchanged go on.

        Raises:
            ValueError: this router was not made from a file.
        """
        return await self._parts.reload()

    async def apply(self, source: str | Mapping[str, Any]) -> ReloadResult:
        """Take over another routes.yaml, as if it had been saved: all of it in one step, or nothing.

        A router that follows a file goes on to follow it: the next save takes over from this.

        Args:
            source: the text of a routes.yaml, or the same as a dict. Paths in it start where those of the present one
                do.

        Raises:
            ConfigError: it has errors (all are listed, with line and column); the old plan goes on.
            TypeError: it is neither text nor a dict of what YAML has.
        """
        return await self._parts.apply(source)

    def reload_on_hangup(self) -> Callable[[], None]:
        """Reload at SIGHUP from now on, as daemons do; gives the function that ends it.

        Call it in the process's main thread, once the router is in use. Windows has no SIGHUP: nothing happens there.

        Raises:
            RuntimeError: the router is not in use yet, so that it has no event loop.
        """
        return reload_on_hangup(self, self._parts.engine.loop)

    @property
    def last_reload(self) -> ReloadResult | None:
        """What came of the last change of the file that was seen."""
        return None if self._parts.follower is None else self._parts.follower.last

    @property
    def watching(self) -> bool:
        """Whether edits of the file are followed now."""
        return self._parts.follower is not None and self._parts.follower.watching

"""`import signalbox`: what `router` has, under the project's own name.

The wheel has this folder as `signalbox`. It looks first whether a file of yours hides one of the packages.
"""

from typing import TYPE_CHECKING, Any

from .hidden import check

check("router", "providers")

import router  # noqa: E402  # only once it is known that it is ours

if TYPE_CHECKING:
    from router import *  # noqa: F403  # type checkers see the same names

__all__ = router.__all__


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(router, name)


def __dir__() -> list[str]:
    return sorted(__all__)

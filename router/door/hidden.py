"""Says which file hides one of our packages: `router`, `providers` and `tui` are names that others have too."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_OURS = {"router": "loop_thread.py", "providers": "http_provider.py", "tui": "feed.py"}  # a file that only ours have


def check(*names: str) -> None:
    """Raise ImportError where Python would import something else in place of one of these packages of ours."""
    for name in names:
        known = _OURS[name]
        spec = find_spec(name)
        if spec is None:
            continue  # it is not installed: its own import says so
        places = [Path(place) for place in spec.submodule_search_locations or ()]
        if not any((place / known).exists() for place in places):
            where = spec.origin or ", ".join(map(str, places))
            raise ImportError(
                f'{where} hides the package "{name}" of Signalbox: rename it, or keep it off the module path '
                "(`python -P` leaves out the folder that Python starts in)",
                name=name,
                path=where,
            )

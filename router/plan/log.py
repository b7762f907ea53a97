"""Where the log of requests is that a file asks for, and how much of it is kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

from router.config import RoutesFile
from router.config.state_folder import state_folder
from router.plan.rules import LogRules


def log_rules(file: RoutesFile, path: Path | None) -> LogRules | None:
    """Compile `telemetry.log`; None where a file has none.

    Args:
        path: of the file; a relative folder is one beside it.
    """
    config = None if file.telemetry is None else file.telemetry.log
    if config is None:
        return None
    beside = Path() if path is None else path.absolute().parent
    folder = default_folder(path) if config.path is None else beside / Path(str(config.path)).expanduser()
    return LogRules(folder, config.keep, config.max_size, config.users)


def default_folder(path: Path | None) -> Path:
    """Return where the log of a routes.yaml is when it doesn't say; each has its own."""
    if path is None:
        return state_folder() / "log" / "router"
    whole = path.absolute()
    digest = hashlib.sha256(str(whole).encode(errors="surrogateescape")).hexdigest()[:8]
    return state_folder() / "log" / f"{whole.parent.name}-{whole.stem}-{digest}"

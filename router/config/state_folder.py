"""Where this user's routers keep what outlives them: the ledger of budgets, and logs of requests."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the folder: `SIGNALBOX_STATE_DIR`, else the user's state folder of the system."""
    from platformdirs import user_state_path  # here: most need none

    configured = os.environ.get("SIGNALBOX_STATE_DIR")
    return Path(configured) if configured else user_state_path("signalbox")

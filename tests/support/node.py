"""Node, and the official SDKs for JavaScript: `make` installs them from tests/end_to_end/clients/package.json."""

from __future__ import annotations

import shutil

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / ".clients"
NODE = shutil.which("node") or ""
needs_node = pytest.mark.skipif(
    not NODE or not (FOLDER / "node_modules").is_dir(),
    reason="node or the SDKs are missing: `make .clients/.done` installs them",
)

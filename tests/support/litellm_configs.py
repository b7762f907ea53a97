"""Configs of LiteLLM as people have them, and the keys that stand in them."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

CONFIGS = ROOT / "tests" / "router" / "importers" / "configs"
SECRETS = re.compile(
    r"Zq81hvNNc0ffee|hunter2secret|sk-lf-0123abcd|sk-1234|wJalrXUtnFEMI|sk-shop-0123|admin-password-42|sk-very-secret"
)

"""Reads and checks routes.yaml; see docs for the language."""

from router.config.diagnostics import ConfigError, Diagnostic, UnreadableFile
from router.config.loader import LoadResult, load, load_text
from router.config.policies import Effective, effective
from router.config.schema import RoutesFile

__all__ = [
    "ConfigError",
    "Diagnostic",
    "Effective",
    "LoadResult",
    "RoutesFile",
    "UnreadableFile",
    "effective",
    "load",
    "load_text",
]

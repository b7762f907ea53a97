"""What Ollama's clients ask beside chats: which models there are, what one can do, the version. All that they read is
told, and nothing is null: some end at a null.

Protocol: https://github.com/ollama/ollama/blob/main/docs/api.md and api/types.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from providers.types import ModelCapabilities
from providers.wire.ollama_chat import TAG

ROOT = "Ollama is running"  # the answer to `GET /`, by which clients find a server
VERSION = "0.24.0"  # clients refuse what is older than they know
_FAMILY = "signalbox"
_WINDOW = 32_768  # tokens; told where it is not known


def render_version() -> dict[str, str]:
    """The answer to /api/version."""
    return {"version": VERSION}


def render_tags(names: Iterable[str], modified: float) -> dict[str, Any]:
    """The answer to /api/tags.

    Args:
        names: of the models, with or without `:latest`.
        modified: when they were told of last, in seconds since 1970.
    """
    return {"models": [{**_model(name), "modified_at": _time(modified)} for name in names]}


def render_ps() -> dict[str, Any]:
    """The answer to /api/ps: a router has no model loaded."""
    return {"models": []}


def render_show(
    capabilities: ModelCapabilities, modified: float, *, can: tuple[str, ...] = (), dimensions: int | None = None
) -> dict[str, Any]:
    """The answer to /api/show.

    Args:
        capabilities: what every model behind the name can do. Tools are told also where that is not known: clients
            leave out models without.
        modified: when it was told of last, in seconds since 1970.
        can: what it does in the place of answers.
        dimensions: of its vectors.
    """
    more = {
        "tools": capabilities.tools is not False,
        "vision": capabilities.vision is True,
        "thinking": capabilities.thinking is True,
    }
    return {
        "license": "",
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _details(),
        "model_info": {
            "general.architecture": _FAMILY,
            f"{_FAMILY}.context_length": capabilities.context_window or _WINDOW,
            **({} if dimensions is None else {f"{_FAMILY}.embedding_length": dimensions}),
        },
        "capabilities": list(can) or ["completion", *(name for name, has in more.items() if has)],
        "modified_at": _time(modified),
    }


def _model(name: str) -> dict[str, Any]:
    """What lists tell of a model; nothing of it is on this machine, so that its size is 0."""
    full = name if ":" in name.rpartition("/")[2] else name + TAG
    digest = hashlib.sha256(full.encode()).hexdigest()
    return {"name": full, "model": full, "size": 0, "digest": digest, "details": _details()}


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "",
        "family": _FAMILY,
        "families": [_FAMILY],
        "parameter_size": "",
        "quantization_level": "",
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")

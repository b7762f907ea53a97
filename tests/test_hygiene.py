"""What importing costs, what the public face is, and what the house rules say."""

from __future__ import annotations

import subprocess
import sys

import router
from tests.support.paths import ROOT

HEAVY = ("textual", "tiktoken", "watchfiles", "diskcache", "rich")


def test_importing_router_is_light() -> None:
    """`import router` loads no heavy package, starts no thread, and opens no socket."""
    code = f"""
import sys, threading, socket
class Refused(socket.socket):
    def connect(self, *a): raise SystemExit("connected")
socket.socket = Refused
import router
assert threading.active_count() == 1
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_using_a_router_loads_no_dashboard() -> None:
    """Even a router in use loads neither Textual nor tiktoken."""
    code = f"""
import sys
from router import Router
Router.from_text("providers: {{a: {{kind: fake}}}}\\nroutes: {{chat: a/x}}\\n")
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_public_face() -> None:
    """`router.__all__` is sorted, and every name of it loads."""
    assert router.__all__ == sorted(router.__all__)
    for name in router.__all__:
        assert getattr(router, name) is not None


LONG = {
    "router/telemetry/recorder.py": "the counting of a request is one table of what happens when, on the hot path",
    "router/config/schema.py": "the keys of the language, in the order in which a file has them",
    "router/router.py": "the public face: calls whose answers have types are declared once for each form",
    "providers/coerce.py": "all shapes in which apps hand their messages over",
}


def test_files_have_one_subject() -> None:
    """No source file outgrows 400 lines without a reason; what is no longer so long needs none."""
    sources = [path for package in ("providers", "router", "tui") for path in (ROOT / package).rglob("*.py")]
    sizes = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources}
    assert {path for path, lines in sizes.items() if lines > 400} == LONG.keys()
    assert max(sizes.values()) < 500

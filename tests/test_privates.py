"""What a file keeps to itself, by a name that begins with one underscore, is used by no other.

Files of one folder are one house: among each other they may. A test may where nothing else shows what it is about; the
reason stands beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.privates import imported, reaches
from tests.support.trees import many_trees

# "file: what": why. What is not there any more has to be taken out of here as well.
KNOWN = {
    "providers/transport/aiohttp_engine.py: content._buffer": "what came before a break, which aiohttp's methods give "
    "no more; and a whole body in a tenth of their time",
    "providers/transport/aiohttp_pools.py: self._connector._acquired": "how many connections are in use, which aiohttp "
    "tells nowhere else",
    "providers/transport/aiohttp_pools.py: _ssl_protocol": "what reads in place of a transport with TLS",
    "providers/transport/aiohttp_pools.py: reader._ssl_buffer": "256 KiB of each connection with TLS, about which "
    "asyncio asks nobody",
    "providers/credentials/aws.py: _expiry_time": "when the credentials of a role end; botocore tells it nowhere else",
    "providers/transport/unpack.py: zlib._Decompress": "the type of what zlib.decompressobj makes has no other name",
    "tests/providers/test_registry.py: _registered": "what a test registers must not stay for those that follow",
    "tests/providers/test_sdks.py: self.ollama._client": "Ollama's SDK has no other way to close its connections",
    "tests/providers/wire/test_sdk_reading.py: self.ollama._client": "Ollama's SDK has no other way to close it",
    "tests/router/balance/test_weighted.py: router.balance.weighted._LONG": "what a million calls would do",
    "tests/router/monitor/test_monitor.py: _OFTEN": "as many snapshots as the loop has turns, without a wait",
    "tests/router/shared/test_budgets_without_a_disk.py: router.state.ledger._PATIENCE": "a busy machine holds "
    "a lock for longer",
    "tests/support/dashboard_app.py: app._notifications": "Textual shows toasts, and has no list of them",
    "tests/support/public_api.py: _is_protocol": "Python tells a Protocol by nothing else before 3.13",
    "tests/support/memory.py: sys._debugmallocstats": "CPython counts the bytes of its pools for nobody else",
    "tests/support/patterns.py: re._constants": "Python's parser of patterns is public under no other name any more",
    "tests/support/patterns.py: re._parser": "as above",
    "tests/support/vendors.py: providers.simulator.exchange.Exchange._wait": "a vendor that goes on when "
    "it is told to, and not when its time is up",
    "tests/tui/test_app.py: router._engine": "a router does not say that it is closed",
    "tests/tui/test_command.py: server._make_app": "textual-serve offers no app to run beside a test",
    "tests/tui/test_contrast.py: app.screen._compositor": "colours as they are drawn",
    "tests/tui/test_routes.py: app.screen._to": "whom a screen asks is not shown",
}


def found(files: dict[Path, list[str]]) -> set[str]:
    return {f"{path.relative_to(ROOT)}: {what}" for path, used in files.items() for what in used}


def test_no_file_reaches_into_another_folders() -> None:
    packages = {path.parent for package in ("providers", "router", "tui") for path in (ROOT / package).rglob("*.py")}
    with many_trees():
        used = {each for folder in packages for each in found(reaches(folder.glob("*.py")))}
    assert used - KNOWN.keys() == set(), "use what the other one offers, or let it offer this"
    assert {known for known in KNOWN if not known.startswith("tests/")} - used == set(), "no longer: take it out"


def test_no_test_reaches_into_anything() -> None:
    with many_trees():
        used = {each for path in (ROOT / "tests").rglob("*.py") for each in found(reaches([path]))}
    assert used - KNOWN.keys() == set(), "look at what a user sees, or say in KNOWN why that does not show it"
    assert {known for known in KNOWN if known.startswith("tests/")} - used == set(), "no longer: take it out"


def test_no_test_module_imports_another() -> None:
    """What two of them need is in tests/support; those on uvloop are the same tests again. None needs benchmarks."""
    used = set()
    with many_trees():
        for path in (ROOT / "tests").rglob("*.py"):
            if path.parent.name == "on_uvloop":
                continue
            for module in imported(path):
                if module.startswith(("benchmarks", "tests.")) and not module.startswith("tests.support"):
                    used.add(f"{path.relative_to(ROOT)}: {module}")
    assert used == set()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("router._states.of(x)", ["router._states"]),
        ("self._x = 1\nother._x", []),
        ("from a.b import _c, d", ["a.b._c"]),
        ("import os\nos._exit(0)\nself._y\nsuper()._z()\ncls._w", []),
        ("monkeypatch.setattr('a.b._LONG', 7)", ["a.b._LONG"]),
        ("getattr(thing, '_x')", ["_x"]),
        ("def _f(): ...\nthing._f()", []),
    ],
)
def test_a_reach_is_found(tmp_path: Path, code: str, expected: list[str]) -> None:
    path = tmp_path / "x.py"
    path.write_text(code)
    assert reaches([path]) == {path: expected}

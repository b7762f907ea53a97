"""examples/rag answers from the documents that fit, by the routes of its file, without keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from providers.simulator import Simulator
from router import Router
from router.config import load
from tests.support.paths import ROOT

FOLDER = ROOT / "examples" / "rag"
QUESTIONS = {
    "Why is the sky blue?": "The sky is blue",
    "What do gulls drink?": "Gulls drink salt water",
    "How salt is the sea?": "The sea is salt",
    "What does a lighthouse tell ships?": "A lighthouse tells ships",
}


@pytest.fixture
def rag(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    import rag  # type: ignore[import-not-found]  # it is on the path by now

    yield rag
    del sys.modules["rag"]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_answer_is_made_from_the_document_that_fits(rag: ModuleType, question: str) -> None:
    async with rag.opened(simulate=True) as router:
        reply, sources = await rag.answer(router, rag.DOCUMENTS, question)
        assert sources[0].startswith(QUESTIONS[question])
        assert len(sources) == rag.KEPT
        assert reply.text
        assert [each.name for each in router.snapshot().routes if each.figures.totals.calls] == [
            "embed",
            "rank",
            "answer",
        ]


async def test_documents_are_embedded_once(rag: ModuleType) -> None:
    async with rag.opened(simulate=True) as router:
        await rag.answer(router, rag.DOCUMENTS, "Why is the sky blue?")
        await rag.answer(router, rag.DOCUMENTS, "What do gulls drink?")
        stats = router.cache.stats
        assert (stats.hits, stats.misses) == (len(rag.DOCUMENTS), len(rag.DOCUMENTS) + 2)


async def test_it_goes_on_while_a_vendor_is_out(rag: ModuleType) -> None:
    """The twin makes the same vectors, and another model answers; the vendor's own vectors are never mixed."""
    async with Simulator() as up, Simulator() as down:
        down.vendor("openai").set(error_rate=1.0, error="overloaded", fast=True)
        env = {"RAG_CACHE": "memory"}
        for name, simulator, vendor in (
            ("OPENAI", down, "openai"),
            ("AZURE", up, "openai"),
            ("COHERE", up, "openai"),
            ("ANTHROPIC", up, "anthropic"),
        ):
            if simulator is up:
                simulator.vendor(vendor).set(fast=True)
            env |= {f"{name}_API_KEY": "sk-simulated", f"{name}_BASE_URL": simulator.base_url(vendor)}
        async with Router.from_yaml(rag.FILE, env=env, monitor=False) as router:
            reply, sources = await rag.answer(router, rag.DOCUMENTS, "Why is the sky blue?")
            assert sources[0].startswith("The sky is blue")
            assert reply.target == "anthropic/claude-haiku-4-5"


def test_its_file_has_no_faults() -> None:
    env = {f"{name}_API_KEY": "sk-0123456789" for name in ("OPENAI", "AZURE", "COHERE", "ANTHROPIC")}
    loaded = load(str(FOLDER / "routes.yaml"), env=env)
    assert loaded.file is not None
    assert [found for found in loaded.diagnostics if found.severity == "error"] == []


@pytest.mark.slow
def test_it_runs_without_a_key() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    run = [sys.executable, str(FOLDER / "rag.py"), "--simulate", "What do gulls drink?"]
    ended = subprocess.run(
        run, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "from: Gulls drink salt water" in ended.stdout

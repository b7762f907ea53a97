"""Answers a question from documents: embeds them, searches, ranks what was found, and has a model answer from it.

python examples/rag/rag.py "What colour is the sky?"              # asks the vendors of routes.yaml
python examples/rag/rag.py --simulate "What colour is the sky?"   # needs no keys: simulated vendors answer
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import mul
from pathlib import Path

from providers import EmbeddingResponse
from providers.simulator import Simulator
from router import Reply, Router

FILE = Path(__file__).with_name("routes.yaml")
DOCUMENTS = (
    "The sky is blue because air scatters short waves of light more than long ones.",
    "Grass is green: its chlorophyll takes up red and blue light.",
    "The sea is salt, some 35 grams a litre, from rocks that rivers wash out.",
    "Snow is white since its crystals scatter all colours alike.",
    "A lighthouse tells ships where the coast is, each by its own rhythm of flashes.",
    "Tides follow the moon: two floods and two ebbs in a little over a day.",
    "Gulls drink salt water, and let the salt out through their beaks.",
    "A knot is a nautical mile an hour, from knots in a line that was let out.",
)
SEARCHED, KEPT = 4, 2  # documents that the vectors find, and of those the best by rank


def nearest(vectors: EmbeddingResponse, question: EmbeddingResponse, most: int) -> list[int]:
    """The places of the documents whose vectors point most in the direction of the question's."""
    wanted = question.vector(0)
    scores = [sum(map(mul, vectors.vector(place), wanted)) for place in range(vectors.count)]
    return sorted(range(vectors.count), key=scores.__getitem__, reverse=True)[:most]


async def answer(router: Router, documents: Sequence[str], question: str) -> tuple[Reply, list[str]]:
    """The answer, and the documents that it was given."""
    vectors = await router.embed("embed", documents, input_type="document")
    asked = await router.embed("embed", question, input_type="query")
    found = [documents[place] for place in nearest(vectors, asked, SEARCHED)]
    ranked = await router.rerank("rank", question, found, top_n=KEPT)
    sources = [found[each.index] for each in ranked.results]
    notes = "\n".join(f"- {source}" for source in sources)
    prompt = f"Answer in one sentence, from these notes alone:\n{notes}\n\nQuestion: {question}"
    return await router.complete("answer", prompt), sources


@asynccontextmanager
async def simulated() -> AsyncIterator[Mapping[str, str]]:
    """The variables of routes.yaml that name simulated vendors."""
    async with Simulator() as simulator:
        found = {"RAG_CACHE": "memory"}
        for name, vendor in (
            ("OPENAI", "openai"),
            ("AZURE", "openai"),
            ("COHERE", "openai"),
            ("ANTHROPIC", "anthropic"),
        ):
            simulator.vendor(vendor).set(fast=True)
            found |= {f"{name}_API_KEY": "sk-simulated", f"{name}_BASE_URL": simulator.base_url(vendor)}
        yield found


@asynccontextmanager
async def opened(*, simulate: bool) -> AsyncIterator[Router]:
    """The router of routes.yaml."""
    if not simulate:
        async with Router.from_yaml(FILE) as router:
            yield router
        return
    async with simulated() as env, Router.from_yaml(FILE, env={**os.environ, **env}, monitor=False) as router:
        yield router


async def main() -> None:
    parser = argparse.ArgumentParser(description="Answers a question from documents.")
    parser.add_argument("question", nargs="?", default="Why is the sky blue?")
    parser.add_argument("--simulate", action="store_true", help="simulated vendors answer; no key is needed")
    told = parser.parse_args()
    async with opened(simulate=told.simulate) as router:
        reply, sources = await answer(router, DOCUMENTS, told.question)
    print(reply.text)
    for source in sources:
        print(f"  from: {source}")
    print(f"  by {reply.target}")


if __name__ == "__main__":
    asyncio.run(main())

"""An edit of the file in the middle of what a request waits for."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from providers import CompletionRequest, CompletionResponse, ErrorCode, FakeProvider, ProviderError
from providers.fake import Reply, Step
from providers.types import Usage
from router import Router
from router.testing import run
from tests.support.idle import assert_idle
from tests.support.world import now

FILE = """
providers: {a: {kind: fake, limits: {in_flight: PLACES}}, b: {kind: fake}}
routes: {chat: {targets: [a/m], retry: {max_wait: 100s}}}
"""


async def edit(router: Router, path: Path, text: str) -> None:
    await asyncio.to_thread(path.write_text, text)
    assert (await router.reload()).accepted


def answering(name: str, step: Callable[[], Step]) -> FakeProvider:
    fake = FakeProvider.scripted(name=name)
    fake.script = lambda _: step()
    return fake


@pytest.mark.parametrize(
    ("before", "after", "ends"), [("1", "10", 11.0), ("2", "5", 21.0), ("1", "null", 11.0), ("5", "1", 60.0)]
)
def test_who_is_in_line_for_a_place_gets_what_an_edit_makes_of_it(
    tmp_path: Path, before: str, after: str, ends: float
) -> None:
    """Ten calls of ten seconds each, and an edit in the first: more places are filled at once, fewer soon."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE.replace("PLACES", before))

    async def main() -> None:
        fake = answering("a", lambda: Reply("fine", delay=10.0))
        async with Router.from_yaml(path, env={}, watch=False, monitor=False, providers={"a": fake}) as router:
            async with asyncio.TaskGroup() as group:
                for number in range(10):
                    group.create_task(router.complete("chat", f"hi {number}"))
                await asyncio.sleep(1)
                await edit(router, path, FILE.replace("PLACES", after))
            assert now() == pytest.approx(ends, abs=0.1)  # the file is looked at until it rests
            assert_idle(router)

    run(main())


def test_a_provider_that_is_gone_ends_with_the_last_call_that_waited_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request on the older plan waits while its provider is closed, and calls it again: then it is closed again."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE.replace("PLACES", "5"))
    made: list[FakeProvider] = []

    async def complete(fake: FakeProvider, request: CompletionRequest) -> CompletionResponse:
        made.append(fake)
        if now() < 4:
            raise ProviderError(ErrorCode.RATE_LIMITED, "slow down", provider=fake.name, retry_after=5.0)
        return CompletionResponse(text="fine", provider=fake.name)

    monkeypatch.setattr(FakeProvider, "complete", complete)

    async def main() -> None:
        async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
            waiting = asyncio.create_task(router.complete("chat", "hi"))
            await asyncio.sleep(1)
            await edit(router, path, "providers: {b: {kind: fake}}\nroutes: {chat: {targets: [b/m]}}\n")
            await asyncio.sleep(1)
            assert made[0].closed
            assert (await waiting).provider == "a"
            await asyncio.sleep(1)
            assert made[1] is not made[0]
            assert made[1].closed

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_targets_that_leave_and_return_keep_their_place_in_line(tmp_path: Path, seed: int) -> None:
    """c and d stand in some editions of the file: each target has its part of the calls while it is there."""
    path = tmp_path / "routes.yaml"
    chance = random.Random(seed)
    providers = "providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}, d: {kind: fake}}\n"
    path.write_text(f"{providers}routes: {{chat: [a/m, b/m]}}\n")

    async def main() -> None:
        due: Counter[str] = Counter()
        async with Router.from_yaml(path, env={}, watch=False, monitor=False) as router:
            for _ in range(60):
                there = ["a", "b", *(name for name in "cd" if chance.random() < 0.5)]
                await edit(router, path, f"{providers}routes: {{chat: [{', '.join(f'{name}/m' for name in there)}]}}\n")
                for _ in range(chance.choice([1, 2])):
                    due.update(dict.fromkeys(there, 1 / len(there)))  # type: ignore[arg-type]  # parts of a call
                    due[(await router.complete("chat", "hi")).provider] -= 1
        assert max(map(abs, due.values())) < 1.5

    run(main())


def test_a_budget_that_leaves_and_returns_knows_what_was_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, meanwhile by the calls that had begun with it, and no more."""
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "routes.yaml"
    there = (
        "providers: {a: {kind: fake}}\nmodels: {x: {provider: a, id: m, price: {input: 10, output: 10}}}\n"
        "routes: {chat: {targets: [x], budget: $1/d}}\n"
    )
    path.write_text(there)

    async def main() -> None:
        fake = answering("a", lambda: Reply("fine", delay=5.0, usage=Usage(1000, 1000)))
        async with Router.from_yaml(path, env={}, watch=False, monitor=False, providers={"a": fake}) as router:
            await router.complete("chat", "hi")
            under_way = asyncio.create_task(router.complete("chat", "hi"))
            await asyncio.sleep(1)
            for text in (there.replace(", budget: $1/d", ""), there.replace("$1/d", "$1/h"), there):
                await edit(router, path, text)
            await under_way
            assert router.spending[0].usd == pytest.approx(0.04)

    run(main())

"""`tags`: what an app says of a call, in every record of a request, and in nothing that leaves for a vendor or decides
what is kept.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from providers import FakeProvider, ProviderError
from providers.fake import Reply
from providers.simulator import Simulator
from router import Router
from router.config import load_text
from router.request_log.reader import LogReader
from router.testing import run
from router.views.requests import RequestFilter
from tests.support.served import CHAT, ask, question, served
from tests.support.vendors import VENDORS, routes

FREE = {"tier": "free", "team": "search"}
FILE = """\
providers: {a: {kind: fake}}
models:
  vectors: {provider: a, id: v, embeds: {dimensions: 2}}
  ranks: {provider: a, id: r, reranks: true}
routes:
  chat: {targets: [a/m]}
  kept: {targets: [a/m], cache: {ttl: 1h}}
cache: {path: memory}
"""


def made(*steps: Any) -> Router:
    return Router.from_text(FILE, env={}, seed=1, providers={"a": FakeProvider.scripted(*steps, name="a")})


def test_they_are_in_the_trace_and_find_their_requests() -> None:
    async def story() -> None:
        async with made() as router:
            tags = dict(FREE)
            reply = await router.complete("chat", "Why?", tags=tags)
            tags["tier"] = "changed later"
            async with router.stream("chat", "Why?", tags=FREE) as stream:
                async for _ in stream:
                    pass
            vectors = await router.embed("vectors", "a text", tags=FREE)
            ranks = await router.rerank("ranks", "a text", ["one"], tags=FREE)
            await router.complete("chat", "Why?")
            for trace in (reply.trace, stream.trace, vectors.trace, ranks.trace):
                assert trace is not None
                assert trace.tags == FREE
            assert "tier=free  team=search" in reply.trace.render()
            assert pickle.loads(pickle.dumps(reply.trace)).as_dict()["tags"] == FREE
            feed = router.feed()
            told = [record.tags for record in await feed.requests()]
            assert told == [None, FREE, FREE, FREE, FREE]
            assert len(await feed.requests(RequestFilter(text="tier=free"))) == 4

    run(story())


def test_answers_are_shared_whatever_the_tags() -> None:
    async def story() -> list[str]:
        async with made(Reply("one"), Reply("two")) as router:
            return [(await router.complete("kept", "Why?", tags=tags)).text for tags in (FREE, {"tier": "paid"}, None)]

    assert run(story()) == ["one", "one", "one"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_no_vendor_is_told(vendor: str) -> None:
    async with Simulator() as simulator, Router.from_text(routes(simulator), env={}) as router:
        await router.complete(f"{vendor}-first", "Why?", tags={"team": "secret-team"})
        sent = simulator.vendor(vendor).last_request
        assert sent is not None
        assert "secret-team" not in repr(sent)


@pytest.mark.parametrize(
    "odd",
    [
        "tier",
        ["tier"],
        {"tier": 3},
        {3: "free"},
        {"tier": ""},
        {"tier": "a\nb"},
        {"a b": "c"},
        {"a=b": "c"},
        {"tier": "x" * 257},
        {f"n{number}": "x" for number in range(33)},
    ],
)
def test_they_are_short_texts_by_name(odd: Any) -> None:
    for ask_with in (
        lambda router: router.complete("chat", "Why?", tags=odd),
        lambda router: router.embed("vectors", "Why?", tags=odd),
    ):
        with pytest.raises(ProviderError, match="tags: "):
            run(ask_with(made()))


def test_no_tags_are_none() -> None:
    assert run(made().complete("chat", "Why?", tags={})).trace.tags is None


# --- over HTTP


async def tags_seen(serve: str, body: dict[str, Any], path: str = CHAT, **headers: str) -> Any:
    async with served(serve) as house:
        answer = await ask(house.port, "POST", path, question(**body), **headers)
        assert answer.status == 200, answer.body
        return house.provider.requests[-1].tags


async def test_a_client_gives_those_that_the_file_names() -> None:
    said = {"metadata": {"tier": "free", "team": "search", "other": "no"}}
    assert await tags_seen("{}", said) is None
    assert await tags_seen("{tags: [tier, team]}", said) == FREE
    assert await tags_seen("{tags: tier}", said) == {"tier": "free"}
    assert await tags_seen("{tags: [tier]}", {"metadata": {"tier": "x" * 300}}) is None
    header = {"x_signalbox_tags": " tier=free , team=search, other=no,,="}
    assert await tags_seen("{tags: [tier, team]}", {}, **header) == FREE
    assert await tags_seen("{tags: [tier, team]}", {"metadata": {"tier": "paid"}}, **header) == FREE
    for path in ("/v1/messages", "/api/chat"):
        assert await tags_seen("{tags: [tier, team]}", {}, path, **header) == FREE


async def test_what_the_file_says_of_a_key_goes_before_what_its_client_says() -> None:
    key = "a-key-of-twenty-characters"
    serve = f"{{tags: [tier, team], keys: {{alice: {{key: {key}, tags: {{tier: free}}}}}}}}"
    said = {"metadata": {"tier": "paid", "team": "search"}}
    assert await tags_seen(serve, said, authorization=f"Bearer {key}") == FREE
    serve = f"{{keys: {{alice: {{key: {key}, tags: {{tier: free}}}}}}}}"
    assert await tags_seen(serve, said, authorization=f"Bearer {key}") == {"tier": "free"}


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        ("{tags: [a b]}", "this must be the name of a tag"),
        ("{keys: {alice: {key: a-key-of-twenty-characters, tags: {tier: 3}}}}", "this must be the value of a tag"),
    ],
)
def test_what_is_no_tag_in_the_file_is_told(serve: str, message: str) -> None:
    loaded = load_text(f"{FILE}serve: {serve}\n", env={})
    assert [message in str(found) for found in loaded.diagnostics if found.severity == "error"] == [True]


async def test_they_are_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(f"{FILE}telemetry: {{log: {{path: logs}}}}\n")
    async with Router.from_yaml(
        path, env={}, providers={"a": FakeProvider.scripted(name="a")}, monitor=False
    ) as router:
        await router.complete("chat", "Why?", tags=FREE)
        await router.complete("chat", "Why?")
    assert [line.record.tags for line in LogReader(tmp_path / "logs").lines()] == [FREE, None]

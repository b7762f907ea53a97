"""Half of a surrogate pair in a request to a router: it is answered, or fails with a ProviderError."""

from __future__ import annotations

from typing import Any

import pytest

from providers import FakeProvider, Message, ProviderError, ToolCall
from providers.fake import Reply
from router import Router

HALF = "cut \ud83d here"
FILE = """
providers: {a: {kind: fake}}
routes: {chat: {targets: [a/x], cache: {ttl: 1h}}}
telemetry: {capture: full}
"""


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        (HALF, {}),
        ([Message.system(HALF), Message.user("x")], {}),
        ([Message.user("x"), Message.assistant("", [ToolCall("c", HALF, {HALF: HALF})]), Message.tool("c", HALF)], {}),
        ("x", {"user": HALF, "metadata": {HALF: HALF}, "extra_body": {HALF: HALF}}),
    ],
)
async def test_it_is_answered(messages: Any, fields: dict[str, Any]) -> None:
    async with Router.from_text(FILE, providers={"a": FakeProvider.scripted(Reply("Hello"), name="a")}) as router:
        assert (await router.complete("chat", messages, **fields)).text == "Hello"
        async with router.stream("chat", messages, **fields) as stream:
            assert "".join([chunk.text async for chunk in stream]) == "Hello"
        assert (await router.count_tokens("chat", messages)).tokens > 0


@pytest.mark.parametrize("name", ["affinity", "namespace"])
async def test_what_decides_where_it_goes_has_whole_characters(name: str) -> None:
    async with Router.from_text(FILE, providers={"a": FakeProvider.scripted(Reply("Hello"), name="a")}) as router:
        with pytest.raises(ProviderError, match=name):
            await router.complete("chat", "x", **{name: HALF})

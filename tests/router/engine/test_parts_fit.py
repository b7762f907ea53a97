"""A target that lacks what a request holds or asks for is passed over, as one that reads no images is."""

from __future__ import annotations

from typing import Any

import pytest

from providers import AudioPart, FakeProvider, FilePart, Message, ServerTool
from providers.fake import Reply
from router import Router
from router.testing import run

FILE = """
providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}
models: {{deaf: {{provider: a, id: x, capabilities: {{{lacks}: false}}}}}}
routes: {{chat: {{targets: [deaf], fallbacks: [b/y]}}}}
"""


@pytest.mark.parametrize(
    ("lacks", "content", "fields"),
    [
        ("audio", (AudioPart(b"RIFF", "audio/wav"),), {}),
        ("audio", "hi", {"audio": {"voice": "alloy"}}),
        ("files", (FilePart(b"%PDF", "application/pdf"),), {}),
        ("files", (FilePart(url="https://a.example/x.pdf"),), {}),
        ("server_tools", "hi", {"server_tools": ["web_search"]}),
        ("server_tools", "hi", {"server_tools": [ServerTool("web_search")]}),
        ("logprobs", "hi", {"logprobs": True}),
    ],
)
def test_a_target_that_lacks_it_is_passed_over(lacks: str, content: Any, fields: dict[str, Any]) -> None:
    fakes = {
        "a": FakeProvider.scripted(Reply("from a"), name="a"),
        "b": FakeProvider.scripted(Reply("from b"), name="b"),
    }
    router = Router.from_text(FILE.format(lacks=lacks), providers=fakes)
    reply = run(router.complete("chat", [Message.user(content)], **fields))
    assert reply.text == "from b"
    assert f"no {lacks}" in reply.trace.render()


def test_a_text_as_a_document_asks_nothing_of_a_target() -> None:
    fakes = {"a": FakeProvider.scripted(Reply("from a"), name="a"), "b": FakeProvider.scripted(name="b")}
    router = Router.from_text(FILE.format(lacks="files"), providers=fakes)
    reply = run(router.complete("chat", [Message.user([FilePart(b"a", "text/plain")])]))
    assert reply.text == "from a"

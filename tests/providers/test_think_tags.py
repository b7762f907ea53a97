"""Reasoning inside the text, in `<think>` tags, is taken out of it where the provider is told so."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorCode, ProviderError
from providers.openai.chat_decode import ChatStreamDecoder, decode
from providers.openai.chat_encode import encode
from providers.openai.dialects import DIALECTS
from providers.think_tags import ThinkSplitter
from providers.transport.lines import SSEEvent
from providers.types import CompletionRequest, Message


@pytest.mark.parametrize(
    ("whole", "text", "thinking"),
    [
        ("<think>hm</think>yes", "yes", "hm"),
        ("no tags", "no tags", ""),
        ("a<think>b</think>c<think>d</think>e", "ace", "bd"),
        ("<think>never ends", "", "never ends"),
        ("a < b <thin", "a < b <thin", ""),
        ("<think></thin</think>x", "x", "</thin"),
        ("x</think>y", "y", "x"),
        ("<thought>hm</thought>yes", "yes", "hm"),
        ("<thinking>a</think>b</thinking>c", "c", "a</think>b"),
        ("Use `<think>` and `</think>`.", "Use `<think>` and `</think>`.", ""),
        ("Use `<think>x</think>` so.", "Use `<think>x</think>` so.", ""),
        ('Say "<think>" and "</think>".', 'Say "<think>" and "</think>".', ""),
        ("\u201c<think>\u201d is a tag", "\u201c<think>\u201d is a tag", ""),
        ("```xml\n<think>x</think>\n```\nok", "```xml\n<think>x</think>\n```\nok", ""),
        ("<think>hm</think>\n```\n<think>x</think>\n```\n", "\n```\n<think>x</think>\n```\n", "hm"),
        ('Say "<think>x</think>" so.', 'Say "<think>x</think>" so.', ""),
        ('"<think>" <think>x</think>"', '"<think>" "', "x"),
        ("a <think> is never closed", "a <think> is never closed", ""),
        ("<think>I close with `</think>`.</think>y", "y", "I close with `</think>`."),
        ("hm\n</think>\n\nyes </think>", "\n\nyes </think>", "hm\n"),
    ],
)
@given(cuts=st.lists(st.integers(0, 40), max_size=8))
def test_any_cut_gives_the_same(whole: str, text: str, thinking: str, cuts: list[int]) -> None:
    """Tags cut between two pieces are tags all the same, and what only looks like one is text."""
    splitter = ThinkSplitter()
    found = ["", ""]
    for start, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]):
        said, thought = splitter.feed(whole[start:end])
        if splitter.text_was_thinking:
            found, splitter.text_was_thinking = ["", found[0] + found[1]], False
        found = [found[0] + said, found[1] + thought]
    said, thought = splitter.flush()
    if splitter.text_was_thinking:
        found = ["", found[0] + found[1]]
    assert [found[0] + said, found[1] + thought] == [text, thinking]
    assert ThinkSplitter().whole(whole) == (text, thinking)


def test_streams_and_plain_answers() -> None:
    """Switched on, both give thinking as thinking; otherwise the text is left as it is."""
    body = {"choices": [{"message": {"content": "<think>hm</think>yes"}, "finish_reason": "stop"}]}
    reply = decode(body, provider="p", model="m", request_id=None, think_tags=True)
    assert (reply.text, reply.thinking[0].text) == ("yes", "hm")
    assert decode(body, provider="p", model="m", request_id=None).text == "<think>hm</think>yes"

    decoder = ChatStreamDecoder("p", "m", None, think_tags=True)
    chunks = []
    for piece in ("<th", "ink>h", "m</think", ">y", "es <"):
        event = SSEEvent(None, json.dumps({"choices": [{"delta": {"content": piece}}]}).encode())
        chunks.append(decoder.feed(event))
    decoder.feed(SSEEvent(None, b"[DONE]"))
    chunks.append(decoder.finish())
    assert "".join(chunk.text for chunk in chunks if chunk) == "yes <"
    assert decoder.response().text == "yes <"
    assert decoder.response().thinking[0].text == "hm"


@pytest.mark.parametrize(
    ("dialect", "fields", "words"),
    [
        ("lmstudio", {"response_format": "json"}, "schema only"),
        ("xai", {"model": "grok-4", "stop": ("END",)}, "no stop sequences"),
        ("deepseek", {"response_format": {"name": "a", "schema": {}}}, "no JSON schema"),
    ],
)
def test_what_a_dialect_cannot_carry_is_told(dialect: str, fields: dict[str, object], words: str) -> None:
    """`unsupported`, so that the next target is tried."""
    request = CompletionRequest(**{"model": "m", "messages": (Message.user("hi"),), **fields})  # type: ignore[arg-type]  # as given
    with pytest.raises(ProviderError, match=words) as caught:
        encode(request, DIALECTS[dialect], stream=False)
    assert caught.value.code is ErrorCode.UNSUPPORTED

"""Counts say by what they were made, and never wait for a download."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import tokens
from providers.tokens import count_tokens, encoding_name, estimate, upper_bound, vocabulary_file
from providers.types import ImagePart, Message, TextPart, ToolCall


@pytest.fixture
def no_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    tokens._load.cache_clear()
    return tmp_path


def test_without_a_vocabulary_it_is_an_estimate(no_vocabulary: Path) -> None:
    """No file, no download: the count says that it is estimated."""
    count = count_tokens([Message.user("Why is the sky blue?")], "gpt-4o")
    assert (count.exact, count.by) == (False, "estimate")
    assert 8 <= count.tokens <= 24


def test_a_damaged_vocabulary_is_not_used(no_vocabulary: Path) -> None:
    """A file with a wrong checksum is neither loaded nor replaced from the network."""
    path = vocabulary_file("o200k_base")
    assert path is not None
    path.write_bytes(b"damaged")
    assert count_tokens([Message.user("hi")], "gpt-4o").by == "estimate"
    assert path.read_bytes() == b"damaged"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-5.4", "o200k_base"),
        ("gpt-6-sol", "o200k_base"),
        ("gpt-oss:20b", "o200k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("claude-opus-5-5", None),
        ("llama3.2:3b", None),
    ],
)
def test_the_encoding_goes_by_the_family(model: str, name: str | None) -> None:
    """OpenAI's families have their tokenizer, others none."""
    assert encoding_name(model) == name


@given(st.text(max_size=400))
def test_the_bound_is_never_below_the_estimate(text: str) -> None:
    """UTF-8 bytes bound the tokens, so they bound the estimate."""
    text = text.encode("utf-8", "replace").decode()
    message = [Message.user(text)]
    assert estimate(text) <= max(1, len(text.encode()))
    assert count_tokens(message, "some-model").tokens <= upper_bound(message)


def test_estimates_are_believable() -> None:
    """One to two tokens a short English word, about one a Chinese character."""
    english = "The quick brown fox jumps over the lazy dog, and then it runs away into the forest."
    chinese = "敏捷的棕色狐狸跳过了懒狗，然后跑进了森林。"
    assert len(english.split()) <= estimate(english) <= 2 * len(english.split())
    assert 0.7 * len(chinese) <= estimate(chinese) <= 1.1 * len(chinese)


def test_everything_in_a_conversation_counts() -> None:
    """Names, tool calls and images add to it."""
    plain = count_tokens([Message.user("hi")], "m").tokens
    assert count_tokens([Message("user", "hi", name="ada")], "m").tokens > plain
    called = Message.assistant("hi", [ToolCall("i", "weather", {"city": "Oslo"})])
    assert count_tokens([called], "m").tokens > plain
    seen = Message.user([TextPart("hi"), ImagePart(url="https://a/b.png")])
    assert count_tokens([seen], "m").tokens > plain + 500


def test_the_vocabulary_is_where_tiktoken_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder rule and file name as tiktoken's own."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "/cache")
    assert vocabulary_file("o200k_base") == Path("/cache/fb374d419588a4632f3f557e76b4b70aebbca790")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert vocabulary_file("o200k_base") is None

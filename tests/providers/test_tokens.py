"""Counts say by what they were made, and never wait for a download."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from providers import tokens
from providers.errors import ErrorCode, ProviderError
from providers.simulator import Simulator
from providers.tokens import Learned, count_tokens, encoding_name, estimate, vocabulary_file
from providers.types import ImagePart, Message, TextPart, Tool, ToolCall
from router import Router
from router.cli.tokens import command


@pytest.fixture
def no_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
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
    assert (
        count_tokens(message, "some-model").tokens <= max(1, len(text.encode())) + 16
    )  # what a message costs besides its text


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


# --- learning from what vendors count


@given(st.floats(0.5, 2.0), st.lists(st.integers(1, 60), min_size=20, max_size=40))
def test_estimates_learn_the_vendors_tokenizer(factor: float, sizes: list[int]) -> None:
    """After some answers the estimate is within its margin of what the vendor would count."""
    learned = Learned()
    for size in sizes:
        messages = [Message.user("word " * size)]
        learned.add(messages, round(tokens.estimated(messages).tokens * factor))
    messages = [Message.user("word " * 100)]
    real = tokens.estimated(messages).tokens * factor
    found = learned.corrected(tokens.estimated(messages))
    assert (found.exact, found.by) == (False, "estimate:learned")
    assert abs(found.tokens - real) <= max(2, real * max(0.1, found.margin))


def test_tools_cost_tokens() -> None:
    """None for none, more for more."""
    one = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
    assert tokens.tools_tokens([]) == 0
    assert 10 < tokens.tools_tokens([one]) < 80
    assert tokens.tools_tokens([one, one]) > tokens.tools_tokens([one])


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_exact_counts_come_from_the_vendor(simulator: Simulator, kind: str) -> None:
    """By its counting endpoint, tools included."""
    text = f'providers: {{a: {{kind: {kind}, base_url: "{simulator.base_url(kind)}", api_key: k{DIALECT[kind]}}}}}\n'
    text += "routes: {chat: a/claude-haiku-4-5}\n"
    tool = {"name": "weather", "input_schema": {"type": "object"}}
    async with Router.from_text(text, env={}) as router:
        count = await router.count_tokens("chat", "Why is the sky blue?", exact=True)
        more = await router.count_tokens("chat", "Why is the sky blue?", tools=[tool], exact=True)
    assert (count.exact, count.by, count.margin) == (True, kind, 0.0)
    assert more.tokens > count.tokens > 0
    simulator.vendor(kind).set(error_rate=1, error="authentication")
    async with Router.from_text(text, env={}) as router:
        with pytest.raises(ProviderError) as caught:
            await router.count_tokens("chat", "hi", exact=True)
    assert caught.value.code is ErrorCode.AUTHENTICATION


DIALECT = {"openai": ", dialect: openai", "anthropic": ""}


async def test_vendors_without_a_counter_say_so(simulator: Simulator) -> None:
    """Ollama has none: unsupported, by name."""
    text = f'providers: {{a: {{kind: ollama, base_url: "{simulator.base_url("ollama")}"}}}}\nroutes: {{chat: a/m}}\n'
    async with Router.from_text(text, env={}) as router:
        with pytest.raises(ProviderError) as caught:
            await router.count_tokens("chat", "hi", exact=True)
        assert caught.value.code is ErrorCode.UNSUPPORTED
        assert not (await router.count_tokens("chat", "hi")).exact


async def test_a_router_learns_from_its_answers(simulator: Simulator) -> None:
    """What the vendor reported makes the next estimate its own."""
    text = f'providers: {{a: {{kind: ollama, base_url: "{simulator.base_url("ollama")}"}}}}\nroutes: {{chat: a/m}}\n'
    async with Router.from_text(text, env={}) as router:
        for _ in range(5):
            reply = await router.complete("chat", "Why is the sky blue, and why is it red at sunset?")
        count = await router.count_tokens("chat", "Why is the sky blue, and why is it red at sunset?")
    assert count.by == "estimate:learned"
    assert reply.usage.input_tokens is not None
    assert abs(count.tokens - reply.usage.input_tokens) <= 1


# --- fetching vocabularies


class Mirror(BaseHTTPRequestHandler):
    content = b"a vocabulary"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_vocabularies_are_fetched_whole_or_not_at_all(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked before they are put in place; a second fetch does nothing."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    good = hashlib.sha256(Mirror.content).hexdigest()
    monkeypatch.setattr(tokens, "VOCABULARIES", {"o200k_base": good})
    runner = CliRunner()
    assert "missing" in runner.invoke(command, ["status"]).output
    done = runner.invoke(command, ["fetch", "--from", mirror])
    assert done.exit_code == 0
    assert "12 bytes" in done.output
    assert "in place" in runner.invoke(command, ["fetch", "--from", "http://127.0.0.1:9"]).output

    monkeypatch.setattr(tokens, "VOCABULARIES", {"cl100k_base": "0" * 64})
    failed = runner.invoke(command, ["fetch", "--from", mirror])
    assert failed.exit_code == 1
    assert "checksum is wrong" in failed.output
    assert len(list(tmp_path.iterdir())) == 1

    offline = runner.invoke(command, ["fetch", "--from", "http://127.0.0.1:9"])
    assert offline.exit_code == 1
    assert "is there a network?" in offline.output

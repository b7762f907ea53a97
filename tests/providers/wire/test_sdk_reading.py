"""The official SDKs read what the servers' side writes: thinking, text and two calls, plain and streamed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import msgspec
import ollama
import openai
import pytest

from providers.accumulate import as_chunks
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionResponse, StreamChunk, ThinkingPart, ToolCall, Usage
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from providers.wire.writing import Head, StreamWriter

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend

HEAD = Head("0123abcd", "m", 1_750_000_000.0, input_tokens=3)
THOUGHT = ThinkingPart("First I look.", "signature")
ANSWER = CompletionResponse(
    text="I look at both.",
    thinking=(THOUGHT,),
    tool_calls=(ToolCall("c1", "look", {"at": "a"}, '{"at": "a"}'), ToolCall("c2", "look", {}, "")),
    finish_reason="tool_calls",
    usage=Usage(100, 20, 40, 10, 5),
)
CALLS = [("c1", "look", {"at": "a"}), ("c2", "look", {})]
USER: Any = [{"role": "user", "content": "hi"}]


class Served:
    """A server on loopback that answers every request with what it was given last."""

    def __init__(self) -> None:
        self.data, self.kind, self.status, self.headers = b"", "", 200, dict[str, str]()
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(served.status)
                for name, value in {"content-type": served.kind, **served.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(served.data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.openai = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
        self.anthropic = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        self.ollama = ollama.Client(host=url)

    def whole(self, body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.data, self.kind = msgspec.json.encode(body), "application/json"
        self.status, self.headers = status, headers or {}

    def stream(self, writer: StreamWriter, error: ProviderError | None = None) -> None:
        """The answer, or some text and then an error."""
        chunks = [StreamChunk("so far")] if error else as_chunks(ANSWER, size=4)
        end = writer.error(error) if error else b""
        self.data = writer.start() + b"".join(map(writer.chunk, chunks)) + (end or writer.end())
        self.kind, self.status, self.headers = writer.content_type, 200, {}

    def close(self) -> None:
        self.openai.close()
        self.anthropic.close()
        self.ollama._client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    running = Served()
    yield running
    running.close()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_openai_chat(served: Served, stream: bool) -> None:
    """Text, thinking in DeepSeek's field, calls, finish reason and usage."""
    asked: dict[str, Any] = {"model": "m", "messages": USER}
    if stream:
        served.stream(openai_chat.ChatStreamWriter(HEAD, usage=True))
        with served.openai.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            reply: Any = events.get_final_completion()
    else:
        served.whole(openai_chat.render_response(ANSWER, HEAD))
        reply = served.openai.chat.completions.create(**asked)
    (choice,) = reply.choices
    assert (reply.id, reply.model, choice.finish_reason) == ("chatcmpl-0123abcd", "m", "tool_calls")
    assert choice.message.content == ANSWER.text
    assert choice.message.reasoning_content == THOUGHT.text
    found = [
        (call.id, call.function.name, json.loads(call.function.arguments or "{}")) for call in choice.message.tool_calls
    ]
    assert found == CALLS
    usage = reply.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 20, 120)
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (40, 5)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_openai_responses(served: Served, stream: bool) -> None:
    """Items of reasoning, text and calls, and the same once more in the events between."""
    asked: dict[str, Any] = {"model": "m", "input": "hi"}
    if stream:
        served.stream(openai_responses.ResponsesStreamWriter(HEAD))
        with served.openai.responses.stream(**asked) as events:
            seen: list[Any] = list(events)
            reply: Any = events.get_final_response()
        assert [event.sequence_number for event in seen if hasattr(event, "sequence_number")] == list(range(len(seen)))
        deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
        assert "".join(deltas) == ANSWER.text
    else:
        served.whole(openai_responses.render_response(ANSWER, HEAD))
        reply = served.openai.responses.create(**asked)
    assert (reply.id, reply.status, reply.output_text) == ("resp_0123abcd", "completed", ANSWER.text)
    assert [item.type for item in reply.output] == ["reasoning", "message", "function_call", "function_call"]
    assert reply.output[0].summary[0].text == THOUGHT.text
    assert [(item.call_id, item.name, json.loads(item.arguments or "{}")) for item in reply.output[2:]] == CALLS
    assert len({item.id for item in reply.output}) == 4
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 20)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_anthropic(served: Served, stream: bool) -> None:
    """Blocks with the signature of thinking; `input_tokens` without those of the cache."""
    asked: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": USER}
    if stream:
        served.stream(anthropic_messages.MessagesStreamWriter(HEAD, lambda: (THOUGHT,)))
        with served.anthropic.messages.stream(**asked) as events:
            reply: Any = events.get_final_message()
    else:
        served.whole(anthropic_messages.render_response(ANSWER, HEAD))
        reply = served.anthropic.messages.create(**asked)
    assert (reply.id, reply.stop_reason) == ("msg_0123abcd", "tool_use")
    thought, said, *calls = reply.content
    assert (thought.thinking, thought.signature, said.text) == (THOUGHT.text, "signature", ANSWER.text)
    assert [(call.id, call.name, call.input) for call in calls] == CALLS
    usage = reply.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (50, 40, 10)
    assert usage.output_tokens == 20


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_ollama(served: Served, stream: bool) -> None:
    """Lines without a blank one, which would break it; calls as objects."""
    if stream:
        served.stream(ollama_chat.OllamaStreamWriter(HEAD))
        lines = list(served.ollama.chat("m", USER, stream=True))
    else:
        served.whole(ollama_chat.render_response(ANSWER, HEAD, seconds=1.5))
        lines = [served.ollama.chat("m", USER)]
    assert "".join(line.message.content or "" for line in lines) == ANSWER.text
    assert "".join(line.message.thinking or "" for line in lines) == THOUGHT.text
    calls = [call.function for line in lines for call in line.message.tool_calls or ()]
    assert [(call.name, call.arguments) for call in calls] == [(name, given) for _, name, given in CALLS]
    last = lines[-1]
    assert (last.done, last.done_reason, last.prompt_eval_count, last.eval_count) == (True, "stop", 100, 20)


def test_errors_are_the_sdks_own(served: Served) -> None:
    """Each SDK raises its class for the status, with the message that was told."""
    error = ProviderError(ErrorCode.RATE_LIMITED, "slow down", retry_after=1)
    status, headers, body = openai_chat.render_error(error)
    served.whole(body, status, headers)
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        served.openai.chat.completions.create(model="m", messages=USER)
    assert caught.value.code == "rate_limit_exceeded"
    status, headers, body = anthropic_messages.render_error(error, "req_1")
    served.whole(body, status, headers)
    with pytest.raises(anthropic.RateLimitError, match="slow down"):
        served.anthropic.messages.create(model="m", max_tokens=9, messages=USER)
    status, headers, body = ollama_chat.render_error(error)
    served.whole(body, status, headers)
    with pytest.raises(ollama.ResponseError, match="slow down"):
        served.ollama.chat("m", USER)


def test_errors_within_streams_are_raised(served: Served) -> None:
    """By each SDK that knows of such; OpenAI's gives a failed response as what it is."""
    error = ProviderError(ErrorCode.SERVER_ERROR, "it broke")
    served.stream(openai_chat.ChatStreamWriter(HEAD), error)
    with pytest.raises(openai.APIError, match="it broke"):
        list(served.openai.chat.completions.create(model="m", messages=USER, stream=True))
    served.stream(openai_responses.ResponsesStreamWriter(HEAD), error)
    *_, last = served.openai.responses.create(model="m", input="hi", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "it broke"
    served.stream(anthropic_messages.MessagesStreamWriter(HEAD), error)
    with pytest.raises(anthropic.APIStatusError, match="it broke"):
        list(served.anthropic.messages.create(model="m", max_tokens=9, messages=USER, stream=True))
    served.stream(ollama_chat.OllamaStreamWriter(HEAD), error)
    with pytest.raises(ollama.ResponseError, match="it broke"):
        list(served.ollama.chat("m", USER, stream=True))

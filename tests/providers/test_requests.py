"""The other direction: requests that apps really sent go out in all four protocols without losing their meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from providers import registry
from providers.anthropic.encode import encode as encode_anthropic
from providers.base import Provider
from providers.coerce import coerce_request
from providers.errors import ErrorCode, ProviderError
from providers.ollama.chat import encode as encode_ollama
from providers.openai.chat_encode import encode as encode_chat
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as encode_responses
from providers.settings import ProviderSettings
from providers.simulator import Simulator
from providers.types import CompletionRequest, ImagePart, Message, TextPart, ThinkingPart, Tool
from providers.validation import validate
from tests.support import meaning
from tests.support.corpus import FOLDER, TENTH, records

Encode = Callable[[CompletionRequest], dict[str, Any]]
Read = Callable[[dict[str, Any]], meaning.Meaning]

GENERIC = DIALECTS["generic"]
PROTOCOLS: dict[str, tuple[Encode, Read]] = {
    "chat": (lambda request: encode_chat(request, GENERIC, stream=False, provider="p"), meaning.of_chat),
    "responses": (lambda request: encode_responses(request, GENERIC, stream=False, provider="p"), meaning.of_responses),
    "anthropic": (lambda request: encode_anthropic(request, stream=False, provider="p"), meaning.of_anthropic),
    "ollama": (lambda request: encode_ollama(request, stream=False, provider="p", options={}), meaning.of_ollama),
}
CUT = re.compile(r"(data:[\w./+-]+;base64,)[^\"]*…\[\d+ characters\]")


def recorded_requests() -> list[CompletionRequest]:
    """Those that any vendor could be asked; recordings cut long data short, so it is made whole again."""
    found = []
    for record in records("openai", every=TENTH):
        text = json.dumps(record["request"]["body"], ensure_ascii=False)
        body = json.loads(CUT.sub(r"\1eHk=", text))
        if not isinstance(body, dict) or record["response"]["status"] >= 400:
            continue
        try:
            request = coerce_request({"model": "m", **body})
            validate(request)
        except ProviderError as error:
            assert error.code in (ErrorCode.UNSUPPORTED, ErrorCode.INVALID_REQUEST)  # noqa: PT017 - either is right
            continue
        # What belongs to one vendor only is left out of the comparison.
        found.append(msgspec.structs.replace(request, model="m", extra_body=None))
    return found


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the recorded vendor traffic is not at {FOLDER} (SIGNALBOX_CORPUS)")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_recorded_requests_keep_their_meaning(protocol: str) -> None:
    """All text, calls, results, media and tools in order; what cannot be expressed is `unsupported` and named."""
    encode, read = PROTOCOLS[protocol]
    requests = recorded_requests()
    carried = 0
    for request in requests:
        try:
            body = encode(request)
        except ProviderError as error:
            assert error.code is ErrorCode.UNSUPPORTED, error  # noqa: PT017 - either end is right
            continue
        carried += 1
        if protocol == "ollama" and request.tool_choice == "none":
            request = msgspec.structs.replace(request, tools=())  # its only way to say so is not to offer them
        assert read(json.loads(msgspec.json.encode(body))) == meaning.of_request(request)
    assert carried > 0.8 * len(requests) > 100


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the recorded vendor traffic is not at {FOLDER} (SIGNALBOX_CORPUS)")
def test_what_is_read_and_written_is_read_again_the_same() -> None:
    """From OpenAI's shape to ours and back, twice: nothing changes."""
    for request in recorded_requests():
        body = encode_chat(request, GENERIC, stream=False)
        assert encode_chat(coerce_request(body), GENERIC, stream=False) == body


# --- conversations that move from one vendor to another

WEATHER = Tool("weather", "tells it", {"type": "object", "properties": {"city": {"type": "string"}}})
NAMES = ("chat", "responses", "anthropic", "ollama")
MODELS = {"chat": "gpt-4o", "responses": "gpt-4o", "anthropic": "claude-haiku-4-5", "ollama": "qwen3:4b"}


def made(name: str, simulator: Simulator) -> Provider:
    kind = "openai" if name in ("chat", "responses") else name
    options = {"api": name} if kind == "openai" else {}
    return registry.create(
        ProviderSettings(name=name, kind=kind, base_url=simulator.base_url(kind), options={"max_retries": 0, **options})
    )


@pytest.mark.parametrize("second", NAMES)
@pytest.mark.parametrize("first", NAMES)
async def test_a_conversation_goes_on_at_another_vendor(simulator: Simulator, first: str, second: str) -> None:
    """A tool call with thinking and an image, begun at one, answered at the other, and taken back again."""
    providers = {name: made(name, simulator) for name in {first, second}}
    picture = Message.user([TextPart("What is the weather here?"), ImagePart(data=b"xy", media_type="image/png")])
    asked = CompletionRequest(model=MODELS[first], messages=(picture,), tools=(WEATHER,))
    reply = await providers[first].complete(asked)
    assert reply.tool_calls
    thought = ThinkingPart(
        "private thoughts", "sig", {"type": "reasoning", "encrypted_content": "sealed"}, f"{first}/{asked.model}"
    )
    if first in ("anthropic", "ollama", "chat"):
        thought = ThinkingPart("private thoughts", "sig", origin=f"{first}/{asked.model}")
    said = msgspec.structs.replace(reply.message, thinking=(thought,))
    messages = (picture, said, *(call.result("rain").message() for call in said.tool_calls))

    there = await providers[second].complete(
        CompletionRequest(model=MODELS[second], messages=messages, tools=(WEATHER,))
    )
    assert there.text
    sent = _sent(simulator, second)
    assert PROTOCOLS[second][1](sent) == meaning.of_request(
        CompletionRequest(model="m", messages=messages, tools=(WEATHER,))
    )
    if first != second:
        assert "private thoughts" not in json.dumps(sent)
        assert "sealed" not in json.dumps(sent)

    back = (*messages, there.message, Message.user("And tomorrow?"))
    again = await providers[first].complete(CompletionRequest(model=MODELS[first], messages=back))
    assert again.text
    sent = _sent(simulator, first)
    kept = {"anthropic": "private thoughts", "ollama": "private thoughts", "responses": "sealed"}
    if first in kept:
        assert kept[first] in json.dumps(sent)
    for provider in providers.values():
        await provider.aclose()


def _sent(simulator: Simulator, name: str) -> dict[str, Any]:
    last = simulator.vendor("openai" if name in ("chat", "responses") else name).last_request
    assert last is not None
    body: dict[str, Any] = last.body
    return body

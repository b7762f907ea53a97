"""Nothing that authenticates leaves by an error or an answer, however a vendor sends it back."""

from __future__ import annotations

import base64
import html
import json
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

import httpx
import pytest

from providers import ProviderError, ProviderSettings, registry
from providers.scrub import Scrubber
from providers.types import CompletionRequest, Message
from tests.support.raw_server import serving
from tests.support.scripted import Vendor

KEY = "kq+7/pZ=19xVb&<t>0aW"
HEADER, PASSWORD, QUERY, CALL = "tok-of-a-gateway", "pass#word-9", "query-value-77", "callers-own-token"
SETTINGS = {
    "api_key": KEY,
    "headers": {"x-gateway": f"Bearer {HEADER}"},
    "base_url": f"http://user:{quote(PASSWORD)}@host/v1?code={QUERY}",
}
SECRETS = (KEY, HEADER, PASSWORD, QUERY, CALL)


def spellings(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote(secret, safe="").lower(), json.dumps(secret)[1:-1])
    yield from (secret.replace("/", "\\/"), html.escape(secret), base64.b64encode(secret.encode()).decode())
    yield "".join(char if char.isalnum() else f"\\u{ord(char):04x}" for char in secret)
    yield secret[:15] + "…"  # as some cut it


def all_of(error: BaseException) -> str:
    """Whatever a log, a debugger or another process would get of it."""
    told = [str(error), repr(error), repr(error.args), repr(vars(error)), repr(getattr(error, "__notes__", ()))]
    told += traceback.format_exception(error)
    with suppress(TypeError, AttributeError, pickle.PicklingError):  # not every error can be sent
        told.append(repr(pickle.dumps(error)))
    if error.__cause__ is not None or error.__context__ is not None:
        told.append("".join(all_of(each) for each in (error.__cause__, error.__context__) if each is not None))
    return "\n".join(told)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama"])
@pytest.mark.parametrize("secret", SECRETS)
async def test_an_echo_is_blanked_out(kind: str, secret: str) -> None:
    """In every field of an error, plain and streamed, in every spelling; also where only a header of a call has it."""
    for text in spellings(secret):
        body = {"error": {"message": f"bad {text}!", "type": text, "code": text, "param": text}, "request_id": text}
        heads = {"x-request-id": text.encode("ascii", "replace").decode()}
        vendor = Vendor(kind, httpx.Response(400, json=body, headers=heads), **SETTINGS)
        for stream in (False, True):
            error = await vendor.fails(stream=stream, extra_headers={"x-mine": CALL})
            assert text[:15] not in all_of(error), text


async def test_an_echo_in_an_answer() -> None:
    """Its id, its model, its request id and its finish reason are names, and hold no secret."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": KEY}
    answer = httpx.Response(
        200, json={"id": f"c-{KEY}", "model": f"m-{KEY}", "choices": [choice]}, headers={"x-request-id": HEADER}
    )
    for stream in (False, True):
        reply = await Vendor("openai", answer, **SETTINGS).ask(stream=stream)
        assert KEY not in f"{reply.id} {reply.model} {reply.raw_finish_reason}"
        assert HEADER not in (reply.request_id or "")


async def test_what_a_failure_came_of_does_not_hang_on_it() -> None:
    """An HTTP library's exception holds the request with its headers."""
    async with serving(b"no HTTP at all\r\n\r\n") as server:
        settings = ProviderSettings(
            name="p", kind="openai", api_key=KEY, base_url=server.url, options={"max_retries": 0}
        )
        provider = registry.create(settings)
        with pytest.raises(ProviderError) as caught:
            await provider.complete(CompletionRequest(model="m", messages=(Message.user("hi"),)))
        await provider.aclose()
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert KEY not in all_of(caught.value)


@pytest.mark.parametrize("key", ["k", "ollama", "none", "EMPTY", "a", "key"])
async def test_a_short_key_is_no_word_to_blank_out(key: str) -> None:
    """A text stays readable where a local server has a key for form's sake."""
    said = "the model ollama has none: a key, an EMPTY one"
    error = await Vendor("openai", httpx.Response(400, json={"error": {"message": said}}), api_key=key).fails()
    assert error.message == said


def test_settings_show_no_secret() -> None:
    """Neither key, nor header, nor what an address holds."""
    settings = ProviderSettings(name="p", kind="openai", proxy=f"http://u:{PASSWORD}@px", **SETTINGS)  # type: ignore[arg-type]  # a table of several types
    shown = f"{settings!r} {settings}"
    assert "http://***@host/v1?code=***" in shown
    assert not any(secret in shown or quote(secret) in shown for secret in SECRETS)


def test_headers_that_say_what_is_sent_stay() -> None:
    """The name of a beta or of an app is no secret, and errors speak of it."""
    settings = ProviderSettings(name="p", kind="anthropic", headers={"anthropic-beta": "context-1m-2025-08-07"})
    assert Scrubber(settings)("unknown beta context-1m-2025-08-07") == "unknown beta context-1m-2025-08-07"

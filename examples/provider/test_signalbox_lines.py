"""The kind against a server in memory: an answer, a refusal, and an answer that breaks off."""

import httpx
import pytest
from signalbox_lines import LinesProvider

from providers import CompletionRequest, ErrorCode, Message, ProviderError, ProviderSettings
from router.testing import run

ASKED = CompletionRequest(model="tiny", messages=(Message.user("Hello"),))


def provider(status, lines, **headers):
    body = "".join(f"{line}\n" for line in lines)
    transport = httpx.MockTransport(lambda request: httpx.Response(status, text=body, headers=headers))
    settings = ProviderSettings(name="here", kind="lines", base_url="http://llm", options={"transport": transport})
    return LinesProvider(settings)


def test_an_answer():
    end = '{"done": true, "prompt_tokens": 3, "answer_tokens": 2}'
    reply = run(provider(200, ['{"text": "Hel"}', '{"text": "lo"}', end]).complete(ASKED))
    assert (reply.text, reply.finish_reason, reply.usage.output_tokens) == ("Hello", "stop", 2)


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, ErrorCode.AUTHENTICATION), (418, ErrorCode.INVALID_REQUEST), (500, ErrorCode.SERVER_ERROR)],
)
def test_a_refusal_has_its_code(status, code):
    with pytest.raises(ProviderError) as caught:
        run(provider(status, ['{"error": "no"}']).complete(ASKED))
    assert caught.value.code is code


def test_a_wait_is_told():
    with pytest.raises(ProviderError) as caught:
        run(provider(429, [], **{"retry-after": "7"}).complete(ASKED))
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.RATE_LIMITED, 7)


def test_what_broke_off_is_handed_on():
    with pytest.raises(ProviderError) as caught:
        run(provider(200, ['{"text": "Hel"}']).complete(ASKED))
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial.text == "Hel"

"""OpenAI's older completions: a prompt in the place of a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import ErrorCode
from providers.types import Message
from providers.validation import validate
from providers.wire import openai_completions
from providers.wire.reading import BadRequest


def complete(**fields: Any) -> Any:
    found = openai_completions.read_request({"model": "m", "prompt": "once", **fields})
    validate(found)
    return found


def test_a_prompt_is_a_message_of_the_user() -> None:
    """A string, or a list of one; parameters are those of chat."""
    assert complete().messages == complete(prompt=["once"]).messages == (Message("user", "once"),)
    found = complete(max_tokens=5, temperature=0.5, top_p=1, stop=["a"], seed=1, presence_penalty=1, user="u")
    assert (found.max_tokens, found.temperature, found.top_p, found.stop) == (5, 0.5, 1, ("a",))
    assert (found.seed, found.presence_penalty, found.user) == (1, 1, "u")
    nothing = {"suffix": "", "echo": False, "logprobs": 0, "best_of": 1, "n": 1, "made_up": 1, "logit_bias": {}}
    assert complete(**nothing) == complete(suffix=None, echo=None, logprobs=None, best_of=None) == complete()
    assert openai_completions.wants_stream({"stream": True})
    assert openai_completions.wants_usage({"stream_options": {"include_usage": True}})


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": None}, "prompt", ErrorCode.INVALID_REQUEST),
        ({"prompt": ""}, "prompt", ErrorCode.INVALID_REQUEST),
        ({"prompt": {}}, "prompt", ErrorCode.INVALID_REQUEST),
        ({"prompt": [7, 8]}, "prompt", ErrorCode.UNSUPPORTED),
        ({"prompt": [[7]]}, "prompt", ErrorCode.UNSUPPORTED),
        ({"prompt": ["a", "b"]}, "prompt", ErrorCode.UNSUPPORTED),
        ({"suffix": ")"}, "suffix", ErrorCode.UNSUPPORTED),
        ({"suffix": 7}, "suffix", ErrorCode.INVALID_REQUEST),
        ({"echo": True}, "echo", ErrorCode.UNSUPPORTED),
        ({"best_of": 2}, "best_of", ErrorCode.UNSUPPORTED),
        ({"n": 3}, "n", ErrorCode.UNSUPPORTED),
        ({"logprobs": 3}, "logprobs", ErrorCode.UNSUPPORTED),
        ({"model": None}, "model", ErrorCode.INVALID_REQUEST),
        ({"stop": 7}, "stop", ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_a_chat_model_cannot_complete(fields: dict[str, Any], param: str, code: ErrorCode) -> None:
    """Gaps, several answers, probabilities, prompts in tokens."""
    with pytest.raises(BadRequest) as caught:
        complete(**fields)
    assert (caught.value.param, caught.value.code) == (param, code)
    status, _, body = openai_completions.render_error(caught.value)
    assert (status, body["error"]["param"]) == (400, param)

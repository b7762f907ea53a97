"""A value of a wrong kind, whatever it is, is refused by a sentence that fits on a line."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, Message
from providers.validation import validate

NESTED: dict[str, Any] = {}
NESTED["a"] = NESTED
DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]


class Mute:
    def __repr__(self) -> str:
        raise OSError("no text")


@pytest.mark.parametrize("field", ["temperature", "top_p", "max_tokens", "seed", "timeout", "extra_headers", "stop"])
@pytest.mark.parametrize(
    "value",
    [10**5000, NESTED, DEEP, Mute(), "x" * 1_000_000, float("nan")],
    ids=["long", "ring", "deep", "mute", "1 MB", "nan"],
)
def test_no_value_breaks_its_own_refusal(field: str, value: Any) -> None:
    """Neither one without a text, nor one whose text never ends."""
    given = {"total": value} if field == "timeout" else {"x": value} if field == "extra_headers" else value
    given = (value,) if field == "stop" and not isinstance(value, str) else given
    if field in ("stop", "extra_headers") and isinstance(value, str):
        pytest.skip("a text is one")
    with pytest.raises(ProviderError) as caught:
        validate(CompletionRequest(model="m", messages=(Message.user("hi"),), **{field: given}))
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("field", ["extra_body", "metadata"])
@pytest.mark.parametrize("key", [5, None, b"x", ("a",)])
def test_a_key_that_is_no_text_is_refused(field: str, key: object) -> None:
    """JSON has none, and what goes by names could not be told."""
    with pytest.raises(ProviderError, match="keys have to be strings"):
        validate(CompletionRequest(model="m", messages=(Message.user("hi"),), **{field: {key: 1}}))  # type: ignore[arg-type]  # it is wrong on purpose

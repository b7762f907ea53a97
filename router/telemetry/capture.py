"""How much of prompts and answers a request's record keeps: what the file says (`telemetry.capture`)."""

from __future__ import annotations

from typing import Literal

from providers.types import CompletionRequest, CompletionResponse
from router.views.requests import Captured

PREVIEW = 200  # characters

Capture = Literal["off", "preview", "full"]


def captured(capture: Capture, request: CompletionRequest, response: CompletionResponse | None) -> Captured:
    """Return the prompt and the answer, or the prompt's end and the answer's beginning."""
    prompt = "\n\n".join(f"{message.role}: {message.text}" for message in request.messages)
    answer = "" if response is None else response.text
    if capture == "full":
        return Captured(prompt, answer, True)
    return Captured(prompt[-PREVIEW:], answer[:PREVIEW], False)

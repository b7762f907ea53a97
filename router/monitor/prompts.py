"""A prompt run through a router for somebody who watches it, as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from providers.errors import SignalboxError
from router.monitor.requests import numbered
from router.monitor.subject import Subject
from router.views.commands import Prompt, PromptChunk, PromptEnd, PromptEvent


async def run_prompt(subject: Subject, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
    """Yield chunks, and one end, also after an error. Closing it stops the call upstream."""
    clock = asyncio.get_running_loop().time
    began, first = clock(), None
    messages = prompt.messages if isinstance(prompt.messages, str) else list(prompt.messages)
    try:
        stream = subject.stream(prompt.to, messages, **prompt.params)
    except (SignalboxError, TypeError, ValueError) as refused:
        yield PromptEnd(error=str(refused), code=_code(refused))
        return
    failure: SignalboxError | None = None
    try:
        async with stream:
            async for chunk in stream:
                if chunk.has_content or chunk.restarted:
                    first = clock() - began if first is None else first
                    yield PromptChunk(chunk.text, chunk.thinking, chunk.restarted)
    except SignalboxError as error:
        failure = error
    response = stream.response
    yield PromptEnd(
        target=response.target,
        model=response.model,
        seconds=clock() - began,
        first_token=first,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        cost=response.cost,
        cached=response.cached,
        finish_reason=response.raw_finish_reason or response.finish_reason,
        tool_calls=tuple(f"{call.name}({call.raw_arguments})" for call in response.tool_calls),
        error=None if failure is None else str(failure),
        code=None if failure is None else _code(failure),
        trace=None if stream.number is None else numbered(subject.telemetry, stream.number),
    )


def _code(error: Exception) -> str | None:
    code = getattr(error, "code", None)
    return None if code is None else str(code)

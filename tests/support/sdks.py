"""The official Python SDKs behind one interface, so that one table of tests holds for them all."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import anthropic
import ollama
import openai

from providers.simulator.vendor import ToolAnswer

Body = dict[str, Any]

# What the tests have their models see and do.
PIXEL = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
TOOLS = ("weather", "time")
CALLS = (ToolAnswer("weather", {"weather": "Paris"}), ToolAnswer("time", {"time": "CET"}))
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


class Call(NamedTuple):
    """A tool call, as a client sees it; `id` is "" where its protocol has none."""

    id: str
    name: str
    arguments: Body


class Question(NamedTuple):
    """What a client asks; `calls` and `results` are those of the turn before."""

    model: str
    prompt: str = "Why is the sky blue?"
    streamed: bool = False
    tools: tuple[str, ...] = ()
    schema: Body | None = None
    image: bytes | None = None
    thinks: bool = False
    max_tokens: int | None = None
    calls: tuple[Call, ...] = ()
    results: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What the SDK's own types say."""

    text: str
    thinking: str
    calls: tuple[Call, ...]
    finish: str | None
    tokens: tuple[int, int]  # of the prompt and of the answer


def parameters(name: str) -> Body:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


class Sdk(ABC):
    """One SDK, sync or async, and the way that it asks. A sync one works in a thread.

    Attributes:
        finishes: what its protocol calls our finish reasons.
    """

    finishes: ClassVar[dict[str, str]]

    def __init__(self, url: str, *, sync: bool = False, **more: Any) -> None:
        self.sync = sync
        self.client = self.made(url, sync, more)

    @abstractmethod
    def made(self, url: str, sync: bool, more: Body) -> Any:
        """Make the SDK's own client."""

    @abstractmethod
    def wanted(self, asked: Question) -> Body:
        """The SDK's arguments."""

    @abstractmethod
    def opened(self, asked: Question) -> Any:
        """Begin a stream: a context manager that is iterated over."""

    @abstractmethod
    async def ask(self, asked: Question) -> Answer: ...

    async def called(self, method: Callable[..., Any], **arguments: Any) -> Any:
        if self.sync:
            return await asyncio.to_thread(method, **arguments)
        return await method(**arguments)

    async def events(self, opened: Any) -> list[Any]:
        """Read a stream to its end; gives all that the SDK made of it."""

        def read() -> list[Any]:
            with opened as stream:
                return list(stream)

        if self.sync:
            return await asyncio.to_thread(read)
        async with opened as stream:
            return [event async for event in stream]

    async def aclose(self) -> None:
        closed = self.client.close()
        if not self.sync:
            await closed


class Chat(Sdk):
    finishes: ClassVar[dict[str, str]] = {name: name for name in ("stop", "length", "tool_calls", "content_filter")}

    def made(self, url: str, sync: bool, more: Body) -> Any:
        return (openai.OpenAI if sync else openai.AsyncOpenAI)(base_url=f"{url}/v1", api_key="any", **more)

    def wanted(self, asked: Question) -> Body:
        content: Any = asked.prompt
        if asked.image is not None:
            picture = f"data:image/png;base64,{b64encode(asked.image).decode()}"
            content = [{"type": "text", "text": asked.prompt}, {"type": "image_url", "image_url": {"url": picture}}]
        messages: list[Body] = [{"role": "user", "content": content}]
        if asked.calls:
            calls = [
                {
                    "id": one.id,
                    "type": "function",
                    "function": {"name": one.name, "arguments": json.dumps(one.arguments)},
                }
                for one in asked.calls
            ]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            for one, result in zip(asked.calls, asked.results, strict=True):
                messages.append({"role": "tool", "tool_call_id": one.id, "content": result})
        given: Body = {"model": asked.model, "messages": messages}
        if asked.tools:
            given["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": parameters(name)}}
                for name in asked.tools
            ]
        if asked.schema is not None:
            shape = {"name": "answer", "schema": asked.schema, "strict": True}
            given["response_format"] = {"type": "json_schema", "json_schema": shape}
        if asked.thinks:
            given["reasoning_effort"] = "low"
        if asked.max_tokens is not None:
            given["max_completion_tokens"] = asked.max_tokens
        return given

    def opened(self, asked: Question) -> Any:
        return self.client.chat.completions.stream(**self.wanted(asked), stream_options={"include_usage": True})

    async def ask(self, asked: Question) -> Answer:
        if asked.streamed:
            try:
                made = (await self.events(self.opened(asked)))[-1].snapshot
            except openai.LengthFinishReasonError as error:  # as its helper for streams tells of it
                made = error.completion
        else:
            made = await self.called(self.client.chat.completions.create, **self.wanted(asked))
        choice = made.choices[0]
        calls = tuple(
            Call(one.id, one.function.name, json.loads(one.function.arguments))
            for one in choice.message.tool_calls or ()
        )
        thinking = getattr(choice.message, "reasoning_content", None) or ""
        counted = (made.usage.prompt_tokens, made.usage.completion_tokens)
        return Answer(choice.message.content or "", thinking, calls, choice.finish_reason, counted)


class Responses(Sdk):
    finishes: ClassVar[dict[str, str]] = {
        "stop": "completed",
        "tool_calls": "completed",
        "length": "max_output_tokens",
        "content_filter": "content_filter",
    }

    def made(self, url: str, sync: bool, more: Body) -> Any:
        return (openai.OpenAI if sync else openai.AsyncOpenAI)(base_url=f"{url}/v1", api_key="any", **more)

    def wanted(self, asked: Question) -> Body:
        content: list[Body] = [{"type": "input_text", "text": asked.prompt}]
        if asked.image is not None:
            picture = f"data:image/png;base64,{b64encode(asked.image).decode()}"
            content.append({"type": "input_image", "image_url": picture, "detail": "auto"})
        items: list[Body] = [{"role": "user", "content": content}]
        for one in asked.calls:
            arguments = json.dumps(one.arguments)
            items.append({"type": "function_call", "call_id": one.id, "name": one.name, "arguments": arguments})
        for one, result in zip(asked.calls, asked.results, strict=True):
            items.append({"type": "function_call_output", "call_id": one.id, "output": result})
        given: Body = {"model": asked.model, "input": items}
        if asked.tools:
            given["tools"] = [
                {"type": "function", "name": name, "parameters": parameters(name), "strict": False}
                for name in asked.tools
            ]
        if asked.schema is not None:
            shape = {"type": "json_schema", "name": "answer", "schema": asked.schema, "strict": True}
            given["text"] = {"format": shape}
        if asked.thinks:
            given["reasoning"] = {"effort": "low", "summary": "auto"}
        if asked.max_tokens is not None:
            given["max_output_tokens"] = asked.max_tokens
        return given

    def opened(self, asked: Question) -> Any:
        return self.client.responses.stream(**self.wanted(asked))

    async def ask(self, asked: Question) -> Answer:
        if asked.streamed:
            made = (await self.events(self.opened(asked)))[-1].response
        else:
            made = await self.called(self.client.responses.create, **self.wanted(asked))
        calls = tuple(
            Call(item.call_id, item.name, json.loads(item.arguments))
            for item in made.output
            if item.type == "function_call"
        )
        thinking = "".join(part.text for item in made.output if item.type == "reasoning" for part in item.summary)
        finish = made.incomplete_details.reason if made.incomplete_details else made.status
        return Answer(made.output_text, thinking, calls, finish, (made.usage.input_tokens, made.usage.output_tokens))


class Messages(Sdk):
    finishes: ClassVar[dict[str, str]] = {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
    }

    def made(self, url: str, sync: bool, more: Body) -> Any:
        return (anthropic.Anthropic if sync else anthropic.AsyncAnthropic)(base_url=url, api_key="any", **more)

    def wanted(self, asked: Question) -> Body:
        content: list[Body] = [{"type": "text", "text": asked.prompt}]
        if asked.image is not None:
            picture = {"type": "base64", "media_type": "image/png", "data": b64encode(asked.image).decode()}
            content.append({"type": "image", "source": picture})
        messages: list[Body] = [{"role": "user", "content": content}]
        if asked.calls:
            calls = [
                {"type": "tool_use", "id": one.id, "name": one.name, "input": one.arguments} for one in asked.calls
            ]
            results = [
                {"type": "tool_result", "tool_use_id": one.id, "content": result}
                for one, result in zip(asked.calls, asked.results, strict=True)
            ]
            messages += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
        given: Body = {"model": asked.model, "messages": messages, "max_tokens": asked.max_tokens or 4096}
        if asked.tools:
            given["tools"] = [{"name": name, "input_schema": parameters(name)} for name in asked.tools]
        if asked.schema is not None:
            given["output_config"] = {"format": {"type": "json_schema", "schema": asked.schema}}
        if asked.thinks:
            given["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        return given

    def opened(self, asked: Question) -> Any:
        return self.client.messages.stream(**self.wanted(asked))

    async def ask(self, asked: Question) -> Answer:
        if asked.streamed:
            made = (await self.events(self.opened(asked)))[-1].message
        else:
            made = await self.called(self.client.messages.create, **self.wanted(asked))
        blocks = made.content
        calls = tuple(Call(block.id, block.name, block.input) for block in blocks if block.type == "tool_use")
        text = "".join(block.text for block in blocks if block.type == "text")
        thinking = "".join(block.thinking for block in blocks if block.type == "thinking")
        counted = (made.usage.input_tokens, made.usage.output_tokens)
        return Answer(text, thinking, calls, made.stop_reason, counted)


class Ollama(Sdk):
    finishes: ClassVar[dict[str, str]] = {
        "stop": "stop",
        "length": "length",
        "tool_calls": "stop",
        "content_filter": "content_filter",
    }

    def made(self, url: str, sync: bool, more: Body) -> Any:
        return (ollama.Client if sync else ollama.AsyncClient)(host=url)

    def wanted(self, asked: Question) -> Body:
        message: Body = {"role": "user", "content": asked.prompt}
        if asked.image is not None:
            message["images"] = [asked.image]
        messages = [message]
        if asked.calls:
            calls = [{"function": {"name": one.name, "arguments": one.arguments}} for one in asked.calls]
            messages.append({"role": "assistant", "content": "", "tool_calls": calls})
            for one, result in zip(asked.calls, asked.results, strict=True):
                messages.append({"role": "tool", "content": result, "tool_name": one.name})
        given: Body = {"model": asked.model, "messages": messages}
        if asked.tools:
            given["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": parameters(name)}}
                for name in asked.tools
            ]
        if asked.schema is not None:
            given["format"] = asked.schema
        if asked.thinks:
            given["think"] = True
        if asked.max_tokens is not None:
            given["options"] = {"num_predict": asked.max_tokens}
        return given

    def opened(self, asked: Question) -> Any:
        return self.client.chat(**self.wanted(asked), stream=True)

    async def ask(self, asked: Question) -> Answer:
        if not asked.streamed:
            lines = [await self.called(self.client.chat, **self.wanted(asked))]
        elif self.sync:
            lines = await asyncio.to_thread(lambda: list(self.opened(asked)))
        else:
            lines = [line async for line in await self.opened(asked)]
        calls = tuple(
            Call("", call.function.name, dict(call.function.arguments))
            for line in lines
            for call in line.message.tool_calls or ()
        )
        text = "".join(line.message.content or "" for line in lines)
        thinking = "".join(line.message.thinking or "" for line in lines)
        last = lines[-1]
        assert last.done
        return Answer(text, thinking, calls, last.done_reason, (last.prompt_eval_count, last.eval_count))


SDKS: dict[str, type[Sdk]] = {"chat": Chat, "responses": Responses, "messages": Messages, "ollama": Ollama}

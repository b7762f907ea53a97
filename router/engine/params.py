"""What a call may ask for besides its route and its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, TypeAlias, TypedDict

from pydantic import SecretStr, TypeAdapter

from providers.embeddings import InputType
from providers.types import PromptCache, Requirement, ServerTool, Thinking, Tool

# Labels with their texts; what a gateway has of a client's key is ready.
Require: TypeAlias = Mapping[str, str | Sequence[str]] | tuple[Requirement, ...] | None


class CommonParams(TypedDict, total=False):
    """What every call may ask for; it is explained in `RerankParams`."""

    only: str | Sequence[str] | None
    avoid: str | Sequence[str] | None
    require: Require
    credentials: Mapping[str, str | SecretStr] | None
    max_attempts: int | None
    user: str | None
    affinity: str | None
    namespace: str | None
    caller: str | None
    end_user: str | None
    tags: Mapping[str, str] | None
    timeout: Mapping[str, float | str] | float | str | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None


class OtherParams(CommonParams, total=False):
    """What `RequestParams` has besides `response_format`; it is explained there."""

    tools: Sequence[Tool | Mapping[str, Any] | Callable[..., Any]]
    tool_choice: str | Mapping[str, Any] | None
    parallel_tool_calls: bool | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    thinking: Thinking | None
    thinking_display: Literal["summarized", "omitted"] | None
    logprobs: bool | None
    top_logprobs: int | None
    service_tier: str | None
    prediction: str | None
    modalities: Sequence[str]
    audio: Mapping[str, Any] | None
    server_tools: Sequence[ServerTool | str]
    allowed_tools: Sequence[str] | None
    on_stream_break: Literal["error", "restart", "continue"] | None
    metadata: Mapping[str, Any] | None
    prompt_cache: PromptCache | None


class RequestParams(OtherParams, total=False):
    """The parameters of `Router.complete` and `Router.stream`. What is left out the file decides, or the vendor.

    Attributes:
        response_format: a type (a pydantic model, a dataclass, a TypedDict, `list[Item]`), a dict with `name` and
            `schema` (a JSON Schema), or "json". The answer is checked against it: `reply.parsed`.
        tools: functions that the model may call: Python functions, `Tool`s, or dicts as OpenAI or Anthropic have them.
        tool_choice: "auto", "none", "required" or a tool's name, or a dict as the vendors have it.
        parallel_tool_calls: False has the model call one tool at a time.
        temperature: from 0 to 2.
        top_p: from 0 to 1.
        max_tokens: the longest answer, in tokens, reasoning included.
        stop: text, or some, at which the answer ends.
        seed: for vendors that try to answer the same again.
        presence_penalty: from -2 to 2.
        frequency_penalty: from -2 to 2.
        thinking: "off", "minimal", "low", "medium", "high", "xhigh", "max" or a number of tokens.
        thinking_display: "summarized" or "omitted": whether the answer shows the thinking.
        logprobs: True has the answer tell how likely its tokens were.
        top_logprobs: how many of the likeliest tokens are told at each place, from 0 to 20.
        service_tier: the vendor's word for how fast and dear the answer is to be, such as "flex" or "priority".
        prediction: text that much of the answer will be, which makes it come faster.
        modalities: what the answer may be made of: some of "text", "audio" and "image".
        audio: the `voice` and `format` of an answer's audio.
        server_tools: tools that the vendor runs itself: `ServerTool`s, or their names.
        allowed_tools: names of those of `tools` that may be called now.
        user: names the end user to the vendor.
        affinity: requests with the same stay at one target (`balance: affinity`).
        namespace: separates answers in the cache.
        caller: names who asks, for the trace and your own records; no vendor is told.
        end_user: whose budget counts, where no vendor is to be told of a `user`.
        tags: what you say of the call, such as `{"tier": "free"}`, for the trace and your records; no vendor is told.
        timeout: seconds, a text such as "5s", or "off", for the whole request; or a dict with some of connect,
            first_token, idle, answer and total.
        only: names of providers, models or targets of the route: nobody else is asked.
        avoid: names of those that are not asked.
        require: labels that whoever is asked must have, such as {"region": "eu"}; of a list of texts, one of them.
        credentials: the caller's own keys by provider, in place of the file's there and of nobody else's.
        max_attempts: attempts of this call over the whole chain.
        on_stream_break: "error", "restart" or "continue": what happens when the stream breaks after its first content.
        metadata: goes to the vendor with the request.
        extra_body: fields that the vendor gets as they are.
        extra_headers: headers that the vendor gets as they are; no credentials.
        prompt_cache: "auto", "1h" or "off": whether the vendor is asked to keep the prompt, over what the file says.
    """

    response_format: str | Mapping[str, Any] | type | UnionType | TypeAdapter[Any] | None


class RerankParams(CommonParams, total=False):
    """The parameters of `Router.rerank`.

    Attributes:
        top_n: only so many, the best.
        only: names of providers, models or targets of the route: nobody else is asked.
        avoid: names of those that are not asked.
        require: labels that whoever is asked must have, such as {"region": "eu"}; of a list of texts, one of them.
        credentials: the caller's own keys by provider, in place of the file's there and of nobody else's.
        max_attempts: as the route's `retry.max_attempts`, for this call.
        user: names the end user to the vendor.
        affinity: requests with the same stay at one target (`balance: affinity`).
        namespace: separates what is cached.
        caller: names who asks, for the trace and your own records; no vendor is told.
        end_user: whose budget counts, where no vendor is to be told of a `user`.
        tags: what you say of the call, such as `{"tier": "free"}`, for the trace and your records; no vendor is told.
        timeout: seconds, a text such as "5s", or "off", for the whole request; or a dict with some of connect, answer
            and total.
        extra_body: fields that the vendor gets as they are.
        extra_headers: headers that the vendor gets as they are; no credentials.
    """

    top_n: int | None


class EmbeddingParams(CommonParams, total=False):
    """The parameters of `Router.embed`. Those that are not here are as in `RerankParams`.

    Attributes:
        dimensions: how many numbers each vector is to have, where the models can shorten them.
        input_type: "query" or "document", for vendors that make a difference of it.
        truncate: True has the vendor cut an input that is too long; otherwise that is an error.
    """

    dimensions: int | None
    input_type: InputType | None
    truncate: bool | None

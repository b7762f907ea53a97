"""The words that apps, the router and every provider share: messages, requests, answers, chunks.

All are immutable and compare by value. They are msgspec structs because one is made for every
streamed chunk, and a frozen dataclass costs several times as much. Nothing is validated here:
input from outside is checked once, at the edge (`providers.validation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import GenericAlias
from typing import Any, Literal, TypeAlias

import msgspec

from providers.bounds import RemainingQuota as RemainingQuota
from providers.bounds import Timeout as Timeout
from providers.content import AudioPart as AudioPart
from providers.content import Citation as Citation
from providers.content import FilePart as FilePart
from providers.content import ImagePart as ImagePart
from providers.content import Part as Part
from providers.content import Placed as Placed
from providers.content import ServerTool as ServerTool
from providers.content import ServerToolPart as ServerToolPart
from providers.content import Struct as Struct
from providers.content import TextPart as TextPart
from providers.content import Thinking as Thinking
from providers.content import ThinkingPart as ThinkingPart
from providers.content import TokenLogprob as TokenLogprob
from providers.content import effort_of as effort_of
from providers.data import Data
from providers.ordering import ordered
from providers.own_keys import OwnKey
from providers.requirement import Requirement as Requirement

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error", "unknown"]
_FUNCTIONS = "providers.function_tools"  # built on these types, and needed by few
PromptCache: TypeAlias = Literal["auto", "1h", "off"]


class ToolCall(Struct, frozen=True):
    """A call that the model asks for. `arguments` is None when they are not a JSON object.

    `opaque` are fields that its maker wants back with it unread, such as Gemini's signature. `origin` is their maker,
    `provider/model`: they are sent back only there.
    """

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw_arguments: str = ""
    opaque: dict[str, Any] | None = None
    origin: str | None = None

    def result(self, result: str, *, is_error: bool = False) -> ToolInvocation:
        """This call with its result, ready to be sent back by `.message()`."""
        return ToolInvocation(self, result, is_error)

    def run(self, functions: Mapping[str, Callable[..., Any]] | Iterable[Any]) -> ToolInvocation:
        """Call the function of this name, out of a list or mapping, with arguments that its signature admits.

        What a model can mend is its result, as an error: arguments that are not valid, a name that is not there, and
        what the function raises (see the logger `signalbox.tools`). A result that is no text becomes JSON.

        Raises:
            TypeError: the function is async, or can't be a tool.
        """
        found: ToolInvocation = import_module(_FUNCTIONS).run(self, functions)
        return found

    async def run_async(self, functions: Mapping[str, Callable[..., Any]] | Iterable[Any]) -> ToolInvocation:
        """Do what `run` does, and wait where the function is async."""
        found: ToolInvocation = await import_module(_FUNCTIONS).run_async(self, functions)
        return found


class ToolInvocation(Struct, frozen=True):
    """A tool call with its result."""

    call: ToolCall
    result: str
    is_error: bool = False

    def message(self) -> Message:
        """The tool message to append to the conversation."""
        return Message(role="tool", content=self.result, tool_call_id=self.call.id, is_error=self.is_error)


class Message(Struct, frozen=True):
    """One turn of a conversation; `content` is a string or a tuple of parts.

    `origin` is the provider that made an assistant's turn, None where it is not known: its tool calls keep there the
    ids that they have.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: tuple[ThinkingPart, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False
    name: str | None = None
    origin: str | None = None

    @classmethod
    def user(cls, content: str | Sequence[Part]) -> Message:
        """Make a turn of the user."""
        return cls("user", _content(content))

    @classmethod
    def system(cls, content: str | Sequence[Part]) -> Message:
        """Make an instruction of the system."""
        return cls("system", _content(content))

    @classmethod
    def assistant(cls, content: str | Sequence[Part] = "", tool_calls: Sequence[ToolCall] = ()) -> Message:
        """Make a turn of the model."""
        return cls("assistant", _content(content), tuple(tool_calls))

    @classmethod
    def tool(cls, tool_call_id: str, content: str, *, is_error: bool = False) -> Message:
        """Make the turn that gives a tool call's result back."""
        return cls("tool", content, tool_call_id=tool_call_id, is_error=is_error)

    @property
    def text(self) -> str:
        """The text of all text parts, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


def _content(content: str | Sequence[Part]) -> str | tuple[Part, ...]:
    return content if isinstance(content, str) else tuple(content)


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


WireProtocol: TypeAlias = Literal["openai.chat", "openai.responses", "anthropic.messages", "ollama.chat"]


class Native(msgspec.Struct, frozen=True):
    """A request as its client wrote it, for a vendor that speaks the client's own protocol.

    `body` is the decoded JSON, which is not changed; `headers` are those of the client that such a vendor may see, such
    as `anthropic-beta`. `sealed` says that reasoning in it is in our envelope (`providers.envelope`). `added` names the
    request's fields that the client has not set and a router has: they are defaults beside the body. `only_there`
    says what in the body no other protocol can say: a vendor of another one is not asked then.
    """

    protocol: WireProtocol
    body: dict[str, Any]
    headers: dict[str, str] = {}
    sealed: bool = False
    added: tuple[str, ...] = ()
    only_there: str = ""


class Routing(Struct, frozen=True):
    """What one call says over its route. None: as the route has it.

    `only` and `avoid` name providers, models of the file or targets: whom alone to ask, and whom not to. `require` is
    what all who are asked must meet, besides what the route and the client's key require. `credentials` are the
    caller's own keys, in place of the file's at those providers. `max_attempts` and `on_stream_break` are those of the
    file.
    """

    only: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    max_attempts: int | None = None
    on_stream_break: Literal["error", "restart", "continue"] | None = None
    require: tuple[Requirement, ...] = ()
    credentials: tuple[OwnKey, ...] = ()


class CompletionRequest(Struct, frozen=True, kw_only=True):
    """Everything one call may ask for. None means: not sent, the vendor's default holds.

    `thinking` is "off", "minimal" to "max", or a token budget; `thinking_display` whether the answer shows it.
    `modalities` are what the answer may be made of ("text", "audio", "image"), `audio` its `voice` and `format`.
    `allowed_tools` names those of `tools` that may be called now; `server_tools` are the vendor's own. `prediction` is
    what much of the answer will be. `response_format` is None, "json", or
    `{"name": …, "schema": …, "strict": …}`; `answer_type` is what a router checks the answer by. `tool_choice` is
    "auto", "none", "required" or a tool's name. `extra_body` and `extra_headers` reach the vendor as they are.
    `timeout` is for this call alone, over what is configured: the names of `Timeout` with seconds or "off". `caller`
    names who asks, for an app's own records, and `tags` say more of the call: no vendor is told; nor of the `end_user`,
    who is meant where there is no `user`. `routing` is for a router alone. `prompt_cache` has the
    vendor keep the prompt for the next turn: "auto", "1h" for an hour where it can, "off". `native` is the body that a
    client sent: a vendor of the same protocol gets that in the place of all else here, which is filled in any case.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: str | dict[str, Any] | None = None
    answer_type: Any = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    thinking: Thinking | None = None
    thinking_display: Literal["summarized", "omitted"] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    service_tier: str | None = None
    prediction: str | None = None
    modalities: tuple[str, ...] = ()
    audio: dict[str, Any] | None = None
    server_tools: tuple[ServerTool, ...] = ()
    allowed_tools: tuple[str, ...] | None = None
    user: str | None = None
    affinity: str | None = None
    namespace: str | None = None
    caller: str | None = None
    end_user: str | None = None
    tags: dict[str, str] | None = None
    timeout: dict[str, float | Literal["off"]] | None = None
    metadata: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None
    extra_headers: dict[str, str] | None = None
    prompt_cache: PromptCache | None = None
    native: Native | None = None
    routing: Routing | None = None


class Usage(Struct, frozen=True):
    """Tokens as reported; None is unknown, never 0.

    For every vendor `input_tokens` includes cached ones and `output_tokens` includes reasoning. Of
    `cache_write_tokens`, `cache_write_1h_tokens` are kept for an hour, at a price of their own.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None


class CompletionResponse(Data, frozen=True, kw_only=True):
    """A whole answer. The fields from `route` on are filled by a router.

    `parts` has all that it holds in order; of these `citations` are the sources of its text and `others` its images,
    audio and uses of the vendor's own tools. `raw` is the decoded body of a plain answer, None for a stream. `cost` is
    in USD: as the vendor tells it, else by the price. `left_out` names what was asked for and was not sent, since the
    vendor has no word for it or refuses it for this model, and an answer without it is one all the same. `native`
    says that `raw` answers the request's own native body, in its protocol. `parsed` is what a checked answer says.
    """

    text: str = ""
    thinking: tuple[ThinkingPart, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    citations: tuple[Citation, ...] = ()
    others: tuple[Placed, ...] = ()
    logprobs: tuple[TokenLogprob, ...] | None = None
    finish_reason: FinishReason = "unknown"
    raw_finish_reason: str | None = None
    usage: Usage = Usage()
    model: str = ""
    provider: str = ""
    id: str | None = None
    request_id: str | None = None
    raw: Any = None
    left_out: tuple[str, ...] = ()
    native: bool = False
    route: str | None = None
    target: str | None = None
    cost: float | None = None
    cached: bool = False
    stale: bool = False
    trace: Any = None
    parsed: Any = None

    def __class_getitem__(cls, item: object) -> GenericAlias:  # a router's `Reply[Invoice]`, in annotations
        return GenericAlias(cls, item)

    @property
    def message(self) -> Message:
        """The assistant message to append to the conversation."""
        if self.others or self.citations:
            said = tuple(part for part in self.parts if not isinstance(part, ToolCall))
            return Message("assistant", said, self.tool_calls, origin=self.provider or None)
        return Message("assistant", self.text, self.tool_calls, self.thinking, origin=self.provider or None)

    @property
    def parts(self) -> tuple[Part | ToolCall, ...]:
        """Thinking, texts with their citations, images, audio, tool calls and uses of the vendor's tools, in order."""
        return ordered(self.text, self.tool_calls, self.thinking, self.others, self.citations)


class ToolCallDelta(Struct, frozen=True):
    """A piece of a tool call: `id` and `name` come once, `arguments` in pieces, `opaque` whole, maybe last, alone."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    opaque: dict[str, Any] | None = None


class StreamChunk(Struct, frozen=True):
    """One piece of a streamed answer.

    `usage` is cumulative. `restarted` says: drop what you have, the answer begins anew.
    `done` marks the last chunk. `raw` are the bytes of all events of the vendor since the last chunk, where the request
    is native to it: in such a stream the first chunk has some, and all of them together are the vendor's stream. After
    its first content, what came together is one chunk there. `others` are parts beside text, thinking and calls: audio
    in pieces, all else whole; a citation counts its place in the whole text.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    restarted: bool = False
    done: bool = False
    raw: bytes = b""
    others: tuple[ImagePart | AudioPart | ServerToolPart | Citation, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()

    @property
    def has_content(self) -> bool:
        """Whether it carries text, thinking, a tool call or another part; such a chunk commits a stream."""
        return bool(self.text or self.thinking or self.tool_calls or self.others)


class Price(Struct, frozen=True):
    """USD per million tokens; None is unknown. `cache_write_1h` is for what is written to a cache to be kept an hour.

    `above` has the prices of long prompts, ordered: (tokens, price), each for prompts of more than so many tokens.
    """

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    above: tuple[tuple[int, Price], ...] = ()
    cache_write_1h: float | None = None

    def of(self, input_tokens: int) -> Price:
        """The price that holds for a prompt of this length."""
        found = self
        for start, price in self.above:
            if input_tokens > start:
                found = price
        return found


class ModelCapabilities(Struct, frozen=True, kw_only=True):
    """What a model can do; None is unknown, and unknown never excludes a target."""

    context_window: int | None = None
    max_output_tokens: int | None = None
    tools: bool | None = None
    parallel_tools: bool | None = None
    vision: bool | None = None
    json_mode: bool | None = None
    json_schema: bool | None = None
    streaming: bool | None = None
    thinking: bool | None = None
    prompt_cache: bool | None = None
    audio: bool | None = None
    files: bool | None = None
    server_tools: bool | None = None
    logprobs: bool | None = None
    price: Price | None = None


class TokenCount(Struct, frozen=True):
    """A number of tokens, whether it is exact, and by what it was counted.

    `margin` is how far off it may be, as a fraction: 0.35 is "a third more or less"; 0 where it is exact.
    """

    tokens: int
    exact: bool
    by: str
    margin: float = 0.0

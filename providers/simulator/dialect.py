"""What the three simulated protocols have in common: a question read, an answer made, a list of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from providers.simulator import text
from providers.simulator.vendor import ErrorKind, ToolAnswer, VendorKnobs

encode = msgspec.json.encode
ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}}


class BadRequest(Exception):
    """A request that the vendor would refuse with 400; `param` names the field at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class Ask(msgspec.Struct):
    """A chat request, as far as the simulator looks into it."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool
    max_tokens: int | None
    tools: list[tuple[str, object]]
    """Name and parameters' schema of each; a tool that must be called comes first."""
    forced: bool
    """Whether a tool must be called."""
    schema: object
    """Of the JSON that is wanted; None for text."""
    usage: bool = True
    """Whether a stream tells its usage."""


class Answer(NamedTuple):
    """What the model says: text or a tool call's arguments, token by token."""

    pieces: list[str]
    tool: ToolAnswer | None
    finish: str
    """ "stop", "length" or "tool_calls"."""
    input_tokens: int

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        return len(self.pieces)


class Frame(NamedTuple):
    """Some bytes of a stream; `content` when they carry a piece of the answer, which takes its time."""

    data: bytes
    content: bool


class Dialect(ABC):
    """One vendor protocol: where it listens, how it reads requests, and the shape of all it says.

    `ident` is a random hexadecimal string that the ids of one answer are made from.
    """

    base: str
    """What a client's base URL ends with."""
    chat: str
    """The chat endpoint's path."""
    stream_type: str
    """The Content-Type of a stream."""

    def at(self, path: str) -> Dialect:
        """The dialect of a path, for vendors with several protocols."""
        return self

    @abstractmethod
    def ask(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
        """Read a chat request; raises BadRequest."""

    @abstractmethod
    def plain(self, ask: Ask, answer: Answer, ident: str) -> dict[str, Any]: ...

    @abstractmethod
    def stream(self, ask: Ask, answer: Answer, ident: str) -> Iterator[Frame]: ...

    @abstractmethod
    def error(self, kind: ErrorKind, ident: str, model: str) -> tuple[int, dict[str, Any]]:
        """Returns status and body of a fault."""

    @abstractmethod
    def bad_request(self, error: BadRequest, ident: str) -> dict[str, Any]: ...

    @abstractmethod
    def not_found(self, method: str, path: str, ident: str) -> dict[str, Any]: ...

    @abstractmethod
    def error_event(self, body: dict[str, Any]) -> bytes:
        """Returns an error body as it appears within a stream."""

    @abstractmethod
    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        """Returns the request id and the rate limits, of which each request in flight uses one."""

    @abstractmethod
    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer the endpoints beside chat; None where there is no such thing. Raises BadRequest."""


def model_and_messages(body: Mapping[str, Any], *, or_none: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """Returns the two fields that every protocol requires; `or_none` allows an empty list of messages.

    Raises:
        BadRequest: one is missing, or of a wrong type.
    """
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise BadRequest("model: Field required", "model")
    if not isinstance(messages, list) or not (messages or or_none):
        raise BadRequest("messages: Field required", "messages")
    if not all(isinstance(each, dict) and isinstance(each.get("role"), str) for each in messages):
        raise BadRequest("messages: each must be an object with a role", "messages")
    return model, messages


def flag(body: Mapping[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(f"{name}: Input should be a valid boolean", name)
    return value


def count(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise BadRequest(f"{name}: Input should be a positive integer", name)
    return value


def part(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns an object within another, empty where it is missing or something else."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Returns a list of objects within an object, leaving out all that is something else."""
    value = body.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def function_tools(body: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Returns tools in OpenAI's form, which Ollama shares."""
    functions = [part(tool, "function") for tool in objects(body, "tools")]
    return [(str(each.get("name")), each.get("parameters")) for each in functions]


def first(tools: list[tuple[str, object]], name: object) -> list[tuple[str, object]]:
    """Returns the tools with the named one in front."""
    return sorted(tools, key=lambda tool: tool[0] != name)


def words(content: object) -> str:
    """Returns the text of a message's content, be it a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(each.get("text") or words(each.get("content"))) for each in parts if isinstance(each, dict))


def input_tokens(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> int:
    """Returns about how many tokens a prompt has: four characters each, and a few for every message."""
    said = sum(len(words(message.get("content"))) for message in messages) + len(words(body.get("system")))
    tools = len(encode(body["tools"])) if body.get("tools") else 0
    return (said + tools + 3) // 4 + 4 * len(messages)


def think(ask: Ask, tokens_in: int, knobs: VendorKnobs) -> Answer:
    """Returns what the simulated model answers."""
    tool = _tool(ask, knobs)
    if tool is not None:
        return Answer(text.split(encode(tool.arguments).decode()), tool, "tool_calls", tokens_in)
    if knobs.answer is not None:
        said = knobs.answer
    elif ask.schema is not None:
        said = encode(text.sample(ask.schema)).decode()
    else:
        said = text.answer(_prompt(ask), knobs.output_tokens)
    pieces = text.split(said)
    cut = ask.max_tokens is not None and len(pieces) > ask.max_tokens
    return Answer(pieces[: ask.max_tokens] if cut else pieces, None, "length" if cut else "stop", tokens_in)


def _prompt(ask: Ask) -> str:
    said = (words(each.get("content")) for each in reversed(ask.messages) if each["role"] == "user")
    return next(said, "")


def _tool(ask: Ask, knobs: VendorKnobs) -> ToolAnswer | None:
    last = ask.messages[-1] if ask.messages else {}
    # After a tool's result comes text, or a caller's loop of tool calls would never end.
    if last.get("role") != "user" or any(each.get("type") == "tool_result" for each in objects(last, "content")):
        return None
    if knobs.tool_call is not None:
        return knobs.tool_call
    if not ask.tools:
        return None
    name, schema = ask.tools[0]
    said = words(last.get("content")).lower()
    if not (ask.forced or "?" in said or name.lower() in said):
        return None
    arguments = text.sample(schema)
    return ToolAnswer(name, arguments if isinstance(arguments, dict) else {})

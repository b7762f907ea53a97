"""What can be turned on a simulated vendor, and what it remembers."""

from __future__ import annotations

import difflib
import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from providers.simulator.callers import Callers
from providers.simulator.prompt_cache import PromptCache
from providers.types import FinishReason

ErrorKind = Literal[
    "server_error",
    "bad_gateway",
    "overloaded",
    "timeout504",
    "rate_limited",
    "quota",
    "authentication",
    "permission",
    "model_not_found",
    "context_length",
    "content_filtered",
    "invalid_request",
]
EmbeddingFault = Literal["shuffled", "missing", "extra", "doubled", "unnumbered", "shorter", "no_numbers"]
Protocol = Literal["openai", "anthropic", "ollama"]

Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Chunks = Annotated[int, Meta(ge=0)]


class ToolAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tool call that a vendor is told to answer with."""

    name: str
    arguments: dict[str, Any] = {}


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an answer cites: a page, and the words of it."""

    url: str
    title: str = ""
    text: str = ""


class VendorKnobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a simulated vendor behaves; the defaults are a healthy, ordinary one.

    A request keeps the knobs it began with. `hang_after`, `cut_after` and `error_after` count chunks
    with content: 0 strikes before anything but the headers, and a number beyond the answer's length never.
    On a plain answer `hang_after` and `cut_after` strike within the body, and `error_after` is an
    ordinary error answer.
    """

    first_token: Seconds = 0.25
    """Seconds from the request to the first token."""
    tokens_per_second: Annotated[float, Meta(gt=0)] = 60.0
    jitter: Share = 0.0
    """Each wait is longer or shorter by up to this share of it."""
    error_rate: Share = 0.0
    """The share of requests that are answered with `error`."""
    error: ErrorKind = "server_error"
    key_errors: dict[str, ErrorKind] = {}
    """The error that requests with some keys are answered with, by the key's ending."""
    headers: dict[str, str] = {}
    """Sent with every answer, over the vendor's own."""
    retry_after: Seconds | None = 1.0
    """Seconds, sent with `rate_limited`; None sends no such header."""
    hang: bool = False
    """Accept the request and never answer."""
    hang_after: Chunks | None = None
    cut_after: Chunks | None = None
    """Close the connection without the protocol's end."""
    error_after: Chunks | None = None
    """Send `error` as an event within the stream, and end it."""
    reset: bool = False
    """Reset the connection (RST) before any header."""
    refuse: bool = False
    """Close the connection at once."""
    html: bool = False
    """Answer 200 with an HTML page, as a misplaced proxy does."""
    truncated: bool = False
    """Answer 200 with JSON that stops in the middle, on a connection that ends properly."""
    empty: bool = False
    """Answer 200 with no body."""
    answer: str | None = None
    """The text of every answer; None makes one up that fits the prompt."""
    thinking: str | None = None
    """What the model thinks before every answer."""
    tool_call: ToolAnswer | tuple[ToolAnswer, ...] | None = None
    """The tool call, or several, of every answer, except to a tool's result."""
    sources: tuple[Source, ...] = ()
    """What every answer cites: found by the vendor's own web search, where that is offered."""
    image: bool = False
    """Draw a picture with every answer, where the protocol has any."""
    files: tuple[str, ...] | None = None
    """The ids of the files that it keeps; None is whatever a request names."""
    cost: Annotated[float, Meta(ge=0)] | None = None
    """USD that every answer is told to have cost, as OpenRouter tells it."""
    finish: FinishReason | None = None
    """Why every answer ends, in place of the true reason."""
    output_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """The length of made-up answers."""
    embeddings: EmbeddingFault | None = None
    """What is wrong with every answer of vectors or ranks."""
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] = 1536
    """How many numbers a vector has, where a request does not say."""
    max_inputs: Annotated[int, Meta(ge=1)] = 2048
    """The most inputs of a request for vectors; more are refused."""
    max_input_tokens: Annotated[int, Meta(ge=1)] = 8192
    """The most tokens of an input; more are refused, or cut where Ollama's protocol may."""
    fast: bool = False
    """No waits at all; a whole stream leaves in as few writes as possible."""
    prompt_cache: bool = True
    """Keep prompts as the vendor does, and tell what of a later one was read."""

    def __post_init__(self) -> None:
        for name in ("first_token", "tokens_per_second", "retry_after"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number")


KNOBS = VendorKnobs.__struct_fields__


def changed(knobs: VendorKnobs, changes: Mapping[str, object]) -> VendorKnobs:
    """Returns the knobs with some of them set otherwise.

    Raises:
        ValueError: an unknown knob, or a value that it cannot have.
    """
    for name in changes:
        if name not in KNOBS:
            close = difflib.get_close_matches(str(name), KNOBS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(KNOBS)}"
            raise ValueError(f"unknown knob {name!r}; {hint}")
    now = {name: getattr(knobs, name) for name in KNOBS}
    wanted = msgspec.to_builtins({**now, **changes})
    try:
        return msgspec.convert(wanted, VendorKnobs)
    except msgspec.ValidationError as error:
        raise ValueError(f"wrong knob: {str(error).replace('$.', '')}") from None


class Recorded(msgspec.Struct, frozen=True):
    """A request as it arrived: `path` below the vendor's own, header names in lower case, no credentials."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The decoded JSON; None where there is none."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None


class SimulatedVendor:
    """One vendor of the simulator: its knobs, its counters and its last request.

    Attributes:
        requests: how many have arrived, faulty and refused ones included.
        in_flight: how many are being answered now.
        cancelled: how many the client left before their answer was complete.
        last_request: None before the first one.
        keys: requests by the last four characters of the key that came with them.
        callers: who is let in; None is everybody.
        prompts: those that it keeps.
    """

    def __init__(self, name: str, protocol: Protocol) -> None:
        self.name = name
        self.protocol: Protocol = protocol
        self.knobs = VendorKnobs()
        self.requests = 0
        self.in_flight = 0
        self.cancelled = 0
        self.last_request: Recorded | None = None
        self.keys: Counter[str] = Counter()
        self.callers: Callers | None = None
        self.prompts = PromptCache()

    def __repr__(self) -> str:
        return f"<SimulatedVendor {self.name} ({self.protocol}): {self.requests} requests>"

    def set(self, **knobs: Any) -> None:
        """Turn some knobs; the others stay. Raises ValueError on a wrong one, and then changes nothing."""
        self.knobs = changed(self.knobs, knobs)

    def mend(self) -> None:
        """Back to the defaults."""
        self.knobs = VendorKnobs()

    def state(self) -> dict[str, object]:
        """What `/control` shows of this vendor."""
        return {
            "protocol": self.protocol,
            "requests": self.requests,
            "in_flight": self.in_flight,
            "cancelled": self.cancelled,
            "knobs": self.knobs,
        }

"""What can be asked of a router that is watched, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from router.views.figures import Struct
from router.views.requests import TraceView


class Reload(Struct, frozen=True, tag=True):
    """Read the file again."""


class SetBreaker(Struct, frozen=True, tag=True):
    """Open or close the breaker of a target or provider by hand, or give it back to the router ("reset")."""

    name: str
    action: Literal["open", "close", "reset"]


class Drain(Struct, frozen=True, tag=True):
    """Give a target or provider no new calls."""

    name: str


class Undrain(Struct, frozen=True, tag=True):
    """Give it calls again."""

    name: str


class ClearCache(Struct, frozen=True, tag=True):
    """Forget cached answers: of one route, or all."""

    route: str | None = None


Command: TypeAlias = Reload | SetBreaker | Drain | Undrain | ClearCache


class Done(Struct, frozen=True):
    """What came of a command, in a sentence."""

    ok: bool
    message: str


class Prompt(Struct, frozen=True):
    """A prompt to run through the router. `to` is a route, a model or `provider/model-id`.

    `messages` and `params` as in `Router.complete`.
    """

    to: str
    messages: str | tuple[dict[str, Any], ...]
    params: Mapping[str, Any] = {}


class PromptChunk(Struct, frozen=True, tag=True):
    """A piece of the answer. `restarted`: what came before is void."""

    text: str = ""
    thinking: str = ""
    restarted: bool = False


class PromptEnd(Struct, frozen=True, tag=True):
    """The end of an answer: who gave it and what it took. `error` is None when it is whole."""

    target: str | None = None
    model: str = ""
    seconds: float = 0.0
    first_token: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    cached: bool = False
    finish_reason: str = ""
    tool_calls: tuple[str, ...] = ()  # as name(arguments)
    error: str | None = None
    code: str | None = None
    trace: TraceView | None = None


PromptEvent: TypeAlias = PromptChunk | PromptEnd

"""Which path is which question. Clients are set to one base URL or another, so that a path has several forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from router.gateway.exchange import Headers
from router.gateway.faces.anthropic_messages import AnthropicMessages
from router.gateway.faces.embeddings import OllamaEmbed, OllamaEmbeddings, OpenAIEmbeddings, Rerank
from router.gateway.faces.face import Face
from router.gateway.faces.ollama import OllamaChat, OllamaGenerate
from router.gateway.faces.openai_chat import OpenAIChat
from router.gateway.faces.openai_completions import OpenAICompletions
from router.gateway.faces.openai_responses import OpenAIResponses

CHAT = OpenAIChat()
COMPLETIONS = OpenAICompletions()
RESPONSES = OpenAIResponses()
MESSAGES = AnthropicMessages()
OLLAMA = OllamaChat()
GENERATE = OllamaGenerate()
EMBEDDINGS = OpenAIEmbeddings()
EMBED = OllamaEmbed()
OLD_EMBEDDINGS = OllamaEmbeddings()
RERANK = Rerank()

What: TypeAlias = Literal[
    "complete", "embed", "rerank", "count", "models", "tags", "show", "ps", "version", "running", "manage"
]

HEALTH = frozenset({"healthz", "readyz"})

# What comes before a path of OpenAI's or Anthropic's.
_BASES = ("/ollama/v1/", "/openai/v1/", "/anthropic/v1/", "/api/v1/", "/v1/")
MOST_ASKED = "/v1/chat/completions, /v1/responses, /v1/messages and /api/chat"
# path below the base: the method, what it asks, and in which protocol
PATHS: Mapping[str, tuple[str, What, Face]] = {
    "chat/completions": ("POST", "complete", CHAT),
    "completions": ("POST", "complete", COMPLETIONS),
    "responses": ("POST", "complete", RESPONSES),
    "responses/input_tokens": ("POST", "count", RESPONSES),
    "messages": ("POST", "complete", MESSAGES),
    "messages/count_tokens": ("POST", "count", MESSAGES),
    "embeddings": ("POST", "embed", EMBEDDINGS),
    "rerank": ("POST", "rerank", RERANK),
    "v2/rerank": ("POST", "rerank", RERANK),
    "models": ("GET", "models", CHAT),
    "api/chat": ("POST", "complete", OLLAMA),
    "api/generate": ("POST", "complete", GENERATE),
    "api/embed": ("POST", "embed", EMBED),
    "api/embeddings": ("POST", "embed", OLD_EMBEDDINGS),
    "api/tags": ("GET", "tags", OLLAMA),
    "api/show": ("POST", "show", OLLAMA),
    "api/ps": ("GET", "ps", OLLAMA),
    "api/version": ("GET", "version", OLLAMA),
    "api/pull": ("POST", "manage", OLLAMA),
    "api/push": ("POST", "manage", OLLAMA),
    "api/create": ("POST", "manage", OLLAMA),
    "api/copy": ("POST", "manage", OLLAMA),
    "api/delete": ("DELETE", "manage", OLLAMA),
    "": ("GET", "running", OLLAMA),
}

# As clients write them; all other forms are looked at.
_KNOWN = {base + path: path for base in ("/", *_BASES) for path in PATHS if path}


def below_base(path: str) -> str:
    """The path without the base that a client may have, and without doubled or trailing slashes."""
    known = _KNOWN.get(path)
    if known is not None:
        return known
    path = "/" + "/".join(part for part in path.split("/") if part)
    for base in _BASES:
        if path.startswith(base):
            return path[len(base) :].removeprefix("v1/")  # Anthropic's SDKs add it, also where the base URL has it
    return path[1:]


def find(path: str) -> tuple[str, What, Face] | None:
    """The method, what is asked and in which protocol, of a path below its base; None where there is no such thing."""
    if path.startswith("models/"):
        return "GET", "models", CHAT
    return PATHS.get(path)


def allowed(path: str) -> str:
    """The methods that a path below its base takes, as the header `allow` has them."""
    found = find(path)
    method = "GET, POST, DELETE" if found is None else found[0]
    return f"{method}, OPTIONS".replace("GET", "GET, HEAD")


def face_of(path: str, headers: Headers) -> Face:
    """The protocol in which a client is told of an error, whatever it asked for."""
    found = PATHS.get(path)
    if headers.get("anthropic-version"):
        return MESSAGES
    if found is not None:
        return found[2]
    return OLLAMA if path.startswith("api/") else MESSAGES if path.startswith("messages") else CHAT

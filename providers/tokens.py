"""How many tokens a conversation has: counted where its tokenizer is at hand, estimated otherwise.

tiktoken fetches a vocabulary at first use and blocks on it, so it is asked only when the file is on the disk already.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from providers import forks
from providers.lenient_json import as_json
from providers.types import FilePart, ImagePart, Message, TokenCount, Tool

# First match wins. tiktoken's own table lacks gpt-6; o200k_base holds for it too.
_ENCODINGS: tuple[tuple[str, str], ...] = (
    ("gpt-oss", "o200k_base"),
    ("gpt-4o", "o200k_base"),
    ("chatgpt-4o", "o200k_base"),
    ("gpt-4.", "o200k_base"),
    ("gpt-5", "o200k_base"),
    ("gpt-6", "o200k_base"),
    ("o1", "o200k_base"),
    ("o3", "o200k_base"),
    ("o4", "o200k_base"),
    ("gpt-4", "cl100k_base"),
    ("gpt-3.5", "cl100k_base"),
    ("gpt-35", "cl100k_base"),
)
# Models whose chat overhead is known to the token; reasoning models add some of their own.
_EXACT = ("gpt-4o", "chatgpt-4o", "gpt-4.1", "gpt-4", "gpt-3.5", "gpt-35")
VOCABULARY_URL = "https://openaipublic.blob.core.windows.net/encodings/"
# SHA-256 of the files, as in tiktoken_ext/openai_public.py (tiktoken 0.14).
VOCABULARIES = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}

# OpenAI's cookbook, "How to count tokens with tiktoken": what a message costs beside its text.
_PER_MESSAGE = 3
_PER_REPLY = 3
_PER_NAME = 1

_PIECE = 100_000  # characters; tiktoken's regular expression overflows its stack on a megabyte of spaces
ESTIMATE_MARGIN = 0.35
COUNTED_MARGIN = 0.1  # a model's own overhead for tools and reasoning, which its tokenizer does not tell
IMAGE_TOKENS = 1_600  # an estimate at the upper end; the size of an image is not looked at
_WIDE = "[^\0-\u2e7f]+"  # from U+2E80 on; written so, it takes four times as long to compile
_BYTES_PER_PAGE = 3_000
_TOKENS_PER_PAGE = 1_500


def count_tokens(messages: Sequence[Message], model: str) -> TokenCount:
    """Count what `messages` cost as a prompt of `model`, the overhead of chat included.

    It may load a tokenizer (0.4 s, once), and takes some 0.3 s a megabyte: call it in a thread.
    """
    name = encoding_name(model)
    with forks.whole:  # tiktoken has locks, and an import has
        encode = _encoder(name) if name is not None else None
    if name is None or encode is None:
        return estimated(messages)
    exact = model_family(model).startswith(_EXACT) and all(
        isinstance(message.content, str) and not message.tool_calls for message in messages
    )
    try:
        return TokenCount(_total(messages, encode), exact, f"tiktoken:{name}", 0.0 if exact else COUNTED_MARGIN)
    except (ValueError, RuntimeError):  # its regular expressions give up on some inputs
        return estimated(messages)


def estimated(messages: Sequence[Message]) -> TokenCount:
    """A count without a tokenizer, which takes microseconds."""
    return TokenCount(_total(messages, estimate), False, "estimate", ESTIMATE_MARGIN)


def estimated_prompt(messages: Sequence[Message], tools: Sequence[Tool]) -> int:
    """About what a prompt costs, which takes microseconds."""
    return estimated(messages).tokens + tools_tokens(tools)


def tools_tokens(tools: Sequence[Tool]) -> int:
    """About what tools cost: vendors render each as a function's declaration before the model sees it.

    For OpenAI's rendering see openai/openai-python's community counters: the declaration, and 9 for the frame.
    """
    declared = (as_json(tool.parameters) for tool in tools)
    texts = sum(estimate(tool.name) + estimate(tool.description) + 4 for tool in tools)
    return texts + sum(estimate(text) // 2 for text in declared) + (9 if tools else 0)


class Learned:
    """How far estimates were off for one model, learned from what the vendor counted.

    Exponentially weighted, so that it follows a change of tokenizer; `factor` is real by estimated. `answers` counts
    all that came, whoever learns from some of them.
    """

    __slots__ = ("_deviation", "_seen", "answers", "factor")

    _WEIGHT = 0.2
    _ENOUGH = 3

    def __init__(self) -> None:
        self.factor = 1.0
        self._deviation = ESTIMATE_MARGIN
        self._seen = 0
        self.answers = 0

    def add(self, messages: Sequence[Message], real: int) -> None:
        """Learn from one prompt and its real count; 0, which some servers report, is none."""
        if real <= 0:
            return
        found = real / max(1, _total(messages, estimate))
        self._seen += 1
        if self._seen == 1:
            self.factor = found
        self._deviation += self._WEIGHT * (abs(found - self.factor) / self.factor - self._deviation)
        self.factor += self._WEIGHT * (found - self.factor)

    def corrected(self, count: TokenCount) -> TokenCount:
        """An estimate, made better by what was learned; other counts are left as they are."""
        if count.by != "estimate" or self._seen < self._ENOUGH:
            return count
        return TokenCount(round(count.tokens * self.factor), False, "estimate:learned", round(self._deviation, 3))


def estimate(text: str) -> int:
    """Tokens of a text, without a tokenizer: one a wide character, else one for 3.5 characters or 4 bytes."""
    if text.isascii():
        return math.ceil(len(text) / 3.5)
    wide = len(text) - len(re.sub(_WIDE, "", text))
    rest = len(text) - wide
    rest_bytes = len(text.encode("utf-8", "surrogatepass")) - 3 * wide
    return wide + max(math.ceil(rest / 3.5), math.ceil(rest_bytes / 4))


def encoding_name(model: str) -> str | None:
    """The tokenizer of an OpenAI model, by its name with or without a vendor before it; None for others."""
    family = model_family(model)
    return next((name for prefix, name in _ENCODINGS if family.startswith(prefix)), None)


def model_family(model: str) -> str:
    """The model's name without what gateways put before it (`openai/gpt-4o`)."""
    return model.rpartition("/")[2].lower()


def vocabulary_file(name: str) -> Path | None:
    """Where tiktoken keeps a vocabulary (its own rule); None where its cache is switched off."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    if folder == "":
        return None
    # tiktoken's file name, no safeguard
    digest = hashlib.sha1(f"{VOCABULARY_URL}{name}.tiktoken".encode(), usedforsecurity=False)
    return Path(folder) / digest.hexdigest()


def is_whole(name: str, path: Path) -> bool:
    """Whether the file is there with the right content."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == VOCABULARIES[name]


def _encoder(name: str) -> Callable[[str], int] | None:
    """The count of a text by this tokenizer; None where its vocabulary is not on the disk."""
    path = vocabulary_file(name)
    if path is None or not path.is_file():
        return None
    return _load(name, path)


@functools.lru_cache(maxsize=4)
def _load(name: str, path: Path) -> Callable[[str], int] | None:
    if not is_whole(name, path):
        return None  # tiktoken would throw the file away and download it anew
    import tiktoken  # here: it is needed only where its vocabulary is

    encoding = tiktoken.get_encoding(name)

    def count(text: str) -> int:
        pieces = range(0, len(text), _PIECE)
        return sum(len(encoding.encode_ordinary(text[i : i + _PIECE])) for i in pieces)

    return count


def _total(messages: Sequence[Message], count: Callable[[str], int]) -> int:
    total = _PER_REPLY
    for message in messages:
        total += _PER_MESSAGE + count(message.role)
        if message.name is not None:
            total += _PER_NAME + count(message.name)
        for call in message.tool_calls:
            total += _PER_MESSAGE + count(call.name)
            total += count(call.raw_arguments or as_json(call.arguments or {}))
        if isinstance(message.content, str):
            total += count(message.content)
        else:
            total += count(message.text) + sum(_media(part) for part in message.content)
    return total


def _media(part: object) -> int:
    if isinstance(part, ImagePart):
        return IMAGE_TOKENS
    if isinstance(part, FilePart):
        return _TOKENS_PER_PAGE * max(1, len(part.data or b"") // _BYTES_PER_PAGE)
    return 0

"""What a simulated model says: believable text, JSON that fits a schema, and token counts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from zlib import crc32

# A rough but steady reading of "a token": a word of up to eight letters with the blank before it, the
# rest of a longer word, or a sign.
_TOKEN = re.compile(r"\s*(?:\w{1,8}|[^\w\s])|\s+")

_KNOWN: tuple[tuple[str, str], ...] = (
    (
        r"sky.{0,200}\bblue|blue.{0,200}\bsky",
        "The sky is blue because of Rayleigh scattering. Sunlight holds all colours, and as it crosses "
        "the air, molecules of nitrogen and oxygen scatter short wavelengths far more than long ones: "
        "the strength grows with the inverse fourth power of the wavelength. Blue light is therefore sent in "
        "every direction and reaches your eyes from the whole sky, while red passes nearly straight through. "
        "Violet is scattered even more, but sunlight has less of it and our eyes are less sensitive to it. "
        "At sunset the light crosses much more air, most of the blue is lost on the way, and red remains.",
    ),
    (
        r"signal ?box",
        "A signal box is the railway building from which points and signals were set. From its tall windows, "
        "and on a lit panel of every line, the signaller sees where each train is, sets a route for the next one, "
        "and leads it around a track that is blocked. Interlocking keeps two trains from ever being given the same "
        "stretch of line.",
    ),
    (
        r"\bhaiku\b",
        "Packets cross the night,\none path falls silent, and still\nthe answer arrives.",
    ),
    (
        r"capital of france",
        "The capital of France is Paris.",
    ),
    (
        r"\btides?\b",
        "Tides are caused mainly by the Moon's gravity, which pulls harder on the near side of Earth than "
        "on the far side. The difference stretches the oceans into two bulges, and as Earth turns beneath "
        "them most coasts see two high and two low tides in about 24 hours and 50 minutes. The Sun adds a "
        "little less than half as much: at new and full moon both pull in line and give spring tides.",
    ),
    (
        r"circuit.?breaker",
        "A circuit breaker stops calls to a service that keeps failing. While closed it lets calls pass and "
        "counts failures; after too many it opens, and calls fail at once or go elsewhere. After a pause it "
        "turns half-open and lets a probe through: success closes it, failure opens it again. Callers get a "
        "quick answer instead of a long wait, and the service gets time to recover.",
    ),
    (
        r"\bprimes?\b.{0,200}python|python.{0,200}\bprimes?\b",
        "Here is the sieve of Eratosthenes:\n\n```python\ndef primes(limit: int) -> list[int]:\n"
        "    sieve = [True] * (limit + 1)\n    sieve[:2] = [False] * len(sieve[:2])\n"
        "    for n in range(2, int(limit**0.5) + 1):\n        if sieve[n]:\n"
        "            sieve[n * n :: n] = [False] * len(sieve[n * n :: n])\n"
        "    return [n for n, is_prime in enumerate(sieve) if is_prime]\n```\n\n"
        "It crosses out the multiples of every prime up to the square root of the limit.",
    ),
    (
        r"^\s*(hi|hello|hey|good (morning|evening))\b",
        "Hello! How can I help you today?",
    ),
)

_OPENINGS = (
    "Let me take this in order.",
    "The short answer is that it depends on a few things, and they are easy to name.",
    "There are two sides to this, and both are worth a look.",
    "A good way in is to begin with what is certain.",
)
_MIDDLES = (
    "First, write down what you want to be true at the end; most detours begin with a goal left vague.",
    "Start with the smallest version that works, and measure it before you change anything.",
    "Look for the one step that everything else waits for, because speeding up any other changes little.",
    "Where two choices look equal, take the one that is easier to undo.",
    "Keep a note of what you tried and what came of it, so that nobody has to find it out twice.",
    "Ask someone who meets the problem every day; they often know the answer in other words.",
)
_CLOSINGS = (
    "If you tell me more about your case, I can be more specific.",
    "From there, each next step is small and can be checked on its own.",
    "Would you like an example?",
)


def answer(prompt: str, tokens: int | None = None) -> str:
    """Returns the model's answer to a prompt: always the same to the same prompt.

    Args:
        tokens: exactly so long, going on or breaking off where need be.
    """
    known = next((text for pattern, text in _KNOWN if re.search(pattern, prompt, re.I | re.S)), None)
    text = known or _composed(prompt)
    if tokens is None:
        return text
    more = (f" {sentence}" for sentence in _for_ever(_number_of(prompt)))
    pieces = chain(split(text), chain.from_iterable(map(split, more)))
    return "".join(islice(pieces, tokens))


def _composed(prompt: str) -> str:
    number = _number_of(prompt)
    opening = _OPENINGS[number % len(_OPENINGS)]
    middles = islice(_for_ever(number // 7), 3)
    return " ".join((opening, *middles, _CLOSINGS[number // 31 % len(_CLOSINGS)]))


def _number_of(prompt: str) -> int:
    return crc32(prompt.encode("utf-8", "replace"))


def _for_ever(start: int) -> Iterator[str]:
    while True:
        yield _MIDDLES[start % len(_MIDDLES)]
        start += 1


def split(text: str) -> list[str]:
    """Returns the tokens of a text; joined, they are the text again."""
    return _TOKEN.findall(text)


def sample(schema: object, root: Mapping[str, object] | None = None, depth: int = 0) -> object:
    """Returns a small JSON value that fits a simple JSON Schema; None where the schema says nothing."""
    if not isinstance(schema, Mapping) or depth > 12:
        return None
    root = schema if root is None else root
    if isinstance(ref := schema.get("$ref"), str):
        return sample(_resolve(ref, root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    for choice in ("enum", "anyOf", "oneOf", "allOf"):
        options = schema.get(choice)
        if isinstance(options, list) and options:
            return options[0] if choice == "enum" else sample(options[0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else None)
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        count = max(1, _number(schema, "minItems", 1))
        return [sample(schema.get("items"), root, depth + 1) for _ in range(min(count, 100))]
    return _scalar(kind, schema)


def _object(schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> dict[str, object]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    required = schema.get("required")
    names = required if isinstance(required, list) else properties
    return {name: sample(properties.get(name), root, depth + 1) for name in names}


def _scalar(kind: object, schema: Mapping[str, object]) -> object:
    if kind == "string":
        return str(_FORMATS.get(str(schema.get("format")), "example")).ljust(_number(schema, "minLength", 0), "x")
    if kind in ("integer", "number"):
        least = max(_number(schema, "minimum", 1), _number(schema, "exclusiveMinimum", 0) + 1)
        greatest = schema.get("maximum")
        return greatest if isinstance(greatest, int | float) and greatest < least else least
    return True if kind == "boolean" else None


_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _number(schema: Mapping[str, object], name: str, default: int) -> int:
    value = schema.get(name)
    return math.ceil(value) if isinstance(value, (int, float)) else default


def _resolve(ref: str, root: Mapping[str, object]) -> object:
    found: object = root
    for part in ref.removeprefix("#").strip("/").split("/"):
        if part:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found

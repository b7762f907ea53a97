"""What each vendor accepts of JSON Schema, as rows of data.

Sources: the vendors' pages on structured outputs and function calling (2026), Ollama's api/types.go (it keeps eight
keywords of a tool's schema and drops the rest unsaid), Google's `Schema` message, and the words of refusals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec


class Subset(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What a schema may hold at one place of a vendor's requests; the defaults are JSON Schema as it is.

    Args:
        only: the keywords that are known; None: all but `refused`.
        formats: the values of `format` that are known; None: all.
        refs: "keep", "bare" (a `$ref` stands alone) or "inline" (there are none).
        root_object: whether the root has to be an object with `properties`.
        root_union: whether anyOf, oneOf, allOf, enum, const and not may stand at the root.
        type_lists: whether `type` may be a list; "nullable" says null by `nullable: true` in its place.
        closed: whether every object has to say `additionalProperties: false`.
        all_required: whether every property has to be required; an optional one becomes nullable.
        typed: whether every schema needs a type, and every array its `items`.
        any_item: what a list without `items` holds: "any" says so, "text" says strings, None refuses it.
        text_enums: whether the values of `enum` have to be strings that are not empty.
        union_alone: whether nothing may stand beside `anyOf`.
        listed: whether every object has to have `properties`.
        hint: whether the model only reads the schema, and is not held to it: what it cannot say is said in words.
        property_names: what the names of the root's properties look like.
    """

    only: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()
    formats: frozenset[str] | None = None
    refs: Literal["keep", "bare", "inline"] = "keep"
    root_object: bool = True
    root_union: bool = False
    type_lists: Literal["keep", "any_of", "nullable"] = "keep"
    closed: bool = False
    all_required: bool = False
    typed: bool = False
    any_item: Literal["any", "text"] | None = "any"
    text_enums: bool = False
    union_alone: bool = False
    listed: bool = False
    hint: bool = False
    property_names: re.Pattern[str] | None = None

    def knows(self, keyword: str) -> bool:
        return keyword not in self.refused if self.only is None else keyword in self.only


class VendorSchemas(msgspec.Struct, frozen=True, kw_only=True):
    """One row: tools, and the schema of the answer, each plain and with `strict: true`.

    `names` tells whether names have to be 64 letters, digits, dashes and underscores at most. A strict subset of None:
    the vendor has no such flag, so it is not sent. An `output` of None: any schema is taken.
    """

    tools: Subset
    strict_tools: Subset | None = None
    output: Subset | None = None
    strict_output: Subset | None = None
    names: bool = True


_SHAPE = frozenset({"type", "properties", "required", "items", "enum", "anyOf", "description"})
_REFS = frozenset({"$ref", "$defs", "definitions"})
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)  # of OpenAI's strict mode

# Any schema whose root is an object: an array without items is refused by OpenAI even as a hint.
_OPENAI_TOOLS = Subset(hint=True, typed=True)
_OPENAI_STRICT = Subset(
    only=_SHAPE
    | _REFS
    | _NUMBERS
    | {"additionalProperties", "const", "title", "pattern", "format"}
    # the limits of arrays
    | {"minItems", "maxItems"},
    formats=_FORMATS,
    refs="bare",
    closed=True,
    all_required=True,
    typed=True,
    any_item=None,
)
OPENAI = VendorSchemas(
    tools=_OPENAI_TOOLS, strict_tools=_OPENAI_STRICT, output=Subset(typed=True), strict_output=_OPENAI_STRICT
)

_LENGTHS = frozenset({"minItems", "maxItems"})
_GROQ_STRICT = msgspec.structs.replace(_OPENAI_STRICT, only=(_OPENAI_STRICT.only or frozenset()) - _LENGTHS)
GROQ = msgspec.structs.replace(
    OPENAI,
    strict_tools=_GROQ_STRICT,
    output=Subset(typed=True, refused=_LENGTHS),
    strict_output=_GROQ_STRICT,
)

# Every object of an answer is closed there, strict or not.
_CEREBRAS_REFUSED = _LENGTHS | {"pattern", "format"}
_CEREBRAS_STRICT = msgspec.structs.replace(
    _OPENAI_STRICT, only=(_OPENAI_STRICT.only or frozenset()) - _CEREBRAS_REFUSED
)
CEREBRAS = VendorSchemas(
    tools=msgspec.structs.replace(_OPENAI_TOOLS, listed=True),
    strict_tools=_CEREBRAS_STRICT,
    output=Subset(typed=True, closed=True, refused=_CEREBRAS_REFUSED),
    strict_output=_CEREBRAS_STRICT,
)

_CLAUDE_OUTPUT = Subset(
    only=_SHAPE | {"additionalProperties", "const", "allOf", "title", "default", "format", "pattern"},
    formats=_FORMATS | {"uri"},
    refs="inline",  # recursion is refused, and so are references within allOf
    root_object=False,
    root_union=True,
    type_lists="any_of",
    closed=True,
)
ANTHROPIC = VendorSchemas(
    tools=Subset(hint=True, property_names=re.compile(r"[a-zA-Z0-9_.-]{1,64}")),
    strict_tools=msgspec.structs.replace(_CLAUDE_OUTPUT, root_object=True, root_union=False),
    output=_CLAUDE_OUTPUT,
)

_OLLAMA_TOOLS = Subset(only=_SHAPE, refs="inline", hint=True)
OLLAMA = VendorSchemas(tools=_OLLAMA_TOOLS, names=False)  # its format is compiled by llama.cpp, which knows all of it

_GEMINI = Subset(
    only=_SHAPE
    | {"format", "title", "nullable", "default", "pattern", "minimum", "maximum", "minLength", "maxLength"}
    | {"minItems", "maxItems", "minProperties", "maxProperties", "propertyOrdering"},
    formats=frozenset({"date-time", "enum", "int32", "int64", "float", "double"}),
    refs="inline",
    type_lists="nullable",
    typed=True,
    text_enums=True,
    union_alone=True,
    any_item=None,
)
GEMINI = VendorSchemas(tools=msgspec.structs.replace(_GEMINI, hint=True, any_item="text"), output=_GEMINI)

# Held to the schema always. What it takes is everything but these.
_XAI = Subset(refused=frozenset({"allOf", "minLength", "maxLength", "minItems", "maxItems", "minContains", "contains"}))
XAI = VendorSchemas(
    tools=msgspec.structs.replace(_XAI, hint=True, typed=True),
    strict_tools=_OPENAI_STRICT,
    output=_XAI,
    strict_output=_OPENAI_STRICT,
)

# Servers that compile any schema into a grammar; only an object has to say what it holds.
LOCAL = VendorSchemas(
    tools=Subset(root_union=True, hint=True), strict_tools=_OPENAI_STRICT, strict_output=_OPENAI_STRICT
)

# What most servers and gateways take: OpenAI's rules of tools, and any schema for the answer.
GENERIC = msgspec.structs.replace(OPENAI, output=None)

# By dialect (`providers.openai.dialects`); `GENERIC` for what is not here.
BY_DIALECT: Mapping[str, VendorSchemas] = {
    "openai": OPENAI,
    "azure": OPENAI,
    "groq": GROQ,
    "cerebras": CEREBRAS,
    "gemini": GEMINI,
    "vertex": GEMINI,
    "xai": XAI,
    "ollama": OLLAMA,
    "vllm": LOCAL,
    "sglang": LOCAL,
    "llamacpp": LOCAL,
    "lmstudio": LOCAL,
}

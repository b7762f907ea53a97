"""The `serve` section of routes.yaml: where the routes are offered over HTTP, to whom, and how much each may use."""

import re
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, field_validator

from providers.tags import NAME_FORM, VALUE_FORM, is_name, is_value
from router.config.interpolate import Expanded
from router.config.listen import Address, read_address
from router.config.sections import REQUIRES, BudgetPolicy, LimitsPolicy, Section, key
from router.config.values import Count, Duration, DurationOrZero, Flag, Labels, Secret, Size, Text
from router.config.yaml_reader import core_scalar

CacheControl: TypeAlias = Literal["use", "skip", "refresh", "only"]

MAX_ADDRESSES = 64  # to listen on
DEFAULT_ADDRESS = Address("127.0.0.1", 4180)
_SHA256 = r"[0-9a-fA-F]{64}"
_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # a token of RFC 9110, section 5.6.2
_SCHEME = r"[a-z][a-z0-9+.-]*"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _one_or_more(value: Any) -> Any:
    """A list, or one entry in place of a list of one."""
    return value if isinstance(value, list | tuple | dict) or value is None else [value]


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_SHA256, value):
        raise ValueError("this must be the SHA-256 of a key, 64 hex digits: `signalbox key NAME` prints a new one")
    return value.lower()


def _origin(value: Any) -> str:
    if value == "*":
        return "*"
    form = "this must be an origin, such as https://app.example or http://localhost:3000, without a path"
    if not isinstance(value, str):
        raise ValueError(form)
    if value == "null":
        raise ValueError("null is the origin of any page in a sandbox and of every file: nobody can be let in by it")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(form) from None
    if "*" in value:
        raise ValueError("an origin is written out, without a *; a * alone lets all pages in")
    if not re.fullmatch(_SCHEME, parts.scheme) or not host or parts.username is not None or not value.isprintable():
        raise ValueError(form)
    if parts.path or parts.query or parts.fragment or " " in value:
        raise ValueError(f"{form} (nor a / at its end)")
    shown_host = f"[{host}]" if ":" in host else host
    is_default = port is None or port == _DEFAULT_PORTS.get(parts.scheme)  # browsers leave it out
    return f"{parts.scheme}://{shown_host}" + ("" if is_default else f":{port}")


def _header(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_HEADER, value):
        raise ValueError("this must be the name of a header, such as anthropic-beta")
    return value.lower()


def _tag(value: Any) -> str:
    if not is_name(value):
        raise ValueError(f"this must be the name of a tag: {NAME_FORM}")
    return value


def _tag_value(value: Any) -> str:
    if not is_value(value):
        raise ValueError(f"this must be the value of a tag: {VALUE_FORM}; quote what YAML takes for a number")
    return str(value)


def _off_or_path(value: Any) -> str | None:
    if not isinstance(value, str):
        raise ValueError("this must be off, or the path of a file")
    return None if value == "off" else str(value)


def _shown_path(value: str | None) -> str:
    return "off" if value is None else value


def _direct(value: Any) -> Any:
    """`true`, `false`, or a list of providers."""
    value = core_scalar(value) if isinstance(value, Expanded) and value.plain else value
    if not isinstance(value, bool | list | tuple):
        raise ValueError("this must be true, false, or a list of providers")
    return value


_TEXTS = {"type": "array", "items": {"type": "string"}}


def _one_or_many(*examples: str, **more: Any) -> WithJsonSchema:
    one = {"type": "string", **more}
    return WithJsonSchema({"anyOf": [one, {**_TEXTS, "items": one}], "examples": list(examples)})


Names = Annotated[
    tuple[Text, ...], BeforeValidator(_one_or_more), Field(min_length=1), _one_or_many("chat", minLength=1)
]
Sha256 = Annotated[
    str, PlainValidator(_sha256), WithJsonSchema({"type": "string", "pattern": r"^[0-9a-fA-F]{64}$|\$\{"})
]
Listen = Annotated[
    Address,
    PlainValidator(read_address),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:4180", "[::1]:4180", ":4180", "unix:/run/sb.sock"]}),
]
Listens = Annotated[
    tuple[Listen, ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1, max_length=MAX_ADDRESSES),
    _one_or_many("127.0.0.1:4180", "[::1]:4180", ":4180", "unix:/run/sb.sock"),
]
Origins = Annotated[
    tuple[Annotated[str, PlainValidator(_origin)], ...],
    BeforeValidator(_one_or_more),
    _one_or_many("https://app.example", "http://localhost:3000"),
]
HeaderNames = Annotated[
    tuple[Annotated[str, PlainValidator(_header)], ...], BeforeValidator(_one_or_more), _one_or_many("anthropic-beta")
]
TagName = Annotated[str, PlainValidator(_tag), WithJsonSchema({"type": "string"})]
TagValue = Annotated[str, PlainValidator(_tag_value), WithJsonSchema({"type": "string"})]
Tags = Annotated[
    dict[TagName, TagValue], WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}})
]
TagNames = Annotated[tuple[TagName, ...], BeforeValidator(_one_or_more), _one_or_many("tier", "team")]
OffOrPath = Annotated[
    str | None,
    PlainValidator(_off_or_path),
    PlainSerializer(_shown_path),
    WithJsonSchema({"type": "string", "examples": ["off", "/var/log/signalbox/audit.jsonl"]}),
]
Direct = Annotated[
    bool | tuple[Text, ...],
    BeforeValidator(_direct),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, _TEXTS], "examples": [False, ["groq"]]}),
]


class ClientKeyConfig(Section):
    """A client, known by its key; a key alone is `key`."""

    sha256: Sha256 | None = key("The SHA-256 of its key, in place of the key: 64 hex digits.")
    routes: Names | None = key(
        "What it may ask for: routes, models and provider/model-id; default: all routes, and what `names` lead to."
    )
    budget: BudgetPolicy | None = key("What its requests may cost, such as $20/d.")
    limits: LimitsPolicy = key("How much it may ask for.", LimitsPolicy.model_construct())
    namespace: Text | None = key("Whose cached answers it shares; default: its own alone.")
    require: Labels = key(REQUIRES, {})
    own_keys: Direct = key("Whether it may bring vendors' keys of its own along; or for which providers.", False)
    cache: CacheControl = key("How its requests use the cache, where their route has one.", "use")
    tags: Tags = key(
        "Tags of all its requests, such as {tier: free}; what a request says of these itself does not count.", {}
    )
    when_unset: Literal["error", "disable"] = key(
        "What an unset variable does: reject the file, or leave this client out.", "error"
    )

    @field_validator("budget")
    @classmethod
    def _is_its_own(cls, budget: BudgetPolicy | None) -> BudgetPolicy | None:
        if budget is not None and budget.by == "key":
            raise ValueError("this budget is one key's already: take `by: key` out, or write it at a route or provider")
        return budget

    # The last, since it hides the function of this name.
    key: Secret | None = key("Its key, at least 20 characters, best as ${NAME} or ${file:/path}.")


class AnonymousConfig(Section):
    """Callers without a key."""

    routes: Names | None = key("What they may ask for; default: all routes, and what `names` lead to.")


class ForwardConfig(Section):
    """What of a client's request goes on to a vendor that speaks the client's protocol."""

    headers: HeaderNames = key("Headers, by name; without any none goes on.", ())
    user: Flag = key("Whether the user that a client names is told to vendors.", False)


class TlsConfig(Section):
    """The certificate that clients are shown."""

    cert: Text = Field(description="A PEM file: the certificate, and those that it builds upon.")
    # The last, since it hides the function of this name.
    key: Text = Field(description="The PEM file of its private key.")


class MetricsConfig(Section):
    """Figures for Prometheus, on a listener of their own."""

    listen: Listen = Field(description="Its address, such as 127.0.0.1:9180.")


class ServeConfig(Section):
    """How `signalbox serve` offers the routes over HTTP."""

    listen: Listens = key("Its address, or a list of them.", (DEFAULT_ADDRESS,))
    keys: dict[str, ClientKeyConfig] = key("The clients by name, each with its key.", {})
    anonymous: AnonymousConfig | None = key("Lets callers without a key in, from this machine alone.")
    names: dict[str, Text] = key(
        "Ordered patterns (`*`, `?`) over the model that a client asks for, each with the route that it gets.", {}
    )
    listed: Names | None = key("Further names that the list of models tells.")
    direct: Direct = key("Whether clients may ask for models and provider/model-id; or for which providers.", False)
    max_body: Size = key("The largest request, once unpacked.", 32_000_000)
    in_flight: Count = key("Requests of all clients at the same time.", 512)
    max_connections: Count = key("Connections at the same time.", 1000)
    keepalive: Duration = key("How often a stream without content gives a sign of life.", 15.0)
    drain: DurationOrZero = key("How long requests under way may take at the end.", 30.0)
    lead: DurationOrZero = key("At the end, how long new connections are still taken.", 0.0)
    origins: Origins = key("The origins of web pages that may call it.", ())
    forward: ForwardConfig = key("What of a client's request goes on to vendors.", ForwardConfig.model_construct())
    tags: TagNames = key("Tags that clients may give: in a request's metadata, or in its header x-signalbox-tags.", ())
    expose_errors: Flag = key("Whether clients are told the vendors' own words of a failure.", False)
    tls: TlsConfig | None = key("The certificate that clients are shown.")
    workers: Count = key("Processes that share the work.", 1)
    audit: OffOrPath = key("A file that gets one line of JSON for each request, without prompts; or off.")
    metrics: MetricsConfig | None = key("Figures for Prometheus.")

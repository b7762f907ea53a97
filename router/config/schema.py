"""The language of routes.yaml as pydantic models: what may be written, and what it is once read.

Values are normalised: durations to seconds, rates to a number per second, percentages to fractions. In a
policy None means "not written"; `router.config.policies.effective` merges the levels.
"""

import re
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from providers.types import PromptCache
from router.config.alert_schema import AlertConfig
from router.config.key_schema import KeyConfig
from router.config.sections import REQUIRES, BudgetPolicy, LimitsPolicy, Section, key
from router.config.serve_schema import ServeConfig
from router.config.shared_schema import SharedConfig
from router.config.values import (
    Code,
    Count,
    CountOrZero,
    Duration,
    DurationOrFlag,
    DurationOrZero,
    Flag,
    FlagOrPath,
    Headers,
    HedgeDelay,
    KeepAlive,
    Labels,
    Limit,
    Monitor,
    Number,
    Options,
    OwnCode,
    Params,
    Percent,
    ProxyUrl,
    Secret,
    Size,
    Status,
    Text,
    Url,
    Version,
    Wait,
    Weight,
)
from router.config.when_schema import RuleConfig

LEAST_LOG = 1_000_000  # bytes
LEAST_BETWEEN_CHECKS = 1.0  # seconds

Balance: TypeAlias = Literal["weighted", "least_latency", "least_busy", "cheapest", "ordered", "affinity"]
OnStreamBreak: TypeAlias = Literal["error", "restart", "continue"]
_LABELS = "What is true of all that it is sent, by names of one's own, for `require`: region: eu, retention: none."
_KEEPS_PROMPTS = "Has vendors keep a conversation's prompt for its next turn: auto, or 1h for an hour where they can."


class TimeoutPolicy(Section):
    """How long to wait, in seconds, or `off`."""

    connect: Limit = key("How long a connection may take; off: as long as it takes.")
    first_token: Limit = key("Of a stream: how long until its first content.")
    idle: Limit = key("Of a stream: how long between two pieces with content; keep-alives stretch it to 10m.")
    answer: Limit = key("Of a plain call: how long one target may take for the whole answer.")
    total: Limit = key("The deadline of the request, over all attempts; of a stream: until its first content.")


class RetryPolicy(Section):
    """How often and how fast to try again."""

    first: Literal["next_target", "same_target"] | None = key(
        "Who is tried first when a target fails: the next one, or the same again as far as same_target goes."
    )
    max_attempts: Count | None = key(
        "Attempts of one request over its whole chain; default: one for each target and each retry, at least 4."
    )
    same_target: CountOrZero | None = key("Further tries on the target that failed; see `first` for when.")
    backoff: Wait | None = key("The first wait; it doubles with each try, with full jitter.")
    max_backoff: Wait | None = key("The longest wait between two tries.")
    max_wait: Wait | None = key("The longest Retry-After, or wait for a limit, that is waited for.")
    budget: Percent | None = key("Tries beyond the first, as a share of the route's requests.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _ordered(self.backoff, self.max_backoff, "backoff", "max_backoff")
        return self


class SlowCall(Section):
    """Counts a slow call as a failure."""

    threshold: Duration = Field(description="A call that takes longer is slow.")
    rate: Percent = Field(description="The share of slow calls that opens the breaker.")


class BreakerPolicy(Section):
    """When a failing target is left alone, and for how long."""

    window: Duration | None = key("The sliding window over which failures are counted.")
    min_calls: Count | None = key("Calls in the window before the failure rate counts.")
    failure_rate: Percent | None = key("The share of failures that opens the breaker.")
    consecutive: Count | None = key("Failures in a row that open the breaker.")
    open_for: Duration | None = key("How long it stays open; doubles with each reopening.")
    max_open_for: Duration | None = key("The longest that it stays open.")
    probes: Count | None = key("Calls let through at a time to see whether the target is back.")
    ramp: Wait | None = key("After closing, how long until the target has its full share again.")
    slow_call: SlowCall | None = key("Whether slow calls count as failures.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _ordered(self.open_for, self.max_open_for, "open_for", "max_open_for")
        return self


def _ordered(low: float | None, high: float | None, low_name: str, high_name: str) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low_name} is longer than {high_name}")


class HedgePolicy(Section):
    """Calls a second target when the first is slow; the first to deliver wins."""

    after: HedgeDelay | None = key(
        "When to call the second: a duration, or p95 of the target's recent times to first token."
    )
    max: Count | None = key("How many further targets may be under way beside a slow one.")
    budget: Percent | None = key("Hedges, as a share of the route's requests.")


class CachePolicy(Section):
    """Serves an identical request from the cache."""

    ttl: Duration | None = key("How long an answer is served.")
    fallback_ttl: DurationOrZero | None = key(
        "How long an answer is served that a fallback made because a target before it failed; 0 keeps none of them."
    )
    stale_if_error: DurationOrFlag | None = key(
        "Serve an expired answer when the chain is exhausted: true, or for how long after it expired."
    )
    store_tool_calls: Flag | None = key("Whether answers with tool calls are stored.")
    max_entry: Size | None = key("The largest answer that is stored.")
    namespace: Text | None = key("Answers of different namespaces are never shared.")
    own_keys: Literal["apart", "shared"] | None = key(
        "Whether an answer got with a caller's own key is given to that key's calls alone, or to all."
    )


class AcceptPolicy(Section):
    """Which answers are not taken: they are `invalid_output`, and asked for again."""

    not_empty: Flag | None = key("Whether an answer has to have text or tool calls.")
    not_refused: Flag | None = key("Whether an answer that the vendor's policy refused is not taken.")
    valid_json: Flag | None = key(
        "Whether an answer has to be the JSON that was asked for, by its schema where there is one."
    )


class Defaults(Section):
    """Policies for everything; each level below overrides them key by key."""

    timeout: TimeoutPolicy = key("How long to wait.", TimeoutPolicy.model_construct())
    retry: RetryPolicy = key("How often and how fast to try again.", RetryPolicy.model_construct())
    breaker: BreakerPolicy = key("When a failing target is left alone.", BreakerPolicy.model_construct())
    limits: LimitsPolicy = key("What the vendors allow.", LimitsPolicy.model_construct())
    hedge: HedgePolicy | None = key("Call a second target when the first is slow.")
    balance: Balance | None = key("How the targets of a tier share load.")
    cache: CachePolicy | None = key("Serve identical requests from the cache.")
    on_stream_break: OnStreamBreak | None = key("What happens when a stream breaks after its first content.")
    accept: AcceptPolicy = key("Which answers are not taken.", AcceptPolicy.model_construct())
    prompt_cache: PromptCache | None = key(_KEEPS_PROMPTS)


class ClientCertificateConfig(Section):
    """What a provider's servers are shown in TLS; a path alone is `cert`."""

    cert: Text = Field(description="A PEM file: the certificate, and those that it builds upon.")
    password: Secret | None = key("What the key is locked with.")
    # The last, since it hides the function of this name.
    key: Text | None = key("The PEM file of its private key, where `cert` has not got it.")


def _no_path(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("/"):
        raise ValueError(f"a path has its key: write health: {{path: {value}}}")
    return value


class HealthPolicy(Section):
    """Asks a provider for its list of models now and then, which is free, to know that it is there; or at a path."""

    every: Annotated[Duration, BeforeValidator(_no_path)] = key("How often it is asked.", 30.0)
    path: Text | None = key("What its server has for it, such as /health; default: its list of models is asked for.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.every < LEAST_BETWEEN_CHECKS:
            raise ValueError("no server has to be asked more often than once a second: write 1s or more")
        if self.path is not None and not re.fullmatch(r"/[!-~]*", self.path):
            raise ValueError("path begins with a slash, under the server's host, such as /health")
        return self


class ErrorRule(Section):
    """What an error of one's own server means."""

    status: Status | None = key("The HTTP status that it has.", examples=[409])
    text: Text | None = key("What its text has somewhere, upper and lower case alike.", examples=["queue full"])
    code: OwnCode = Field(description="The error code that it stands for.")

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.status is None and self.text is None:
            raise ValueError("an error is told by its status, its text, or both: write one")
        if self.text is not None and not str(self.text).strip():
            raise ValueError("an empty text is in every error: write some words of it, or its status")
        return self


class ProviderConfig(Section):
    """A connection to a vendor or server."""

    kind: Text = Field(description="Which protocol it speaks: openai, anthropic, ollama, fake, or an installed kind.")
    base_url: Url | None = key("The API's root, for another server than the vendor's own.", repr=False)
    api_key: KeyConfig | None = key("The key, best as ${NAME} or ${file:/path}; or who issues what is sent.")
    api_keys: tuple[KeyConfig, ...] = key("A pool of keys, in place of api_key.", ())
    headers: Headers = key("Sent with every request.", {}, repr=False)
    proxy: ProxyUrl | None = key(
        "An HTTP proxy, or off. Else HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY decide.", repr=False
    )
    verify: FlagOrPath = key(
        "Check TLS certificates; or the path of a CA bundle. Else REQUESTS_CA_BUNDLE and SSL_CERT_FILE decide.", True
    )
    client_cert: ClientCertificateConfig | None = key("The certificate that its servers ask for (mutual TLS).")
    unix_socket: Text | None = key("The path of a socket of this machine, in place of base_url's host.")
    when_unset: Literal["error", "disable"] = key(
        "What an unset variable does: reject the file, or disable this provider.", "error"
    )
    api: Literal["chat", "responses"] | None = key("Kind openai: which API to call.")
    dialect: Text | None = key("Kind openai: whose variant of the protocol the server speaks.")
    version: Text | None = key("Kind anthropic: the anthropic-version header.")
    num_ctx: Count | None = key("Kind ollama: the context window to load models with.", examples=["32k"])
    keep_alive: KeepAlive | None = key("Kind ollama: how long a model stays loaded.")
    own_options: Options = key("Settings of an installed kind.", {}, alias="options", repr=False)
    timeout: TimeoutPolicy = key("How long to wait.", TimeoutPolicy.model_construct())
    retry: RetryPolicy = key("How often and how fast to try again.", RetryPolicy.model_construct())
    breaker: BreakerPolicy = key("When its targets are left alone.", BreakerPolicy.model_construct())
    limits: LimitsPolicy = key("What the vendor allows, per key.", LimitsPolicy.model_construct())
    budget: BudgetPolicy | None = key("What may be spent, such as $20/d.")
    prompt_cache: PromptCache | None = key(_KEEPS_PROMPTS)
    errors: tuple[ErrorRule, ...] = key("What errors of its own mean; the first that fits counts.", ())
    health: HealthPolicy | None = key("Asks it now and then, by its list of models or a path, whether it is there.")
    labels: Labels = key(_LABELS, {})
    shared: Flag = key("Whether limits, holds and breakers are those of all processes, where they share.", True)
    _disabled: bool = PrivateAttr(False)

    @property
    def disabled(self) -> bool:
        """Whether it is left out, since a variable is not set (`when_unset: disable`)."""
        return self._disabled

    def leave_out(self) -> None:
        """Leave a provider out; only the loader may, before anyone else has the file."""
        self._disabled = True

    @property
    def options(self) -> dict[str, Any]:
        """The kind's own settings, those with a key of their own included."""
        named = {name: getattr(self, name) for name in KIND_OF_OPTION}
        return {**self.own_options, **{name: value for name, value in named.items() if value is not None}}


KIND_OF_OPTION = {
    "api": "openai",
    "dialect": "openai",
    "version": "anthropic",
    "num_ctx": "ollama",
    "keep_alive": "ollama",
}


class PriceConfig(Section):
    """US dollars per million tokens."""

    input: Number | None = key("Tokens of the prompt.")
    output: Number | None = key("Tokens of the answer.")
    cache_read: Number | None = key("Tokens read from the vendor's prompt cache.")
    cache_write: Number | None = key("Tokens written to the vendor's prompt cache.")
    cache_write_1h: Number | None = key("Tokens written to it to be kept for an hour.")
    like: Text | None = key("Priced as a known model, VENDOR/MODEL; what stands beside it goes before.")


class CapabilitiesConfig(Section):
    """What the model can do; what is not written stays as known, or unknown."""

    max_output_tokens: Count | None = key("The longest answer, in tokens.", examples=["16k"])
    tools: Flag | None = key("Calls tools.")
    parallel_tools: Flag | None = key("Calls several tools at once.")
    vision: Flag | None = key("Reads images.")
    json_mode: Flag | None = key("Can be held to JSON.")
    json_schema: Flag | None = key("Can be held to a JSON Schema.")
    streaming: Flag | None = key("Streams.")
    thinking: Flag | None = key("Thinks before it answers.")
    prompt_cache: Flag | None = key("Caches prompts.")
    audio: Flag | None = key("Hears audio, or speaks.")
    files: Flag | None = key("Reads documents that are no text, such as PDFs.")
    server_tools: Flag | None = key("Has tools that its vendor runs, such as web search.")
    logprobs: Flag | None = key("Tells how likely its tokens were.")


class EmbedsConfig(Section):
    """What a model that makes embeddings can do; what is not written stays as known, or unknown."""

    dimensions: Count | None = key("How many numbers a vector has, where a request does not say.")
    shortens: Flag | None = key("Whether requests may ask for fewer dimensions.")
    max_inputs: Count | None = key("The most inputs of a call; longer requests are split.")
    max_tokens: Count | None = key("The most tokens of one input.")
    max_request_tokens: Count | None = key("The most tokens of a call, all inputs together.")
    same_as: Text | None = key("A model of this file that makes the same vectors, so that either may stand in.")


class ModelConfig(Section):
    """One model at one provider."""

    provider: Text = Field(description="A provider of this file.")
    id: Text = Field(description="The model's name at the vendor.")
    params: Params = key("Defaults for the call, such as max_tokens or temperature.", {})
    price: PriceConfig | None = key("US dollars per million tokens.")
    context_window: Count | None = key("Tokens that fit, prompt and answer.")
    capabilities: CapabilitiesConfig = key("What the model can do.", CapabilitiesConfig.model_construct())
    embeds: EmbedsConfig | None = key("That it makes embeddings: true, or what it can do.")
    reranks: Flag | None = key("That it ranks documents.")
    timeout: TimeoutPolicy = key("How long to wait.", TimeoutPolicy.model_construct())
    retry: RetryPolicy = key("How often and how fast to try again.", RetryPolicy.model_construct())
    breaker: BreakerPolicy = key("When it is left alone.", BreakerPolicy.model_construct())
    limits: LimitsPolicy = key("What the vendor allows for this model.", LimitsPolicy.model_construct())
    prompt_cache: PromptCache | None = key(_KEEPS_PROMPTS)
    labels: Labels = key("As its provider's, which it has as well; its own go before those, name by name.", {})


class TargetRef(Section):
    """One target of a tier."""

    model: Text = Field(description="A model of this file, a route with its whole chain, or provider/model-id.")
    weight: Weight = key("Its share of the load; in percent where all targets of its tier are.", 1.0)
    params: Params = key("Defaults for the call, over those of the model.", {})


Targets = Annotated[tuple[TargetRef, ...], Field(min_length=1)]


class Fallback(Section):
    """What is tried when everything before has failed."""

    to: Text | None = key("A model, a route, or provider/model-id.")
    tier: Targets = key("Targets written in place.", (), alias="targets")
    balance: Balance | None = key("How the targets written in place share load.")
    on: Annotated[tuple[Code, ...], Field(min_length=1)] | None = key("After which error codes; default: any.")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.to is None) == (not self.tier):
            raise ValueError("a fallback has either to or targets")
        if self.to is not None and self.balance is not None:
            raise ValueError("balance goes with targets, not with to")
        return self


class BatchPolicy(Section):
    """How the inputs of embeddings become calls."""

    wait: Wait | None = key("How long an input waits for those of other requests, to share a call.")
    most: Count | None = key("The most inputs that requests share a call for.")
    parallel: Count | None = key("Of a request that is split, the most calls at a time.")


class ShadowPolicy(Section):
    """Copies some requests for somebody else, to compare; callers never see an answer to a copy."""

    to: Text = Field(description="Who gets the copies: a model, a route, or provider/model-id.")
    share: Percent = key("The share of requests that are copied.", 0.05)
    budget: BudgetPolicy | None = key("What the copies may cost; they count in no other budget.")
    in_flight: Count = key("Copies at the same time; those beyond are left out.", 8)


class RouteConfig(Section):
    """What an app calls."""

    when: tuple[RuleConfig, ...] = key("Rules, in order: the first that holds leads a request elsewhere.", ())
    targets: Targets = Field(description="The models, or routes with their whole chains, that share the load.")
    balance: Balance | None = key("How the targets share load.")
    fallbacks: tuple[Fallback, ...] = key("What is tried next, in order.", ())
    timeout: TimeoutPolicy = key("How long to wait.", TimeoutPolicy.model_construct())
    retry: RetryPolicy = key("How often and how fast to try again.", RetryPolicy.model_construct())
    hedge: HedgePolicy | None = key("Call a second target when the first is slow.")
    cache: CachePolicy | None = key("Serve identical requests from the cache.")
    on_stream_break: OnStreamBreak | None = key("What happens when a stream breaks after its first content.")
    accept: AcceptPolicy = key("Which answers are not taken.", AcceptPolicy.model_construct())
    prompt_cache: PromptCache | None = key(_KEEPS_PROMPTS)
    params: Params = key("Defaults for its calls, over those of its models and under those of a target.", {})
    breaker: BreakerPolicy = key("When the targets that it names are left alone.", BreakerPolicy.model_construct())
    limits: LimitsPolicy = key("What this route may take, of all its targets together.", LimitsPolicy.model_construct())
    budget: BudgetPolicy | None = key("What may be spent, such as $20/d.")
    embeds: Flag | None = key("That it makes embeddings: its models do, and all make the same vectors.")
    reranks: Flag | None = key("That it ranks documents: its models do.")
    require: Labels = key(REQUIRES, {})
    shadow: ShadowPolicy | None = key("Copies of some requests go to somebody else, to compare.")
    batch: BatchPolicy | None = key("How the inputs of embeddings become calls.")


class CacheStore(Section):
    """Where cached answers live."""

    path: Text | None = key("The folder; default: the user's cache folder.")
    max_size: Size | None = key("The largest size on disk.")


class LogConfig(Section):
    """A log of requests on disk; `log: on` takes all of it as it comes, `log: FOLDER` the rest."""

    path: Text | None = key("Its folder; default: one in the user's state folder, of this file.")
    keep: Duration = key("How long a request stays in it.", 604_800.0)
    max_size: Size = key("The largest size of all its files; the oldest go.", 500_000_000)
    users: Literal["hashed", "plain", "off"] = key("How a request's user stands in it, if at all.", "hashed")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_size < LEAST_LOG:
            raise ValueError("a log of less than 1MB holds nothing for long: write max_size: 1MB or more")
        return self


class Telemetry(Section):
    """What can be watched."""

    monitor: Monitor | None = key("The socket that dashboards attach to: auto, off, or a path.")
    capture: Literal["off", "preview", "full"] | None = key("Whether prompts and answers reach telemetry.")
    log: LogConfig | None = key("A log of requests on disk.")


class RoutesFile(Section):
    """A whole routes.yaml."""

    version: Version = key("The version of this language: 1.", 1)
    defaults: Defaults = key("Policies for everything.", Defaults.model_construct())
    providers: Annotated[dict[str, ProviderConfig], Field(min_length=1)] = Field(
        description="Connections to vendors and servers, by name."
    )
    models: dict[str, ModelConfig] = key("Names for models.", {})
    routes: Annotated[dict[str, RouteConfig], Field(min_length=1)] = Field(
        description="What apps call, by name: one target, a list of targets, or a mapping."
    )
    include: tuple[Text, ...] = key("Further files with providers, models and routes, such as [teams/*.yaml].", ())
    cache: CacheStore | None = key("Where cached answers live.")
    telemetry: Telemetry | None = key("What can be watched.")
    shared: SharedConfig | None = key("What processes share over a Redis or Valkey.")
    alerts: tuple[AlertConfig, ...] = key("Who is told of what, by webhooks.", ())
    serve: ServeConfig | None = key("How `signalbox serve` offers the routes over HTTP.")

    def resolve_target(self, name: str) -> tuple[str, str, ModelConfig | None] | None:
        """(provider, model id, model) of a model's name or of `provider/model-id`; None when nothing has the name."""
        model = self.models.get(name)
        if model is not None:
            return (model.provider, model.id, model) if model.provider in self.providers else None
        provider, _, model_id = name.partition("/")
        return (provider, model_id, None) if model_id and provider in self.providers else None

    @property
    def labels(self) -> dict[str, set[str]]:
        """The labels that any provider or model has, each with its texts."""
        written = [provider.labels for provider in self.providers.values()]
        found: dict[str, set[str]] = {}
        for labels in (*written, *(model.labels for model in self.models.values())):
            for name, texts in labels.items():
                found.setdefault(name, set()).update(texts)
        return found

    def labels_of(self, name: str) -> dict[str, tuple[str, ...]]:
        """The labels of a model's name or of `provider/model-id`: its provider's, and its own over those."""
        provider, _, model = self.resolve_target(name) or ("", "", None)
        own = {} if model is None else model.labels
        return {**self.providers[provider].labels, **own} if provider else {}

    def is_route(self, target: str) -> bool:
        """Whether a target is a route with its whole chain: what is provider/model-id as well is the model."""
        return target in self.routes and self.resolve_target(target) is None

"""One model at one provider, with the policies that hold for it on one route."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import inf
from typing import Any, Literal

import msgspec
from msgspec.structs import force_setattr

from providers.settings import ProviderSettings
from providers.types import ModelCapabilities, PromptCache, Timeout
from router.config.labels import Labels
from router.plan.budget import Budget
from router.plan.rules import BreakerRules, EmbedRules, ErrorRule, Limits, RetryRules

_OWN = "own"  # in identities, where others have a hash: that has no such letters
OF_CALLERS = " (callers' keys)"  # behind the name under which calls with keys of callers are counted

# That a request may have and a model may lack.
NEEDS = ("tools", "vision", "json_schema", "streaming", "audio", "files", "server_tools", "logprobs")


class Key(msgspec.Struct, frozen=True, eq=False):
    """One API key of a provider, with the settings of its connection.

    `identity` stands for all that shapes the connection, the key among it. `number` is its place in the provider's
    pool, from 1; 0 where there is no pool. `share_id` stands for what the vendor limits, whatever the way to it, the
    same on all machines; "" where it is not shared.
    """

    identity: str
    settings: ProviderSettings | None = None
    number: int = 0
    share_id: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One model at one provider, with all that an attempt needs to know.

    `ref` is the model's name in the file, or `provider/model-id`; `name` tells apart where a route gives it params of
    its own: `mini (thinking=low)`. `params` are defaults for the request. `account`
    stands for the provider with all that shapes its connection, `keys` for each of its API keys. `limits` are the
    model's own, `key_limits` those of each key, `budget` its provider's, `retry` bounds further tries here, `errors` is
    what errors of its provider's own mean. `labels` are its model's over its provider's; `barred` says what its route
    requires and it does not have, "" where it may be asked. `holder` stands for the caller whose own key is used, ""
    where it is the file's: who is called with a caller's key has a state of its own, and is counted apart.
    `prompt_cache` is how its vendor is asked to keep prompts, None where it is not.
    `usual` are the timeouts that it has on any route that says nothing of them. `connect` is in seconds, where it is
    not its provider's own. `identity` is what it is, whatever route names it: the model at its account with its params.
    Its state outlives every edit that leaves this unchanged. `model_identity` is the same without params: what all
    targets of a model share.
    """

    name: str
    ref: str = ""
    provider: str
    model: str
    weight: float = 1.0
    params: Mapping[str, Any] = {}
    timeout: Timeout = Timeout()
    usual: Timeout = Timeout()
    retry: RetryRules = RetryRules()
    connect: float | Literal["off"] | None = None
    capabilities: ModelCapabilities = ModelCapabilities()
    disabled: bool = False
    account: str = ""
    keys: tuple[Key, ...] = ()
    breaker: BreakerRules = BreakerRules()
    key_breaker: BreakerRules | None = None  # of its keys, where a route says something else of the target
    limits: Limits = Limits()
    key_limits: Limits = Limits()
    budget: Budget | None = None
    embeds: EmbedRules | None = None
    prompt_cache: PromptCache | None = None
    errors: tuple[ErrorRule, ...] = ()
    labels: Labels = {}
    barred: str = ""
    holder: str = ""

    # Made of the others.
    identity: str = ""
    state_id: str = ""  # what its breaker, holds and latency are kept by
    limits_id: str = ""  # and its model's limits
    model_identity: str = ""
    share_id: str = ""  # the model with the keys, as `Key.share_id`; "" where it is not shared
    lacks: frozenset[str] = frozenset()  # what it is known not to do
    serves_up_to: float = -1  # tokens of any prompt; -1 where it depends on more than that
    is_own: bool = False  # it is called with a caller's own key
    adds: bool = False  # more goes into its requests than its model

    def __post_init__(self) -> None:
        # Made once: every request asks for it many times.
        account = self.account or self.provider
        force_setattr(self, "ref", self.ref or self.name)
        force_setattr(self, "model_identity", f"{account}/{self.model}")
        variant = f"~{digest(sorted_params(self.params))}" if self.params else ""
        force_setattr(self, "is_own", self.holder != "")
        adds = bool(self.params) or self.connect is not None or self.prompt_cache is not None
        force_setattr(self, "adds", adds)
        force_setattr(self, "identity", f"{account}{variant}/{self.model}")
        held = f"@{self.holder}" if self.holder else ""
        force_setattr(self, "state_id", self.identity + held)
        force_setattr(self, "limits_id", self.model_identity + held)
        lacks = frozenset(need for need in NEEDS if getattr(self.capabilities, need) is False)
        force_setattr(self, "lacks", lacks)
        window = self.capabilities.context_window
        most = -1 if self.disabled or lacks or self.barred else inf if window is None else window
        force_setattr(self, "serves_up_to", most)
        shared = sorted(key.share_id for key in self.keys)
        force_setattr(self, "share_id", digest([*shared, self.model]) if shared and all(shared) else "")
        if not self.keys:
            force_setattr(self, "keys", (Key(account),))

    @property
    def breaker_of_keys(self) -> BreakerRules:
        """The rules of its keys' breakers, which no route decides."""
        return self.key_breaker or self.breaker

    def bound(self, max_tokens: int | None) -> int | None:
        """Return the most tokens of an answer: what the request says, else the model's `params`; None for no bound."""
        bound = self.params.get("max_tokens") if max_tokens is None else max_tokens
        return bound if isinstance(bound, int) else None

    def __repr__(self) -> str:
        return f"<Target {self.name} = {self.provider}/{self.model} weight {self.weight:g}>"


def own_account(provider: str) -> str:
    """Return what stands for a provider as callers use it with keys of their own; all of them are counted as one."""
    return f"{provider}:~{_OWN}"


def own_variant(variant: str) -> str:
    """Return what of `variant_of` is of callers' own keys, of the variant that the file's key has."""
    return f"{_OWN}~{variant}" if variant else _OWN


def digest(shape: object) -> str:
    """Hash what something is made of; there may be a key in it."""
    return hashlib.sha256(repr(shape).encode(errors="surrogateescape")).hexdigest()[:16]


def sorted_params(params: Mapping[str, Any]) -> str:
    """Write params so that their order does not count."""
    return json.dumps(params, sort_keys=True, default=repr)


def names_of(identity: str) -> tuple[str, str | None]:
    """Return the provider, and `provider/model-id` where it is a target's identity and not a key's."""
    provider, _, rest = identity.partition(":")
    _, is_target, model = rest.partition("/")
    return provider, f"{provider}/{model}" if is_target else None


def variant_of(identity: str) -> str:
    """Return what tells apart a target's identity from those of the same model with other params; "" without any."""
    return identity.partition("/")[0].partition("~")[2]

"""Reads `model_list`: each deployment's connection, model id, settings and share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from router.config.yaml_reader import Node
from router.importers.litellm.budgets import take as take_budget
from router.importers.litellm.connections import Connection, connect
from router.importers.litellm.reading import Config, Fields, Tell, as_number, entries, items
from router.importers.litellm.settings_of_models import settings
from router.importers.litellm.vendors import UNSUPPORTED, VENDORS, split_model
from router.importers.litellm.without import why
from router.importers.notes import Notes, Place, Sort, shown_name
from router.importers.variables import Variables, named

_OF_ITS_OWN = "a budget is a provider's here: this entry has a provider of its own"
# What a model is for, as `model_info.mode` says it, else as its name does: answers, else the key that says so here.
_MODES = {
    **dict.fromkeys(("chat", "completion", "responses"), ""),
    "embedding": "embeds",
    "rerank": "reranks",
}
_NAMES = (
    ("reranks", re.compile(r"rerank", re.IGNORECASE)),
    ("embeds", re.compile(r"^voyage|[-/_]embed|\bembed(ding)?s?\b", re.IGNORECASE)),
    (None, re.compile(r"^(whisper|tts-|dall-e|gpt-image|imagen|(omni|text)-moderation)", re.IGNORECASE)),
    (None, re.compile(r"-transcribe|-tts\b|-image-\d", re.IGNORECASE)),
)


@dataclass
class Deployment:
    """One entry of `model_list`. `settings` are the keys of a model here; `weight` is its share of the load; `makes` is
    the key of a model that makes no answers: embeds or reranks.
    """

    group: str
    connection: Connection
    model: str
    places: list[Place]
    settings: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    is_any_vendors: bool = False  # whose vendor each call's model tells
    order: float = 0
    name: str | None = None
    makes: str = ""
    wishes: Mapping[str, float] = field(default_factory=dict)  # weight, rpm and tpm, as they are written

    @property
    def place(self) -> Place:
        return self.places[0]

    @property
    def is_wildcard(self) -> bool:
        return "*" in self.model


class ModelList:
    """All deployments of a config that have a counterpart, in their order; what has none is told."""

    def __init__(self, config: Config, variables: Variables, notes: Notes) -> None:
        self._config = config
        self._variables = variables
        self._notes = notes
        self._credentials = self._read_credentials()
        router = config.root.get("router_settings")
        self._defaults = entries(
            router.value.pop("default_litellm_params", None) if entries(router) and router else None
        )
        listed = config.root.value.pop("model_list", None)
        if listed is not None and listed.value is not None and not isinstance(listed.value, list):
            self._tell("model_list", listed, "left out", "", "this is no list")
        self.deployments = [made for node in items(listed) if (made := self._read(node)) is not None]

    def _tell(self, what: str, node: Node, sort: Sort, key: str, text: str) -> None:
        self._notes.add(sort, self._config.place(node), f"{what}.{shown_name(key)}" if key else what, text)

    def _read_credentials(self) -> dict[str, dict[str, Node]]:
        found = {}
        for node in items(self._config.root.value.pop("credential_list", None)):
            name = node.get("credential_name")
            if name is not None:
                found[str(name.value)] = entries(node.get("credential_values"))
        return found

    def _read(self, node: Node) -> Deployment | None:
        own = Fields(node)
        group = own.text("model_name")
        written = own.take("litellm_params")
        params = Fields(written, **self._defaults)
        model = params.text("model")
        if group is None or model is None:
            self._tell("model_list", node, "left out", "", "an entry without model_name or litellm_params.model")
            return None
        what = shown_name(group)
        credential = params.text("litellm_credential_name")
        if credential is not None:
            if credential not in self._credentials:
                self._tell(what, node, "left out", "litellm_credential_name", "credential_list has none of that name")
            params.left = {**self._credentials.get(credential, {}), **params.left}
        info = Fields(own.take("model_info"))
        known = {**info.left, **params.left}

        def tell(sort: Sort, key: str, text: str) -> None:
            self._tell(what, known.get(key.partition(".")[0], node), sort, key, text)

        made = self._made(group, model, node, params, info, tell)
        if made is not None:
            for name, left in own.left.items():
                self._left(what, name, left)
            for name, left in params.left.items():
                self._left(f"{what}.litellm_params", name, left)
            for name, left in info.left.items():
                self._left(f"{what}.model_info", name, left)
        return made

    def _left(self, what: str, name: str, node: Node) -> None:
        if node.value is not None:
            self._tell(what, node, "left out", name, why(name))

    def _made(self, group: str, model: str, node: Node, params: Fields, info: Fields, tell: Tell) -> Deployment | None:
        what = shown_name(group)
        if named(model) is not None:
            self._tell(
                what, node, "left out", "", "the whole entry: its model is a variable, so that its vendor is not known"
            )
            return None
        prefix, its_id = split_model(model, params.text("custom_llm_provider"))
        mode = info.text("mode")
        makes = _makes(mode, its_id)
        if makes is None:
            text = f"the whole entry ({mode or 'no such model'}): Signalbox routes chat, embeddings and ranks"
            self._tell(what, node, "left out", "", text)
            return None
        is_any = prefix == "" and model == "*"
        if prefix == "" and "/" in its_id and not {"api_base", "base_url"} & params.left.keys():
            prefix = its_id.partition("/")[0]  # a vendor's that is not known
        if prefix == "":
            prefix = "openai"
            if "api_base" not in params.left and model != "*":
                self._tell(
                    what,
                    node,
                    "check",
                    "model",
                    f"whose model {shown_name(model)} is, is not known: taken for OpenAI's",
                )
        if prefix not in VENDORS:
            why = "speaks a protocol of its own" if prefix in UNSUPPORTED else "is not known to the import"
            instead = "a server that speaks OpenAI's is kind: openai with its base_url"
            text = f"the whole entry: {shown_name(prefix)} {why}; {instead}"
            self._tell(what, node, "left out", "", text)
            return None
        if makes and VENDORS[prefix].kind == "anthropic":
            self._tell(what, node, "left out", "", "the whole entry: this vendor answers only")
            return None
        connection, its_id = connect(VENDORS[prefix], its_id, params, self._variables, tell)
        if mode == "responses" or its_id.startswith("responses/"):
            its_id = its_id.removeprefix("responses/")
            if connection.kind == "openai":
                connection.more["api"] = "responses"
        place = self._config.place(node)
        budget = take_budget(params, ("max_budget",), ("budget_duration",))
        if budget is not None:
            more = {**connection.more, "budget": budget.text()}
            connection = replace(connection, more=more, alone=str(place))
            tell("differs", "max_budget", "; ".join(filter(None, (_OF_ITS_OWN, budget.told))))
        wishes = {name: found for name in ("weight", "rpm", "tpm") if (found := _number(params, name)) is not None}
        params.take("weight")
        order = params.take("order")
        return Deployment(
            group=group,
            connection=connection,
            model=its_id.replace("$", "$$"),
            places=[place],
            settings=settings(params, info, self._variables, tell, makes),
            makes=makes,
            order=0 if order is None else as_number(order) or 0,
            name=info.text("id"),
            wishes=wishes,
            is_any_vendors=is_any,
        )


def _makes(mode: str | None, model: str) -> str | None:
    """What a model makes; "" is answers, None what nothing here does."""
    if mode is not None:
        return _MODES.get(mode)
    return next((makes for makes, form in _NAMES if form.search(model)), "")


def _number(params: Fields, name: str) -> float | None:
    node = params.left.get(name)
    return None if node is None else as_number(node)


def pooled(group: list[Deployment]) -> list[Deployment]:
    """The deployments of a group, those that differ in their key alone as one with all keys."""
    found: list[Deployment] = []
    for each in group:
        same = next((other for other in found if _is_same(each, other)), None)
        if same is None:
            found.append(each)
            continue
        keys = tuple(dict.fromkeys((*same.connection.keys, *each.connection.keys)))
        same.connection = replace(same.connection, keys=keys)
        same.places += each.places
        same.weight += each.weight
    for each in found:
        _multiply(each)
    return found


def _is_same(one: Deployment, other: Deployment) -> bool:
    def what(each: Deployment) -> tuple[Any, ...]:
        return (
            replace(each.connection, keys=()),
            bool(each.connection.keys),
            each.model,
            each.settings,
            each.order,
            each.wishes,
        )

    return what(one) == what(other)


def _multiply(pool: Deployment) -> None:
    """What is allowed of a model is allowed to each key of a pool."""
    keys = len(pool.connection.keys)
    if keys > 1 and "limits" in pool.settings:
        limits = pool.settings["limits"]
        pool.settings["limits"] = {
            name: f"{int(limit.partition('/')[0]) * keys}/min" if isinstance(limit, str) else limit * keys
            for name, limit in limits.items()
        }


def share(group: list[Deployment]) -> str | None:
    """Give the deployments of a group the weights by which LiteLLM draws; gives the key that they are from.

    That is the first of weight, rpm and tpm that the first deployment has; who has it not is never drawn.
    """
    by = next((name for name in ("weight", "rpm", "tpm") if name in group[0].wishes), None)
    for each in group:
        if by is not None:
            each.weight = each.wishes.get(by, 0.0)
    if not any(each.weight for each in group):
        for each in group:
            each.weight = 1.0
        return None
    return by

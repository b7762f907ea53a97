"""What holds for routes and models of embeddings and ranks: vectors of two models are never mixed, and what is of
answers alone stands nowhere near them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from router.config.diagnostics import Findings, Path_
from router.config.names import target_places
from router.config.schema import EmbedsConfig, RouteConfig, RoutesFile, TargetRef
from router.config.yaml_reader import Place

Makes: TypeAlias = Literal["answers", "embeddings", "ranks"]

_KEY = {"embeddings": "embeds", "ranks": "reranks"}  # that says so in the file
_PARAMS = frozenset({"user", "extra_body", "extra_headers"})  # of a call that makes no answer
_CACHE = {
    "fallback_ttl": "a fallback makes the same vectors",
    "stale_if_error": "a vector never grows old: write a longer ttl",
    "store_tool_calls": "there are no tools",
    "max_entry": "a vector is no larger than its dimensions",
}


class Use(NamedTuple):
    """A model where it stands in a chain, and the places that may tell where that is, the best first."""

    name: str
    places: tuple[Path_, ...]


def makes_of(section: object) -> Makes:
    """What a model or a route is for."""
    if getattr(section, "embeds", None) not in (None, False):
        return "embeddings"
    return "ranks" if getattr(section, "reranks", None) else "answers"


def root_of(file: RoutesFile, name: str) -> str:
    """The model whose vectors a model makes, by its `same_as`; of a circle, one of it."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        embeds = file.models[name].embeds
        if embeds is None or embeds.same_as is None or embeds.same_as not in file.models:
            break
        name = embeds.same_as
    return name


def embeds_of(file: RoutesFile, name: str) -> EmbedsConfig:
    """What a model's `embeds` says, with what it does not say from the model that it is the `same_as`."""
    values: dict[str, Any] = {}
    seen: set[str] = set()
    while name in file.models and name not in seen:
        seen.add(name)
        embeds = file.models[name].embeds or EmbedsConfig()
        values = {**{key: getattr(embeds, key) for key in embeds.model_fields_set}, **values}
        name = embeds.same_as or ""
    return EmbedsConfig.model_construct(None, **{**values, "same_as": None})


def check_embeddings(file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
    """Add an error for each broken rule of embeddings and ranks."""
    _Rules(file, origins, findings).check()


class _Rules:
    def __init__(self, file: RoutesFile, origins: Mapping[Path_, Place], findings: Findings) -> None:
        self._file = file
        self._origins = origins
        self._findings = findings

    def check(self) -> None:
        for name in self._file.models:
            self._model(name)
        for name, route in self._file.routes.items():
            self._route(name, route)

    def _tell(self, message: str, *paths: Path_, severity: Literal["error", "warning"] = "error") -> None:
        path = next((path for path in paths if path in self._origins), paths[-1])
        self._findings.add(self._origins.get(path, (1, 1)), path, message, severity=severity)

    # --- models

    def _model(self, name: str) -> None:
        model, path = self._file.models[name], ("models", name)
        makes = makes_of(model)
        if makes == "answers":
            return
        if model.embeds is not None and model.reranks:
            self._tell("a model makes embeddings or ranks documents, not both: write two models", (*path, "reranks"))
        for param in model.params:
            if param not in _PARAMS:
                text = f"{param} is of answers: a model that makes {makes} takes {', '.join(sorted(_PARAMS))}"
                self._tell(text, (*path, "params", param))
        for limit in ("first_token", "idle"):
            if limit in model.timeout.model_fields_set and not self._is_short(path, "timeout"):
                self._tell(f"{limit} is of streams: {makes} come whole, write answer", (*path, "timeout", limit))
        provider = self._file.providers.get(model.provider)
        kind = "" if provider is None else provider.kind
        if kind == "anthropic" or (makes == "ranks" and kind == "ollama"):
            text = f"{kind} makes no {makes}: every call will be unsupported"
            self._tell(text, (*path, _KEY[makes]), severity="warning")
        if model.embeds is not None and model.embeds.same_as is not None:
            self._same_as(name, model.embeds, model.embeds.same_as)

    def _is_short(self, path: Path_, policy: str) -> bool:
        """Say whether a policy is one value, which stands for keys that the file does not name."""
        place = self._origins.get((*path, policy))
        return all(self._origins.get((*path, policy, key)) == place for key in ("answer", "first_token"))

    def _same_as(self, name: str, embeds: EmbedsConfig, other: str) -> None:
        place = ("models", name, "embeds", "same_as")
        if other not in self._file.models or self._file.models[other].embeds is None:
            few = [each for each, model in self._file.models.items() if model.embeds is not None and each != name]
            names = f"; models with embeds: {', '.join(few[:9])}" if few else ""
            self._tell(f'no model that makes embeddings is named "{other}" under models{names}', place)
            return
        if name in self._way(other):
            self._tell(f'"{name}" is in the end the same as itself: take one same_as out', place)
            return
        theirs = embeds_of(self._file, other).dimensions
        if embeds.dimensions is not None and theirs is not None and embeds.dimensions != theirs:
            text = f'vectors of {embeds.dimensions} dimensions are not the same as those of "{other}", of {theirs}'
            self._tell(text, ("models", name, "embeds", "dimensions"))

    def _way(self, name: str) -> list[str]:
        """The models that one leads to by `same_as`, itself included."""
        way: list[str] = []
        while name in self._file.models and name not in way:
            way.append(name)
            embeds = self._file.models[name].embeds
            name = "" if embeds is None or embeds.same_as is None else embeds.same_as
        return way

    # --- routes

    def _route(self, name: str, route: RouteConfig) -> None:
        path = ("routes", name)
        makes = makes_of(route)
        if route.embeds and route.reranks:
            self._tell("a route makes embeddings or ranks documents, not both: write two routes", (*path, "reranks"))
            return
        self._what_does_not_apply(route, path, makes)
        wrong = [use for use in self._own_uses(name) if not self._fits(use, makes)]
        for inner in self._inner_routes(name):
            theirs = makes_of(self._file.routes[inner.name])
            if theirs != makes:
                way = inner.places[0]
                what = "fallback of it" if "fallbacks" in way else "way for it" if "when" in way else "target of it"
                text = f'the route "{inner.name}" makes {theirs}, this one {makes}: it can be no {what}'
                self._tell(text, *inner.places)
                return
        if makes == "embeddings" and not wrong:
            self._one_space(name)

    def _what_does_not_apply(self, route: RouteConfig, path: Path_, makes: Makes) -> None:
        if route.batch is not None and makes != "embeddings":
            self._tell("batch is of embeddings: say embeds: true, or take it out", (*path, "batch"))
        if makes == "answers":
            return
        if route.on_stream_break is not None:
            text = f"on_stream_break is of streams: {makes} come whole, and a failure moves on"
            self._tell(text, (*path, "on_stream_break"))
        for limit in ("first_token", "idle"):
            if limit in route.timeout.model_fields_set:
                text = f"{limit} is of streams: {makes} come whole, write answer or total"
                self._tell(text, (*path, "timeout", limit))
        if route.cache is None:
            return
        if makes == "ranks":
            self._tell("cache is of answers and embeddings: ranks are not kept", (*path, "cache"))
        for key, why in _CACHE.items():
            if makes == "embeddings" and key in route.cache.model_fields_set:
                self._tell(f"{key} is of answers: {why}", (*path, "cache", key))

    def _fits(self, use: Use, makes: Makes) -> bool:
        """Say whether a model makes what its route does; tell where it does not."""
        model = self._file.models.get(use.name)
        if model is None and use.name.partition("/")[0] not in self._file.providers:
            return True  # nothing has this name, which is told already
        theirs = "answers" if model is None else makes_of(model)
        if theirs == makes:
            return True
        if makes == "answers":
            text = f'"{use.name}" makes {theirs}, no answers: say {_KEY[theirs]}: true on a route of its own for it'
        elif model is None:
            provider, _, model_id = use.name.partition("/")
            like = f"{{NAME: {{provider: {provider}, id: {model_id}, {_KEY[makes]}: true}}}}"
            text = f'nothing says that "{use.name}" makes {makes}: write it under models, {like}, and NAME here'
        else:
            text = (
                f'"{use.name}" makes {theirs}, no {makes}: say {_KEY[makes]}: true under models.{use.name} if it does'
            )
        self._tell(text, *use.places)
        return False

    def _one_space(self, name: str) -> None:
        """Vectors of two models can't be compared, whatever their length."""
        uses = [use for use in self._uses(name, name, set()) if use.name in self._file.models]
        if not uses:
            return
        for use in uses[1:]:
            first, other = self._space(uses[0].name), self._space(use.name)
            if first[0] == other[0] and (None in (first[1], other[1]) or first[1] == other[1]):
                continue
            text = (
                f'vectors of "{use.name}" ({_shown(other)}) can\'t be compared with those of "{uses[0].name}" '
                f"({_shown(first)}): they would silently spoil every index. Give it a route of its own; or, where both "
                f"make the same vectors, say same_as: {uses[0].name} under models.{use.name}.embeds"
            )
            self._tell(text, *use.places)

    def _space(self, name: str) -> tuple[str, int | None]:
        """What makes a model's vectors, and how many numbers they have."""
        return self._file.models[root_of(self._file, name)].id, embeds_of(self._file, name).dimensions

    def _own_uses(self, name: str) -> Iterator[Use]:
        """The models of a route's own tiers."""
        route, path = self._file.routes[name], ("routes", name)
        yield from self._models(_refs(route.targets, path))
        for index, rule in enumerate(route.when):
            if rule.to not in self._file.routes:
                yield Use(rule.to, ((*path, "when", index, "to"), path))
        for index, fallback in enumerate(route.fallbacks):
            if fallback.to is not None and fallback.to not in self._file.routes:
                yield Use(fallback.to, _of_fallback(name, index))
            places = _of_fallback(name, index)
            for use in self._models(_refs(fallback.tier, (*path, "fallbacks", index))):
                yield Use(use.name, (*use.places, *places))

    def _uses(self, name: str, start: str, seen: set[str]) -> Iterator[Use]:
        """The models of a route's whole chain; those of other routes are told where this one leads to them."""
        if name in seen:
            return
        seen.add(name)
        yield from self._own_uses(name)
        for inner in self._inner_routes(name):
            for use in self._uses(inner.name, start, seen):
                yield Use(use.name, inner.places if name == start else use.places)

    def _models(self, uses: Iterator[Use]) -> Iterator[Use]:
        return (use for use in uses if not self._file.is_route(use.name))

    def _inner_routes(self, name: str) -> Iterator[Use]:
        """The routes that a route leads to: its targets, and its fallbacks."""
        route, path = self._file.routes[name], ("routes", name)
        tiers = [_refs(route.targets, path)]
        for index, fallback in enumerate(route.fallbacks):
            tiers.append(_refs(fallback.tier, (*path, "fallbacks", index)))
            if fallback.to in self._file.routes:
                yield Use(str(fallback.to), _of_fallback(name, index))
        for index, rule in enumerate(route.when):
            if rule.to in self._file.routes and rule.to != name:
                yield Use(rule.to, ((*path, "when", index, "to"), path))
        for uses in tiers:
            yield from (use for use in uses if self._file.is_route(use.name))


def _shown(space: tuple[str, int | None]) -> str:
    return space[0] if space[1] is None else f"{space[0]}, {space[1]} dimensions"


def _refs(refs: tuple[TargetRef, ...], owner: Path_) -> Iterator[Use]:
    for index, ref in enumerate(refs):
        yield Use(ref.model, target_places(owner, index, ref.model))


def _of_fallback(route: str, index: int) -> tuple[Path_, ...]:
    path = ("routes", route, "fallbacks")
    return (*path, index, "to"), (*path, index), path, ("routes", route)

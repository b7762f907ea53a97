"""How the routes are offered over HTTP, as compiled: where, to whom, and what each client may ask for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from providers.types import Requirement
from router.config.globs import compiled, is_glob
from router.config.listen import Address, read_address
from router.config.schema import RoutesFile
from router.config.serve_rules import why_not_open
from router.config.serve_schema import DEFAULT_ADDRESS, CacheControl, ClientKeyConfig, ServeConfig, TlsConfig
from router.config.units import Allowance
from router.plan.budget import Budget, budget_of
from router.plan.route_names import RouteNames
from router.plan.rules import Limits

ANONYMOUS = "anonymous"
_LONGEST_NAME = 512  # characters of a model's name that a client asks for


@dataclass(frozen=True, slots=True)
class Client:
    """Who may ask, and for what. `routes` of None are all routes, and what `names` lead to. `limits` are those of one
    process. Answers in the cache are shared by those of one `namespace`. `own_keys` says for which providers it may
    bring keys of its own.
    """

    name: str
    routes: frozenset[str] | None = None
    budget: Budget | None = None
    limits: Limits = field(default_factory=Limits)
    namespace: str = ANONYMOUS
    cache: CacheControl = "use"
    require: tuple[Requirement, ...] = ()
    own_keys: bool | frozenset[str] = False
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    def may_use(self, route: str) -> bool:
        """Say whether a route, model or provider/model-id is one of those that it may ask for."""
        return self.routes is None or route in self.routes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Serving:
    """The `serve` section of a file, with the built-in value of all that it doesn't say.

    `clients` are by the SHA-256 of their key, in lower-case hex. `names` are patterns with the route of each, in order.
    `direct` says of which providers clients may ask for models by their own names. Durations are in seconds, sizes in
    bytes. `in_flight` is for one process of `workers`, like the clients' limits.
    """

    listen: tuple[Address, ...] = (DEFAULT_ADDRESS,)
    clients: Mapping[str, Client] = field(default_factory=dict, repr=False)
    anonymous: Client | None = None
    is_anonymous_written: bool = False  # where not, it follows from there being no keys
    names: tuple[tuple[str, str], ...] = ()
    listed: tuple[str, ...] = ()
    direct: bool | frozenset[str] = False
    max_body: int
    in_flight: int
    max_connections: int
    keepalive: float
    drain: float
    lead: float
    origins: tuple[str, ...] = ()
    forward_headers: frozenset[str] = frozenset()
    forward_user: bool = False
    tags: tuple[str, ...] = ()  # that requests may give themselves
    expose_errors: bool = False
    tls: TlsConfig | None = None
    workers: int = 1
    audit: str | None = None
    metrics: Address | None = None
    left_out: tuple[str, ...] = ()  # clients, since the variable of their key is not set
    routes: tuple[str, ...] = ()
    models: Mapping[str, str] = field(default_factory=dict)  # the provider of each model of the file
    providers: frozenset[str] = frozenset()
    routes_by_name: RouteNames = field(default_factory=RouteNames)
    by_name: Mapping[str, Client] = field(init=False, repr=False)
    budgets: Mapping[str, Budget] = field(init=False, repr=False)  # by the client's name
    required: Mapping[str, tuple[Requirement, ...]] = field(init=False, repr=False)  # likewise
    _places: Mapping[str, int] = field(init=False, repr=False)  # of the routes, in the file
    _named: frozenset[str] = field(init=False, repr=False)  # what `names` lead to
    _exact: Mapping[str, int] = field(init=False, repr=False)  # the places of those names that are no patterns
    _patterns: tuple[tuple[int, re.Pattern[str]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        everybody = [*self.clients.values(), *filter(None, [self.anonymous])]
        object.__setattr__(self, "by_name", {client.name: client for client in everybody})
        budgets = {client.name: client.budget for client in everybody if client.budget is not None}
        object.__setattr__(self, "budgets", budgets)
        required = {client.name: client.require for client in everybody if client.require}
        object.__setattr__(self, "required", required)
        object.__setattr__(self, "_places", {route: place for place, route in enumerate(self.routes)})
        object.__setattr__(self, "_named", frozenset(route for _, route in self.names))
        places = {glob: place for place, (glob, _) in enumerate(self.names)}
        wild = {glob: place for glob, place in places.items() if is_glob(glob)}
        object.__setattr__(self, "_exact", {name: place for name, place in places.items() if name not in wild})
        object.__setattr__(self, "_patterns", tuple((place, compiled(glob)) for glob, place in wild.items()))

    def client_of(self, key: str) -> Client | None:
        """Return whose key this is; None when it is nobody's."""
        return self.clients.get(sha256(key.encode(errors="backslashreplace")).hexdigest())

    def route_of(self, model: str, client: Client) -> str | None:
        """Return the route, model or provider/model-id that a client gets who asks for a model by this name.

        The first of `names` that fits decides, then routes have their own names, then models as far as the client is
        granted them, then routes by other names and patterns, then provider/model-id as models. None alike for what
        does not exist and what the client may not use.
        """
        if len(model) > _LONGEST_NAME:
            return None
        place = self._place_of(model)
        if place is not None:
            route = self.names[place][1]
            return route if client.may_use(route) else None
        mine = self._places if client.routes is None else client.routes
        if model in mine or (model in self.models and client.routes is None and self._is_direct(model)):
            return model
        named = self.routes_by_name.route_of(model)
        if named is not None:
            return named if client.may_use(named) else None
        return model if client.routes is None and self._is_direct(model) else None

    def _place_of(self, model: str) -> int | None:
        """Return the place of the first of `names` that fits."""
        exact = self._exact.get(model)
        for place, pattern in self._patterns:
            if exact is not None and place > exact:
                break
            if pattern.match(model):
                return place
        return exact

    def _is_direct(self, model: str) -> bool:
        if not self.direct or not model.isprintable():  # it would go on to a vendor, and into headers
            return False
        provider = self.models.get(model)
        if provider is None:
            provider, _, model_id = model.partition("/")
            if not model_id or provider not in self.providers:
                return False
        return self.direct is True or provider in self.direct

    def budgets_with_routes(self, names: Iterable[str]) -> Iterator[tuple[Budget, Collection[str]]]:
        """Yield the budget of each client that has one, with those of these routes, models or provider/model-id that it
        can get, and perhaps others.
        """
        for_all = [name for name in names if name in self._places or name in self._named or self._is_direct(name)]
        for client, budget in self.budgets.items():
            routes = self.by_name[client].routes
            yield budget, for_all if routes is None else routes

    def listed_for(self, client: Client) -> tuple[str, ...]:
        """Return the names that a client is told of: what it may ask for by its own name, and those of `listed`."""
        own = self.routes if client.routes is None else client.routes
        ordered = sorted(own, key=self._order)
        named = (name for name in (*ordered, *self.routes_by_name.aliases, *self.listed) if not is_glob(name))
        return tuple(dict.fromkeys(name for name in named if self.route_of(name, client) is not None))

    def _order(self, name: str) -> tuple[int, str]:
        """Order names as the file has its routes, others behind them."""
        return self._places.get(name, len(self._places)), name

    def listening_at(self, addresses: Iterable[str]) -> Serving:
        """Return the same at other addresses than those of the file.

        Raises:
            ValueError: one is no address, or lets others in than the file allows; the message says how to mend it.
        """
        made = tuple(read_address(address) for address in addresses)
        for address in made:
            why = why_not_open(address, has_keys=bool(self.clients), has_anonymous=self.anonymous is not None)
            if why:
                raise ValueError(why)
        return replace(self, listen=made)


def serving_of(file: RoutesFile, routes_by_name: RouteNames, required: Mapping[str, Requirement]) -> Serving:
    """Compile the `serve` section of a file; one without the section serves all routes on this machine's loopback.

    Args:
        routes_by_name: the further names of the file's routes.
        required: what clients' keys require, by the client's name.
    """
    config = file.serve or ServeConfig.model_construct()
    shares_limits = file.shared is not None and "limits" in file.shared.share
    clients = {}
    for name, written in config.keys.items():
        digest = _digest(written)
        if digest is not None:
            client = _client(name, written, config.workers, shares_limits=shares_limits)
            clients[digest] = replace(client, require=(required[name],)) if name in required else client
    anonymous = None
    if config.anonymous is not None or not config.keys:
        routes = None if config.anonymous is None else config.anonymous.routes
        anonymous = Client(ANONYMOUS, _routes(routes))
    direct = config.direct
    return Serving(
        listen=config.listen,
        clients=clients,
        anonymous=anonymous,
        is_anonymous_written=config.anonymous is not None,
        names=tuple((str(glob), str(route)) for glob, route in config.names.items()),
        listed=config.listed or (),
        direct=direct if isinstance(direct, bool) else frozenset(direct),
        max_body=config.max_body,
        in_flight=max(1, config.in_flight // config.workers),
        max_connections=config.max_connections,
        keepalive=config.keepalive,
        drain=config.drain,
        lead=config.lead,
        origins=config.origins,
        forward_headers=frozenset(config.forward.headers),
        forward_user=config.forward.user,
        tags=config.tags,
        expose_errors=config.expose_errors,
        tls=config.tls,
        workers=config.workers,
        audit=config.audit,
        metrics=None if config.metrics is None else config.metrics.listen,
        left_out=tuple(name for name, written in config.keys.items() if _digest(written) is None),
        routes=tuple(file.routes),
        models={name: model.provider for name, model in file.models.items()},
        providers=frozenset(file.providers),
        routes_by_name=routes_by_name,
    )


def _client(name: str, written: ClientKeyConfig, workers: int, *, shares_limits: bool) -> Client:
    limits = Limits(**dict(written.limits))
    return Client(
        name,
        _routes(written.routes),
        budget_of("key", name, written.budget),
        limits if workers == 1 else _part_of(limits, workers, of_rates=not shares_limits),
        written.namespace or name,
        written.cache,
        tags=written.tags,
        own_keys=written.own_keys if isinstance(written.own_keys, bool) else frozenset(map(str, written.own_keys)),
    )


def _routes(written: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if written is None else frozenset(map(str, written))


def _digest(written: ClientKeyConfig) -> str | None:
    """Return the SHA-256 of a client's key; None where it is left out, since a variable is not set."""
    if written.key is None:
        return written.sha256
    return sha256(written.key.get_secret_value().encode()).hexdigest()


def _part_of(limits: Limits, workers: int, *, of_rates: bool) -> Limits:
    """Return what each of so many processes may let through that know nothing of each other, but perhaps of rates."""
    in_flight = limits.in_flight
    if not of_rates:
        return Limits(limits.requests, limits.tokens, None if in_flight is None else max(1, in_flight // workers))
    return Limits(
        None if limits.requests is None else tuple(_part(rate, workers) for rate in limits.requests),
        None if limits.tokens is None else tuple(_part(rate, workers) for rate in limits.tokens),
        None if in_flight is None else max(1, in_flight // workers),
    )


def _part(rate: Allowance, workers: int) -> Allowance:
    amount = rate.amount / workers
    scale = min(1.0, amount)  # less than one in a period is one in a longer period
    return Allowance(amount / scale, rate.period / scale)

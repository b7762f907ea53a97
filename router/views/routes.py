"""The compiled routes, as anybody sees them."""

from __future__ import annotations

from router.views.figures import Struct


class PolicyValue(Struct, frozen=True):
    """One effective value, such as `timeout.connect` = `3s`, and where it comes from.

    `origin` is "built in", or the dotted path of the key in the file, which is at `line` of it; `file` is the file that
    has it where the first one includes it.
    """

    key: str
    value: str
    origin: str
    line: int | None = None
    file: str = ""


class BranchView(Struct, frozen=True):
    """A target of a tier. `share` is what its weight gives it, and that of its chain, 0 to 1; `place` counts from 1
    (for ordered tiers). `labels` are in words, such as `region eu`; `barred` is what its route requires and it does
    not have, "" where it may be asked. `credentials` are the sources that issue its keys.
    """

    target: str
    provider: str
    model: str
    weight: float
    share: float
    place: int
    disabled: bool = False
    policies: tuple[PolicyValue, ...] = ()
    labels: str = ""
    barred: str = ""
    credentials: tuple[str, ...] = ()


class TierView(Struct, frozen=True):
    """Targets that share load. `on` are the codes it serves after, None: all that fall back. `gate` is the number of
    the tier (from 0) that has to be entered before this one may be. `chain` names the routes among the targets that
    lead to it, "" for the route's own, and `level` says how many tiers have to fail before it. `required` is what the
    routes on the way to it require of its targets, and where, in words.
    """

    balance: str
    branches: tuple[BranchView, ...]
    on: tuple[str, ...] | None = None
    gate: int | None = None
    chain: str = ""
    level: int = 0
    required: tuple[str, ...] = ()


class ChainView(Struct, frozen=True):
    """What a route compiled to. `cache` is its cache policy in words, None when nothing is cached. `rules` are those
    that lead requests elsewhere, each with its file and line; the tiers are the route's own.
    """

    route: str
    tiers: tuple[TierView, ...]
    total: float | None
    on_stream_break: str
    cache: str | None = None
    policies: tuple[PolicyValue, ...] = ()
    rules: tuple[str, ...] = ()


class Chains(Struct, frozen=True):
    """All routes of one revision, in the file's order."""

    revision: str
    routes: tuple[ChainView, ...]

"""What a router has in one process: its engine, and all that belongs to the loop, the file and the disk.

`Router` has one `Parts`. A forked process gets another: the parent's connections, tasks and what it has not written yet
are the parent's.
"""

from __future__ import annotations

import asyncio
import random
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from providers import forks
from providers.base import Provider
from providers.threads import in_thread
from providers.types import CompletionRequest
from router.engine.engine import Engine
from router.engine.stream import LiveStream, RouterStream
from router.errors import RouterClosed
from router.monitor.report import Report
from router.monitor.subject import Subject
from router.plan.plan import Chain, Plan
from router.preload import preload
from router.reload import FileFollower, compiled, take_over
from router.views.file import ReloadResult
from router.views.reply import Reply
from router.views.trace import Trace

if TYPE_CHECKING:
    from providers.embeddings import EmbeddingRequest, EmbeddingResponse
    from router.alerts.watcher import Watcher
    from router.cache.cached import CacheControl, CachedRequests
    from router.cache.shared_level import SharedAnswers
    from router.cache.vectors import CachedVectors
    from router.engine.acceptance import Accept
    from router.engine.embedder import Embedder
    from router.health_checks import HealthChecks
    from router.request_log.writer import RequestLog
    from router.shared.link import Exchange, Link, Party
    from router.shared.news import News
    from router.shared.sharing import Sharing
    from router.state.ledger import Ledger


class Parts:
    """The parts of a router; for the arguments see `Router`."""

    def __init__(
        self,
        plan: Plan,
        seed: int | None = None,
        providers: Mapping[str, Provider] | None = None,
        *,
        wall_clock: Callable[[], float] = time.time,
        monitored: bool = True,
        exchange: Exchange | None = None,
        accept: Accept | None = None,
    ) -> None:
        self._seed, self._given, self._wall_clock, self._monitored = seed, providers, wall_clock, monitored
        self.engine = Engine(plan, rng=random.Random(seed), providers=providers, wall_clock=wall_clock, accept=accept)
        self.report = Report(
            self.engine.telemetry, self.engine.states, self.engine.spending, self.engine.providers.credential
        )
        self.report.shadows = self.engine.shadows
        self.follower: FileFollower | None = None
        self.env: Mapping[str, str] | None = None  # variables for `${…}`; None: those of the process
        self._watch = False
        self._cached: CachedRequests | None = None
        self._embedder: Embedder | None = None
        self._vectors: CachedVectors | None = None
        self._ledger: Ledger | None = None
        self._monitor: asyncio.Task[None] | None = None
        self._sharing: Sharing | None = None
        self._log: RequestLog | None = None
        self._health: HealthChecks | None = None
        self._applying = asyncio.Lock()  # where there is no follower with one
        self._watcher: Watcher | None = None
        self._ending: set[asyncio.Task[None]] = set()  # logs that the file no longer asks for
        self._subject: weakref.ref[Subject] | None = None  # the router, from its start on
        self._exchange = exchange
        self.engine.adopters.insert(0, self._adopt_shared)  # before the limits follow the plan
        self.engine.adopters.append(self._adopt_log)
        self.engine.adopters.append(self._adopt_health)
        self.engine.adopters.append(self._adopt_alerts)

    def in_child(self) -> Parts:
        """Return what a forked process has in its place.

        Connections, breakers, limits, kept answers and figures begin anew. The plan, what was spent, and who listens to
        the figures stay.
        """
        before = self.engine
        parts = Parts(
            before.plan,
            self._seed,
            self._given,
            wall_clock=self._wall_clock,
            monitored=self._monitored,
            accept=before.accept,
        )
        parts.engine.closed = before.closed
        parts.engine.spending.inherit(before.spending)
        parts.engine.telemetry.listeners = before.telemetry.without(self._log)
        parts.env = self.env
        if self.report.path is not None:
            parts.follow(self.report.path, self.env, watch=self._watch)
        if self._ledger is not None:
            parts._make_ledger()
        forks.leave(self)
        return parts

    def follow(self, path: Path, env: Mapping[str, str] | None, *, watch: bool) -> None:
        """Follow the file that the plan was made from."""
        self.report.path, self.env, self._watch = path, env, watch
        self.follower = FileFollower(path, env, self.engine, self.report, self._keep_spending, tuple(self._given or ()))

    async def reload(self) -> ReloadResult:
        """Read the file again, now. Raises ValueError where there is none."""
        if self.follower is None:
            raise ValueError("this router was made from text, not from a file; there is nothing to read again")
        return await self.follower.reload()

    async def apply(self, source: str | Mapping[str, Any]) -> ReloadResult:
        """Take over another text or dict in one step; for what is raised see `Router.apply`."""
        from router.applying import load_in_place  # here: only those who do so need it

        self.engine.enter_loop()
        if self.engine.closed:
            raise RouterClosed("this router is closed")
        lock = self._applying if self.follower is None else self.follower.one_at_a_time
        async with lock:
            old = self.engine.plan
            loaded = await in_thread(load_in_place, old, source, self.env, tuple(self._given or ()))
            if loaded.revision == old.revision:
                return ReloadResult(True, old.revision, loaded=loaded)
            plan = await in_thread(compiled, loaded, old.credentials)
            result = await take_over(self.engine, plan, loaded, self._keep_spending)
            await self.report.reloaded(result)
            return result

    def preload(self) -> None:
        """Import what the first request would have to."""
        preload(self.engine.plan, watched=self._watch, monitored=self._monitored)

    def start(self, subject: Subject) -> None:
        """Start the watcher and the monitor's socket on a new loop: they belong to one."""
        if self.engine.closed:
            return
        self._subject = weakref.ref(subject)
        self._applying = asyncio.Lock()
        if self._watch and self.follower is not None:
            self.follower.follow()
        if self._sharing is not None:
            self._sharing.start()
        else:
            self._adopt_shared(self.engine.plan)
        if self._log is not None:
            self._log.on_new_loop()
        else:
            self._adopt_log(self.engine.plan)
        if self._health is not None:
            self._health.on_new_loop()
        else:
            self._adopt_health(self.engine.plan)
        if self._watcher is not None:
            self._watcher.start()
        else:
            self._adopt_alerts(self.engine.plan)
        if self._monitored and not self.engine.telemetry.virtual:
            from router.monitor.socket.server import start

            self._monitor = start(subject)

    def _adopt_shared(self, plan: Plan) -> None:
        """Share what a plan says with other processes, once there is a loop; in virtual time over a given exchange."""
        if self._sharing is not None:
            self._sharing.adopt(plan)
        elif plan.shared is not None and self.engine.loop is not None:
            if self.engine.telemetry.virtual and self._exchange is None:
                return
            from router.shared.sharing import Sharing  # here: only those who share need it

            self._sharing = Sharing(self.engine, self._exchange, parties=self._parties, on_answers=self._share_answers)
            self._sharing.adopt(plan)

    def _adopt_log(self, plan: Plan) -> None:
        """Log requests where a plan says so, once there is a loop; of time that is simulated there is no log."""
        telemetry, before = self.engine.telemetry, self._log
        if self.engine.loop is None or telemetry.virtual or plan.log == (None if before is None else before.rules):
            return
        if before is not None:
            telemetry.listeners = telemetry.without(before)
            ending = self.engine.loop.create_task(before.aclose())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            self._log = None
        if plan.log is not None:
            from router.request_log.writer import RequestLog  # here: only those who log need it

            self._log = RequestLog(plan.log, telemetry, self._wall_clock)
            telemetry.listeners = (*telemetry.listeners, self._log)

    def _adopt_health(self, plan: Plan) -> None:
        """Check the providers that a plan says, once there is a loop."""
        is_wanted = any(provider.health is not None for provider in plan.file.providers.values())
        if self._health is None and is_wanted and self.engine.loop is not None and not self.engine.closed:
            from router.health_checks import HealthChecks  # here: only those who check need it

            self._health = HealthChecks(self.engine, self.report.checks)
        if self._health is not None:
            self._health.adopt(plan)

    def _adopt_alerts(self, plan: Plan) -> None:
        """Have people told where a plan says so, once there is a loop; of time that is simulated nobody is told."""
        telemetry, subject = self.engine.telemetry, None if self._subject is None else self._subject()
        if self.engine.loop is None or telemetry.virtual or subject is None or not (plan.alerts or self._watcher):
            return
        if self._watcher is None:
            from router.alerts.watcher import Watcher  # here: only those who have alerts need it

            self._watcher = Watcher(subject, self.report.path)
            self._watcher.start()
        self._watcher.adopt(plan.alerts)

    def _parties(self, link: Link, news: News) -> Iterator[Party]:
        """Make what the monitor shares over a link."""
        subject = None if self._subject is None else self._subject()
        if link.rules.shares("fleet") and not link.rules.is_local and subject is not None:
            from router.monitor.fleet.publisher import Publisher  # here: only those who share it need it

            yield Publisher(link, subject, news)

    def _share_answers(self, answers: SharedAnswers | None) -> None:
        """Have the cache's answers in common with other processes from now on; None: for this one alone."""
        if self._cached is not None:
            self._cached.cache.shared = answers

    async def enter(self) -> None:
        """Start on the running loop, and wait until it is known with whom limits are shared; not for long."""
        self.engine.enter_loop()
        if self._sharing is not None:
            await self._sharing.joined()

    def answer(
        self, chain: Chain, request: CompletionRequest, trace: Trace, cache: CacheControl
    ) -> Coroutine[Any, Any, Reply]:
        """Get one whole answer, out of the cache or by a call."""
        plain = cache == "use" and chain.cache is None  # as `cached` finds too, by a call more
        cached = None if plain else self.cached(chain, cache, trace)
        if cached is None:
            answering: Coroutine[Any, Any, Any] = self.engine.complete(chain, request, trace)
        else:
            answering = cached.complete(chain, request, trace, cache)
        return answering

    def open(self, live: LiveStream, cache: CacheControl) -> RouterStream:
        """Return a stream, out of the cache or of a call."""
        cached = self.cached(live.chain, cache, live.trace)
        return RouterStream(live if cached is None else cached.stream(live, cache))

    def cached(self, chain: Chain, control: CacheControl, trace: Trace) -> CachedRequests | None:
        """Return what answers a request out of the cache; None for one that goes past it."""
        if control == "use" and chain.cache is None:
            return None
        from router.cache.cached import skips_cache  # here: only routers with a cache need it

        return None if skips_cache(chain, control, trace) else self.caching()

    def caching(self) -> CachedRequests:
        """Return what answers requests out of the cache, made on first use."""
        if self._cached is None:
            from router.cache.cached import CachedRequests  # here: only routers with a cache need it

            self._cached = CachedRequests(self.engine)
            self._share_answers(None if self._sharing is None else self._sharing.answering.answers)
            self.report.cache = self._cached.cache
        return self._cached

    def embedder(self) -> Embedder:
        """Return what makes embeddings and ranks documents, made on first use."""
        if self._embedder is None:
            from router.engine.embedder import Embedder  # here: only those who ask for it need it

            self._embedder = Embedder(self.engine)
        return self._embedder

    async def embed(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, control: CacheControl
    ) -> EmbeddingResponse:
        """Make a vector of each input, of those alone that are not kept where the route keeps them."""
        cached = self.cached(chain, control, trace)
        if cached is None:
            return await self.embedder().embed(chain, request, trace)
        if self._vectors is None:
            from router.cache.vectors import CachedVectors  # here: only routers with a cache need it

            self._vectors = CachedVectors(self.engine, self.embedder(), cached.cache)
        return await self._vectors.embed(chain, request, trace, control)

    def open_ledger(self) -> None:
        """Keep the budgets of a file on disk, where its other processes see them. It blocks for some milliseconds."""
        if self._ledger is None and self.follower is not None and self.engine.spending.is_used:
            self._make_ledger().load()

    def _make_ledger(self) -> Ledger:
        from router.config.state_folder import state_folder  # here: only those with a budget need them
        from router.state.ledger import Ledger

        assert self.report.path is not None
        self._ledger = Ledger(self.report.path, state_folder() / "spending.sqlite3", self.engine.spending)
        self.engine.on_new_loop.append(self._ledger.on_new_loop)
        return self._ledger

    async def _keep_spending(self) -> None:
        """Write what was spent of the old budgets after a reload, and keep new ones too."""
        if self._ledger is not None:
            await self._ledger.flush()
        else:
            await in_thread(self.open_ledger)

    async def aclose(self) -> None:
        """Close all connections."""
        self.engine.closed = True
        if self.follower is not None:
            await self.follower.aclose()
        monitor, self._monitor = self._monitor, None
        if monitor is not None and monitor.get_loop() is asyncio.get_running_loop():
            monitor.cancel()
            await asyncio.wait([monitor])
        if self._health is not None:
            await self._health.aclose()
        await self.engine.aclose()
        if self._cached is not None:
            await self._cached.aclose()
        if self._ledger is not None:
            await self._ledger.aclose()
        if self._log is not None:
            await self._log.aclose()
        if self._watcher is not None:
            await self._watcher.aclose()
        if self._ending:
            await asyncio.wait(self._ending)
        if self._sharing is not None:  # last: what these have stored and added up is told to others
            await self._sharing.aclose()

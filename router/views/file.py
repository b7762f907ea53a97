"""The file as it runs, as it was saved, and its revisions."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.config import LoadResult
from router.config.diagnostics import Diagnostic
from router.views.figures import Struct


class Revision(Struct, frozen=True):
    """One entry of the log: a revision that took over, or one that was rejected.

    `difference` are the lines of a unified diff from the revision that ran before.
    """

    time: float
    revision: str
    accepted: bool
    changes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    difference: tuple[str, ...] = ()


class ConfigView(Struct, frozen=True):
    """The file as it is now, keys blanked out, and what became of it.

    `text` is what is saved, `running` what runs; they differ after a rejected save. `diagnostics` are those of `text`.
    `difference` are the lines of a unified diff from `running` to `text`. `log` has the newest first. `files` are the
    names of all files that `text` has, each with the number of its lines before it. `requests` is the folder of its log
    of requests, where it has one.
    """

    path: str | None
    revision: str
    text: str
    running: str
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    difference: tuple[str, ...] = ()
    log: tuple[Revision, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    requests: str | None = None


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What came of a changed file: `Router.reload()` gives it, `Router.last_reload` has the newest.

    `accepted` is False when the old plan goes on; then `diagnostics` or `problem` says why. `changes` tells the
    difference in words.
    """

    accepted: bool
    revision: str
    changes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    loaded: LoadResult | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        if self.accepted:
            return f"revision {self.revision}: {'; '.join(self.changes) or 'nothing that shows'}"
        why = self.problem or "\n".join(diagnostic.render() for diagnostic in self.diagnostics)
        return f"rejected, revision {self.revision} goes on: {why}"

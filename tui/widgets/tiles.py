"""The big figures on top of the Panel screen."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from router.views.figures import Snapshot
from tui import format as as_text
from tui.theme import BAD, GOOD, INFO, MUTED, STRONG, WARN

TITLES = {
    "requests": "requests",
    "first": "first token",
    "failed": "failed",
    "tokens": "tokens",
    "money": "cost",
    "cached": "cache",
}


class Tiles(Horizontal):
    """Shows six figures of the whole router, each with its minute or its total below."""

    DEFAULT_CSS = """
    Tiles { height: 4; }
    Tiles > Static { width: 1fr; height: 4; border: round $border-blurred; border-title-color: $foreground 72%;
                     padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, str] = {}  # the markup in each tile

    def compose(self) -> ComposeResult:
        for name, title in TITLES.items():
            tile = Static(id=name)
            tile.border_title = title
            yield tile

    def draw(self, snapshot: Snapshot) -> None:
        """Show this snapshot; a tile that says the same is left alone."""
        for name, first, second in _tiles(snapshot, max(8, self.size.width // 6 - 4)):
            tile = self.query_one(f"#{name}", Static)
            content = Content("\n").join([first, second])
            if self._shown.get(name) != content.markup:
                tile.update(content, layout=False)
                self._shown[name] = content.markup


def _tiles(snapshot: Snapshot, width: int) -> Iterator[tuple[str, Content, Content]]:
    whole = snapshot.figures
    window, totals, cache = whole.window, whole.totals, snapshot.cache
    roomy, read = width >= 26, totals.cache_read_share
    yield (
        "requests",
        _value(f"{as_text.rate(whole.rate)}", "/s", f"  {whole.in_flight} {'in flight' if roomy else 'now'}"),
        Content.styled(as_text.sparkline(whole.series, min(60, width)), GOOD if any(whole.series) else MUTED),
    )
    yield (
        "first",
        _value(as_text.seconds(whole.first_token.p50), "", "  p50"),
        _small(
            f"{as_text.seconds(whole.first_token.p95)}  p95"
            + (f" · {as_text.seconds(whole.first_token.p99)}  p99" if roomy else "")
        ),
    )
    bad = whole.error_rate or 0
    style = f"bold {BAD if bad > 0.02 else WARN}" if bad else STRONG
    yield (
        "failed",
        Content.assemble(
            (as_text.percent(whole.error_rate), style), (f"  {whole.leading_code or ''}" if roomy else "", MUTED)
        ),
        _small(
            f"{as_text.number(window.failed)} of {as_text.number(window.calls)}" + (" this minute" if roomy else "")
        ),
    )
    yield (
        "tokens",
        _value(as_text.number(round(whole.tokens_per_second)), "/s", ""),
        _small(
            f"{as_text.number(totals.input_tokens)} → {as_text.number(totals.output_tokens)}"
            + (f" · {as_text.percent(read)} cached" if read is not None else " so far" if roomy else "")
        ),
    )
    yield (
        "money",
        _value(as_text.cost_per_minute(whole), "/min", ""),
        _small(f"{as_text.cost_of(totals)} so far" + (" and unpriced" if totals.unpriced and roomy else "")),
    )
    if cache.enabled:
        yield (
            "cached",
            _value(as_text.percent(cache.hit_rate), "", "  of calls" if roomy else ""),
            _small(
                f"{as_text.number(cache.hits + cache.joined)} hits"
                + (f" · {as_text.number(cache.stored)} stored" if roomy else "")
            ),
        )
    else:
        yield "cached", Content.styled("off", MUTED), _small("not in use")


def _value(value: str, unit: str, more: str) -> Content:
    return Content.assemble((value, STRONG), (unit, INFO), (more, MUTED))


def _small(text: str) -> Content:
    return Content.styled(text, MUTED)

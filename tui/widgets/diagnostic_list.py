"""What is wrong with the file, a line each. The Config screen shows it."""

from __future__ import annotations

from collections.abc import Sequence, Set

from router.config.diagnostics import Diagnostic
from tui import format as as_text
from tui.theme import BAD, MUTED, STRONG, TEXT, WARN
from tui.widgets.config_rows import numbered, place_of
from tui.widgets.row_list import By, Line, Row, RowList

_LINE, _WHERE = 9, 28  # cells for the place in the file, and for the key


class DiagnosticList(RowList):
    """Lists findings; the keys of its rows are those that the findings have among the lines of the file."""

    orders = (
        By("line", lambda pair: pair[1].line + pair[1].column / 10_000, down=False),
        By("where", lambda pair: pair[1].path, down=False),
        By("what", lambda pair: f"{pair[1].severity} {pair[1].message}", down=False),
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="nothing is wrong with the file", id=id)
        self._findings: Sequence[tuple[int, Diagnostic]] = ()
        self._included: Set[str] = frozenset()

    def draw(self, findings: Sequence[Diagnostic], included: Set[str] = frozenset()) -> None:
        """Show these findings; of those in `included` files the file too."""
        self._findings = numbered(findings)
        self._included = included
        self.redraw()

    def redraw(self) -> None:
        width = self.scrollable_content_region.width
        where = _WHERE if width >= 90 else 18
        places = [place_of(finding, included=finding.file in self._included) for _, finding in self._findings]
        line = max([_LINE, *(min(28, len(place) + 2) for place in places)])
        header: Line = (
            (self.titled("  line", line + 2), ""),
            (self.titled("where", where), ""),
            (self.titled("what", max(1, width - where - line - 2)), ""),
        )
        by_number = dict(zip((number for number, _ in self._findings), places, strict=True))
        rows = [
            _row(number, finding, by_number[number], (line, where, width))
            for number, finding in self.in_order(self._findings)
        ]
        self.show(rows, header if rows else ())


def _row(number: int, finding: Diagnostic, place: str, widths: tuple[int, int, int]) -> Row:
    line_width, where, width = widths
    sign, ink = ("✗", BAD) if finding.severity == "error" else ("!", WARN)
    line: Line = (
        (f" {sign} ", ink),
        (as_text.fit(place, line_width - 1), MUTED),
        (as_text.fit(as_text.fit(finding.path, where - 1), where), STRONG),
        (as_text.fit(finding.message, max(10, width - where - line_width - 2)).rstrip(), TEXT),
    )
    return Row(f"finding {number}", line, words=f"{finding.severity} {place} {finding.path} {finding.message}")

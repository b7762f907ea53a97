"""What is wrong with the file, a line each. The Config screen shows it."""

from __future__ import annotations

from collections.abc import Sequence

from router.config.diagnostics import Diagnostic
from tui import format as as_text
from tui.theme import BAD, MUTED, STRONG, TEXT, WARN
from tui.widgets.config_rows import numbered
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

    def draw(self, findings: Sequence[Diagnostic]) -> None:
        """Show these findings."""
        self._findings = numbered(findings)
        self.redraw()

    def redraw(self) -> None:
        width = self.scrollable_content_region.width
        where = _WHERE if width >= 90 else 18
        header: Line = (
            (self.titled("  line", _LINE + 2), ""),
            (self.titled("where", where), ""),
            (self.titled("what", max(1, width - where - _LINE - 2)), ""),
        )
        rows = [_row(number, finding, where, width) for number, finding in self.in_order(self._findings)]
        self.show(rows, header if rows else ())


def _row(number: int, finding: Diagnostic, where: int, width: int) -> Row:
    sign, ink = ("✗", BAD) if finding.severity == "error" else ("!", WARN)
    place = f"{finding.line}:{finding.column}"
    line: Line = (
        (f" {sign} ", ink),
        (as_text.fit(place, _LINE - 1), MUTED),
        (as_text.fit(as_text.fit(finding.path, where - 1), where), STRONG),
        (as_text.fit(finding.message, max(10, width - where - _LINE - 2)).rstrip(), TEXT),
    )
    return Row(f"finding {number}", line, words=f"{finding.severity} {place} {finding.path} {finding.message}")

"""docs/errors.md has the table of what counts as what, as the code has it."""

from __future__ import annotations

from providers.errors import CONSEQUENCES, ErrorCode
from providers.evidence import ROWS, Row
from tests.support.paths import ROOT

EFFECT = {
    ("refusal", "key"): "opens the key's breaker",
    ("refusal", "model"): "opens the target's breaker",
    ("limit", "key"): "holds the key",
    ("limit", "model"): "holds the target",
}


def kind(row: Row) -> str:
    meant = CONSEQUENCES[min(row.codes)]
    return "limit" if meant.hold in ("rate", "quota") else "refusal"


def line(row: Row) -> str:
    codes = ", ".join(f"`{code}`" for code in ErrorCode if code in row.codes)
    return f"| {codes} | {row.means} | {EFFECT.get((kind(row), row.concern), 'nothing')} |"


def test_the_page_has_the_codes_table() -> None:
    """Every row, in the order in which they are looked at."""
    page = (ROOT / "docs/errors.md").read_text().splitlines()
    start = page.index("| code | what the vendor says | what that does |")
    assert page[start + 2 : start + 2 + len(ROWS)] == [line(row) for row in ROWS], "write these lines into the page"


def test_every_code_that_opens_at_once_or_holds_has_rows() -> None:
    """What takes a target from everybody is told apart by words."""
    needed = {
        code
        for code, meant in CONSEQUENCES.items()
        if meant.breaker.startswith("open") or meant.hold in ("rate", "quota")
    }
    assert needed <= {code for row in ROWS for code in row.codes}

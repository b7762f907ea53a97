"""The tables of docs/providers.md that come from the rows of dialects.

`python -m tests.support.dialect_tables` renews them.
"""

from __future__ import annotations

from providers.anthropic.endpoints import ENDPOINTS
from providers.openai.dialects import DIALECTS, Dialect
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "providers.md"
_ASKED_BY = {
    "effort": "`reasoning_effort`",
    "reasoning": "`reasoning`",
    "type": "`thinking.type`",
    "type_and_effort": "`thinking.type`, `reasoning_effort`",
    "adaptive": "`thinking.type` adaptive",
    "enable_thinking": "`enable_thinking`",
    "template": "`chat_template_kwargs`",
    "high_or_none": "`reasoning_effort` high or none",
}


def chat_table() -> list[str]:
    """One line a dialect of OpenAI's chat protocol, under two of head."""
    head = "| dialect | default `base_url` | limit | reasoning asked for by | goes back in | special |"
    return [head, "|---|---|---|---|---|---|", *map(_chat_line, DIALECTS.values())]


def _chat_line(row: Dialect) -> str:
    url = "–" if row.name == "generic" else f"`{row.base_url}`"
    back = {None: "–", "as_it_came": "the field it came in", "content": "`content`"}.get(row.thinking_back)
    back = back or f"`{row.thinking_back}`"
    return f"| `{row.name}` | {url} | `{row.max_tokens}` | {_ASKED_BY[row.thinking]} | {back} | {row.note or '–'} |"


def messages_table() -> list[str]:
    """One line a server of the Messages protocol, under two of head."""
    lines = [
        f"| {row.name} | `{row.base_url}` | {'bearer' if row.bearer else 'x-api-key'} | {row.note or '–'} |"
        for row in ENDPOINTS
    ]
    return ["| server | `base_url` | key as | special |", "|---|---|---|---|", *lines]


def renewed(page: str) -> str:
    """The page with both tables as the rows say."""
    for table in (chat_table(), messages_table()):
        before, head, rest = page.partition(table[0] + "\n")
        after = rest.partition("\n\n")[2]
        page = f"{before}{head}" + "\n".join(table[1:]) + f"\n\n{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))

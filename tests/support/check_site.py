"""Whether a built site stands on its own: `python -m tests.support.check_site site`, for `make docs`.

What a page loads is on the site itself, and what it links to within the site is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Only from a place that a reader clicks may a page lead elsewhere; whatever else has an address is loaded.
_CLICKED = ("a", "form")
_IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)""")
_TOLD = {"canonical", "alternate", "edit", "next", "prev"}  # a <link> that loads nothing


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        told = tag == "link" and known.get("rel") in _TOLD
        for name in ("src", "href", "srcset", "poster", "data"):
            if value := known.get(name):
                (self.linked if tag in _CLICKED or told else self.loaded).append(value)


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a built site, a line each."""
    for path in sorted(site.rglob("*.html")):
        page = _Page()
        page.feed(path.read_text())
        here = path.relative_to(site).as_posix()
        for address in page.loaded:
            if address.startswith("//") or urlsplit(address).scheme in ("http", "https"):
                yield f"{here} loads {address}"
        for address in (*page.loaded, *page.linked):
            parts = urlsplit(address)
            below = path.parent if not parts.path.startswith("/") else site
            inside = not parts.scheme and not parts.netloc and parts.path
            if inside and not (below / unquote(parts.path).lstrip("/")).exists():
                yield f"{here} leads to {address}, which is not there"
    for path in sorted(site.rglob("*.css")):
        yield from (f"{path.relative_to(site)} loads {found}" for found in _IN_STYLES.findall(path.read_text()))


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))

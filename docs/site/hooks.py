"""What the site has besides the pages of docs/: the repository's own pages, and the files that pages link to.

The pages are written for whoever reads the repository, and their links lead from file to file there. On the site the
README is the first page, and a link out of docs/ leads to a copy of the file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")}}
_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)#\s]+)")
# What the page for GitHub says in Markdown, the site has from the code itself, with its links.
_API = re.compile(r"<!-- api: (\S+) (\S+) -->\n.*?<!-- end -->\n", re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the repository's top level."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=_moved(ROOT / source)))
    for file in list(files):
        if file.src_uri.endswith(".md") and file.src_uri not in PAGES.values():
            for path in _outside(ROOT / "docs" / file.src_uri):
                _copied(files, config, path)
    for source in PAGES:
        for path in _outside(ROOT / source):
            _copied(files, config, path)
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Lead links that leave docs/ to what stands for their files here."""
    if page.file.generated_by is not None:
        return markdown
    here = f"docs/{page.file.src_uri}"
    rewritten = _LINK.sub(lambda link: link[1] + _place(here, link[2], page.file.src_uri), markdown)
    return _API.sub(r"::: \2\n    options:\n      heading: \1\n", rewritten)


def _moved(source: Path) -> str:
    """The text of a page of the top level, as a page of docs/."""
    name, target = source.name, PAGES[source.name]
    return _LINK.sub(lambda link: link[1] + _place(name, link[2], target), source.read_text())


def _place(here: str, link: str, page: str) -> str:
    """A link of the file `here`, for the page of the site that is made from it."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
    if path in PAGES:
        to = PAGES[path]
    elif path.startswith("docs/"):
        to = path.removeprefix("docs/")
    else:
        to = f"files/{path}"
    return posixpath.relpath(to, posixpath.dirname(page) or ".")


def _outside(source: Path) -> set[str]:
    """The files outside docs/ that a page links to and that are no pages of the site."""
    here = source.relative_to(ROOT).as_posix()
    links = {
        posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
        for _, link in _LINK.findall(source.read_text())
    }
    return {link for link in links if link not in PAGES and not link.startswith("docs/") and (ROOT / link).is_file()}


def _copied(files: Any, config: Any, path: str) -> None:
    if files.get_file_from_path(f"files/{path}") is None:
        files.append(File.generated(config, f"files/{path}", content=(ROOT / path).read_bytes()))

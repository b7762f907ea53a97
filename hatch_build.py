"""What a package index shows of the project: where it lives, and README.md with links that work there.

The build asks for it. `repository` of `[tool.hatch.metadata.hooks.custom]` in pyproject.toml is the one place that has
the project's address. While it is empty there are no links of the project, and README's own become plain text: an index
would break them.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hatchling.metadata.plugin.interface import MetadataHookInterface

_CODE = re.compile(r"(^(`{3,}|~{3,}).*?^\2[ \t]*$|(`+)(?!`).*?(?<!`)\3(?!`))", re.MULTILINE | re.DOTALL)
_LINK = re.compile(
    r"(?P<bang>!?)\[(?P<text>(?:[^\[\]]|!?\[[^\[\]]*\]\([^()]*\))*)\]\((?P<to>[^()\s]+)(?P<title>\s[^()]*)?\)"
)
_DEFINITION = re.compile(r"^(?P<head> {0,3}\[[^\]]+\]:\s*)(?P<to>\S+)", re.MULTILINE)
_ATTRIBUTE = re.compile(
    r"(?P<head><(?P<tag>img|source|a)\b[^>]*?\b(?:src|srcset|href)=\")(?P<to>[^\"\s]+)(?P<tail>\"[^>]*>)"
)
_PICTURES = (".svg", ".png", ".gif", ".jpg", ".webp")


class CustomMetadataHook(MetadataHookInterface):
    """Adds `urls` and `readme`, which pyproject.toml declares dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Write both into the metadata."""
        repository, version = self.config["repository"].rstrip("/"), metadata["version"]
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        readme = {"content-type": "text/markdown", "text": readable(text, repository, version)}
        metadata.update(urls=urls(repository, version), readme=readme)


def urls(repository: str, version: str) -> dict[str, str]:
    """Return the project's links, by the names that an index has icons for; none without a repository."""
    if not repository:
        return {}
    return {
        "Homepage": repository,
        "Documentation": f"{repository}/tree/v{version}/docs",
        "Source": repository,
        "Changelog": f"{repository}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def readable(text: str, repository: str, version: str) -> str:
    """Return a README whose links lead to the files of this version; code is left as it is."""
    code: list[str] = []

    def hide(found: re.Match[str]) -> str:
        code.append(found[0])
        return f"\0{len(code) - 1}\0"

    linked = _linked(_CODE.sub(hide, text), repository, version)
    return re.sub("\0([0-9]+)\0", lambda found: code[int(found[1])], linked)


def _linked(text: str, repository: str, version: str) -> str:
    def there(to: str) -> str | None:
        """The address that leads there from anywhere, or None where it is not known."""
        if to.startswith(("#", "//")) or urlsplit(to).scheme:
            return to
        if not repository:
            return None
        path, hash, place = to.partition("#")
        kind = "raw" if path.endswith(_PICTURES) else "blob"
        return f"{repository}/{kind}/v{version}/{posixpath.normpath(path)}{hash}{place}"

    def link(found: re.Match[str]) -> str:
        words = _LINK.sub(link, found["text"])
        to = there(found["to"])
        return words if to is None else f"{found['bang']}[{words}]({to}{found['title'] or ''})"

    def attribute(found: re.Match[str]) -> str:
        to = there(found["to"])
        if to is not None:
            return f"{found['head']}{to}{found['tail']}"
        return "<a>" if found["tag"] == "a" else ""

    def definition(found: re.Match[str]) -> str:
        return f"{found['head']}{there(found['to']) or '#'}"

    return _DEFINITION.sub(definition, _ATTRIBUTE.sub(attribute, _LINK.sub(link, text)))

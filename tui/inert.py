"""The one place where the dashboard's text leaves for the terminal: what is in it neither acts there nor hides.

Names, prompts, answers and errors come from vendors, files and other processes.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console, ConsoleRenderable, RenderHook
from rich.segment import Segment, Segments
from textual.color import Color
from textual.filter import LineFilter

from providers.printable import one_line


class _Inert(LineFilter):
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments as wide as they were, for where each stands is settled."""
        return [_inert(segment) for segment in segments]


INERT = _Inert()


class InertConsole(RenderHook):
    """Does the same to what is printed when the dashboard breaks: the traceback quotes what was at hand."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [Segments(self._inert(renderable)) for renderable in renderables]

    def _inert(self, renderable: ConsoleRenderable) -> Iterable[Segment]:
        for segment in self._console.render(renderable):
            yield segment if segment.text == "\n" else _inert(segment)


def _inert(segment: Segment) -> Segment:
    text, style, control = segment
    if control or (text.isascii() and text.isprintable() and not (style and style.link)):
        return segment
    if style is not None and style.link:
        style = style.update_link(None)
    return Segment(text if one_line(text) == text else "".join(map(_one, text)), style)


def _one(char: str) -> str:
    return char if one_line(char) == char else "\N{REPLACEMENT CHARACTER}" * cell_len(char)

"""Reasoning that comes as `<think>…</think>` inside the text, as raw vLLM, llama.cpp and old Ollama send it."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


class ThinkSplitter:
    """Splits text from thinking; tags may be cut anywhere between two pieces."""

    __slots__ = ("_held", "_thinking")

    def __init__(self) -> None:
        self._held = ""  # what may be the beginning of a tag
        self._thinking = False

    def feed(self, piece: str) -> tuple[str, str]:
        """The text and the thinking that are sure by now."""
        left = self._held + piece
        found = ["", ""]
        while True:
            tag = CLOSE if self._thinking else OPEN
            before, seen, after = left.partition(tag)
            if not seen:
                break
            found[self._thinking] += before
            self._thinking = not self._thinking
            left = after
        keep = _tail(left, tag)
        self._held = left[len(left) - keep :]
        found[self._thinking] += left[: len(left) - keep]
        return found[0], found[1]

    def flush(self) -> tuple[str, str]:
        """What was held back, at the end."""
        held, self._held = self._held, ""
        return ("", held) if self._thinking else (held, "")


def _tail(text: str, tag: str) -> int:
    """How many characters at the end of the text are the beginning of the tag."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)

"""Reasoning that comes in tags inside the text: raw vLLM, llama.cpp, old Ollama, Gemini's imitation of OpenAI.

A tag is one where the model uses it, not where it speaks of it: in quotation marks, in code, in a code fence.
"""

from __future__ import annotations

import re

_NAMES = ("think", "thinking", "thought")
_TAGS = tuple(f"<{slash}{name}>" for name in _NAMES for slash in ("", "/"))
_LONGEST = max(map(len, _TAGS))
_TOKEN = re.compile("|".join(("```", "`", "\n", *_TAGS)))
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}


class ThinkSplitter:
    """Splits text from thinking; tags may be cut anywhere between two pieces.

    Thinking that begins where the answer or a line begins is given at once. A tag within a line opens thinking only if
    it is closed again; what follows it is held back until that is known. A closing tag without an opening one (some
    chat templates put that into the prompt) makes all text before it thinking: `text_was_thinking` is true then,
    and whoever kept that text moves it and takes the mark back.
    """

    __slots__ = ("_blank", "_code", "_fence", "_held", "_last", "_name", "_opened", "text_was_thinking")

    def __init__(self) -> None:
        self._held = ""  # what is not sure yet
        self._last = ""  # the character before it
        self._name: str | None = None  # of the tag that is open
        self._opened = False  # whether any was
        self._blank = True  # whether the line has no text so far
        self._code = False  # within `code`
        self._fence = False  # within a code fence
        self.text_was_thinking = False

    def feed(self, piece: str) -> tuple[str, str]:
        """The text and the thinking that are sure by now."""
        left = self._held + piece
        return self._split(left, len(left) - _unsure(left, self._last), final=False)

    def flush(self) -> tuple[str, str]:
        """What was held back, at the end."""
        return self._split(self._held, len(self._held), final=True)

    def whole(self, text: str) -> tuple[str, str]:
        """The text and the thinking of an answer that is complete."""
        return self._split(text, len(text), final=True)

    def _split(self, left: str, end: int, *, final: bool) -> tuple[str, str]:
        found = ["", ""]  # text, thinking
        start = spoken_of = 0  # tags before the latter are in quotation marks
        for match in _TOKEN.finditer(left, 0, end):
            token = match[0]
            quoted = self._is_quoted(left, match)
            if self._name is not None:
                if token == f"</{self._name}>" and not quoted:
                    found[1] += left[start : match.start()]
                    start, self._name = match.end(), None
                continue
            self._blank = self._blank and not left[start : match.start()].strip()
            before, start = left[start : match.start()], match.start()
            found[0] += before
            if token[0] != "<":
                self._mark(token)
            elif quoted or self._code or self._fence or start < spoken_of or (token[1] == "/" and self._opened):
                self._blank = False
            elif token[1] == "/":
                self.text_was_thinking = self._opened = True
                found = ["", found[0] + found[1]]
                start = match.end()
            else:
                closed = len(left) if self._blank else self._closed(left, match, final=final)
                if closed is None and not final:
                    end = start
                    break
                if closed is None or closed < 0:
                    spoken_of = -(closed or 0)
                    self._blank = False
                    continue
                self._name, self._opened = token[1:-1], True
                start = match.end()
        found[self._name is not None] += left[start:end]
        self._blank = self._blank and not left[start:end].strip()
        self._held = left[end:]
        self._last = left[end - 1 : end] or self._last
        return found[0], found[1]

    def _closed(self, text: str, match: re.Match[str], *, final: bool) -> int | None:
        """Where what a tag opens ends; negative when it is all in quotation marks, None when it is not known."""
        tag = f"</{match[0][1:]}"
        end = text.find(tag, match.end())
        if end < 0:
            return None
        end += len(tag)
        mark = _QUOTES.get(text[match.start() - 1] if match.start() else self._last)
        if mark is None or (final and end == len(text)):
            return end
        return None if end == len(text) else -end if text[end] == mark else end

    def _mark(self, token: str) -> None:
        if token == "\n":
            self._blank, self._code = True, False
            return
        if token == "```" and (self._blank or self._fence):
            self._fence = not self._fence
        elif token == "`":
            self._code = not self._code
        self._blank = False

    def _is_quoted(self, text: str, match: re.Match[str]) -> bool:
        before = text[match.start() - 1] if match.start() else self._last
        return bool(before) and _QUOTES.get(before) == text[match.end() : match.end() + 1]


def _unsure(text: str, last: str) -> int:
    """How many characters at the end tell what they are only with the next ones."""
    if text.endswith("`"):
        return len(text) - len(text.rstrip("`"))
    start = text.rfind("<", max(0, len(text) - _LONGEST))
    if start < 0:
        return 0
    end = text[start:]
    if end in _TAGS:
        return len(end) if (text[start - 1] if start else last) in _QUOTES else 0
    return len(end) if any(tag.startswith(end) for tag in _TAGS) else 0

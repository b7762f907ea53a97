"""Reading the file and its secret files: what is no small regular file is refused with a reason, never waited for."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from router.patterns import Pattern

MAX_BYTES = 1024 * 1024
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NOT_REGULAR = "not a regular file but a pipe, a socket or a device; name a file"
MISSING = "no such file"
TOO_LARGE = f"larger than {MAX_BYTES >> 20} MiB"


class NoContent(Exception):
    """A file can't be read; `reason` says why, for people, and `missing` that it is not there."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.missing = missing


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of at most 1 MiB; a pipe or a device, which might block, is not even opened.

    Raises:
        NoContent: it can't be read.
    """
    try:
        _check(os.stat(path))
        descriptor = os.open(path, _OPEN)
        with os.fdopen(descriptor, "rb") as file:
            _check(os.fstat(descriptor))  # it may have been replaced since
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NoContent(MISSING, missing=True) from None
    except OSError as error:
        raise NoContent(f"can't be read ({error.strerror}); {_remedy(error)}") from None
    except ValueError:  # a NUL, or what the system's encoding does not have
        raise NoContent("no path that a file can have; check how it is written") from None
    if len(content) > MAX_BYTES:
        raise NoContent(TOO_LARGE)
    return content


def _check(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise NoContent("a directory; name the file in it")
    if not stat.S_ISREG(status.st_mode):
        raise NoContent(_NOT_REGULAR)


def _remedy(error: OSError) -> str:
    return "check its permissions" if isinstance(error, PermissionError) else "check the path"


def text_of(content: bytes) -> str:
    """The text of a file. Raises NoContent: it is none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoContent("not UTF-8 text; save it as UTF-8") from None
    if "\0" in text:
        raise NoContent("a binary file, not text; is this the right file?")
    return text


class Contents:
    """What some files hold, and which files patterns match. Each is looked at once, at the latest when it is asked
    for: all that is made of them is made of the same bytes.

    Args:
        paths: those that are read at once; absolute.

    `marks` has what stands for the content of each file that was read, by its absolute path: a hash, or why there is
    none. It is "" for one that is missing or empty, as a file is for a moment while it is saved. The mark of a pattern
    stands for the names of all that it matches.
    """

    def __init__(self, paths: Iterable[Path | Pattern] = ()) -> None:
        self.marks: dict[Path | Pattern, str] = {}
        self._asked: set[Path | Pattern] = set()
        self._read: dict[Path, bytes | NoContent] = {}
        self._matched: dict[Pattern, tuple[Path, ...]] = {}
        for path in paths:
            if isinstance(path, Pattern):
                self._match(path)
            else:
                self._look(path)
        self._first = frozenset(self.marks)

    @property
    def has_more(self) -> bool:
        """Whether something was asked for that was not looked at in the beginning."""
        return not self._asked <= self._first

    def ask_all(self) -> None:
        """Count all that was looked at as asked for: what is made of it was made of the same already."""
        self._asked.update(self.marks)

    def matched(self, pattern: Pattern) -> tuple[Path, ...]:
        """The files that a pattern matches, in order."""
        self._asked.add(pattern)
        return self._match(pattern)

    def _match(self, pattern: Pattern) -> tuple[Path, ...]:
        if pattern not in self._matched:
            found = self._matched[pattern] = pattern.files()
            names = "\0".join(map(os.fspath, found)).encode(errors="surrogateescape")
            self.marks[pattern] = hashlib.sha256(names).hexdigest() if found else ""
        return self._matched[pattern]

    def of(self, path: Path) -> bytes:
        """The bytes of a file. Raises NoContent."""
        path = path.absolute()
        self._asked.add(path)
        found = self._look(path)
        if isinstance(found, NoContent):
            raise NoContent(found.reason, missing=found.missing)
        return found

    def _look(self, path: Path) -> bytes | NoContent:
        if path not in self._read:
            try:
                found = self._read[path] = read_bytes(path)
                self.marks[path] = hashlib.sha256(found).hexdigest() if found.strip() else ""
            except NoContent as error:
                self._read[path] = error
                self.marks[path] = "" if error.missing else error.reason
        return self._read[path]

    def marks_of_asked(self) -> Mapping[Path | Pattern, str]:
        """The marks of those files that something was made of."""
        return {path: mark for path, mark in self.marks.items() if path in self._asked}

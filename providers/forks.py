"""Forks: work in threads is whole when one happens, and a child leaves alone what belongs to its parent.

A fork copies one thread. What the others held stays locked in the child for ever (SQLite's mutexes, tiktoken's lock,
the lock of a module that was being imported), so a fork waits for such work: `with whole:`. Connections are shared by
it: a child that closed one, or read from one, would take it from its parent. Who has some asks to be told (`tell`),
begins anew in the child, and leaves the parent's as they are (`leave`).
"""

from __future__ import annotations

import ctypes
import logging  # noqa: F401 - before us: its lock, which workers need, is then taken after they have come to their end
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE = 10.0  # seconds that a fork waits at most


class _Whole:
    """A context manager around work in a thread; `os.fork` waits for its end, and what begins later for the fork's."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads: list[int] = []  # that are at work
        self._forking = False

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._forking or me in self._threads)
            self._threads.append(me)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._threads.remove(threading.get_ident())
            self._changed.notify_all()

    def before_fork(self) -> None:
        me = threading.get_ident()
        self._changed.acquire()
        self._forking = True
        self._changed.wait_for(lambda: all(thread == me for thread in self._threads), _PATIENCE)

    def in_parent(self) -> None:
        self._forking = False
        self._changed.notify_all()
        self._changed.release()

    def in_child(self) -> None:
        me = threading.get_ident()
        mine = [thread for thread in self._threads if thread == me]
        self.__init__()  # type: ignore[misc]  # the lock, too, was the parent's
        self._threads = mine


whole = _Whole()
_told: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def tell(owner: T, in_child: Callable[[T], None]) -> None:
    """Call `in_child(owner)` in every forked child, as long as the owner lives. There are no other threads then, and
    nothing may block.
    """
    _told[owner] = in_child


def leave(*things: object) -> None:
    """Let go of what belongs to the parent in such a way that it is never closed or collected here.

    Closing would do more than to give up the child's copy: it would take connections out of the epoll set, which the
    two processes share, and answers to them would not wake the parent any more.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(things))


def _in_child() -> None:
    whole.in_child()
    told = list(_told.items())  # all are told before one of them can be collected
    for owner, in_child in told:
        in_child(owner)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=whole.before_fork, after_in_parent=whole.in_parent, after_in_child=_in_child)

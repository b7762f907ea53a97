"""How much memory this process has: what is allocated, to the byte, and what is in memory for it alone.

What is allocated is what can leak: a kilobyte that is kept shows as a kilobyte. The pages in memory (RSS) tell that
less well: the pages of mapped files count, and so do the gaps that a heap keeps between its blocks.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def in_use() -> int:
    """Return the bytes that are allocated now: by Python's allocator, and by malloc (mallinfo(3), glibc 2.33)."""
    allocated = _mallinfo()()
    return _in_pools() + int(allocated.uordblks) + int(allocated.hblkhd)


@cache
def _mallinfo() -> Callable[[], _Mallinfo]:
    """glibc's own; looked up once, since each look leaves garbage that would count."""
    found = ctypes.CDLL(None).mallinfo2
    found.restype = _Mallinfo
    return found


def _in_pools() -> int:
    """The bytes of small objects, which are in pools that malloc knows nothing of. CPython only prints them."""
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        file.seek(0)
        found = re.search(rb"# bytes in allocated blocks\s*= *([\d,]+)", file.read())
    assert found is not None, "another Python prints it in other words"
    return int(found[1].replace(b",", b""))


def private() -> int:
    """Return the bytes in memory that are this process's alone (RssAnon, proc(5)): no mapped file's."""
    found = re.search(r"^RssAnon:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, "Linux 4.5 says it"
    return int(found[1]) * 1024

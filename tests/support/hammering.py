"""Many processes on one cache folder, some killed hard: no wrong answer, no lost write, nobody stuck.

Each process stores answers under keys of its own and reads those of all; an answer tells under which key it was stored.
The parent reads at the end what every process said that it had written.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from router.cache.disk import Disk
from tests.support.paths import ROOT

_KEYS = 200
_MOST = 200_000_000
_PATIENCE = 120.0  # seconds after which a process counts as stuck


@dataclass
class Found:
    """What a run saw."""

    reads: int = 0
    writes: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: int = 0


def _data(key: str, number: int, size: int) -> bytes:
    return f"{key} {number} ".encode() + key.encode() * (size // len(key)) + f" {number}".encode()


def _is_whole(key: str, data: bytes) -> bool:
    named, number, _ = data.split(b" ", 2)
    return named.decode() == key and data.endswith(b" " + number)


async def _process(folder: Path, name: str, operations: int, seconds: float | None) -> None:
    """Says on stdout what it wrote, a line each, after it was written."""
    disk = Disk(folder, _MOST)
    chance = random.Random(name)
    end = None if seconds is None else time.monotonic() + seconds
    number = 0
    while (number < operations) if end is None else (time.monotonic() < end):
        number += 1
        if number % 3 == 0:
            key = f"{name}-{chance.randrange(_KEYS)}"
            if await disk.put(key, _data(key, number, chance.choice((200, 5_000, 60_000))), 3600):
                print(f"wrote {key} {number}", flush=True)
            continue
        key = f"{chance.randrange(8)}-{chance.randrange(_KEYS)}"
        data = await disk.get(key)
        good = data is None or _is_whole(key, data)
        print("read" if good else f"wrong {key}", flush=True)
    await disk.aclose()


def hammer(folder: Path, *, processes: int, killed: int, operations: int, seconds: float | None) -> Found:
    """Run it; `seconds` in place of a number of `operations`."""
    command = [sys.executable, "-m", "tests.support.hammering", str(folder)]
    running = [
        subprocess.Popen(
            [*command, str(number), str(operations), str(seconds or 0)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for number in range(processes)
    ]
    said: list[list[str]] = [[] for _ in running]
    for victim in running[:killed]:
        assert victim.stdout is not None
        # At some moment of its work: after so many of its lines.
        for _ in range(random.Random(killed).randrange(20, 60)):
            said[running.index(victim)].append(victim.stdout.readline())
        victim.send_signal(signal.SIGKILL)
    found = Found()
    for number, process in enumerate(running):
        try:
            out, _ = process.communicate(timeout=_PATIENCE + (seconds or 0))
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            found.stuck += 1
        said[number] += out.splitlines()
    asyncio.run(_judge(folder, [line.split() for lines in said for line in lines if line.strip()], found))
    return found


async def _judge(folder: Path, said: list[list[str]], found: Found) -> None:
    last: dict[str, int] = {}
    for word, *rest in said:
        found.reads += word in ("read", "wrong")
        if word == "wrong":
            found.wrong += rest
        elif word == "wrote" and len(rest) == 2:
            found.writes += 1
            last[rest[0]] = int(rest[1])
    disk = Disk(folder, _MOST)
    for key, number in last.items():
        data = await disk.get(key)
        # A killed process may have written once more than it could say.
        if data is None or not _is_whole(key, data) or int(data.split(b" ", 2)[1]) < number:
            found.lost.append(key)
    await disk.aclose()


def main() -> None:
    """One of the processes."""
    folder, name, operations, seconds = sys.argv[1:]
    asyncio.run(_process(Path(folder), name, int(operations), float(seconds) or None))


if __name__ == "__main__":
    main()

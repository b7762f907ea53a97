"""`python -m benchmarks.gateways`: our gateway beside others, and over the same router in process.

Each gateway is a process of its own on one core; the upstream (`benchmarks.upstream`) and those who ask are on another.
A round gives each its turn in each case, then comes the next round; told is the median. CPU is that of the gateway's
process and its children, user and system, for each request. Memory is its proportional share (PSS) after all rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import gateway_peers, gateway_report
from benchmarks.answers import TEXT, WORDS
from benchmarks.compare import Worker, machine, say
from benchmarks.gateway_peers import IN_PROCESS, KEY, Gateway
from benchmarks.gateway_report import CASES
from benchmarks.worker import AT_ONCE, PROMPT, Setup

ROOT = Path(__file__).resolve().parents[1]
_START = 120.0  # seconds that a gateway has until its first answer
_TICK = 1 / os.sysconf("SC_CLK_TCK")
LONG = 8  # a round of plain calls has so many times the requests of one of streams


@dataclass
class Row:
    """What was measured of one."""

    cpu: dict[str, list[float]] = field(default_factory=lambda: {case: [] for case in CASES})  # seconds a request
    memory: int | None = None  # bytes
    start: float | None = None  # seconds to the first answer
    gap: str = ""


class Running:
    """A gateway's process and all that it started."""

    def __init__(self, gateway: Gateway, upstream: str, folder: Path, core: int | None) -> None:
        self.port = _free_port()
        self.began = time.perf_counter()
        place = folder / gateway.name.replace(" ", "-")
        place.mkdir()
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        self.process = gateway.start(upstream, self.port, place, self._log)
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    def cpu(self) -> float:
        """Seconds of CPU so far, user and system."""
        total = 0.0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * _TICK
        return total

    def memory(self) -> int:
        """Bytes: its proportional share of all that it has in memory."""
        return sum(
            int(line.split()[1]) * 1024
            for pid in self.pids()
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        )

    def last_words(self) -> str:
        self._log.seek(0)
        return (self._log.read().strip().splitlines() or ["it said nothing"])[-1][:200]

    def close(self) -> None:
        for pid in reversed(self.pids()):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.process.wait()
        self._log.close()


class Asker(asyncio.Protocol):
    """One connection of a client that costs next to nothing: bytes out, and the answer searched for its end.

    Cores often share what they are made of, so that a busy client makes the gateway look slower: only the first answer
    is looked at as a whole, of the others the parts are counted.

    Args:
        parts: what an answer has to hold.
        mark: what it has to hold as often as there are parts.
    """

    def __init__(self, request: bytes, parts: list[bytes], mark: bytes) -> None:
        self._request = request
        self._parts = parts
        self._mark = mark
        self._is_first = True
        self._data = bytearray()
        self._transport: asyncio.Transport
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._is_whole() and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("the gateway closed the connection"))

    def _is_whole(self) -> bool:
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return False
        lower = bytes(self._data[:head]).lower()
        at = lower.find(b"content-length:")
        if at < 0:
            return self._data.endswith(b"0\r\n\r\n")
        return len(self._data) - head - 4 >= int(lower[at + 15 :].split(b"\r\n", 1)[0])

    async def ask(self) -> None:
        """One request. Raises ValueError on another answer than the upstream's."""
        self._data.clear()
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        await self._done
        data = self._data
        looked_for = self._parts if self._is_first else self._parts[-1:]
        self._is_first = False
        is_right = data.startswith(b"HTTP/1.1 200") and data.count(self._mark) == len(self._parts)
        if not is_right or not all(part in data for part in looked_for):
            raise ValueError(f"the answer is not the upstream's: {bytes(data[:300])!r}")

    def close(self) -> None:
        self._transport.close()


def request_of(path: str, model: str, *, stream: bool) -> bytes:
    """A request of one short prompt."""
    asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 1000}
    body = json.dumps({**asked, **({"stream": True} if stream else {})}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: Bearer {KEY}\r\n"
    )
    more = "".join(f"{name}: {value}\r\n" for name, value in gateway_peers.PORTKEY_HEADERS.items())
    return f"{head}{more}content-length: {len(body)}\r\n\r\n".encode() + body


async def ask_many(port: int, case: str, gateway: Gateway, times: int, at_once: int = AT_ONCE) -> None:
    """So many requests, by so many connections at once."""
    parts, mark = [TEXT.encode()], TEXT.encode()
    if case == "stream":
        parts, mark = [word.encode() for word in WORDS], b" word"
    request = request_of(gateway.path, gateway.model, stream=case == "stream")
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Asker(request, parts, mark), "127.0.0.1", port) for _ in range(at_once)
    ]

    async def some(asker: Asker) -> None:
        for _ in range(max(1, times // at_once)):
            await asker.ask()

    try:
        await asyncio.gather(*(some(asker) for _, asker in made))
    finally:
        for _, asker in made:
            asker.close()


def wait_for(running: Running, gateway: Gateway) -> float:
    """Seconds from its start to its first right answer. Raises RuntimeError when there is none."""
    while time.perf_counter() - running.began < _START:
        if running.process.poll() is not None:
            raise RuntimeError(f"it ended: {running.last_words()}")
        try:
            asyncio.run(ask_many(running.port, "plain", gateway, 1, at_once=1))
        except (OSError, ValueError):
            time.sleep(0.05)
        else:
            return time.perf_counter() - running.began
    raise RuntimeError(f"no answer in {_START:g} s: {running.last_words()}")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def measure(rounds: int, times: int, wanted: Callable[[Gateway], bool]) -> dict[str, Row]:
    """All figures, by name."""
    rows: dict[str, Row] = {IN_PROCESS: Row()}
    cores = sorted(os.sched_getaffinity(0))
    here, there = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    if here is not None:
        os.sched_setaffinity(0, {here})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = Worker([sys.executable, "-m", "benchmarks.upstream"], here)
        stack.callback(upstream.close)
        base = f"http://127.0.0.1:{int(upstream.line())}"
        ours = Worker([sys.executable, "-m", "benchmarks.peers.signalbox_router"], there)
        stack.callback(ours.close)
        ours.line()
        running = _start_all(base, folder, there, wanted, rows, stack)
        for number in range(rounds):
            for case in CASES:
                many = times * LONG if case == "plain" else times
                told = ours.run(f"{case}_64", Setup(base), many)
                rows[IN_PROCESS].cpu[case].append(told["cpu"] / told["times"])
                for gateway, process in running.items():
                    say(f"round {number + 1}/{rounds}, {case}: {gateway.name}")
                    _turn(rows[gateway.name], gateway, process, case, many)
        for gateway, process in running.items():
            rows[gateway.name].memory = process.memory()
    say("")
    return rows


def _start_all(
    base: str, folder: Path, core: int | None, wanted: Callable[[Gateway], bool], rows: dict[str, Row], stack: ExitStack
) -> dict[Gateway, Running]:
    running = {}
    for gateway in filter(wanted, gateway_peers.GATEWAYS):
        row = rows[gateway.name] = Row()
        say(f"starting {gateway.name}")
        try:
            gateway.install()
            process = Running(gateway, base, folder, core)
            stack.callback(process.close)
            row.start = wait_for(process, gateway)
        except (RuntimeError, OSError) as error:
            row.gap = str(error)
            continue
        running[gateway] = process
        for case in CASES:
            _turn(row, gateway, process, case, AT_ONCE)
            row.cpu[case].clear()  # it was to warm up
    return running


def _turn(row: Row, gateway: Gateway, process: Running, case: str, times: int) -> None:
    if case in row.gap:
        return
    before = process.cpu()
    try:
        asyncio.run(ask_many(process.port, case, gateway, times))
    except (OSError, ValueError) as error:
        row.gap = f"{case}: {error}"
        row.cpu[case].clear()
        return
    row.cpu[case].append((process.cpu() - before) / times)


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.gateways", description=(__doc__ or "").split("\n\n")[0]
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--streams", type=int, default=256, help=f"in a round; plain calls are {LONG} times as many")
    options.add_argument("--quick", action="store_true", help="ours alone")
    options.add_argument("--json", type=Path, default=Path("gateway-results.json"), help="where all runs go")
    options.add_argument(
        "--from", type=Path, dest="source", metavar="FILE", help="write the table of such a file again"
    )
    options.add_argument("--pages", action="store_true", help="with --from: renew docs/performance.md and the README")
    told = options.parse_args()
    if told.source:
        found = json.loads(told.source.read_text())
        gateway_report.renew(found) if told.pages else print(gateway_report.text_of(found), end="")
        return
    where = machine()
    rows = measure(told.rounds, told.streams, lambda gateway: gateway.is_ours or not told.quick)
    where["load after"] = f"{os.getloadavg()[0]:.2f}"
    found = {"machine": where, "rounds": told.rounds, "rows": {name: asdict(row) for name, row in rows.items()}}
    told.json.write_text(json.dumps(found, indent=1) + "\n")
    print(gateway_report.text_of(found), end="")


if __name__ == "__main__":
    main()

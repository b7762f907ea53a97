"""`python -m benchmarks.compare`: ours and its peers, side by side and in turns, and one table of it.

Every contender is a process of its own (`benchmarks.worker`); all ask one upstream (`benchmarks.upstream`) on another
core. A round runs each contender once, then comes the next round. What is told is the median of the rounds.

The tables go to the standard output in Markdown, all runs to a file of JSON.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks import environments, pages, report
from benchmarks.cases import CASES, CONTENDERS, READY, Case, Contender
from benchmarks.worker import Setup, job

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300.0  # seconds for one run
_FIGURES = {"cpu", "wall", "memory", "seconds", "call", "own call", "own call of 1000", "own chunk"}
_PER_CALL = {"cpu", "wall"}  # told for all calls of a run together
_MEASURED_IMPORT = """
import os, resource, time
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, began, wall = memory(), time.process_time(), time.perf_counter()
{code}
print({{"cpu": time.process_time() - began, "wall": time.perf_counter() - wall, "memory": memory() - before}})
"""
_READY = """
import router
text = "providers: {{p: {{kind: openai, base_url: '{base}/ok/v1', api_key: k}}}}\\nroutes: {{chat: [p/m]}}"
import asyncio
async def first():
    async with router.Router.from_text(text, env={{}}, monitor=False) as made:
        await made.complete("chat", "hi")
asyncio.run(first())
"""


class Worker:
    """A contender's process, or the upstream's."""

    def __init__(self, command: list[str], core: int | None) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=ROOT, env=_env()
        )
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})

    def line(self) -> str:
        """Its next line; raises RuntimeError when there is none within the time."""
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise RuntimeError(f"no answer: {self._last_words()}")
        return line

    def run(self, case: str, setup: Setup, times: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(job(case, setup, times))
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.line())
        return told

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        return (self._log.read().strip().splitlines() or ["it ended, or took too long"])[-1][:200]


def _env() -> dict[str, str]:
    """Ours, without proxies; what is compiled is written, so that only the first process of a fresh clone compiles."""
    dropped = "PYTHONDONTWRITEBYTECODE"
    kept = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != dropped
    }
    return {**kept, "PYTHONPATH": str(ROOT), "SIGNALBOX_RUNTIME_DIR": f"{tempfile.gettempdir()}/signalbox-bench"}


class Comparison:
    """One run of it all.

    Args:
        rounds: how often each contender has its turn in each case.
        seconds: that one turn may take, about.
        quick: only the cases and contenders of daily work.
    """

    def __init__(self, *, rounds: int, seconds: float, quick: bool, only: str = "") -> None:
        self._rounds = rounds
        self._seconds = seconds
        self._quick = quick
        self._cases = [case for case in CASES if (case.quick or not quick) and only in case.name]
        self._pythons: dict[str, str] = {}
        self._workers: dict[tuple[str, str], Worker] = {}
        self.results: report.Results = {}
        cores = sorted(os.sched_getaffinity(0))
        self._cores: tuple[int | None, int | None] = (cores[0], cores[1]) if len(cores) > 1 else (None, None)

    def run(self, save: Callable[[report.Results], None] = lambda _: None) -> None:
        """Measure; `save` is called after each case, so that a run that is cut short is not lost."""
        self._find()
        with ExitStack() as stack, _no_listener() as dead:
            upstream = Worker([sys.executable, "-m", "benchmarks.upstream"], self._cores[0])
            stack.callback(upstream.close)
            self._base = f"http://127.0.0.1:{int(upstream.line())}"
            self._dead = dead
            stack.callback(self._close_all)
            groups = [list(group) for _, group in groupby(self._cases, lambda case: case.group or case.name)]
            for number, cases in enumerate(groups):
                say(f"[{number + 1}/{len(groups)}] {', '.join(case.name for case in cases)}")
                if cases[0].do == "import":
                    self._imports(cases[0])
                else:
                    self._take_turns(cases)
                save(self.results)

    def _find(self) -> None:
        """The interpreters of all contenders that take part; those that can't be had are named."""
        for each in CONTENDERS:
            if each.script in self._pythons or (self._quick and not each.quick):
                continue
            say(f"environment of {each.name}")
            try:
                python = environments.python_of(each.script, install=not self._quick)
            except (RuntimeError, OSError) as error:
                self._note("installation", each.name, {"error": f"not installed: {error}"})
                continue
            if python is not None:
                self._pythons[each.script] = python

    def _contenders(self, case: Case) -> list[Contender]:
        return [
            each
            for each in CONTENDERS
            if each.script in self._pythons
            and (not case.only or each.name in case.only)
            and (each.quick or not self._quick)
        ]

    def _take_turns(self, cases: list[Case]) -> None:
        work = [(case, each) for case in cases for each in self._contenders(case)]
        times = {(case.name, each.name): case.times if case.fresh else self._fitting(case, each) for case, each in work}
        for _ in range(cases[0].fresh or self._rounds):
            for case, each in work:
                key = case.name, each.name
                if times[key] and self._turn(case, each, times[key]) is None:
                    times[key] = 0

    def _fitting(self, case: Case, contender: Contender) -> int:
        """How many fit into a turn; 0 when the contender can't do this."""
        few = 1 if case.times == 1 else min(case.times, 64 if case.do.endswith("_64") else 8)
        told = self._turn(case, contender, few, keep=False)
        if told is None or case.times <= 5:
            return 0 if told is None else case.times
        one = max(told["wall"], 1e-6) / told["times"]
        most = min(case.times, max(1, int(self._seconds * case.longer / one)))
        return max(64, most // 64 * 64) if case.do.endswith("_64") else most

    def _turn(self, case: Case, contender: Contender, times: int, *, keep: bool = True) -> dict[str, Any] | None:
        fields = {**case.setup, **contender.setup}
        if fields.get("dead"):
            fields["dead"] = self._dead
        try:
            told = self._worker(contender, case).run(case.do, Setup(self._base, **fields), times)
        except (RuntimeError, OSError, ValueError) as error:
            self._drop(contender, case)
            told = {"error": str(error)}
        finally:
            if case.fresh:
                self._drop(contender, case)
        if "gap" in told or "error" in told:
            self._note(case.name, contender.name, told)
            return None
        if keep:
            self._note(case.name, contender.name, told)
        return told

    def _note(self, case: str, contender: str, told: dict[str, Any]) -> None:
        into = self.results.setdefault(case, {}).setdefault(contender, {})
        for name, value in told.items():
            if name in _FIGURES:
                values = value if isinstance(value, list) else [value / told["times"] if name in _PER_CALL else value]
                into.setdefault(name, []).extend(values)
            elif name in ("gap", "error"):
                into[name] = value

    def _imports(self, case: Case) -> None:
        codes = {
            each.name: (self._pythons[each.script], f"import {each.module}")
            for each in self._contenders(case)
            if each.module
        }
        codes[READY] = sys.executable, _READY.format(base=self._base)
        for _ in range(case.fresh):
            for name, (python, code) in codes.items():
                command = [python, "-c", _MEASURED_IMPORT.format(code=code)]
                done = subprocess.run(command, capture_output=True, text=True, env=_env(), cwd=ROOT)
                if done.returncode:
                    self._note(case.name, name, {"error": done.stderr.strip().splitlines()[-1][:200]})
                    continue
                told = json.loads(done.stdout.strip().splitlines()[-1].replace("'", '"'))
                self._note(case.name, name, {"times": 1, **told})

    def _worker(self, contender: Contender, case: Case) -> Worker:
        if case.fresh:
            self._drop(contender, case)
        key = _process(contender, case)
        worker = self._workers.get(key)
        if worker is None:
            command = [self._pythons[contender.script], "-m", f"benchmarks.peers.{contender.script}"]
            worker = self._workers[key] = Worker(command, self._cores[1])
            worker.line()
        return worker

    def _drop(self, contender: Contender, case: Case) -> None:
        worker = self._workers.pop(_process(contender, case), None)
        if worker is not None:
            worker.close()

    def _close_all(self) -> None:
        for worker in self._workers.values():
            worker.close()


def _process(contender: Contender, case: Case) -> tuple[str, str]:
    """Which of them share a process."""
    return contender.name, case.name if case.group else ""


@contextmanager
def _no_listener() -> Iterator[str]:
    """A URL whose port refuses connections: bound, so that nobody else takes it, and not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def say(text: str) -> None:
    """Progress, for a person at a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)


def machine() -> dict[str, str]:
    """What it was measured on."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "date": datetime.date.today().isoformat(),
        "processor": names[0] if names else platform.processor() or "unknown",
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.split("\n\n")[0])
    options.add_argument("--quick", action="store_true", help="ours, the floor and HTTP alone, in under a minute")
    options.add_argument(
        "--rounds", type=int, default=0, help="turns of each contender in each case (default 9, quick 3)"
    )
    options.add_argument("--seconds", type=float, default=0.0, help="of a turn, about (default 0.5, quick 0.2)")
    options.add_argument("--only", default="", metavar="TEXT", help="only cases with this in their names")
    options.add_argument("--json", type=Path, default=Path("benchmark-results.json"), help="where all runs go")
    options.add_argument(
        "--from", type=Path, dest="source", metavar="FILE", help="write the tables of such a file again"
    )
    options.add_argument("--pages", action="store_true", help="with --from: renew docs/performance.md and the README")
    told = options.parse_args()
    if told.source:
        found = json.loads(told.source.read_text())
        pages.renew(found) if told.pages else print(pages.text_of(found), end="")
        return 0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a thousand streams are a thousand sockets
    where, rounds = machine(), told.rounds or (3 if told.quick else 9)
    comparison = Comparison(
        rounds=rounds, seconds=told.seconds or (0.2 if told.quick else 0.5), quick=told.quick, only=told.only
    )

    def save(results: report.Results) -> None:
        where["load after"] = f"{os.getloadavg()[0]:.2f}"
        found = {"machine": where, "rounds": rounds, "results": results}
        told.json.write_text(json.dumps(found, indent=1) + "\n")

    comparison.run(save)
    say("")
    print(pages.text_of(json.loads(told.json.read_text())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

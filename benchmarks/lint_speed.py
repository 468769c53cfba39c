"""Claim: `lossmith lint` reads 30,000 lines of Keras, with every rule, in at most 3 s.

Fresh processes in turns on the installed sources of Keras: ours; `ruff check` with its default
rules, which is compiled and knows nothing of losses; and pyflakes, which is Python as ours is.
What is not installed is left out. The time of importing all that `lossmith lint` needs is given
beside them, and starting Python is counted everywhere. CPU time is what the claim is held to,
because a busy machine does not change it much.

    python benchmarks/lint_speed.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import Bars, Claim, Report, Table, finish

LIMIT = 3.0
LINES = 30_000
MAIN = "from lossmith.cli import main; main()"
IMPORT = "import lossmith.cli, lossmith.lint.run, lossmith.lint.config, lossmith.lint.output"

OURS = "lossmith lint, every rule"
READERS = (OURS, "ruff check", "pyflakes")
"""The ways that read the sources; the others are there to show what starting costs."""

Times = dict[str, list[tuple[float, float]]]


def keras_sources() -> Path:
    """Find the sources of Keras without importing it."""
    spec = importlib.util.find_spec("keras")
    if spec is None or spec.origin is None:
        sys.exit("Keras is not installed")
    return Path(spec.origin).parent


def ways(sources: Path) -> dict[str, list[str]]:
    """Return the command of each way."""
    python = [sys.executable, "-c"]
    found = {
        "python -c pass": [*python, "pass"],
        "import": [*python, IMPORT],
        OURS: [*python, MAIN, "lint", "--select=ALL", str(sources)],
    }
    beside = Path(sys.executable).with_name("ruff")
    ruff = str(beside) if beside.exists() else shutil.which("ruff")
    if ruff:
        found["ruff check"] = [ruff, "check", "--isolated", "--no-cache", "--quiet", str(sources)]
    if importlib.util.find_spec("pyflakes"):
        found["pyflakes"] = [sys.executable, "-m", "pyflakes", str(sources)]
    return found


def timed(command: list[str], folder: str) -> tuple[float, float]:
    """Run a command and return the time on the clock, and that of the CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - the commands above
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 1} or b"Traceback" in done.stderr:
        sys.exit(f"{command} could not run")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(commands: dict[str, list[str]], rounds: int) -> Times:
    """Time all commands once a round; the first round, which may compile bytecode, is not kept."""
    times: Times = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:  # no configuration of anyone's
        for _ in range(rounds + 1):
            for name, command in commands.items():
                times[name].append(timed(command, folder))
    return {name: found[1:] for name, found in times.items()}


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    lines, seconds = found["lines"], found["seconds"]
    rows = [
        [name, f"{wall:.2f} s", f"{cpu:.2f} s", f"{lines / cpu:,.0f}" if name in READERS else ""]
        for name, (wall, cpu) in seconds.items()
    ]
    title = f"{found['files']:,} files of Keras, {lines:,} lines, medians"
    per_lines = seconds[OURS][1] * LINES / lines
    claim = f"{LINES:,} lines in at most {LIMIT:.0f} s of CPU: {per_lines:.2f} s"
    chart = Bars("seconds of CPU", {"": {name: cpu for name, (_, cpu) in seconds.items()}}, OURS)
    table = Table(title, ("way", "wall", "CPU", "lines a second of CPU"), rows)
    return Report([table], [Claim(claim, per_lines <= LIMIT)], [chart])


def main() -> None:
    """Measure, print, and say whether the claim held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    sources = keras_sources()
    files = list(sources.rglob("*.py"))
    seconds = {
        name: [statistics.median(column) for column in zip(*pairs, strict=True)]
        for name, pairs in measure(ways(sources), options.rounds).items()
    }
    lines = sum(path.read_bytes().count(b"\n") for path in files)
    finish(options.json, {"files": len(files), "lines": lines, "seconds": seconds}, report)


if __name__ == "__main__":
    main()

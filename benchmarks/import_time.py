"""Claim: `import lossmith` adds at most 50 ms to `import keras`, `lossmith --help` takes 300 ms.

Fresh processes in turns. Each times its own imports, so that starting Python is not counted; for
`lossmith --help` it is. Where Keras is there already, `import lossmith` loads all its losses,
so that saved models find them: that is the larger case, and the one measured. CPU time is
what the claim is held to, because a busy machine does not change it much.

    python benchmarks/import_time.py [--backend jax] [--rounds 11] [--json FILE]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from _measure import QUIET, arguments
from _report import Bars, Claim, Report, Table, finish

IMPORT_LIMIT = 0.050
HELP_LIMIT = 0.300

# Prints the seconds on the clock and of the process that each of two imports takes.
IMPORTS = """
import time
a, c = time.perf_counter(), time.process_time()
import keras
b, d = time.perf_counter(), time.process_time()
import lossmith
print(b - a, d - c, time.perf_counter() - b, time.process_time() - d)
"""
ALONE = """
import time
a, c = time.perf_counter(), time.process_time()
import lossmith
print(time.perf_counter() - a, time.process_time() - c)
"""
HELP = "import sys; sys.argv = ['lossmith', '--help']; from lossmith.cli import main; main()"

Times = dict[str, list[tuple[float, float]]]


def printed(code: str, environment: dict[str, str]) -> list[float]:
    """Run code in a fresh process and return the numbers that it prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(  # noqa: S603 - the code above
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return [float(number) for number in done.stdout.split()]


def whole(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """Run code in a fresh process and return the time of all of it, on the clock and of the CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(  # noqa: S603 - the code above
        [sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL, check=True
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(backend: str, rounds: int) -> Times:
    """Take all times once a round; the first round, which may compile bytecode, is not kept."""
    environment = {**os.environ, **QUIET, "KERAS_BACKEND": backend}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    times: Times = {
        "import keras": [],
        "import lossmith, after keras": [],
        "import lossmith, alone": [],
        "python -c pass": [],
        "lossmith --help": [],
    }
    for _ in range(rounds + 1):
        first, first_cpu, second, second_cpu = printed(IMPORTS, environment)
        alone, alone_cpu = printed(ALONE, environment)
        times["import keras"].append((first, first_cpu))
        times["import lossmith, after keras"].append((second, second_cpu))
        times["import lossmith, alone"].append((alone, alone_cpu))
        times["python -c pass"].append(whole("pass", environment))
        times["lossmith --help"].append(whole(HELP, environment))
    return {name: found[1:] for name, found in times.items()}


def summary(times: Times) -> dict[str, dict[str, Any]]:
    """Return median, shortest and longest of wall and CPU time."""
    found = {}
    for name, pairs in times.items():
        wall, cpu = (sorted(column) for column in zip(*pairs, strict=True))
        found[name] = {
            "wall": {"median": statistics.median(wall), "min": wall[0], "max": wall[-1]},
            "cpu": {"median": statistics.median(cpu), "min": cpu[0], "max": cpu[-1]},
        }
    return found


def _text(times: dict[str, float]) -> str:
    return "{median:.0f} ms ({min:.0f} to {max:.0f})".format(
        **{key: 1e3 * value for key, value in times.items()}
    )


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    times = found["times"]
    rows = [[name, _text(each["wall"]), _text(each["cpu"])] for name, each in times.items()]
    claims = []
    for name, limit in (
        ("import lossmith, after keras", IMPORT_LIMIT),
        ("lossmith --help", HELP_LIMIT),
    ):
        median = times[name]["cpu"]["median"]
        claim = f"{name}: at most {1e3 * limit:.0f} ms of CPU: {1e3 * median:.0f} ms"
        claims.append(Claim(claim, median <= limit))
    title = f"Start-up on {found['backend']}, medians and ranges"
    bars = {"": {name: 1e3 * each["cpu"]["median"] for name, each in times.items()}}
    chart = Bars("ms of CPU", bars, "import lossmith")
    return Report([Table(title, ("what", "wall", "CPU"), rows)], claims, [chart])


def main() -> None:
    """Measure, print, and say whether the claims held."""
    options = arguments(__doc__, rounds=11)
    backend = options.backend or "jax"
    found = {"backend": backend, "times": summary(measure(backend, options.rounds))}
    finish(options.json, found, report)


if __name__ == "__main__":
    main()

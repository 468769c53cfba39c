"""Claim: `lossmith check` takes at most 10 s for a loss of Keras, imports included (median).

The command as a user gives it, once for each loss of Keras, on a file with that loss alone: it
starts Python twice, imports Keras in the second, and runs every check. Time on the clock is what
the claim is about; CPU time stands beside it because a busy machine does not change it much.

    python benchmarks/check_time.py [--backend jax] [--rounds 1] [--json FILE]
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _measure import QUIET, arguments
from _report import Bars, Claim, Report, Table, finish

LIMIT = 10.0

NAMES = """
import inspect, json, keras
found = {loss: name for name, loss in vars(keras.losses).items() if inspect.isclass(loss)}
losses = [name for loss, name in found.items() if issubclass(loss, keras.losses.Loss)]
print(json.dumps(sorted(set(losses) - {"Loss"})))
"""
MAIN = "from lossmith.cli import main; main()"
FILE = "import keras\n\nloss = keras.losses.{name}()\n"


def names(environment: dict[str, str]) -> list[str]:
    """Return the names of the losses of Keras."""
    done = subprocess.run(  # noqa: S603 - the code above
        [sys.executable, "-c", NAMES], env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def timed(name: str, backend: str, environment: dict[str, str]) -> tuple[float, float]:
    """Check one loss; return the time on the clock, and that of the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "losses.py")
        file.write_text(FILE.format(name=name), encoding="utf-8")
        command = [sys.executable, "-c", MAIN, "check", str(file), "--backend", backend]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(  # noqa: S603 - the command above
            command, env=environment, stdout=subprocess.DEVNULL, check=False
        )
        wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 1}:
        sys.exit(f"{name} could not be checked")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    times = found["times"]
    rows = [[name, f"{wall:.1f} s", f"{cpu:.1f} s"] for name, (wall, cpu) in times.items()]
    walls, cpus = zip(*times.values(), strict=True)
    median = statistics.median(walls)
    claim = f"median at most {LIMIT:.0f} s: {median:.1f} s"
    claim += f" (CPU: {statistics.median(cpus):.1f} s, longest {max(cpus):.1f} s)"
    title = f"`lossmith check` on {found['backend']}, imports included"
    chart = Bars("seconds of CPU", {"": dict(zip(times, cpus, strict=True))}, "")
    table = Table(title, ("loss", "wall", "CPU"), rows)
    return Report([table], [Claim(claim, median <= LIMIT)], [chart])


def main() -> None:
    """Measure, print, and say whether the claim held."""
    options = arguments(__doc__, rounds=1)
    backend = options.backend or "jax"
    environment = {**os.environ, **QUIET, "KERAS_BACKEND": backend}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    losses = names(environment)
    timed(losses[0], backend, environment)  # may compile bytecode
    times: dict[str, tuple[float, float]] = {}
    for name in losses:
        pairs = [timed(name, backend, environment) for _ in range(options.rounds)]
        wall, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        times[name] = wall, cpu
    finish(options.json, {"backend": backend, "times": times}, report)


if __name__ == "__main__":
    main()

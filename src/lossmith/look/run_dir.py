"""A run directory: what a training leaves behind, read while it still runs or later.

    epochs.jsonl       {"epoch": 3, "logs": {"loss": 0.25, "val_loss": "NaN"}}
    samples.jsonl      {"epoch": 3, "hardest": [{"index": 7, "loss": 4.5}], "easiest": [...]}
    histograms.jsonl   {"epoch": 3, "name": "tap/scores", "counts": [1, 2], "edges": [0, 1, 2]}
    maps.jsonl         {"epoch": 3, "name": "data", "axes": "b t"}
    maps/3-data.npz    loss (floating) and mask (bool), of one shape
    checks.json        what `lossmith check --format json` printed, if somebody put it there

Epochs count from 0, as in callbacks. A training that goes back to an earlier epoch replaces what
stood after it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossmith.messages import ArgumentError

EPOCHS = "epochs.jsonl"
SAMPLES = "samples.jsonl"
HISTOGRAMS = "histograms.jsonl"
MAPS = "maps.jsonl"
CHECKS = "checks.json"

BAD = ("broken", "crashed", "not checked")
"""Results of checks that stand first."""

_PLAIN = re.compile(r"[a-z0-9_-]{1,40}")


def map_path(directory: Path, epoch: int, name: str) -> Path:
    """Return where a map is kept; a name that is no plain file name is told apart by its hash."""
    plain = re.sub(r"[^a-z0-9_-]+", "_", name.lower())[:40]
    if not _PLAIN.fullmatch(name):
        plain += "-" + hashlib.sha256(name.encode()).hexdigest()[:12]
    return directory / "maps" / f"{epoch}-{plain}.npz"


def not_finite(value: float) -> str:
    """Name what JSON has no number for, and a page neither."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@dataclass(frozen=True)
class Epoch:
    """What was logged at the end of an epoch."""

    epoch: int
    logs: dict[str, float]
    name: str = ""


@dataclass(frozen=True)
class Sample:
    """A sample and its loss.

    Attributes:
        index: Its place in the data.
        loss: Its loss.
    """

    index: int
    loss: float


@dataclass(frozen=True)
class Samples:
    """The samples of the highest and of the lowest loss at the end of an epoch."""

    epoch: int
    hardest: list[Sample]
    easiest: list[Sample]
    name: str = ""


@dataclass(frozen=True)
class Histogram:
    """How values were spread at the end of an epoch: `edges` has one more entry than `counts`."""

    epoch: int
    name: str
    counts: list[float]
    edges: list[float]


@dataclass(frozen=True)
class Maps:
    """The loss at each position of a batch; the arrays are read when they are asked for."""

    epoch: int
    name: str
    axes: tuple[str, ...]
    path: Path

    def load(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the losses and the mask.

        Raises:
            ArgumentError: If the file is not there or not what was written.
        """
        try:
            with self.path.open("rb") as file, np.load(file) as arrays:
                loss, mask = arrays["loss"], arrays["mask"].astype(bool)
        except Exception as error:  # noqa: BLE001 - a broken file ends in any of many
            self._unreadable(str(error) or type(error).__name__)
        if loss.shape != mask.shape or loss.ndim != len(self.axes):
            got = f"loss {loss.shape}, mask {mask.shape}, axes {' '.join(self.axes)!r}"
            self._unreadable(got)
        return loss, mask

    def _unreadable(self, got: str) -> NoReturn:
        _unreadable(
            str(self.path),
            got=got,
            expected="a loss and a mask of one shape, and as many names as axes",
            fix=f"rm {self.path.parent.with_name(MAPS)}",
        )


@dataclass(frozen=True)
class Checked:
    """What `lossmith check` found: the name of each check, its result, and why."""

    subject: str
    backend: str
    rows: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Run:
    """What a run directory holds.

    Attributes:
        path: The directory.
        epochs: The logs of each epoch.
        samples: The hardest and easiest samples.
        histograms: Histograms, by epoch and name.
        maps: Losses at each position of a batch, by epoch and name.
        checks: What `checks.json` says of each loss.
    """

    path: Path
    epochs: list[Epoch]
    samples: list[Samples]
    histograms: list[Histogram]
    maps: list[Maps]
    checks: list[Checked]


def read(path: str | os.PathLike[str]) -> Run:
    """Read a run directory. A last line that is still being written is left out.

    Raises:
        ArgumentError: If there is none, if nothing was written to it, or if it cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        raise ArgumentError(
            "there is no such run directory",
            got=str(path),
            expected="a directory that a training wrote to",
            fix=f"lm.callbacks.LossMonitor(sinks=[lm.sinks.JsonLines({str(path)!r})])",
        )
    run = Run(
        path,
        _lines(path / EPOCHS, lambda r: Epoch(int(r["epoch"]), _numbers(r["logs"]))),
        _lines(
            path / SAMPLES,
            lambda r: Samples(
                int(r["epoch"]), _read_samples(r["hardest"]), _read_samples(r["easiest"])
            ),
        ),
        _lines(path / HISTOGRAMS, _read_histogram),
        _lines(path / MAPS, lambda r: _read_maps(path, r)),
        _checks(path / CHECKS),
    )
    if not any((run.epochs, run.samples, run.histograms, run.maps, run.checks)):
        raise ArgumentError(
            "the run directory is empty",
            got=str(path),
            expected=f"a directory with {EPOCHS}, {SAMPLES}, {MAPS} or {CHECKS}",
            fix=f"model.fit(..., callbacks=[lm.callbacks.LossMonitor(sinks=["
            f"lm.sinks.JsonLines({str(path)!r})])])",
        )
    return run


class _Record(Protocol):
    @property
    def epoch(self) -> int: ...
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=_Record)


def _lines(path: Path, build: Callable[[dict[str, Any]], R]) -> list[R]:
    """Read the records of a file, without those that a later one replaces."""
    kept: dict[tuple[int, str], R] = {}
    latest = 0
    finished = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    for number, line in enumerate(finished, 1):
        try:
            record = build(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _unreadable(
                f"{path}, line {number}",
                got=f"{type(error).__name__}: {error}",
                expected="a line of JSON, as lm.sinks.JsonLines writes it",
                fix=f"sed -i {number}d {path}",
            )
        if record.epoch < latest:
            kept = {key: old for key, old in kept.items() if key[0] <= record.epoch}
        latest = record.epoch
        kept[latest, record.name] = record
    return list(kept.values())


def _read_samples(entries: list[dict[str, Any]]) -> list[Sample]:
    return [Sample(int(entry["index"]), float(entry["loss"])) for entry in entries]


def _read_histogram(record: dict[str, Any]) -> Histogram:
    counts, edges = ([float(x) for x in record[key]] for key in ("counts", "edges"))
    if len(edges) != len(counts) + 1:
        message = f"{len(counts)} counts with {len(edges)} edges"
        raise ValueError(message)
    return Histogram(int(record["epoch"]), str(record["name"]), counts, edges)


def _read_maps(directory: Path, record: dict[str, Any]) -> Maps:
    epoch, name = int(record["epoch"]), str(record["name"])
    return Maps(epoch, name, tuple(record["axes"].split()), map_path(directory, epoch, name))


def _checks(path: Path) -> list[Checked]:
    try:
        entries = json.loads(path.read_bytes())["losses"] if path.is_file() else []
        return [_checked(entry) for entry in entries]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _unreadable(
            str(path),
            got=f"{type(error).__name__}: {error}",
            expected="what `lossmith check --format json` prints",
            fix=f"lossmith check FILE --format json > {path}",
        )


def _checked(entry: dict[str, Any]) -> Checked:
    rows = [(str(r["check"]), str(r["status"]), str(r["reason"])) for r in entry["results"]]
    if entry["refused"]:
        rows.append(("", "not checked", str(entry["refused"])))
    rows += [(f"{f['code']} {f['name']}", "read", str(f["message"])) for f in entry["lint"]]
    rows.sort(key=lambda row: row[1] not in BAD)
    return Checked(str(entry["subject"]), str(entry["backend"]), rows)


def _unreadable(place: str, *, got: str, expected: str, fix: str) -> NoReturn:
    raise ArgumentError(
        "a file of the run directory cannot be read",
        got=got,
        expected=expected,
        fix=fix,
        at=(place,),
    )


def _numbers(logs: dict[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in logs.items()}

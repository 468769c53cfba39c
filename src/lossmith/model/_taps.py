"""Statistics of taps, brought out of compiled steps: one variable that belongs to the model."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.statistics import (
    EDGES,
    FIELDS,
    LEVELS,
    Level,
    Tapped,
    bins,
    merged,
    rows,
    statistics,
)
from lossmith.core.taps import Recording, listening, unknown_tap
from lossmith.messages import ArgumentError, listed

Histograms = dict[str, tuple[list[float], list[float]]]


class TapMetric(keras.metrics.Metric):
    """The statistics of all taps over all batches so far.

    Args:
        levels: What to compute of each tap, by its name.
    """

    def __init__(self, levels: Mapping[str, Level]) -> None:
        super().__init__(name="taps", dtype="float32")
        self.levels = dict(levels)
        self.drawn = [name for name, level in levels.items() if level == "histogram"]
        self.rows = self._zeros("rows", len(levels), len(FIELDS))
        if self.drawn:
            self.bins = self._zeros("bins", len(self.drawn), len(EDGES) - 1)

    def _zeros(self, name: str, *shape: int) -> Any:
        return self.add_weight(name=name, shape=shape, initializer="zeros")

    def update_state(self, tapped: Mapping[str, Tapped]) -> None:
        """Add what the taps have seen in a batch; one that did not run adds nothing."""
        found = rows((tapped.get(name), level) for name, level in self.levels.items())
        if set(self.levels.values()) == {"mean"}:
            self.rows.assign_add(backend.logged(found))
            return
        _check_one_replica(self.levels)
        self.rows.assign(merged(ops.convert_to_tensor(self.rows), found))
        if self.drawn:
            self.bins.assign_add(ops.stack([bins(tapped.get(name)) for name in self.drawn]))

    def result(self) -> dict[str, Tensor]:
        """Return the statistics by the names that they have in the logs."""
        found = statistics(ops.convert_to_tensor(self.rows))
        return {
            f"tap/{name}/{statistic}": values[place]
            for place, (name, level) in enumerate(self.levels.items())
            for statistic, values in found.items()
            if level != "mean" or statistic == "mean"
        }

    def histograms(self) -> Histograms:
        """Return counts and edges of the taps that have a histogram."""
        counts = ops.convert_to_numpy(self.bins).tolist() if self.drawn else []
        return {name: (row, EDGES.tolist()) for name, row in zip(self.drawn, counts, strict=True)}


class _Step(threading.local):
    """What is under way: in each thread by itself, for replicas of TensorFlow have one each."""

    in_loss = False
    called: Recording | None = None


class Taps:
    """The taps that a model was compiled with.

    Not a Keras object, so that a model compiled again keeps nothing of the taps before.

    Args:
        given: What `compile` was given.

    Raises:
        ArgumentError: If it is neither names nor levels by names.
    """

    def __init__(self, given: Any) -> None:
        self.metric = TapMetric(read_levels(given))
        self._seen: set[str] = set()
        self._step = _Step()

    def _new(self) -> Recording:
        return Recording(self.metric.levels.__contains__)

    @contextmanager
    def during_call(self) -> Generator[None]:
        """Hear the taps of a pass through the model; of several passes, the last counts."""
        with listening(self._new()) as heard:
            yield
        self._step.called = heard

    @contextmanager
    def during_loss(self) -> Generator[None]:
        """Hear the taps of the loss too, and count the step."""
        if self._step.in_loss or backend.shapes_only():
            yield
            return
        called, self._step.called = self._step.called, None
        here = called is not None and called.where == backend.trace_state()
        self._step.in_loss = True
        try:
            with listening(called if called is not None and here else self._new()) as heard:
                yield
        finally:
            self._step.in_loss = False
        self._count(heard)

    def _count(self, heard: Recording) -> None:
        self._seen |= heard.tapped.keys()
        missing = [name for name in self.metric.levels if name not in self._seen]
        if missing:
            raise unknown_tap(missing[0], heard.heard).inside("compile(taps=...)")
        self.metric.update_state(heard.tapped)


def read_levels(given: Any) -> dict[str, Level]:
    """Return the level of each tap, of names or of levels by names.

    Raises:
        ArgumentError: If it is neither.
    """
    if isinstance(given, (list, tuple)):
        levels: Any = dict.fromkeys(given, LEVELS[0])  # type: ignore[reportUnknownArgumentType]
    else:
        levels = given
    if isinstance(levels, Mapping) and all(
        isinstance(name, str) and level in LEVELS for name, level in levels.items()
    ):
        return dict(levels)
    raise ArgumentError(
        "taps are names, or levels by names",
        got=f"taps={given!r}",
        expected=f"a list of names of taps, or a dict of names to {listed(LEVELS)}",
        fix='compile(..., taps={"gap": "summary"})',
    )


def _check_one_replica(levels: Mapping[str, Level]) -> None:
    if backend.replicas() > 1:
        more = {name: level for name, level in levels.items() if level != "mean"}
        raise ArgumentError(
            "only means of taps add up over replicas",
            got=f"taps={more!r} with {backend.replicas()} replicas",
            expected='the level "mean" for every tap',
            fix=f"compile(..., taps={list(levels)!r})",
        )


def counting_taps(compute_loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make a model's `compute_loss` hear and count the taps that the model is compiled with."""

    @functools.wraps(compute_loss)
    def counted(self: Any, *args: Any, **kwargs: Any) -> Tensor:
        taps = self.__dict__.get("_taps")
        if taps is None:
            return compute_loss(self, *args, **kwargs)
        with taps.during_loss():
            return compute_loss(self, *args, **kwargs)

    return counted

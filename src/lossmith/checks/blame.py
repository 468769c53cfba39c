"""Where in its source a loss goes wrong.

The loss is run eagerly, and the tensors that each of its lines makes are looked at: the first that
lets samples meet, the first that is not finite, the first that 16 bits get wrong.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossmith import backend
from lossmith.checks import compare
from lossmith.checks.compare import Finding
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe
from lossmith.core.trace import Event, of_users, trace

Array = Any
_MIXING = (
    "sample-independence", "no-silent-broadcast", "permutation", "batch-one-and-rest",
    "weight-equivalence", "weight-shapes", "linear-cost",
)  # fmt: skip
_HALF = "half-precision"
_MOVED = (0.6, 0.1)  # a factor and a term that leave a number in its domain


@dataclass(frozen=True)
class Place:
    """A line of source."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Write it as editors find it."""
        return f"{self.file.name}:{self.line}: {self.text}"


def blame(probe: Probe, check: str, found: Finding | LossRaised) -> Place | None:
    """Return the line at which a fault arises, where it can be told.

    Lines of the loss's file and of the user's other files are followed, never those of libraries.

    Args:
        probe: The loss.
        check: The name of the check that broke.
        found: What it found, or the error that the loss raised.
    """
    lines = _Lines(probe)
    if isinstance(found, LossRaised):
        return lines.raised(found)
    try:
        return lines.found(check, found)
    except Exception:  # noqa: BLE001 - the loss cannot be run eagerly; its fault is told without
        return None


class _Lines:
    """The lines of one loss."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._file = str(probe.subject.file or "")

    def raised(self, found: LossRaised) -> Place | None:
        """Return the innermost followed line of an error."""
        for frame in reversed(traceback.extract_tb(found.error.__traceback__)):
            if self._own(frame.filename):
                return _place(frame.filename, frame.lineno or 0)
        return None

    def found(self, check: str, finding: Finding) -> Place | None:
        """Choose how to look, by what was found."""
        if check == _HALF:
            return self._rounded(finding)
        if check in _MIXING:
            return self._meeting(finding)
        if check == "gradient-arrives":
            return self._dead()
        if _numbers(finding.got) and not np.all(np.isfinite(finding.got)):
            return self._not_finite(finding) or self._bad_slope(finding)
        return None

    def _own(self, file: str) -> bool:
        return file == self._file or of_users(file)

    def _entry(self, *arrays: Array) -> Any:
        subject = self._probe.subject
        return (subject.elements if subject.has_elements else subject.scalar)(*arrays)

    def _events(self, y_true: Array, y_pred: Array, dtype: str | None = None) -> list[Event]:
        """Run the loss, in another type than its own where one is given."""
        loss, tensors = self._probe.subject.loss, [*map(_tensor, (y_true, y_pred))]
        entry: Callable[..., Any] = self._entry
        if dtype:
            ours = hasattr(loss, "elements") or not isinstance(loss, keras.losses.Loss)
            entry = self._entry if ours else loss.call
            integer = self._probe.spec.y_true.integer
            tensors = [tensors[0] if integer else keras.ops.cast(tensors[0], dtype),
                       keras.ops.cast(tensors[1], dtype)]  # fmt: skip
        return trace(lambda: entry(*tensors), self._own)[0]

    def _meeting(self, finding: Finding) -> Place | None:
        """Find the first line at which one sample changes what is computed for another."""
        drawn = self._probe.batch()
        return self._met(_as_found(drawn, finding)) or self._met(drawn)

    def _met(self, batch: Batch) -> Place | None:
        first = self._events(batch.y_true, batch.y_pred)
        met: list[Event] = []
        for which in ("y_true", "y_pred"):
            moved = batch.replace(**{which: _first_changed(getattr(batch, which))})
            pairs = _pairs(first, self._events(moved.y_true, moved.y_pred))
            met += [event for event, a, b in pairs if _meets(a, b, batch.size)][:1]
        return _of(min(met, key=first.index)) if met else None

    def _not_finite(self, finding: Finding) -> Place | None:
        """Find the first line that is not finite, beyond what the inputs are not."""
        y_true, y_pred = finding.inputs["y_true"], finding.inputs["y_pred"]
        events = self._events(y_true, y_pred)
        values = [backend.to_numpy(event.value) for event in events]
        if not events or np.all(np.isfinite(values[-1])):
            return None
        poisoned = _poisoned(y_true, y_pred)
        spread = (e for e, value in zip(events, values, strict=True) if _spread(value, poisoned))
        event = next(spread, None)
        return _of(event) if event else None

    def _bad_slope(self, finding: Finding) -> Place | None:
        """Find the first line whose slope along the prediction is not finite."""
        arrays = finding.inputs["y_true"], finding.inputs["y_pred"]
        events = self._events(*arrays)
        slopes = ((e, self._slopes(place, arrays)) for place, e in enumerate(events))
        bad = (e for e, slope in slopes if slope is not None and not np.all(np.isfinite(slope)))
        event = next(bad, None)
        return _of(event) if event else None

    def _dead(self) -> Place | None:
        """Find the first line that follows the prediction in value, and not in slope."""
        batch, other = self._probe.batch(), self._probe.batch(draw=1)
        first = self._events(batch.y_true, batch.y_pred)
        for event, a, b in _pairs(first, self._events(batch.y_true, other.y_pred)):
            if _changed(a, b).any():
                slope = self._slopes(first.index(event), (batch.y_true, batch.y_pred))
                if slope is None or not np.any(slope):
                    return _of(event)
        return None

    def _slopes(self, place: int, arrays: tuple[Array, Array]) -> Array | None:
        """Return the gradient of what one event holds with respect to the prediction."""

        def held(*tensors: Any) -> Any:
            events, _ = trace(lambda: self._entry(*tensors), self._own)
            return keras.ops.cast(events[place].value, "float32")

        return backend.Program(held).gradient(*arrays, at=(1,))[1][0]

    def _rounded(self, finding: Finding) -> Place | None:
        """Find the first line that 16 bits get wrong by more than rounding."""
        y_true, y_pred = finding.inputs["y_true"], finding.inputs["y_pred"]
        dtype = "bfloat16" if "bfloat16" in finding.what else "float16"
        allowed = compare.HALF_EPSILONS * (2.0**-7 if dtype == "bfloat16" else 2.0**-10)
        pairs = _pairs(self._events(y_true, y_pred, dtype), self._events(y_true, y_pred, "float32"))
        wrong = (e for e, a, b in pairs if np.all(np.isfinite(b)) and
                 not compare.agree(a, b, allowed))  # fmt: skip
        event = next(wrong, None)
        return _of(event) if event else None


def _of(event: Event) -> Place:
    return _place(event.file, event.line)


def _place(file: str, line: int) -> Place:
    return Place(Path(file), line, linecache.getline(file, line).strip())


def _tensor(array: Array) -> Any:
    return keras.ops.convert_to_tensor(array)


def _numbers(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "iufb"


def _as_found(batch: Batch, finding: Finding) -> Batch:
    """Give tensors the further axes of length one that the finding's have."""
    further = {
        name: np.ndim(finding.inputs[name]) - getattr(batch, name).ndim
        for name in ("y_true", "y_pred")
    }
    return batch.replace(**{
        name: array.reshape(array.shape + (1,) * max(more, 0))
        for name, more in further.items()
        for array in [getattr(batch, name)]
    })  # fmt: skip


def _first_changed(array: Array) -> Array:
    """Change the first sample and no other."""
    changed = array.copy()
    if array.dtype.kind in "iu":
        changed[0] = np.where(array[0] > 0, array[0] - 1, array[0] + 1)
    else:
        factor, term = _MOVED
        changed[0] = factor * array[0] + term
    return changed


def _pairs(first: list[Event], second: list[Event]) -> Iterator[tuple[Event, Array, Array]]:
    """Go through what lines made in both of two runs."""
    others: dict[Any, list[Event]] = {}
    for event in second:
        others.setdefault((event.file, event.line, event.name), []).append(event)
    for event in first:
        if same := others.get((event.file, event.line, event.name)):
            a, b = backend.to_numpy(event.value), backend.to_numpy(same.pop(0).value)
            if a.shape == b.shape:
                yield event, a, b


def _changed(a: Array, b: Array) -> Array:
    return ~((a == b) | (np.isnan(a) & np.isnan(b)))


def _meets(a: Array, b: Array, size: int) -> bool:
    """Whether a change of the first sample shows in others, or in what holds no samples."""
    changed = _changed(a, b)
    if not changed.any():
        return False
    if size not in a.shape:
        return True
    return bool(np.delete(changed, 0, axis=a.shape.index(size)).any())


def _poisoned(y_true: Array, y_pred: Array) -> Array | None:
    """Return where inputs are not finite, by sample and step; None where they are."""
    bad = [~np.isfinite(x) for x in (y_true, y_pred) if not np.all(np.isfinite(x))]
    if not bad:
        return None
    rank = min(2, *(x.ndim for x in bad)) if len(bad) > 1 else min(2, bad[0].ndim)
    flat = [x.reshape((*x.shape[:rank], -1)).any(axis=-1) for x in bad]
    return np.any(np.broadcast_arrays(*flat), axis=0)


def _spread(value: Array, poisoned: Array | None) -> bool:
    """Whether a value is not finite, and not only where the inputs are not."""
    bad = ~np.isfinite(value)
    if poisoned is None or value.shape[: poisoned.ndim] != poisoned.shape:
        return bool(bad.any())
    further = (1,) * (value.ndim - poisoned.ndim)
    return bool((bad & ~poisoned.reshape(poisoned.shape + further)).any())

"""Where in its source a loss goes wrong.

The loss is run eagerly, and the tensors that each of its lines makes are looked at: the first that
lets samples meet, the first that is not finite, the first that 16 bits get wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossmith.checks import compare
from lossmith.checks.compare import Finding
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe
from lossmith.core.made import Mark, pairs, raised
from lossmith.core.marks import Lines
from lossmith.core.trace import of_users

Array = Any
Entry = Callable[..., Any]
_MIXING = (
    "sample-independence", "no-silent-broadcast", "permutation", "batch-one-and-rest",
    "weight-equivalence", "weight-shapes", "linear-cost",
)  # fmt: skip
_HALF = "half-precision"
_PREDICTIONS = 5  # as many as the check of gradients draws


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
    blamed = _Blame(probe)
    if isinstance(found, LossRaised):
        return _of(raised(found.error, blamed.own))
    try:
        return _of(blamed.found(check, found))
    except Exception:  # noqa: BLE001 - the loss cannot be run eagerly; its fault is told without
        return None


class _Blame:
    """What can be found of one loss."""

    def __init__(self, probe: Probe) -> None:
        subject = probe.subject
        self._probe = probe
        self._file = str(subject.file or "")
        self._entry = subject.elements if subject.has_elements else subject.scalar

    def own(self, file: str) -> bool:
        """Whether a file is the loss's own, or one of its user's."""
        return file == self._file or of_users(file)

    def found(self, check: str, finding: Finding) -> Mark | None:
        """Choose how to look, by what was found."""
        if check == _HALF:
            return self._rounded(finding)
        if check in _MIXING:
            return self._meeting(check, finding)
        if check == "gradient-arrives":
            return self._dead()
        if _numbers(finding.got) and not np.all(np.isfinite(finding.got)):
            lines = self._lines(finding.inputs["y_true"], finding.inputs["y_pred"])
            return lines.not_finite() or lines.bad_slope()
        return None

    def _meeting(self, check: str, finding: Finding) -> Mark | None:
        """Find the first line at which one sample changes what is computed for another."""
        drawn = self._probe.batch()
        lines = self._lines(drawn.y_true, drawn.y_pred)
        if self._probe.raises(drawn):  # lengths that differ
            return lines.refused()
        batch = _as_found(drawn, finding)
        met = self._lines(batch.y_true, batch.y_pred).mixing() or lines.mixing()
        return lines.by_order() if met is None and check == "permutation" else met

    def _dead(self) -> Mark | None:
        """Find the line from which on positions that count have no gradient."""
        batch = self._probe.batch(masked=self._probe.spec.mask is not None)
        counted = batch.counted("y_pred")
        others = [
            np.where(counted, self._probe.batch(draw=draw).y_pred, batch.y_pred)
            for draw in range(_PREDICTIONS)
        ]
        return self._lines(batch.y_true, batch.y_pred).dead(others, counted)

    def _rounded(self, finding: Finding) -> Mark | None:
        """Find the first line that 16 bits get wrong by more than rounding."""
        dtype = "bfloat16" if "bfloat16" in finding.what else "float16"
        allowed = compare.HALF_EPSILONS * (2.0**-7 if dtype == "bfloat16" else 2.0**-10)
        arrays = finding.inputs["y_true"], finding.inputs["y_pred"]
        low, full = (
            self._lines(*arrays, entry=self._computed_in(each)) for each in (dtype, "float32")
        )
        for _, made, exact in pairs(low.events, full.events):
            if np.all(np.isfinite(exact)) and not compare.agree(made.array, exact, allowed):
                return made.mark("rounding", f"{dtype} is wrong here by more than rounding")
        return None

    def _lines(self, y_true: Array, y_pred: Array, entry: Entry | None = None) -> Lines:
        return Lines(entry or self._entry, y_true, y_pred, self.own)

    def _computed_in(self, dtype: str) -> Entry:
        """Run the loss in another type than its own."""
        loss = self._probe.subject.loss
        ours = hasattr(loss, "elements") or not isinstance(loss, keras.losses.Loss)
        entry: Entry = self._entry if ours else loss.call
        integer = self._probe.spec.y_true.integer

        def cast(y_true: Any, y_pred: Any) -> Any:
            y_true = y_true if integer else keras.ops.cast(y_true, dtype)
            return entry(y_true, keras.ops.cast(y_pred, dtype))

        return cast


def _of(mark: Mark | None) -> Place | None:
    return Place(Path(mark.file), mark.line, mark.source) if mark else None


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

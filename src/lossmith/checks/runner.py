"""`lm.check`: all checks that apply to a loss, run one after the other."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossmith.checks import inputs
from lossmith.checks.blame import blame
from lossmith.checks.compare import Broken, Finding
from lossmith.checks.fingerprint import Fingerprint, fingerprint_of
from lossmith.checks.infer import Inference, infer
from lossmith.checks.probe import LossRaised, Narrow, Probe, Skipped
from lossmith.checks.promise import Promises, as_promises, configured, stated_promises
from lossmith.checks.report import Report, Result, Status
from lossmith.checks.shrink import shrink
from lossmith.checks.subject import as_subject
from lossmith.checks.unit import NEEDS, Check, chosen

# Run where the loss ran on no inputs: each of them knows of a reason.
_NOWHERE = (
    "mend the line that raised, or say what the loss is meant for: "
    'axes="b t, b t [c]", y_true="int<10", y_pred="logits"'
)
_ANYWAY = (
    "output-contract", "batch-one-and-rest", "no-silent-broadcast", "jit", "backends-agree",
)  # fmt: skip


def check(  # noqa: PLR0913
    loss: Any,
    axes: Any = None,
    y: Any = None,
    *,
    promises: Promises | Mapping[str, Any] | None = None,
    y_true: Any = None,
    y_pred: Any = None,
    seed: int = 0,
    only: str | Sequence[str] | None = None,
    limit: float = 120.0,
    elsewhere: Mapping[str, Fingerprint] | None = None,
) -> Report:
    """Run every check that applies to a loss.

    Args:
        loss: A function, a `keras.losses.Loss`, a name known to Keras, an `lm.Loss`, or a
            compiled model: `lm.check(model, x, y)`.
        axes: The axes of target and prediction, as in `"b t, b t [c]"`; of a model the inputs of
            a real batch. None: found by trying.
        y: The targets of the real batch of a model.
        promises: What the loss says of itself: a `Promises`, or its fields by name. They come
            before what `@lm.promises` states, and that before pyproject.toml.
        y_true: The domain of the targets, such as `"int<10"` or `"binary"`, or an example.
        y_pred: The domain of the predictions, such as `"logits"` or `"prob"`, or an example.
        seed: Of everything that is drawn.
        only: The name of a check, or several; None: all.
        limit: Seconds for all checks together. Those that have not begun then are skipped; one
            that runs is not stopped.
        elsewhere: What `fingerprint` gave on other backends, by their names.

    Returns:
        The results; `report.ok` tells whether none is broken, `print(report)` shows them.

    Raises:
        ArgumentError: If an argument is not what it should be. What the loss itself does, even
            if it raises, is a result.

    Example:
        >>> import lossmith as lm
        >>> lm.check("mse", only="sample-independence").ok
        True
    """
    checks = chosen(only)
    run = prepare(loss, axes, y, promises=promises, y_true=y_true, y_pred=y_pred, seed=seed)
    run.elsewhere = elsewhere or {}
    run.end = time.perf_counter() + limit
    if run.found.error is not None:  # then this one tells what it raised
        checks |= chosen("output-contract")
    return Report(run.place, run.facts, tuple(run.result(unit) for unit in checks.values()))


def fingerprint(  # noqa: PLR0913
    loss: Any,
    axes: Any = None,
    y: Any = None,
    *,
    promises: Promises | Mapping[str, Any] | None = None,
    y_true: Any = None,
    y_pred: Any = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what a loss gives on fixed batches, to be compared with another backend's.

    Args:
        loss: As in `check`.
        axes: As in `check`; state them, with the domains, so that all backends get the same.
        y: As in `check`.
        promises: As in `check`.
        y_true: As in `check`.
        y_pred: As in `check`.
        seed: As in `check`.

    Returns:
        Inputs, value and gradient of each batch, or the error as text, under names such as
        `"distinct 0/gradient"`: arrays for `numpy.savez`, and for `check(elsewhere=...)`.

    Raises:
        ArgumentError: As in `check`.
    """
    run = prepare(loss, axes, y, promises=promises, y_true=y_true, y_pred=y_pred, seed=seed)
    return fingerprint_of(run.probe("backends-agree"))


def prepare(  # noqa: PLR0913
    loss: Any,
    axes: Any = None,
    y: Any = None,
    *,
    promises: Promises | Mapping[str, Any] | None = None,
    y_true: Any = None,
    y_pred: Any = None,
    seed: int = 0,
    named: tuple[Path, str] | None = None,
) -> Run:
    """Find out what was not given, so that checks can be run.

    Args:
        loss: This and the rest as in `check`.
        axes: As in `check`.
        y: As in `check`.
        promises: As in `check`.
        y_true: As in `check`.
        y_pred: As in `check`.
        seed: As in `check`.
        named: The file and the name under which the loss stands; None: as it says itself, which
            an object made in a module cannot.
    """
    subject = as_subject(loss)
    if named:
        subject = replace(subject, file=named[0], name=named[1])
    if isinstance(loss, keras.Model):
        y_true, y_pred, axes = y, loss.predict(axes, verbose=0), None
    table = dict(configured(subject.file, subject.name))
    axes = axes or table.pop("axes", None)
    y_true = table.pop("y_true", None) if y_true is None else y_true
    y_pred = table.pop("y_pred", None) if y_pred is None else y_pred
    made = as_promises(promises).merged(
        stated_promises(loss), as_promises(table.pop("promises", None))
    )
    return Run(infer(subject, axes, y_true, y_pred, made), made, seed)


@dataclass
class Run:
    """One loss going through the checks."""

    found: Inference
    promises: Promises
    seed: int
    elsewhere: Mapping[str, Fingerprint] = field(default_factory=dict[str, Fingerprint])
    end: float = float("inf")

    @property
    def place(self) -> str:
        """The name of the loss, with that of its file."""
        return self.found.engine.subject.place

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is taken for granted: label and text."""
        kind = self.found.engine.subject.kind
        return (("loss", kind), ("backend", keras.config.backend()), *self.found.facts)

    def result(self, unit: Check) -> Result:
        """Run one check; whatever happens is a result."""
        start = time.perf_counter()
        result = self._expected(unit, self._outcome(unit))
        return replace(result, seconds=time.perf_counter() - start)

    def _outcome(self, unit: Check) -> Result:
        if why := self._why_not(unit):
            return Result(unit.name, Status.SKIPPED, unit.law, why)
        try:
            unit.run(self.probe(unit.name))
        except Skipped as skipped:
            return Result(unit.name, Status.SKIPPED, unit.law, str(skipped))
        except Broken as broken:
            known = broken.finding.inherited  # and not worth the time
            found = broken.finding if known else self._smallest(unit, broken.finding)
            return self._broken(unit, found)
        except LossRaised as raised:
            return self._broken(unit, raised)
        except Exception:  # noqa: BLE001 - a fault of the check, which is to be seen
            return Result(unit.name, Status.CRASHED, unit.law, traceback.format_exc())
        return Result(unit.name, Status.KEPT, unit.law)

    def _why_not(self, unit: Check) -> str:
        """Say why a check does not apply; empty where it does."""
        if self.found.why:
            return self.found.why
        if self.found.error is not None and unit.name not in _ANYWAY:
            return "the loss does not run on any inputs that were tried"
        if time.perf_counter() > self.end:
            return "time: the checks before took up the limit"
        if unit.backends and keras.config.backend() not in unit.backends:
            return f"{keras.config.backend()} traces nothing"
        if unit.promise and self.promises.made(unit.promise):
            return f"promised: {unit.promise}={getattr(self.promises, unit.promise)!r}"
        lacking = [need for need in unit.needs if not self._has(need)]
        return NEEDS[lacking[0]] if lacking else ""

    def _has(self, need: str) -> bool:
        spec, subject = self.found.spec, self.found.engine.subject
        return {
            "elements": subject.has_elements,
            "mask": spec.mask is not None,
            "steps": spec.steps is not None,
            "weights": not self.promises.made("weights"),
            "perfect": inputs.perfect(inputs.draw(spec, np.random.default_rng(0))) is not None,
            "integers": spec.y_true.integer,
            "samples": True,
        }[need]

    def probe(self, check: str, narrow: Narrow | None = None) -> Probe:
        """Return what a check is given."""
        return Probe(
            self.found.engine, self.found.spec, self.promises,
            seed=self.seed, check=check, narrow=narrow, elsewhere=self.elsewhere,
        )  # fmt: skip

    def _smallest(self, unit: Check, finding: Finding) -> Finding:
        size = len(finding.inputs["y_pred"])
        return shrink(lambda narrow: unit.run(self.probe(unit.name, narrow)), finding, size)

    def _broken(self, unit: Check, found: Finding | LossRaised) -> Result:
        raised = isinstance(found, LossRaised)
        inherited = "" if raised else found.inherited
        nowhere = raised and self.found.error is not None
        return Result(
            check=unit.name,
            status=Status.INHERITED if inherited else Status.BROKEN,
            law=unit.law,
            reason=f"raised {found}" if raised else found.what,
            got=None if raised else found.got,
            expected=None if raised else found.expected,
            inputs=_shapes(found) if raised else found.inputs,
            place=blame(self.probe(unit.name), unit.name, found),
            mend=_NOWHERE if nowhere else inherited or unit.mend,
            promise="" if nowhere else unit.promise,
            rules=() if nowhere else unit.rules,
            repeat=self._again(unit.name),
        )

    def _again(self, check: str) -> str:
        """Say how to run one check again: by the command, where the loss stands in a file."""
        subject = self.found.engine.subject
        if subject.file is None:
            named = repr(subject.given) if isinstance(subject.given, str) else subject.name
            return f'lm.check({named}, only="{check}", seed={self.seed})'
        return f"lossmith check {subject.place} --only {check} --seed {self.seed}"

    def _expected(self, unit: Check, result: Result) -> Result:
        """Hold a result to what `fails` says of it."""
        reason = self.promises.fails.get(unit.name)
        if reason is None:
            return result
        if result.status is Status.BROKEN:
            return Result(unit.name, Status.EXPECTED, unit.law, reason)
        if result.status is not Status.KEPT:
            return result
        return Result(
            unit.name, Status.BROKEN, unit.law,
            reason=f"it was promised to fail ({reason}), and is kept",
            mend=f"take {unit.name!r} out of the promise fails",
        )  # fmt: skip


def _shapes(raised: LossRaised) -> dict[str, str]:
    """Say of the inputs of an error what matters for most errors."""
    arrays = raised.batch.arrays()
    return {name: f"shape {array.shape}, {array.dtype}" for name, array in arrays.items()}

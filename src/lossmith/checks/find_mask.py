"""The mask of a loss that nobody told, found by trying values that may stand for missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossmith.checks import compare, inputs
from lossmith.checks.inputs import Spec
from lossmith.checks.mask_rule import MaskRule
from lossmith.checks.probe import Engine, LossRaised
from lossmith.checks.subject import names

_SENTINELS = (-1.0, float("nan"), -100.0, 0.0, 255.0)


def find_mask(
    engine: Engine, spec: Spec, error: BaseException | None
) -> tuple[MaskRule | None, str]:
    """Return the mask of a loss, and how it is known.

    Args:
        engine: Runs the loss.
        spec: Its axes and domains, with the mask that is promised, if one is.
        error: What it raises on them; None: it runs.
    """
    if spec.mask:
        return spec.mask, spec.mask.text
    if spec.y_true.pad is not None:
        rule = MaskRule(f"y_true != {spec.y_true.pad:g}", spec.y_true.pad)
        return rule, f"{rule.text}  (from the pad of y_true)"
    for value in _SENTINELS if error is None else ():
        rule = MaskRule("isfinite(y_true)" if np.isnan(value) else f"y_true != {value:g}", value)
        if _masks(engine, replace(spec, mask=rule)):
            return rule, f"{rule.text}  (inferred: predictions do not matter there)"
    if engine.subject.kind == "built into Keras" and spec.steps:
        return MaskRule("keras", None), "keras  (every loss of Keras takes it)"
    return None, "none found"


def _masks(engine: Engine, spec: Spec) -> bool:
    """Whether predictions do not matter where the target is the sentinel, and do elsewhere.

    A target can silence a prediction without being a mask: 0 in a product, a class that does not
    exist. Then a value next to it does nearly the same.
    """
    sentinel = spec.mask.sentinel if spec.mask else None
    if sentinel is None or (spec.y_true.integer and np.isnan(sentinel)):
        return False
    batch = inputs.ragged(inputs.draw(spec, np.random.default_rng(0)))
    moved = np.roll(batch.y_pred, 1, axis=0)
    elsewhere = np.where(batch.counted("y_pred"), moved, batch.y_pred)
    near = 0.5 if np.isnan(sentinel) else sentinel - 77 if spec.y_true.integer else sentinel + 1e-4
    beside = batch.refilled(y_true=near)
    tried = [
        batch,
        batch.refilled(y_pred=moved),
        batch.replace(y_pred=elsewhere),
        beside,
        beside.refilled(y_pred=moved),
    ]
    if sentinel == 0:  # a target of length 0 has no direction, which a loss of angles drops
        tried.append(batch.replace(y_true=2 * batch.y_true))
    try:
        value, same, other, beside_value, beside_moved, *doubled = (
            float(engine.gradient(x, scalar=True, at=(1,))[0]) for x in tried
        )
    except LossRaised:
        return False
    silent = compare.agree(value, same, compare.SAME)
    heard = not compare.agree(value, other, compare.SAME)
    jumps = not compare.agree(value, beside_value, 1e-2)
    next_to_it = not compare.agree(beside_value, beside_moved, compare.SAME)
    angle = any(compare.agree(value, x, compare.SAME) for x in doubled)
    return silent and heard and jumps and next_to_it and not angle and not _falls_out(engine, batch)


def _falls_out(engine: Engine, batch: inputs.Batch) -> bool:
    """Whether NaN only loses a comparison such as `y_true > 0`, and is not asked for."""
    asked = names(engine.subject.given) & {"isnan", "isfinite", "nan_to_num"}
    if asked or not np.isnan(batch.y_true).any():
        return False
    return not np.all(np.isfinite(engine.gradient(batch, scalar=True, at=(1,))[1][0]))

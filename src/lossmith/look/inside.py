"""`lm.explain`: the values inside a loss, line by line or stage by stage."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from lossmith.core.sources import Sources
from lossmith.look.explanation import Explanation, Line, Note, Section
from lossmith.look.lines import explained_lines
from lossmith.look.slope import value_and_slope
from lossmith.look.stages import axes_of, bad_in, stages
from lossmith.look.subject import as_subject
from lossmith.look.summary import summary
from lossmith.losses._objective import Term
from lossmith.messages import ArgumentError, LossmithError

Array = Any


def explain(
    loss: Any,
    y_true: Any,
    y_pred: Any,
    axes: str | None = None,
    *,
    sample_weight: Any = None,
) -> Explanation:
    """Run a loss once, eagerly, and show the values inside it.

    Of a function or a Keras loss it shows the source, and at each line the tensors that are
    assigned or returned there. Your own functions that it calls are shown too, those of libraries
    are not. Marked is the first line where a shape broadcasts by position, where one sample
    changes what is computed for another, where NaN or Inf appears, and from which on the
    prediction has no gradient. Of an `lm.Loss` or a sum of them it shows the stages instead. A
    loss that raises is shown up to there.

    The marks come of further runs, on other values. Of a batch with more than a million numbers
    five samples take part in these.

    Args:
        loss: A function of target and prediction, a `keras.losses.Loss` or its name, an `lm.Loss`.
        y_true: The target; for a loss of ours also a dict of fields.
        y_pred: The prediction; for a loss of ours also a dict of outputs.
        axes: The axes of both, as in `"b t, b t [c]"`, to name those of the tensors inside. A loss
            of ours knows them.
        sample_weight: Keras' sample weights.

    Returns:
        An `Explanation`: print it, or read its sections.

    Raises:
        ArgumentError: If this is not a loss, or these are not arrays of numbers.
        ShapeError: If target and prediction do not have the axes.

    Example:
        >>> import lossmith as lm
        >>> found = lm.explain(lm.Loss("mse", "b t, b t k"), [[1.0, 2.0]], [[[1.0], [4.0]]])
        >>> [line.source for section in found.sections for line in section.lines]
        ["of=('y', 'output')", 'Squared()', "reduce='mean'"]
    """
    if isinstance(loss, Term):
        sources = Sources(y_true, y_pred, sample_weight=sample_weight)
        return explained_stages(loss, sources)
    arrays = numbers(y_true, "y_true"), numbers(y_pred, "y_pred")
    return explained_lines(as_subject(loss), *arrays, axes, sample_weight)


def explained_stages(loss: Term, sources: Sources) -> Explanation:
    """Show the stages of a loss of ours."""
    lines: dict[str, list[Line]] = {}
    facts = [("loss", repr(loss)), ("backend", keras.config.backend())]
    marked = False
    error = ""
    try:
        for place, stage in enumerate(stages(loss, sources), start=1):
            mark = None if marked else bad_in(stage, place)
            marked = marked or mark is not None
            tensors = tuple(summary(name, x.value, axes_of(x)) for name, x in stage.tensors)
            notes = (Note(mark.kind, mark.text),) if mark else ()
            lines.setdefault(stage.term, []).append(Line(place, stage.text, tensors, notes))
        facts += value_and_slope(loss, sources).facts
    except LossmithError as raised:
        error = str(raised)
    sections = tuple(Section(term, "", tuple(found)) for term, found in lines.items())
    return Explanation(loss.name, tuple(facts), sections, error)


def numbers(given: Any, argument: str) -> Array:
    """Return what was given as an array of numbers.

    Raises:
        ArgumentError: If it is none.
    """
    try:
        array = np.asarray(keras.ops.convert_to_numpy(given))
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "iufb":
        raise ArgumentError(
            f"{argument} is not an array of numbers",
            got=repr(given)[:200],
            expected="one array: a loss of several targets or outputs is explained term by term",
            fix="lm.explain(my_loss, y_true, y_pred) with NumPy arrays",
        )
    return array

"""The loss of each sample: which are hard, which are easy, which are wrongly labelled."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.part import number
from lossmith.core.per_sample import batch_axis, each_sample
from lossmith.core.sources import Sources
from lossmith.look._keras_losses import factors_of_outputs, losses_of_outputs, losses_of_samples
from lossmith.look.again import unchanged
from lossmith.losses._objective import Objective, Term
from lossmith.losses._single import Single
from lossmith.messages import ArgumentError

Array = Any
Losses = dict[str, Array]


def per_sample(
    model: Any, x: Any, y: Any = None, sample_weight: Any = None, batch_size: int = 32
) -> Array | Losses:
    """Return the loss of each sample, as the model is now, run eagerly in inference mode.

    The loss of a sample is what the compiled loss gives for a batch that holds this sample alone:
    its mask, its weights and the reduction applied to it, divided by its own count. A sample in
    which nothing counts has 0. Where all samples count alike, the mean of these is the loss of the
    whole; where they do not, it is not. Terms of weights and what the model adds itself
    (regularisation, `add_loss`) belong to no sample and are left out.

    Args:
        model: A compiled `lm.Model`, or any `keras.Model` whose compiled losses return values
            for each sample.
        x: Inputs, arrays or structures of arrays, (samples, ...).
        y: Targets, in the structure that `fit` takes.
        sample_weight: Sample weights, in the structure that `fit` takes.
        batch_size: How many samples run at once.

    Returns:
        An array (samples,), a factor of its own left out; of a model with several terms, or several
        outputs, a dict of such arrays by the names in its logs, and `"loss"`, their sum by the
        present factors.

    Raises:
        ArgumentError: If no loss is compiled, if a loss returns one number for a whole batch, or
            if the data are no arrays of equal length.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.set_weights([np.ones((2, 1)), np.zeros(1)])
        >>> model.compile(loss="mse")
        >>> x = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 3.0]])
        >>> lm.per_sample(model, x, np.zeros((3, 1))).tolist()
        [1.0, 4.0, 25.0]
    """
    size = int(number(batch_size, "batch_size", low=1))
    data = (x, y, sample_weight)
    starts = range(0, _length(data), size)
    with unchanged(model):
        parts = [_batch(model, *_rows(data, slice(at, at + size))) for at in starts]
    losses = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if len(losses) == 1:
        return next(iter(losses.values()))
    factors = _factors(model)
    total = sum(factors.get(name, 1.0) * values for name, values in losses.items())
    return {"loss": total, **losses}


def _batch(model: Any, x: Any, y: Any, sample_weight: Any) -> Losses:
    """Return the losses of the samples of one batch, by term or by output."""
    y_pred = model(_tensors(x), training=False)
    objective = getattr(model, "compiled_objective", None)
    if objective is not None:
        return _of_terms(objective, model.loss_sources(x, y, y_pred, sample_weight))
    losses: Losses = {}
    for name, (loss, *given) in losses_of_outputs(model, y, y_pred, sample_weight).items():
        if isinstance(loss, Term):
            target, output, weight = given
            terms = _of_terms(_sum(loss), Sources(target, output, sample_weight=weight))
            factors = dict(zip(_sum(loss).names, _sum(loss).factors, strict=True))
            losses[name] = sum(factors[term] * values for term, values in terms.items())
        else:
            losses[name] = losses_of_samples(loss, *given)
    return losses


def _sum(loss: Term) -> Objective:
    return loss if isinstance(loss, Objective) else Objective([loss])


def _of_terms(objective: Objective, sources: Sources) -> Losses:
    """Return the losses of samples by term; terms of weights have none."""
    losses: Losses = {}
    for name, term in zip(objective.names, objective.terms, strict=True):
        if not isinstance(term, Single):
            continue
        elements, batch = term.pipeline.elements(sources), batch_axis(term.pipeline.axes)
        if batch in elements.values.axes and not term.pipeline.of[-1].startswith("weights:"):
            reduced = each_sample(elements, batch, term.pipeline.reduce)
            losses[name] = backend.to_numpy(reduced).astype(np.float64)
    if losses:
        return losses
    raise ArgumentError(
        "no term of the loss is about samples",
        got=repr(objective),
        expected="a loss of predictions",
        fix='lm.Loss("mse")',
    )


def _factors(model: Any) -> dict[str, float]:
    if getattr(model, "compiled_objective", None) is not None:
        return model.term_factors
    return factors_of_outputs(model)


def _tensors(x: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_tensor, x)


def _rows(data: Any, rows: slice) -> Any:
    return keras.tree.map_structure(lambda a: None if a is None else a[rows], data)


def _length(data: Any) -> int:
    """Return how many samples there are."""
    arrays = [a for a in keras.tree.flatten(data) if a is not None]
    lengths = {len(a) if hasattr(a, "shape") and len(a.shape) else 0 for a in arrays}
    if len(lengths) == 1 and 0 not in lengths:
        return lengths.pop()
    raise ArgumentError(
        "the losses of samples take arrays with one row for each sample",
        got=", ".join(f"{getattr(a, 'shape', type(a).__name__)}" for a in arrays),
        expected="arrays, or lists, tuples and dicts of them, of one length",
        fix="lm.per_sample(model, np.asarray(x), np.asarray(y))",
    )

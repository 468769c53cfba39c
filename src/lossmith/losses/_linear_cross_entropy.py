"""`lm.LinearCrossEntropy`: cross-entropy over a large vocabulary, without its logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import keras

from lossmith.core.fused import checked_recipe
from lossmith.core.head import HeadPipeline
from lossmith.core.kinds import Mask, Weight
from lossmith.core.notation import parse_axes
from lossmith.core.pipeline import Pipeline
from lossmith.core.reduce import parse_reduce
from lossmith.core.sources import Sources, check_source
from lossmith.losses._loss import check_pipeline, checked_parts, one_mask
from lossmith.losses._objective import NamedRatio
from lossmith.losses._single import Single
from lossmith.messages import ArgumentError, LossmithError, listed
from lossmith.parts.errors import CrossEntropy
from lossmith.parts.weights import FromPrediction, Outside

_METRICS = ("accuracy", "perplexity")


class LabelCrossEntropy(CrossEntropy):
    """Cross-entropy of labels alone, without targets that are probabilities."""

    target_consumes: ClassVar[Literal["none"]] = "none"  # type: ignore[assignment]


@keras.saving.register_keras_serializable("lossmith")
class LinearCrossEntropy(Single[Pipeline]):
    """Cross-entropy of labels and the logits of a model's last layer, which are never held.

    The model keeps its ordinary last layer, a `keras.layers.Dense` without activation or a
    `keras.layers.ReversibleEmbedding`: `predict` is unchanged. In `fit` and `evaluate` of an
    `lm.Model` the loss takes what that layer is given, and its kernel and bias, and goes from there
    to the value and to all gradients in chunks of the tokens that count. Neither the time of masked
    tokens is spent, nor the memory of the logits.

    Metrics of Keras on the output bring the logits back; those named in `metrics` do not.

    Args:
        layer: The name of the last layer.
        axes: The axes of labels and logits, as in `"b t, b t [c]"`. None: logits have one axis
            more than labels, the last.
        of: Where the labels come from.
        mask: Which tokens count: a part of `lm.masks`. At the others the label may be anything.
            Keras' automatic mask holds besides.
        weights: How much they count: a part of `lm.weights` or several.
        reduce: As for `lm.Loss`. What is no plain mean or sum over all tokens makes the logits a
            second time for the gradient.
        label_smoothing: The share of the target that is spread evenly over all classes.
        z_loss: The factor of the square of `logsumexp(logits)`, which is added to each loss.
        soft_cap: Squeeze the logits under it, `soft_cap * tanh(logits / soft_cap)`, where the layer
            does not do so itself.
        metrics: What to log besides: `"accuracy"`, the share of counted tokens whose label has the
            largest logit, and `"perplexity"`, the exponential of their mean surprise
            `-log p[label]`. Both are exact over the epoch, and take no weights.
        chunk_size: How many tokens make a chunk; None: 256 to 1024, by the number of classes.
        name: The name of the loss, and of its term in logs.

    Raises:
        ArgumentError: If an argument is out of its domain; at `compile`, if the layer is no such
            layer; at the first step, if a label is known to be no class.
        NotationError: If `axes` or `reduce` cannot be read or do not fit.
        SourceError: If a source has an unknown name; at `compile`, if the layer is not there.
        ShapeError: Where labels, mask or weights do not line up.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> tokens = keras.Input((None,), dtype="int32")
        >>> hidden = keras.layers.Embedding(50, 8)(tokens)
        >>> logits = keras.layers.Dense(50, kernel_initializer="zeros", name="lm_head")(hidden)
        >>> model = lm.Model(tokens, logits)
        >>> loss = lm.LinearCrossEntropy("lm_head", mask=lm.masks.NotEqual(0))
        >>> model.compile("adam", loss=loss)
        >>> text = np.array([[3, 7, 2, 0, 0]])
        >>> logs = model.evaluate(text, text, verbose=0, return_dict=True)
        >>> round(float(logs["loss"]), 4)  # log(50)
        3.912
    """

    def __init__(  # noqa: PLR0913
        self,
        layer: str,
        axes: str | None = None,
        *,
        of: str = "y",
        mask: Mask | None = None,
        weights: Weight | Sequence[Weight] | None = None,
        reduce: str = "mean",
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        soft_cap: float | None = None,
        metrics: Sequence[str] = (),
        chunk_size: int | None = None,
        name: str = "linear_cross_entropy",
    ) -> None:
        super().__init__(name=name)
        self.metrics = _checked_metrics(metrics)
        recipe = checked_recipe(
            label_smoothing=label_smoothing,
            z_loss=z_loss,
            soft_cap=soft_cap,
            chunk_size=chunk_size,
            accuracy="accuracy" in self.metrics,
        )
        self.pipeline: HeadPipeline = HeadPipeline(
            error=LabelCrossEntropy(from_logits=True, label_smoothing=label_smoothing),
            axes=None if axes is None else parse_axes(axes),
            of=(check_source(of), f"layer:{layer}"),
            select=(),
            adjust=(),
            mask=one_mask(checked_parts(Mask, mask, "mask")),
            weights=_of_labels(checked_parts(Weight, weights, "weights")),
            reduce=parse_reduce(reduce),
            dtype=None,
            layer=layer,
            recipe=recipe,
        )
        check_pipeline(self.pipeline)

    def ratios(self, sources: Sources) -> list[NamedRatio]:
        """Return the term before its division, and its metrics."""
        try:
            ratio, measured = self.pipeline.measured(sources)
        except LossmithError as error:
            raise error.inside(self.name) from None
        metrics = {name: measured[name] for name in self.metrics}
        return [NamedRatio(self.name, 1.0, ratio, metrics)]

    def _arguments(self) -> dict[str, Any]:
        p = self.pipeline
        return {
            "layer": p.layer,
            "axes": None if p.axes is None else str(p.axes),
            "of": p.of[0],
            "mask": p.mask,
            "weights": p.weights,
            "reduce": p.reduce.text,
            "label_smoothing": p.recipe.label_smoothing,
            "z_loss": p.recipe.z_loss,
            "soft_cap": p.recipe.soft_cap,
            "metrics": self.metrics,
            "chunk_size": p.recipe.chunk_size,
            "name": self.name,
        }

    def __repr__(self) -> str:
        """Write it as it can be typed."""
        return self._typed(weights=())


def _checked_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if unknown := [name for name in names if name not in _METRICS]:
        raise ArgumentError(
            f"linear_cross_entropy does not measure {unknown[0]!r}",
            got=f"metrics={metrics!r}",
            expected=f"some of {listed(_METRICS)}",
            fix="give other metrics to compile, which then makes the logits for them",
        )
    return names


def _of_labels(weights: tuple[Weight, ...]) -> tuple[Weight, ...]:
    for weight in weights:
        if weight.inside or isinstance(weight, (FromPrediction, Outside)):
            raise ArgumentError(
                "linear_cross_entropy has no prediction to weigh by, nor one to be weighed",
                got=f"weights={weight!r}",
                expected="weights by the label, the step, the class, or a source of their own",
                fix="write lm.Loss(lm.errors.CrossEntropy(from_logits=True)) for weights that see "
                "the logits",
            )
    return weights

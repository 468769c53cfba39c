"""`lm.Model`: a Keras model whose losses get named sources, and log exact epoch values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.kinds import Factor
from lossmith.core.sources import Sources
from lossmith.losses._objective import NamedRatio, Objective, Term
from lossmith.messages import ArgumentError, listed
from lossmith.model._inside import Inside
from lossmith.model._progress import ProgressState
from lossmith.model._ratios import TermLog


@keras.saving.register_keras_serializable("lossmith")
class Model(keras.Model):
    """A functional Keras model that hands its losses everything they name.

    `y` may be a dict of fields. A loss of lossmith in `compile` then finds its sources: `"y"`,
    `"y:lengths"`, `"x"`, `"x:mask"`, `"output"`, `"output:name"`, `"sample_weight"`, the output of
    a layer, `"layer:encoder"` (`"layer:encoder:1"` for the second call of a layer that is shared,
    `"layer:inner/encoder"` for one in a model inside), and weights, `"weights:lstm/kernel"`, or
    several as one flat tensor, `"weights:*/kernel"`. All come from one forward pass. Plain
    metrics get the field `"y"`. Every term is logged under its name, from sums and counts, so
    that its epoch value is that of the whole data whatever the batch size; `loss` is the
    sum of these terms and of the model's other losses, such as regularisers.

    With any other Keras loss it is a `keras.Model`.

    Args:
        inputs: As for `keras.Model`.
        outputs: As for `keras.Model`.

    Raises:
        ArgumentError: At `compile`, if a loss of lossmith stands inside a list or dict, or beside
            `loss_weights`.
        SourceError: At `compile`, if the loss names a layer or a weight that is not there.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> x = keras.Input((None, 1))
        >>> model = lm.Model(x, keras.layers.Dense(1, kernel_initializer="zeros")(x))
        >>> loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.Lengths("y:lengths"))
        >>> model.compile(loss=loss)
        >>> y = {"y": np.ones((2, 3, 1)), "lengths": np.array([1, 3])}
        >>> logs = model.evaluate(np.ones((2, 3, 1)), y, return_dict=True, verbose=0)
        >>> {name: float(value) for name, value in logs.items()}
        {'loss': 1.0, 'mse': 1.0}
    """

    # Keras builds a saved functional model again only where these are the parameters' names.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._term_log: TermLog | None = None
        self._inside: Inside | None = None
        self._progress = ProgressState(name="progress")

    def compile(self, *args: Any, loss: Any = None, **kwargs: Any) -> None:
        """Configure training as `keras.Model.compile` does.

        Args:
            *args: As for Keras: the optimizer.
            loss: An `lm.Loss`, a sum of these, or any loss of Keras.
            **kwargs: As for Keras.
        """
        if args[1:]:
            loss, args = args[1], (args[0], *args[2:])
        nested = loss is not None and not isinstance(loss, (str, keras.losses.Loss))
        if nested and any(isinstance(item, Term) for item in keras.tree.flatten(loss)):
            raise ArgumentError(
                "an lm.Model takes one loss for all outputs",
                got=f"a {type(loss).__name__} of losses",
                expected="one lm.Loss, or a sum",
                fix='write lm.Loss("mse", of=("y:a", "output:a")) + '
                'lm.Loss("mae", of=("y:b", "output:b"))',
            )
        if isinstance(loss, Term) and kwargs.get("loss_weights") is not None:
            raise ArgumentError(
                "the factors of terms stand in the sum",
                got=f"loss_weights={kwargs['loss_weights']!r}",
                expected="no loss_weights beside a loss of lossmith",
                fix="write compile(loss=a + 0.1 * b)",
            )
        inside = Inside(self, loss.sources) if isinstance(loss, Term) else None
        self._term_log = None
        # Keras would wrap the loss, and trace it anew for each train_on_batch.
        super().compile(*args, loss=None if inside else loss, **kwargs)
        self._inside = inside
        if isinstance(loss, Term):
            self.loss = loss
            whole = self._objective
            moving = zip(whole.names, whole.factors, strict=True)
            moving = tuple(name for name, factor in moving if isinstance(factor, Factor))
            self._progress.prepare(whole.names, whole.factors)
            self._term_log = TermLog(whole.names, moving)

    @property
    def _objective(self) -> Objective:
        return self.loss if isinstance(self.loss, Objective) else Objective([self.loss])

    def get_compile_config(self) -> dict[str, Any]:
        """Return how the model is compiled, for saving."""
        config = super().get_compile_config()
        if self._inside is not None:
            config["loss"] = keras.saving.serialize_keras_object(self.loss)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Configure training as it was when the model was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def call(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        """Run the model, and keep what the layers return that a loss names."""
        inside = self.__dict__.get("_inside")
        with inside.recording() if inside else nullcontext():
            return super().call(inputs, training=training, mask=mask, **kwargs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: Any = True,  # noqa: FBT002 - Keras' signature
    ) -> Tensor:
        """Return the total of all terms and of the model's other losses."""
        if self._term_log is None or self._inside is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        inputs = [tensor.name for tensor in keras.tree.flatten(self.inputs)]
        sources = Sources(
            y=y,
            output=_by_name(y_pred, self.output_names),
            x=_by_name(x, inputs),
            sample_weight=sample_weight,
            layer=self._inside.outputs,
            weights=self._inside.weights,
        )
        self._inside.outputs = {}
        training = training is True
        if self._term_log.moving and training:
            self._progress.begin_step(self._term_log.batches.result())
        terms = [self._moved(term) for term in self.loss.ratios(sources)]
        for metric, term in zip(self._term_log.terms, terms, strict=True):
            metric.update_state(term.ratio, term.factor)
        self._term_log.batches.update_state(1.0)
        first, *others = (term.value for term in terms)
        total: Tensor = sum(others, start=first)
        rest = [*self.losses, *self._penalties(terms)]
        if rest:
            added: Tensor = sum(ops.cast(ops.sum(loss), total.dtype) for loss in rest)
            self._term_log.rest.update_state(added)
            total = total + backend.replica_share(added)
        if self._term_log.moving and training:
            self._progress.end_step()
        return total

    def _moved(self, term: NamedRatio) -> NamedRatio:
        """Put the factor of this step in the place of one that moves."""
        if not isinstance(term.factor, Factor):
            return term
        return NamedRatio(term.name, term.factor(self._progress.progress(term.name)), term.ratio)

    def _penalties(self, terms: list[NamedRatio]) -> list[Tensor]:
        factors = zip(terms, self._objective.factors, strict=True)
        return [
            factor.penalty(self._progress.progress(term.name))
            for term, factor in factors
            if isinstance(factor, Factor) and factor.learns
        ]

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Tensor]:
        """Update the compiled metrics, which see the field `"y"` where `y` is a dict of fields."""
        if self._term_log is not None and isinstance(y, Mapping) and "y" in y:
            weighted = isinstance(sample_weight, Mapping)
            sample_weight = sample_weight.get("y") if weighted else sample_weight
            y = y["y"]
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self) -> list[Any]:
        """All metrics, the terms' sums and counts among them."""
        log = self.__dict__.get("_term_log")
        return [*super().metrics, *(log.metrics if log else [])]

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the logs of an epoch so far, the terms from their sums and counts."""
        if self._term_log is None:
            return super().get_metrics_result()
        results: dict[str, Tensor] = {}
        for metric in super().metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        own = self._term_log.logs()
        clash = [name for name in own if name in results and name != "loss"]
        if clash:
            raise ArgumentError(
                f"a metric and a term are both called {clash[0]!r}",
                got=f"metrics {listed(results)} and terms {listed(own)}",
                expected="a name of its own for each log",
                fix=f'name the loss, as in lm.Loss(..., name="{clash[0]}_loss")',
            )
        return {**results, **own}


def _by_name(tensors: Any, names: list[str]) -> Any:
    several = isinstance(tensors, (list, tuple))
    return dict(zip(names, tensors, strict=True)) if several else tensors

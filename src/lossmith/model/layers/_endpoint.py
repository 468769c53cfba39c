"""`lm.layers.LossEndpoint`: a loss as a layer, for models whose class cannot be changed."""

from __future__ import annotations

from typing import Any, Self

import keras

from lossmith.core.axes import Tensor, shape_text
from lossmith.losses._objective import Term
from lossmith.messages import ArgumentError, LossmithError
from lossmith.model.layers._sources import LayerSources, add_loss


@keras.saving.register_keras_serializable("lossmith")
class LossEndpoint(keras.layers.Layer):
    """Adds a loss to the model it stands in, and returns the prediction as it is.

    Targets, masks and whatever else the loss names are inputs of the model, so that a plain
    functional `keras.Model` trains without `compile(loss=...)` and without a `y` in `fit`.
    Keras' automatic mask of the prediction is honoured. Without the `y` that the loss names,
    nothing is added.

    Args:
        loss: An `lm.Loss`, or a sum.
        **kwargs: As for any Keras layer, such as `name`.

    Shapes:
        output: as in the axes of the loss, or a dict of outputs; returned as it came.
        y: the targets, or a dict of fields such as `{"y": targets, "lengths": lengths}`.
        sample_weight: over the leading axes of the output, as in `fit`.
        mask: the Keras mask of the output, where it is not attached to it: (batch, steps).

    Raises:
        ArgumentError: If `loss` is not one of lossmith, or does not reduce to one number.
        LossmithError: While the model is built, where the tensors do not line up, or the loss
            names one that is not there.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> from lossmith.model.layers import LossEndpoint
        >>> x, y, n = keras.Input((None, 1)), keras.Input((None,)), keras.Input((), dtype="int32")
        >>> out = keras.layers.Dense(1, kernel_initializer="zeros")(x)
        >>> loss = lm.Loss("mse", "b t, b t 1", mask=lm.masks.Lengths("y:lengths"))
        >>> out = LossEndpoint(loss)(out, y={"y": y, "lengths": n})
        >>> model = keras.Model([x, y, n], out)
        >>> model.compile()
        >>> data = [np.ones((2, 3, 1)), np.ones((2, 3)), np.array([1, 3])]
        >>> float(model.evaluate(data, verbose=0))
        1.0
    """

    def __init__(self, loss: Any, **kwargs: Any) -> None:
        if not isinstance(loss, Term):
            raise ArgumentError(
                "an endpoint takes a loss of lossmith",
                got=repr(loss),
                expected="an lm.Loss, or a sum",
                fix='put lm.Loss around it, as in LossEndpoint(lm.Loss("mse"))',
            )
        # Targets must not become float16: the loss does its own casting.
        super().__init__(**{"autocast": False, **kwargs})
        self.loss = loss
        self._error: LossmithError | None = None
        self.supports_masking = True

    def call(self, output: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Any:
        """Add the loss, and return the output."""
        if self._has_targets(y):
            try:
                add_loss(self, self._value(output, y, sample_weight, mask))
            except LossmithError as error:
                self._error = error
                raise
        return output

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output, once the loss has been held to the shapes."""
        self._error = None
        try:
            return super().compute_output_spec(*args, **kwargs)
        except Exception:
            if self._error is None:
                raise
            raise self._error from None  # Keras cannot build it again

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Return the mask of the output."""
        del inputs
        return previous_mask

    def _has_targets(self, y: Any) -> bool:
        names_y = any(source.partition(":")[0] == "y" for source in self.loss.sources)
        return y is not None or not names_y

    def _value(self, output: Any, y: Any, sample_weight: Any, mask: Any) -> Tensor:
        if keras.tree.is_nested(mask):
            mask = None  # several outputs carry their own
        value = self.loss.total(LayerSources(y, output, sample_weight=sample_weight, mask=mask))
        if len(value.shape):
            raise ArgumentError(
                "a layer adds a loss that is one number",
                got=f"a loss of shape {shape_text(value)}",
                expected="a reduction over all axes",
                fix='write reduce="mean", or end it so, as in "mean t, mean b"',
            )
        return value

    def get_config(self) -> dict[str, Any]:
        """Return all arguments, the loss in Keras' serialised form."""
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the layer again."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})

"""`lm.layers.LossEndpoint`: a loss as a layer, for models whose class cannot be changed."""

from __future__ import annotations

from typing import Any, Self

import keras

from lossmith.core.axes import Tensor, shape_text
from lossmith.losses._objective import Term
from lossmith.messages import ArgumentError
from lossmith.model.layers._sources import LayerSources, add_loss


@keras.saving.register_keras_serializable("lossmith")
class LossEndpoint(keras.layers.Layer):
    """Adds a loss to the model it stands in, and returns the prediction as it is.

    Targets, masks and whatever else the loss names are inputs of the model, so that a plain
    functional `keras.Model` trains without `compile(loss=...)` and without a `y` in `fit`.
    Keras' automatic mask of the prediction is honoured. Without `y` nothing is added.

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
        self.supports_masking = True

    def call(self, output: Any, y: Any = None, sample_weight: Any = None, mask: Any = None) -> Any:
        """Add the loss, and return the output."""
        if y is None:
            return output
        if mask is not None and keras.tree.is_nested(mask):
            mask = None
        value = self.loss.total(LayerSources(y, output, sample_weight=sample_weight, mask=mask))
        _check_scalar(value)
        add_loss(self, value)
        return output

    def get_config(self) -> dict[str, Any]:
        """Return all arguments, the loss in Keras' serialised form."""
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the layer again."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})


def _check_scalar(value: Tensor) -> None:
    if len(value.shape):
        raise ArgumentError(
            "a layer adds a loss that is one number",
            got=f"a loss of shape {shape_text(value)}",
            expected="a reduction over all axes",
            fix='write reduce="mean", or end it so, as in "mean t, mean b"',
        )

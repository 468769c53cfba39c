"""`lm.Model`: a functional Keras model whose losses get named sources and exact epoch values."""

from __future__ import annotations

from typing import Any

import keras

from lossmith.messages import ArgumentError
from lossmith.model.mixin import ModelMixin


@keras.saving.register_keras_serializable("lossmith")
class Model(ModelMixin, keras.Model):
    """A functional Keras model that hands its losses everything they name.

    `y` may be a dict of fields, or a tuple. A loss of lossmith in `compile` then finds its sources:
    `"y"`, `"y:lengths"`, `"x"`, `"x:mask"`, `"output"`, `"output:name"`, `"sample_weight"`, the
    output of a layer, `"layer:encoder"` (`"layer:encoder:1"` for the second call of a layer that
    is shared, `"layer:inner/encoder"` for one in a model inside), and weights,
    `"weights:lstm/kernel"`, or several as one flat tensor, `"weights:*/kernel"`. All come from one
    forward pass. Of a tuple the first is `"y"`, the next `"y:1"`; targets in a list, one for each
    output, have the outputs' names. Plain metrics get the field `"y"`, or those of the outputs.

    Every term is logged under its name, from sums and counts, so that its epoch value is that of
    the whole data whatever the batch size. `loss` is the sum of these terms and of what else
    the model adds, logged as `add_loss`, `regularization` and `learned_factors`. A term that counts
    nothing in a whole epoch is warned of, once.

    With any other Keras loss it is a `keras.Model`. For a class of your own see `lm.ModelMixin`.

    Args:
        inputs: As for `keras.Model`; or a functional or sequential model, whose layers and weights
            are then used as they are, not copied.
        outputs: As for `keras.Model`.

    Raises:
        ArgumentError: If a model is given that is neither functional nor sequential. At `compile`,
            if a loss of lossmith stands inside a list or dict, or beside `loss_weights`. At the
            first step, if the optimizer accumulates gradients, a term divides by what counts in a
            batch, and `lm.data.accumulation_groups` did not count the groups.
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
        if len(args) == 1 and isinstance(args[0], keras.Model):
            kwargs = {"name": args[0].name, **kwargs}
            args = _ends(args[0])
        super().__init__(*args, **kwargs)


def _ends(model: Any) -> tuple[Any, Any]:
    """Return the inputs and outputs of a model, in their structure."""
    if isinstance(model, keras.Sequential) and model.built:
        return model.inputs[0], model.outputs[0]
    if getattr(model, "inputs", None) is None:
        raise ArgumentError(
            "only a functional model, or a sequential one that is built, can be taken over",
            got=f"{type(model).__name__} {model.name!r}, which has no inputs of its own yet",
            expected="a model made of keras.Input and layers",
            fix="write class Mine(lm.ModelMixin, keras.Model), or begin a Sequential with "
            "keras.Input(shape)",
        )
    return model.input, model.output

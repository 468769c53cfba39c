"""LSM407: a parameter for sample weights that Keras never fills."""

from __future__ import annotations

from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_called_here, is_for_keras

_WEIGHTS = frozenset({"sample_weight", "sample_weights"})


class PhantomSampleWeight(Rule):
    """A loss has a parameter `sample_weight`, which Keras never gives.

    Why it is bad:
        Keras calls a loss with target and prediction, and multiplies what comes back by the weights
        itself. The parameter keeps its default for ever, and what is done with it is dead code.

    Example:
        def loss(y_true, y_pred, sample_weight=None):
            error = ops.abs(y_true - y_pred)
            return ops.mean(error if sample_weight is None else error * sample_weight)

    Use instead:
        def loss(y_true, y_pred):
            return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    Fix safety:
        There is none: the loss may be called by hand in another file.
    """

    code = "LSM407"
    name = "phantom-sample-weight"
    confirmed_by = ("weight-equivalence",)
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred, sample_weight=None):
                error = ops.abs(y_true - y_pred)
                return error if sample_weight is None else error * sample_weight
            """,
            "`sample_weight` is never given: Keras multiplies by the weights outside of the loss",
            3,
            25,
        ),
        Flagged(
            """
            import keras

            class Absolute(keras.losses.Loss):
                def call(self, y_true, y_pred, sample_weight=None):
                    return abs(y_true - y_pred)
            """,
            "`sample_weight` is never given: Keras multiplies by the weights outside of the loss",
            4,
            35,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.abs(y_true - y_pred)
        """,
        """
        import keras

        class Absolute(keras.losses.Loss):
            def __call__(self, y_true, y_pred, sample_weight=None):
                return super().__call__(y_true, y_pred, sample_weight)

            def call(self, y_true, y_pred):
                return abs(y_true - y_pred)
        """,
        """
        import keras

        def weighted_loss(y_true, y_pred, sample_weight=None):
            return abs(y_true - y_pred) * sample_weight

        def step(y_true, y_pred, w):
            return weighted_loss(y_true, y_pred, w)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at the parameters."""
        owner = loss.owner
        by_hand = loss.why == "decorated" or is_called_here(loss)
        if loss.node.name == "__call__" or not is_for_keras(loss) or by_hand:
            return
        if owner is not None and self.module.method(owner, "__call__"):
            return
        arguments = loss.node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if argument.arg in _WEIGHTS:
                message = (
                    f"`{argument.arg}` is never given: Keras multiplies by the weights outside of"
                    " the loss"
                )
                yield self.at(argument, message)

"""LSM404: a loss that takes, or gives, the prediction before the target."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_called_here, is_for_keras

# Of these, the target and the prediction can not change places.
_NAMES = (
    "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy"
    " binary_focal_crossentropy categorical_focal_crossentropy kl_divergence poisson"
    " kullback_leibler_divergence mean_absolute_percentage_error hinge squared_hinge"
    " categorical_hinge dice tversky"
)
_ASYMMETRIC = frozenset(_NAMES.split())
_LIBRARIES = frozenset({"keras.losses", "keras.metrics", "keras.backend", "keras.ops"})


class SwappedArguments(Rule):
    """A loss for Keras has the prediction first, or hands it on in the target's place.

    Why it is bad:
        Keras gives the target first, whatever the parameters are called. A crossentropy then
        measures the target under the prediction, a quantile of 0.9 becomes that of 0.1, and nothing
        raises.

    Example:
        def loss(y_pred, y_true):
            return keras.losses.kl_divergence(y_pred, y_true)

    Use instead:
        def loss(y_true, y_pred):
            return keras.losses.kl_divergence(y_true, y_pred)

    Fix safety:
        Unsafe: the value changes, and who calls the loss by hand in the old order is wrong then.
    """

    code = "LSM404"
    name = "swapped-arguments"
    confirmed_by = ("perfect-is-best",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            import keras

            class Quantile(keras.losses.Loss):
                def call(self, y_pred, y_true):
                    return 0.9 * abs(y_true - y_pred)
            """,
            "`y_pred` before `y_true`: Keras gives the target first",
            4,
            19,
            """
            import keras

            class Quantile(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return 0.9 * abs(y_true - y_pred)
            """,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.binary_crossentropy(y_pred, y_true)  # of pixels
                return ops.mean(error, axis=-1)
            """,
            "`ops.binary_crossentropy` takes the target first, and is given the prediction",
            4,
            12,
            """
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.binary_crossentropy(y_true, y_pred)  # of pixels
                return ops.mean(error, axis=-1)
            """,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_pred, y_true):
                return -ops.sum(y_true * ops.log(y_pred), axis=-1)
            """,
            "`y_pred` before `y_true`: Keras gives the target first",
            3,
            9,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return -ops.sum(y_true * ops.log(y_pred), axis=-1)
            """,
        ),
    )
    passes = (
        """
        import keras

        class Quantile(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return keras.losses.kl_divergence(y_true, y_pred)
        """,
        """
        import keras

        def loss(y_true, y_pred):
            return keras.losses.mean_squared_error(y_pred, y_true)
        """,
        """
        import keras

        def own_loss(y_pred, y_true):
            return 0.9 * abs(y_true - y_pred)

        def train(model, x, y):
            return own_loss(model(x), y)
        """,
        """
        import torch

        def loss(y_pred, y_true):
            return torch.relu(y_true - y_pred)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at the order of the parameters, and of the arguments of Keras' losses."""
        if loss.swapped and is_for_keras(loss) and not is_called_here(loss):
            message = f"`{loss.prediction}` before `{loss.target}`: Keras gives the target first"
            first = self._argument(loss, loss.prediction)
            yield self.at(first, message, self._swap(first, self._argument(loss, loss.target)))
        for node in loss.nodes:
            match node:
                case ast.Call(func=function, args=[first, second, *_]):
                    library, _, leaf = (loss.canonical(function) or "").rpartition(".")
                    known = library in _LIBRARIES and leaf in _ASYMMETRIC
                    origins = (loss.value(first).origin, loss.value(second).origin)
                    if known and origins == ("prediction", "target"):
                        message = (
                            f"`{ast.unparse(function)}` takes the target first, and is given the"
                            " prediction"
                        )
                        yield self.at(node, message, self._swap(first, second))
                case _:
                    pass

    def _swap(self, first: ast.arg | ast.expr, second: ast.arg | ast.expr) -> Fix:
        a, b = self.module.source(first), self.module.source(second)
        edits = (self.module.replace(first, b), self.module.replace(second, a))
        return self.mend("put the target first", edits)

    def _argument(self, loss: Loss, name: str) -> ast.arg:
        arguments = (*loss.node.args.posonlyargs, *loss.node.args.args)
        return next(argument for argument in arguments if argument.arg == name)

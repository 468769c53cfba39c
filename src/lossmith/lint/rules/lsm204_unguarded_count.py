"""LSM204: a division by the count of a mask, which may be 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.masking import count
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule


class UnguardedCount(Rule):
    """A sum is divided by the number of positions that count, with no guard for none.

    Why it is bad:
        Where nothing counts, it is 0 / 0: one batch of padding alone turns the loss, the gradient
        and with the next step every weight of the model to NaN.

    Example:
        return ops.sum(error * mask) / ops.sum(mask)

    Use instead:
        return ops.sum(error * mask) / ops.maximum(ops.sum(mask), 1)

    Fix safety:
        Safe: a count is 0, or at least 1. Where it is 0, the loss is 0. Offered for a mask of 0 and
        1 in Keras, TensorFlow and JAX.
    """

    code = "LSM204"
    name = "unguarded-count"
    confirmed_by = ("nothing-counted",)
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, 0), "float32")
                error = ops.square(y_true - y_pred) * mask
                return ops.sum(error) / ops.sum(mask)  # tokens
            """,
            "division by the count of `mask`: 0 / 0 is NaN where nothing counts",
            6,
            28,
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, 0), "float32")
                error = ops.square(y_true - y_pred) * mask
                return ops.sum(error) / ops.maximum(ops.sum(mask), 1)  # tokens
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss_function(real, pred):
                mask = tf.math.logical_not(tf.math.equal(real, 0))
                loss_ = tf.abs(real - pred)
                mask = tf.cast(mask, dtype=loss_.dtype)
                n = tf.reduce_sum(mask)
                return tf.reduce_sum(loss_ * mask) / n
            """,
            "division by the count of `mask`: 0 / 0 is NaN where nothing counts",
            8,
            41,
            """
            import tensorflow as tf

            def loss_function(real, pred):
                mask = tf.math.logical_not(tf.math.equal(real, 0))
                loss_ = tf.abs(real - pred)
                mask = tf.cast(mask, dtype=loss_.dtype)
                n = tf.reduce_sum(mask)
                return tf.reduce_sum(loss_ * mask) / tf.maximum(n, 1)
            """,
        ),
        Flagged(
            """
            from tensorflow.keras import backend as K

            def masked(y_true, y_pred):
                known = K.cast(K.not_equal(y_true, -1), K.floatx())
                return K.sum(K.abs(y_true - y_pred) * known) / K.sum(known)
            """,
            "division by the count of `known`: 0 / 0 is NaN where nothing counts",
            5,
            51,
            """
            from keras import ops
            from tensorflow.keras import backend as K

            def masked(y_true, y_pred):
                known = K.cast(K.not_equal(y_true, -1), K.floatx())
                return K.sum(K.abs(y_true - y_pred) * known) / ops.maximum(K.sum(known), 1)
            """,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                mask = (y_true != 0).float()
                return ((y_true - y_pred).abs() * mask).sum() / mask.sum()
            """,
            "division by the count of `mask`: 0 / 0 is NaN where nothing counts",
            5,
            52,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), "float32")
            count = ops.maximum(ops.sum(mask), 1)
            return ops.sum(ops.square(y_true - y_pred) * mask) / count
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), "float32")
            return ops.sum(ops.square(y_true - y_pred) * mask) / (ops.sum(mask) + 1e-7)
        """,
        """
        import tensorflow as tf

        def loss(y_true, y_pred):
            mask = tf.cast(tf.not_equal(y_true, 0), tf.float32)
            return tf.math.divide_no_nan(tf.reduce_sum(y_pred * mask), tf.reduce_sum(mask))
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            scale = ops.sum(ops.ones_like(y_true), axis=-1)
            return ops.sum(ops.square(y_true - y_pred), axis=-1) / scale
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what is divided by."""
        for operation in loss.operations:
            if operation.name != "divide" or "x2" not in operation.arguments:
                continue
            found = count(operation.arguments["x2"], loss)
            if found:
                what = ast.unparse(found.arguments["x"])
                message = f"division by the count of `{what}`: 0 / 0 is NaN where nothing counts"
                yield self.at(operation.arguments["x2"], message, self._fix(operation, found, loss))

    def _fix(self, division: Operation, counted: Operation, loss: Loss) -> Fix | None:
        value = loss.value(counted.get("x"))
        if counted.library in {"method", "numpy", "torch"} or not value.indicator:
            return None
        maximum, imports = self.module.spell("maximum", like=counted)
        divisor = division.arguments["x2"]
        guarded = f"{maximum}({self.module.source(divisor)}, 1)"
        return self.mend("count at least 1", imports, self.module.replace(divisor, guarded))

"""LSM302: a log of a prediction that may be 0."""

from __future__ import annotations

from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import GUARD, activation, may_be_zero, shown
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule


class UnguardedLog(Rule):
    """The log of a prediction is taken, with nothing to keep the prediction from 0.

    Why it is bad:
        A softmax or sigmoid underflows to 0, a ReLU is 0 often. The log of 0 is -inf, its gradient
        infinite, and 0 times either is NaN: a target of 0 does not switch the term off.

    Example:
        return -ops.sum(y_true * ops.log(y_pred), axis=-1)

    Use instead:
        return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-7)), axis=-1)

    Fix safety:
        Unsafe: below 1e-7 the value is another one, and the gradient 0. Where the model can return
        logits, `log_softmax` and `log_sigmoid` of these are better than any guard.
    """

    code = "LSM302"
    name = "unguarded-log"
    confirmed_by = ("extremes",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                return -ops.sum(y_true * ops.log(y_pred), axis=-1)
            """,
            "log of `y_pred` with no guard: 0 gives -inf, and NaN once it is multiplied by 0",
            4,
            37,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-7)), axis=-1)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                p = tf.clip_by_value(y_pred, 1e-7, 1.0)
                return -y_true * tf.math.log(p) - (1 - y_true) * tf.math.log(1 - p)
            """,
            "log of `1 - p` with no guard: 0 gives -inf, and NaN once it is multiplied by 0",
            5,
            65,
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                p = tf.clip_by_value(y_pred, 1e-7, 1.0)
                return -y_true * tf.math.log(p) - (1 - y_true) * tf.math.log(tf.maximum(1 - p, 1e-7))
            """,  # noqa: E501
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                chance = (y_true * y_pred).sum(dim=-1)
                return -chance.log()
            """,
            "log of `chance` with no guard: 0 gives -inf, and NaN once it is multiplied by 0",
            5,
            12,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return -ops.sum(y_true * ops.log(y_pred + 1e-7), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred, epsilon):
            y_pred = ops.clip(y_pred, epsilon, 1 - epsilon)
            return -y_true * ops.log(y_pred) - (1 - y_true) * ops.log(1 - y_pred)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            known = ops.not_equal(y_true, 0)
            y_pred = ops.where(known, y_pred, 1)
            return -ops.where(known, ops.log(y_pred), 0)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            scale = ops.exp(y_pred[:, 1])
            return ops.log(scale) + ops.square(y_true - y_pred[:, 0]) / scale
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what logs are taken of."""
        for operation in loss.operations:
            x = operation.get("x")
            if x is None or operation.name not in {"log", "log2", "log10"}:
                continue
            # LSM301 has the logs of activations.
            if loss.value(x).prediction and may_be_zero(loss, x) and not activation(loss, x):
                message = (
                    f"log of `{shown(x)}` with no guard: 0 gives -inf, and NaN once it is"
                    " multiplied by 0"
                )
                yield self.at(x, message, self._fix(operation))

    def _fix(self, log: Operation) -> Fix | None:
        if log.library in {"method", "numpy", "torch"}:
            return None
        x = log.arguments["x"]
        maximum, imports = self.module.spell("maximum", like=log)
        guarded = f"{maximum}({self.module.source(x)}, {GUARD})"
        return self.mend("keep it above 0", imports, self.module.replace(x, guarded))

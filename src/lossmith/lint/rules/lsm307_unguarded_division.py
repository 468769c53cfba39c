"""LSM307: a division by what may be 0 on some data."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import GUARD, may_be_zero, shown
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule


class UnguardedDivision(Rule):
    """Something is divided by a sum, norm, maximum or deviation of data, or by data as it is.

    Why it is bad:
        An image without an object, a constant series, a vector of zeros: the divisor is 0, the
        loss NaN or infinite, and after one step so is every weight of the model.

    Example:
        return 1 - 2 * overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1))

    Use instead:
        total = ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1)
        return 1 - 2 * overlap / ops.maximum(total, 1e-7)

    Fix safety:
        Unsafe: what the loss should be there is yours to say; the fix makes it finite. Offered
        where the divisor cannot be below 0. Counts of masks are LSM204's.
    """

    code = "LSM307"
    name = "unguarded-division"
    confirmed_by = ("extremes",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                spread = ops.max(ops.abs(y_true), axis=-1)
                return ops.sum(ops.abs(y_true - y_pred), axis=-1) / spread  # relative
            """,
            "division by `spread`, which is 0 on some data: NaN or infinity",
            5,
            56,
            """
            from keras import ops

            def loss(y_true, y_pred):
                spread = ops.max(ops.abs(y_true), axis=-1)
                return ops.sum(ops.abs(y_true - y_pred), axis=-1) / ops.maximum(spread, 1e-7)  # relative
            """,  # noqa: E501
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                true, chance = tf.reduce_sum(y_true, axis=-1), tf.reduce_sum(y_pred, axis=-1)
                return 1 - 2 * tf.reduce_sum(y_true * y_pred, axis=-1) / (true + chance)
            """,
            "division by `true + chance`, which is 0 on some data: NaN or infinity",
            5,
            62,
        ),
        Flagged(
            """
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                return jnp.mean(jnp.square(y_true - y_pred), axis=-1) / jnp.std(y_true, axis=-1)
            """,
            "division by `jnp.std(y_true, axis=-1)`, which is 0 on some data: NaN or infinity",
            4,
            60,
            """
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                return jnp.mean(jnp.square(y_true - y_pred), axis=-1) / jnp.maximum(jnp.std(y_true, axis=-1), 1e-7)
            """,  # noqa: E501
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                return torch.abs((y_true - y_pred) / y_true)
            """,
            "division by `y_true`, which is 0 on some data: NaN or infinity",
            4,
            41,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            spread = ops.maximum(ops.max(ops.abs(y_true), axis=-1), 1e-7)
            return ops.sum(ops.abs(y_true - y_pred), axis=-1) / spread
        """,
        """
        from keras import ops

        def loss(y_true, y_pred, smooth):
            total = ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1)
            return 1 - (2 * ops.sum(y_true * y_pred, axis=-1) + smooth) / (total + smooth)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            known = ops.cast(ops.not_equal(y_true, 0), "float32")
            return ops.sum(known * ops.abs(y_true - y_pred)) / ops.sum(known)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            chances = ops.exp(y_pred - ops.max(y_pred, axis=-1, keepdims=True))
            return -y_true * chances / ops.sum(chances, axis=-1, keepdims=True)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            size = ops.cast(ops.shape(y_pred)[-1], y_pred.dtype)
            return ops.sum(ops.square(y_true - y_pred), axis=-1) / size
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what is divided by."""
        for operation in loss.operations:
            divisor = _divisor(operation)
            if divisor is not None and may_be_zero(loss, divisor) and _is_accused(loss, divisor):
                message = (
                    f"division by `{shown(divisor)}`, which is 0 on some data: NaN or infinity"
                )
                yield self.at(divisor, message, self._fix(divisor, loss))

    def _fix(self, divisor: ast.expr, loss: Loss) -> Fix | None:
        value = loss.value(divisor)
        made = value.made_by
        if made is None or value.low < 0 or made.library in {"method", "numpy", "torch"}:
            return None
        maximum, imports = self.module.spell("maximum", like=made)
        guarded = f"{maximum}({self.module.source(divisor)}, {GUARD})"
        return self.mend("keep it above 0", imports, self.module.replace(divisor, guarded))


def _divisor(operation: Operation) -> ast.expr | None:
    match operation.name:
        case "divide":
            return operation.get("x2")
        case "reciprocal" | "rsqrt":
            return operation.get("x")
        case _:
            return None


def _is_accused(loss: Loss, divisor: ast.expr) -> bool:
    """Whether it is the target as given, or computed, and no count of a mask: that is LSM204's."""
    while cast := loss.source_of(divisor, "cast", "convert_to_tensor"):
        divisor = cast.arguments["x"]
    made = loss.value(divisor).made_by
    if made is None:
        # Of a prediction, or a part of the data, the model or its author may know better.
        return isinstance(divisor, ast.Name) and loss.value(divisor).origin == "target"
    is_sum = made.name in {"sum", "count_nonzero"}
    return not (is_sum and loss.value(made.get("x")).mask)

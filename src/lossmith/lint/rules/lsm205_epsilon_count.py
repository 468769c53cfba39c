"""LSM205: a count guarded by an epsilon, where 1 is the guard."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.masking import count
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

# The smallest normal number of float16: what is below may be flushed to 0.
_SMALLEST_HALF = 2.0**-14


class EpsilonCount(Rule):
    """The number of positions that count is guarded against 0 by a small number.

    Why it is bad:
        A count is 0 or at least 1, so that 1 is the guard. A small epsilon is 0 in float16, or is
        flushed to 0 there, and 0 / 0 is back; a larger one makes every mean too small.

    Example:
        return ops.sum(error * mask) / (ops.sum(mask) + 1e-8)

    Use instead:
        return ops.sum(error * mask) / ops.maximum(ops.sum(mask), 1)

    Fix safety:
        Safe for an epsilon below 1e-4: the value is the same to rounding wherever something counts.
        Offered for a mask of 0 and 1 in Keras, TensorFlow and JAX. Counts that are
        cast to float32 on the spot are passed over.
    """

    code = "LSM205"
    name = "epsilon-count"
    confirmed_by = ("half-precision", "nothing-counted")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
                return ops.sum(mask * ops.abs(y_true - y_pred)) / (ops.sum(mask) + 1e-8)
            """,
            "the count of `mask` is guarded by 1e-08, which is 0 in float16: 0 / 0 is NaN",
            5,
            55,
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
                return ops.sum(mask * ops.abs(y_true - y_pred)) / (ops.maximum(ops.sum(mask), 1))
            """,
        ),
        Flagged(
            """
            from tensorflow.keras import backend as K

            def loss(y_true, y_pred):
                mask = K.cast(K.not_equal(y_true, -1), K.dtype(y_pred))
                count = K.sum(mask, axis=-1) + K.epsilon()
                return K.sum(mask * K.abs(y_true - y_pred), axis=-1) / count
            """,
            "the count of `mask` is guarded by 1e-07, which may be 0 in float16: 0 / 0 is NaN",
            5,
            12,
            """
            from keras import ops
            from tensorflow.keras import backend as K

            def loss(y_true, y_pred):
                mask = K.cast(K.not_equal(y_true, -1), K.dtype(y_pred))
                count = ops.maximum(K.sum(mask, axis=-1), 1)
                return K.sum(mask * K.abs(y_true - y_pred), axis=-1) / count
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(real, pred):
                mask = tf.cast(tf.not_equal(real, 0), pred.dtype)
                count = tf.maximum(tf.reduce_sum(mask), 1e-8)
                return tf.reduce_sum(tf.abs(real - pred) * mask) / count
            """,
            "the count of `mask` is guarded by 1e-08, which is 0 in float16: 0 / 0 is NaN",
            5,
            12,
            """
            import tensorflow as tf

            def loss(real, pred):
                mask = tf.cast(tf.not_equal(real, 0), pred.dtype)
                count = tf.maximum(tf.reduce_sum(mask), 1)
                return tf.reduce_sum(tf.abs(real - pred) * mask) / count
            """,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                mask = (y_true != 0).float()
                return ((y_true - y_pred).abs() * mask).sum() / (mask.sum() + 0.01)
            """,
            "the count of `mask` is guarded by 0.01, which makes every mean too small",
            5,
            53,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
            return ops.sum(mask * ops.abs(y_true - y_pred)) / ops.maximum(ops.sum(mask), 1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            overlap = ops.sum(y_true * y_pred, axis=-1)
            return 1 - overlap / (ops.sum(y_true + y_pred, axis=-1) + 1e-4)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), "float32")
            return ops.sum(mask * ops.abs(y_true - y_pred)) / (ops.sum(mask) + 1e-8)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
            prior = ops.sum(mask) + 0.5
            return ops.mean(ops.abs(y_true - y_pred), axis=-1) * prior
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what is divided by."""
        for division in loss.operations:
            if division.name != "divide":
                continue
            guard = loss.source_of(division.get("x2"), "add", "maximum")
            for counted, small in _pairs(guard):
                found, epsilon = count(counted, loss), loss.value(small).constant
                if guard is None or found is None or epsilon is None or not 0 < epsilon < 1:
                    continue
                if epsilon >= _SMALLEST_HALF and guard.name == "maximum":
                    continue
                if epsilon >= _SMALLEST_HALF or not _is_single(found, loss):
                    fix = self._fix(guard, counted, small, found, loss)
                    yield self.at(guard.node, _message(found, epsilon), fix)

    def _fix(
        self, guard: Operation, counted: ast.expr, small: ast.expr, found: Operation, loss: Loss
    ) -> Fix | None:
        known = loss.value(found.get("x")).indicator and guard.node in loss.nodes
        if not known or found.library in {"method", "numpy", "torch"}:
            return None
        if guard.name == "maximum":
            return self.mend("count at least 1", self.module.replace(small, "1"))
        maximum, imports = self.module.spell("maximum", like=found)
        text = f"{maximum}({self.module.source(counted)}, 1)"
        edit = self.module.replace(guard.node, text)
        safe = (loss.value(small).constant or 1) < 1e-4  # noqa: PLR2004 - to rounding of a half
        return self.mend("count at least 1", imports, edit, safe=safe)


def _pairs(guard: Operation | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    match guard.operands if guard else ():
        case (left, right):
            yield left, right
            yield right, left
        case _:
            return


def _is_single(found: Operation, loss: Loss) -> bool:
    """Whether the mask is cast to float32 or float64 by name."""
    casts = (loss.operation(x, "cast", "float") for x in loss.sources(found.get("x")))
    kinds = [op.get("dtype") for op in casts if op and op.library != "method"]
    return any(kind is not None and "float32" in ast.unparse(kind) for kind in kinds)


def _message(found: Operation, epsilon: float) -> str:
    start = f"the count of `{ast.unparse(found.arguments['x'])}` is guarded by {epsilon:g}, which"
    if epsilon >= _SMALLEST_HALF:
        return f"{start} makes every mean too small"
    zero = "is 0" if epsilon < 2.0**-25 else "may be 0"
    return f"{start} {zero} in float16: 0 / 0 is NaN"

"""LSM101: a loss class that subtracts without a look at the ranks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

_MEETS = frozenset(
    {"add", "subtract", "multiply", "divide", "squared_difference", "maximum", "minimum", "power"}
)
_ALIGNS = frozenset(
    [
        "reshape",
        "flatten",
        "expand_dims",
        "squeeze",
        "broadcast_to",
        "one_hot",
        "repeat",
        "tile",
        "transpose",
        "take",
        "gather",
        "concatenate",
        "stack",
        "einsum",
        "matmul",
        "shape",
        "ndim",
        "len",
    ]
)
_SHAPES = frozenset({"shape", "ndim", "get_shape", "rank"})


class UnalignedSubclassCall(Rule):
    """The `call` of a loss class combines target and prediction as they come, whatever their ranks.

    Off by default: `fit` gives targets of one number a second axis, so that it bites in training
    loops of your own and in losses inside losses, and most classes that it finds never meet either.
    Of its two findings in Keras, KerasHub, optax and torchmetrics, one is wrong.

    Why it is bad:
        Keras makes the ranks equal for functions, not for subclasses of `Loss`. A target (B,)
        against a prediction (B, 1) is (B, B): every prediction is compared with every target.

    Example:
        class Squared(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return ops.square(y_true - y_pred)

    Use instead:
        class Squared(keras.losses.Loss):
            def call(self, y_true, y_pred):
                y_true = ops.reshape(y_true, ops.shape(y_pred))
                return ops.square(y_true - y_pred)

    Fix safety:
        Unsafe: where the target is meant to broadcast, it raises.
    """

    code = "LSM101"
    name = "unaligned-subclass-call"
    confirmed_by = ("no-silent-broadcast",)
    default = False
    fix = "unsafe"
    flags = (
        Flagged(
            """
            import keras
            from keras import ops

            class Squared(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return ops.mean(ops.square(y_true - y_pred), axis=-1)  # per step
            """,
            "target and prediction meet with the ranks they have: (B,) against (B, 1) is (B, B)",
            6,
            35,
            """
            import keras
            from keras import ops

            class Squared(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    y_true = ops.reshape(y_true, ops.shape(y_pred))
                    return ops.mean(ops.square(y_true - y_pred), axis=-1)  # per step
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            class Quantile(tf.keras.losses.Loss):
                def call(self, y_true, y_pred):
                    target = tf.cast(y_true, y_pred.dtype)
                    error = tf.subtract(target, y_pred)
                    return tf.maximum(0.9 * error, -0.1 * error)
            """,
            "target and prediction meet with the ranks they have: (B,) against (B, 1) is (B, B)",
            6,
            16,
            """
            from keras import ops
            import tensorflow as tf

            class Quantile(tf.keras.losses.Loss):
                def call(self, y_true, y_pred):
                    y_true = ops.reshape(y_true, ops.shape(y_pred))
                    target = tf.cast(y_true, y_pred.dtype)
                    error = tf.subtract(target, y_pred)
                    return tf.maximum(0.9 * error, -0.1 * error)
            """,
        ),
    )
    passes = (
        """
        import keras
        from keras import ops

        class Squared(keras.losses.Loss):
            def call(self, y_true, y_pred):
                y_true = ops.reshape(y_true, (-1, 1))
                return ops.mean(ops.square(y_true - y_pred), axis=-1)
        """,
        """
        import keras

        class Squared(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return 2 * keras.losses.mean_squared_error(y_true, y_pred)
        """,
        """
        from keras import ops

        def squared(y_true, y_pred):
            return ops.mean(ops.square(y_true - y_pred), axis=-1)
        """,
        """
        import keras
        from keras import ops

        class Each(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return ops.square(y_true[:, None] - y_pred)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for the first place where the two meet, if nothing has looked at shapes."""
        if loss.why != "subclass" or loss.node.name != "call" or _looks_at_shapes(loss):
            return
        meeting = next((op for op in loss.operations if _meets(op, loss)), None)
        if meeting:
            message = (
                "target and prediction meet with the ranks they have: (B,) against (B, 1) is (B, B)"
            )
            yield self.at(meeting.node, message, self._fix(loss))

    def _fix(self, loss: Loss) -> Fix | None:
        body = [x for x in loss.node.body if not _is_docstring(x)]
        if not body or body[0].lineno == loss.node.lineno:
            return None
        reshape, imports = self.module.spell("reshape")
        shape, _ = self.module.spell("shape")
        line = f"{loss.target} = {reshape}({loss.target}, {shape}({loss.prediction}))"
        line = f"{self.module.indent(body[0])}{line}"
        insert = self.module.insert_line(body[0].lineno, line)
        return self.mend("give the target the shape of the prediction", imports, insert)


def _meets(operation: Operation, loss: Loss) -> bool:
    values = [loss.value(x) for x in operation.operands]
    if operation.name not in _MEETS or any(x.opaque or x.reduced for x in values):
        return False
    return sorted(x.origin for x in values) == ["prediction", "target"]


def _looks_at_shapes(loss: Loss) -> bool:
    for node in loss.nodes:
        match node:
            case ast.Subscript(value=of) if loss.value(of).from_data:
                return True
            case ast.Attribute(value=of, attr=attr) if attr in _SHAPES and _is_data(of, loss):
                return True
            case _:
                pass
    return any(
        op.name in _ALIGNS and any(loss.value(x).from_data for x in op.operands)
        for op in loss.operations
    )


def _is_data(node: ast.expr, loss: Loss) -> bool:
    return loss.value(node).from_data


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

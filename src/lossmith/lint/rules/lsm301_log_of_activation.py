"""LSM301: a softmax or sigmoid whose log is taken in a second step."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import activation, stable
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule


class LogOfActivation(Rule):
    """The log of a softmax or sigmoid is taken after the activation, not with it.

    Why it is bad:
        A probability is rounded before its log is taken, and underflows to 0: in float32 at a logit
        of -104, in float16 at one of -17. The log of 0 is -inf, and its gradient NaN, for just the
        samples that the model is most wrong about.

    Example:
        return -ops.sum(y_true * ops.log(ops.softmax(y_pred, axis=-1)), axis=-1)

    Use instead:
        return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)

    Fix safety:
        Safe: the same function, computed without the step between. Offered where the activation
        stands inside the log. `log(1 - sigmoid(x))` is `log_sigmoid(-x)`.
    """

    code = "LSM301"
    name = "log-of-activation"
    confirmed_by = ("extremes", "half-precision")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                return -ops.sum(y_true * ops.log(ops.softmax(y_pred, axis=-1)), axis=-1)  # nats
            """,
            "log after softmax: a probability that underflows to 0 gives -inf, and NaN gradients",
            4,
            29,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)  # nats
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return -tf.reduce_mean((1 - y_true) * tf.math.log(1 - tf.sigmoid(y_pred)), axis=-1)
            """,
            "log after sigmoid: a probability that underflows to 0 gives -inf, and NaN gradients",
            4,
            42,
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return -tf.reduce_mean((1 - y_true) * tf.math.log_sigmoid(-y_pred), axis=-1)
            """,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                return -(y_true * torch.log(torch.softmax(y_pred, dim=-1))).sum(dim=-1)
            """,
            "log after softmax: a probability that underflows to 0 gives -inf, and NaN gradients",
            4,
            22,
            """
            import torch

            def loss(y_true, y_pred):
                return -(y_true * torch.log_softmax(y_pred, dim=-1)).sum(dim=-1)
            """,
        ),
        Flagged(
            """
            import jax
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                chance = jax.nn.sigmoid(y_pred)
                return -jnp.mean(y_true * jnp.log(chance), axis=-1)
            """,
            "log after sigmoid: a probability that underflows to 0 gives -inf, and NaN gradients",
            6,
            30,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            chance = ops.clip(ops.sigmoid(y_pred), 1e-7, 1 - 1e-7)
            return -ops.mean(y_true * ops.log(chance), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.mean(ops.log(1 + ops.softmax(y_pred)), axis=-1)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what logs are taken of."""
        for operation in loss.operations:
            made = activation(loss, operation.get("x")) if operation.name == "log" else None
            if made and loss.value(operation.get("x")).from_data:
                message = (
                    f"log after {made.name}: a probability that underflows to 0 gives -inf, and"
                    " NaN gradients"
                )
                yield self.at(operation.node, message, self._fix(operation, loss))

    def _fix(self, log: Operation, loss: Loss) -> Fix | None:
        inner, minus = _written_inside(log.arguments["x"])
        made = loss.operation(inner, "sigmoid", "softmax")
        if made is None or not isinstance(inner, ast.Call) or made.library == "method":
            return None
        written = stable(self.module, f"log_{made.name}", like=made)
        if written is None or (minus and (made.name == "softmax" or len(_arguments(inner)) != 1)):
            return None
        name, imports = written
        # The arguments with their parentheses, as they are written.
        arguments = self.module.source(inner)[len(self.module.source(inner.func)) :]
        if minus:
            arguments = f"(-{self.module.operand(inner.args[0])})"
        edit = self.module.replace(log.node, name + arguments)
        return self.mend("take log and activation in one step", imports, edit)


def _written_inside(node: ast.expr) -> tuple[ast.expr, bool]:
    """Return the activation, and whether it is subtracted from 1."""
    match node:
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=right):
            return right, True
        case _:
            return node, False


def _arguments(call: ast.Call) -> list[ast.expr]:
    """All arguments, if the first is given by position."""
    return [*call.args, *(k.value for k in call.keywords)] if call.args else []

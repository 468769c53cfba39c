"""LSM303: `log(1 + x)` and `exp(x) - 1`, which lose what is small next to 1."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Edit, Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import stable
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule


class UseLog1pExpm1(Rule):
    """`log(1 + x)` or `exp(x) - 1` stands where `log1p`, `expm1` or `softplus` should.

    Why it is bad:
        Next to 1, what is smaller than 1e-7 is rounded away (in float16, than 1e-3): a small error
        becomes 0. `log(1 + exp(x))` overflows as well; `softplus` does not.

    Example:
        return ops.mean(ops.log(1 + ops.square(y_true - y_pred)), axis=-1)

    Use instead:
        return ops.mean(ops.log1p(ops.square(y_true - y_pred)), axis=-1)

    Fix safety:
        Safe: the same function, with less rounding. Offered where 1 is added inside the log.
    """

    code = "LSM303"
    name = "use-log1p-expm1"
    confirmed_by = ("half-precision",)
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.mean(ops.log(1.0 + ops.square(y_true - y_pred)), axis=-1)
            """,
            "`log(1 + x)` loses an x that is small next to 1: `log1p` does not",
            4,
            20,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.mean(ops.log1p(ops.square(y_true - y_pred)), axis=-1)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return tf.reduce_mean(tf.exp(tf.abs(y_true - y_pred)) - 1, axis=-1)
            """,
            "`exp(x) - 1` loses an x that is small next to 1: `expm1` does not",
            4,
            26,
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return tf.reduce_mean(tf.math.expm1(tf.abs(y_true - y_pred)), axis=-1)
            """,
        ),
        Flagged(
            """
            import jax
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                return jnp.mean(jnp.log(1 + jnp.exp(-y_true * y_pred)), axis=-1)
            """,
            "`log(1 + exp(x))` overflows and loses a small x: `softplus` does not",
            5,
            20,
            """
            import jax
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                return jnp.mean(jax.nn.softplus(-y_true * y_pred), axis=-1)
            """,
        ),
        Flagged(
            """
            from tensorflow.keras import backend as K

            def loss(y_true, y_pred):
                first = K.log(K.clip(y_pred, K.epsilon(), None) + 1.0)
                return K.square(first)
            """,
            "`log(1 + x)` loses an x that is small next to 1: `log1p` does not",
            4,
            12,
            """
            from keras import ops
            from tensorflow.keras import backend as K

            def loss(y_true, y_pred):
                first = ops.log1p(K.clip(y_pred, K.epsilon(), None))
                return K.square(first)
            """,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.mean(ops.log1p(ops.abs(y_true - y_pred)), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            return -ops.mean(ops.log(1 - ops.clip(y_pred, 1e-7, 1 - 1e-7)), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred, smooth=1):
            return ops.mean(ops.log(y_pred + smooth) + ops.exp(1 - y_pred), axis=-1)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for 1 where it is added to what a log is of, or taken from an exponential."""
        for operation in loss.operations:
            if not loss.value(operation.node).from_data:
                continue
            if operation.name == "log" and (x := _beside_one(loss, operation.get("x"))):
                yield self._log_of_sum(operation, x, loss)
            elif operation.name == "subtract" and _is_one(operation.get("x2")):
                exp = loss.operation(operation.get("x1"), "exp")
                if exp and "x" in exp.arguments:
                    yield self._exp_less_one(operation, exp)

    def _log_of_sum(self, log: Operation, x: ast.expr, loss: Loss) -> Finding:
        exp = loss.operation(x, "exp")
        if exp and "x" in exp.arguments:
            message = "`log(1 + exp(x))` overflows and loses a small x: `softplus` does not"
            return self.at(log.node, message, self._fix("softplus", log, exp.arguments["x"]))
        message = "`log(1 + x)` loses an x that is small next to 1: `log1p` does not"
        return self.at(log.node, message, self._fix("log1p", log, x))

    def _exp_less_one(self, difference: Operation, exp: Operation) -> Finding:
        message = "`exp(x) - 1` loses an x that is small next to 1: `expm1` does not"
        written = stable(self.module, "expm1", like=exp)
        fix = written and self._written(difference, *written, exp.arguments["x"])
        return self.at(difference.node, message, fix)

    def _fix(self, name: str, log: Operation, x: ast.expr) -> Fix | None:
        written = stable(self.module, name, like=log)
        return written and self._written(log, *written, x)

    def _written(self, whole: Operation, name: str, imports: tuple[Edit, ...], x: ast.expr) -> Fix:
        edit = self.module.replace(whole.node, f"{name}({self.module.source(x)})")
        return self.mend(f"use `{name}`", imports, edit)


def _beside_one(loss: Loss, node: ast.expr | None) -> ast.expr | None:
    """Return x, if an expression is `1 + x` or `x + 1`."""
    match loss.operation(node, "add"):
        case Operation(arguments={"x1": one, "x2": x}) if _is_one(one):
            return x
        case Operation(arguments={"x1": x, "x2": one}) if _is_one(one):
            return x
        case _:
            return None


def _is_one(node: ast.expr | None) -> bool:
    """Whether 1 is written there: a name for 1 is a setting."""
    return isinstance(node, ast.Constant) and node.value == 1

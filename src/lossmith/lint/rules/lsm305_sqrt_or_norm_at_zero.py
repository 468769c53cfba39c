"""LSM305: a root or norm of something that may be 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import GUARD, may_be_zero, shown
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

# PyTorch has a gradient of 0 for the norm of zeros, the others have NaN.
_NAN_AT_ZERO = ("keras", "tensorflow", "jax")


class SqrtOrNormAtZero(Rule):
    """A root or norm is taken of what is computed from the prediction and may be 0.

    Why it is bad:
        The slope of a root is infinite at 0. The value there is fine, 0, and the gradient is NaN:
        one sample that is predicted exactly, or one that a mask has set to 0, ends the training.

    Example:
        return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1))

    Use instead:
        return ops.sqrt(ops.maximum(ops.mean(ops.square(y_true - y_pred), axis=-1), 1e-7))

    Fix safety:
        Unsafe: below 1e-7 the value is that of 1e-7, and the gradient 0. Offered for roots; write a
        norm as the root of a sum of squares first.
    """

    code = "LSM305"
    name = "sqrt-or-norm-at-zero"
    confirmed_by = ("extremes",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1))  # RMSE
            """,
            "root of `ops.mean(ops.square(y_true - y_pred),...`: at 0 the gradient is NaN",
            4,
            20,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.sqrt(ops.maximum(ops.mean(ops.square(y_true - y_pred), axis=-1), 1e-7))  # RMSE
            """,  # noqa: E501
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return tf.norm(y_true - y_pred, axis=-1)
            """,
            "norm of `y_true - y_pred`: at 0 the gradient is NaN",
            4,
            19,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                squares = (y_true - y_pred) ** 2
                return squares.sum(dim=-1) ** 0.5
            """,
            "root of `squares.sum(dim=-1)`: at 0 the gradient is NaN",
            5,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1) + 1e-6)
        """,
        """
        import torch

        def loss(y_true, y_pred):
            return torch.linalg.norm(y_true - y_pred, dim=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            size = ops.sqrt(ops.cast(ops.shape(y_pred)[-1], "float32"))
            return ops.norm(y_pred - y_true, ord=1, axis=-1) / size
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            scale = ops.sqrt(ops.max(ops.square(y_true), axis=-1))
            return ops.mean(ops.square(y_true - y_pred), axis=-1) * scale
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at roots, powers below 1, and norms."""
        for operation in loss.operations:
            rooted = _rooted(operation, loss)
            if rooted and loss.value(rooted).prediction and may_be_zero(loss, rooted):
                kind = "norm" if operation.name == "norm" else "root"
                message = f"{kind} of `{shown(rooted)}`: at 0 the gradient is NaN"
                yield self.at(rooted, message, self._fix(operation, rooted))

    def _fix(self, root: Operation, rooted: ast.expr) -> Fix | None:
        if root.name == "norm" or root.library in {"method", "operator", "numpy", "torch"}:
            return None
        maximum, imports = self.module.spell("maximum", like=root)
        guarded = f"{maximum}({self.module.source(rooted)}, {GUARD})"
        return self.mend("keep it above 0", imports, self.module.replace(rooted, guarded))


def _rooted(operation: Operation, loss: Loss) -> ast.expr | None:
    """Return what a root or a Euclidean norm is taken of."""
    match operation.name:
        case "sqrt":
            return operation.get("x")
        case "power":
            exponent = loss.value(operation.get("x2")).constant
            return operation.get("x1") if exponent is not None and 0 < exponent < 1 else None
        case "norm" if operation.library.startswith(_NAN_AT_ZERO) and _is_euclidean(operation):
            return operation.get("x")
        case _:
            return None


def _is_euclidean(norm: Operation) -> bool:
    # Everywhere the second argument, where other reductions have the axis.
    second = norm.node.args[1:2] if isinstance(norm.node, ast.Call) else []
    order = norm.get("ord") or next(iter(second), None)
    return order is None or (
        isinstance(order, ast.Constant) and order.value in {None, 2, "euclidean", "fro"}
    )

"""LSM202: a `where` around what is not finite, and none inside."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.masking import count, own_arguments, select
from lossmith.lint.numerics import may_be_zero, shown
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

_STEEP = frozenset({"log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"})
_STRAIGHT = frozenset(
    ["add", "subtract", "negative", "cast", "expand_dims", "reshape", "squeeze", "sum", "mean"]
)
# What is behind these has been replaced.
_STOPS = frozenset({"where", "nan_to_num", "divide_no_nan"})
_PATTERNS = {"x1": "{}({}, {{}}, 0)", "x2": "{}({}, 0, {{}})"}


class HalfGuardedWhere(Rule):
    """`where` replaces a value that is not finite, and its gradient goes through all the same.

    Why it is bad:
        Both branches are differentiated. The one not taken gets a gradient of 0, which is
        multiplied by an infinite slope, or by NaN: the loss looks right, and the gradient is NaN.

    Example:
        return ops.where(mask, -y_true * ops.log(y_pred), 0)

    Use instead:
        y_pred = ops.where(mask, y_pred, 1)
        return ops.where(mask, -y_true * ops.log(y_pred), 0)

    Fix safety:
        Safe: value and gradient stay the same wherever they were finite. Offered for sums,
        products, squares and absolute values of the loss's own arguments; which value is legal
        for a logarithm or a root is yours to say.
    """

    code = "LSM202"
    name = "half-guarded-where"
    confirmed_by = ("masked-nan", "extremes")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                known = ops.logical_not(ops.isnan(y_true))
                return ops.where(known, ops.square(y_true - y_pred), 0)  # no gaps
            """,
            "`where` hides NaN from the value, not from the gradient of"
            " `ops.square(y_true - y_pred)`",
            5,
            11,
            """
            from keras import ops

            def loss(y_true, y_pred):
                known = ops.logical_not(ops.isnan(y_true))
                return ops.where(known, ops.square(ops.where(known, y_true, 0) - ops.where(known, y_pred, 0)), 0)  # no gaps
            """,  # noqa: E501
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                mask = tf.not_equal(y_true, -1)
                entropy = -y_true * tf.math.log(y_pred)
                return tf.where(mask, entropy, tf.zeros_like(entropy))
            """,
            "`where` hides infinity from the value, not from the gradient of `tf.math.log(y_pred)`",
            6,
            11,
        ),
        Flagged(
            """
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                distance = jnp.sum(jnp.square(y_true - y_pred), axis=-1)
                return jnp.where(distance > 0, jnp.sqrt(distance), 0.0)
            """,
            "`where` hides infinity from the value, not from the gradient of `jnp.sqrt(distance)`",
            5,
            11,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
                count = ops.sum(mask, axis=-1)
                total = ops.sum(mask * ops.abs(y_true - y_pred), axis=-1)
                return ops.where(count > 0, total / count, 0.0)
            """,
            "`where` hides infinity from the value, not from the gradient of `total / count`",
            7,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            known = ops.logical_not(ops.isnan(y_true))
            y_true = ops.where(known, y_true, 0)
            return ops.where(known, ops.square(y_true - ops.where(known, y_pred, 0)), 0)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.not_equal(y_true, -1)
            y_pred = ops.clip(y_pred, 1e-6, 1)
            return ops.where(mask, -y_true * ops.log(y_pred), 0)
        """,
        """
        from keras import ops

        def huber(y_true, y_pred):
            error = ops.abs(y_true - y_pred)
            return ops.where(error <= 1, 0.5 * ops.square(error), error - 0.5)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            known = ops.logical_not(ops.isnan(y_true))
            return ops.square(ops.where(known, y_true - y_pred, 0))
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            positive = y_true > 0
            own = ops.where(positive, y_true * ops.log(y_true), 0)
            return own - y_true * ops.log(ops.maximum(y_pred, 1e-6))
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look into the branches of each `where` that has a constant beside."""
        for operation in loss.operations:
            if operation.name != "where" or operation.library == "numpy":
                continue
            for kept, other in (("x1", "x2"), ("x2", "x1")):
                branch = operation.get(kept)
                if branch is None or not _is_filler(operation.get(other), loss):
                    continue
                missing = _is_made_by_isnan(operation.get("condition"), loss)
                if missing and _lets_nan_in(branch, missing, loss):
                    fix = self._fix(operation, branch, loss, _PATTERNS[kept])
                    yield self.at(operation.node, _message("NaN", branch), fix)
                elif (steep := _steep(branch, loss)) is not None:
                    yield self.at(operation.node, _message("infinity", steep))

    def _fix(self, where: Operation, branch: ast.expr, loss: Loss, pattern: str) -> Fix | None:
        names, call = own_arguments(branch, loss), where.node
        if not names or not isinstance(call, ast.Call) or "\n" in self.module.source(branch):
            return None
        function = self.module.source(call.func)
        condition = self.module.source(where.arguments["condition"])
        text = select(branch, names, pattern.format(function, condition), loss)
        return self.mend("select inside as well", self.module.replace(branch, text))


def _message(what: str, node: ast.expr) -> str:
    return f"`where` hides {what} from the value, not from the gradient of `{shown(node)}`"


def _is_filler(node: ast.expr | None, loss: Loss) -> bool:
    return node is not None and not loss.value(node).prediction


def _is_made_by_isnan(condition: ast.expr | None, loss: Loss) -> Operation | None:
    tests = (loss.operation(x, "isnan", "isfinite") for x in loss.sources(condition))
    return next((test for test in tests if test), None)


def _lets_nan_in(branch: ast.expr, missing: Operation, loss: Loss) -> bool:
    """Whether what may be NaN reaches an error whose slope depends on it."""
    nan = loss.value(missing.get("x"))
    read = [*loss.sources(branch, up_to=_STOPS)]
    leaves = [loss.value(x) for x in read if isinstance(x, ast.Name)]
    raw = any(
        x.expression is None and ((nan.target and x.target) or (nan.prediction and x.prediction))
        for x in leaves
    )
    bends = (loss.operation(x) for x in read)
    return raw and loss.value(branch).prediction and any(_bends(op, loss) for op in bends if op)


def _bends(operation: Operation, loss: Loss) -> bool:
    """Whether the slope of an operation depends on its operands."""
    values = [loss.value(x) for x in operation.operands]
    if not any(x.prediction for x in values) or operation.name in _STRAIGHT:
        return False
    return operation.name != "multiply" or all(x.from_data for x in values)


def _steep(branch: ast.expr, loss: Loss) -> ast.expr | None:
    """Return what has an infinite slope somewhere, and no guard inside."""
    for node in loss.sources(branch, up_to=_STOPS):
        operation = loss.operation(node)
        if operation is None or not loss.value(node).prediction:
            continue
        x = operation.get("x")
        if operation.name in _STEEP and loss.value(x).prediction and may_be_zero(loss, x):
            return node
        divisor = operation.get("x2") if operation.name == "divide" else None
        if divisor is not None and (may_be_zero(loss, divisor) or _is_count(divisor, loss)):
            return node
    return None


def _is_count(node: ast.expr, loss: Loss) -> bool:
    return count(node, loss) is not None and not loss.value(node).positive

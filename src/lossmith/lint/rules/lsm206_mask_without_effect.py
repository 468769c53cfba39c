"""LSM206: a mask that does nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.masking import count
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.values import Reduced

_DIRECT = frozenset({"cast", "logical_not", "logical_and", "logical_or", "float"})
_TESTS = frozenset({"equal", "not_equal", "isnan", "isfinite", "greater", "less"})


class MaskWithoutEffect(Rule):
    """A mask is made and never used, or meets the error after the error has been averaged.

    Why it is bad:
        A mean of all positions holds those that should not count, and a mask that multiplies it
        takes none of them out: padding is learned, and nothing says so.

    Example:
        return ops.mean(ops.square(y_true - y_pred)) * mask

    Use instead:
        count = ops.maximum(ops.sum(mask, axis=-1), 1)
        return ops.sum(ops.square(y_true - y_pred) * mask, axis=-1) / count

    Fix safety:
        No fix: what the mask was meant to leave out, the code does not say.
    """

    code = "LSM206"
    name = "mask-without-effect"
    confirmed_by = ("masked-values",)
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, -1), y_pred.dtype)
                error = ops.mean(ops.square(y_true - y_pred))
                return error * mask
            """,
            "`mask` meets one number: what it should leave out is in it already",
            6,
            11,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                mask = tf.cast(tf.not_equal(y_true, 0), y_pred.dtype)
                error = tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1, keepdims=True)
                return tf.reduce_sum(mask * error, axis=-1)
            """,
            "`mask` meets a mean over its own axis: what it should leave out is in it already",
            6,
            25,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.not_equal(y_true, -1)
                return ops.mean(ops.square(y_true - y_pred), axis=-1)
            """,
            "`mask` is made and never used",
            4,
            4,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.not_equal(y_true, -1)
                count = ops.maximum(ops.sum(ops.cast(mask, y_pred.dtype), axis=-1), 1)
                return ops.sum(ops.square(y_true - y_pred), axis=-1) / count
            """,
            "`mask` is counted, and the sum that is divided is over all positions",
            6,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, -1), y_pred.dtype)
            error = ops.mean(ops.square(y_true - y_pred), axis=-1)
            return error * ops.max(mask, axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.any(ops.not_equal(y_true, 0), axis=-1, keepdims=True), "float32")
            error = ops.mean(ops.square(y_true - y_pred), axis=-1, keepdims=True)
            return error * mask
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.not_equal(y_true, -1)
            count = ops.maximum(ops.sum(ops.cast(mask, y_pred.dtype), axis=-1), 1)
            error = ops.where(mask, ops.square(y_true - y_pred), 0)
            return ops.sum(error, axis=-1) / count
        """,
        """
        import keras
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred) * mask
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for masks that are not used, used too late, or only counted."""
        yield from self._unused(loss)
        for operation in loss.operations:
            if operation.name == "multiply":
                yield from self._late(operation, loss)
            elif operation.name == "divide":
                yield from self._counted(operation, loss)

    def _unused(self, loss: Loss) -> Iterator[Finding]:
        names = [node for node in loss.nodes if isinstance(node, ast.Name)]
        read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        for node in names:
            value = loss.value(node)
            stored = isinstance(node.ctx, ast.Store) and node.id not in read
            if stored and value.mask and not node.id.startswith("_"):
                yield self.at(node, f"`{node.id}` is made and never used")

    def _late(self, product: Operation, loss: Loss) -> Iterator[Finding]:
        for mask, error in _orders(product):
            value = loss.value(error)
            if not _is_mask_of_positions(mask, loss) or not value.prediction or value.opaque:
                continue
            if value.reduced is Reduced.ALL:
                what = "one number"
            elif _is_mean_over_last(error, loss):
                what = "a mean over its own axis"
            else:
                continue
            message = (
                f"`{ast.unparse(mask)}` meets {what}: what it should leave out is in it already"
            )
            yield self.at(product.node, message)

    def _counted(self, division: Operation, loss: Loss) -> Iterator[Finding]:
        total, divisor = division.get("x1"), division.get("x2")
        counts = [c for x in loss.sources(divisor) if (c := count(x, loss))]
        value = loss.value(total)
        if not counts or not value.prediction or value.opaque or value.target is False:
            return
        if not any(loss.value(x).mask for x in loss.sources(total)) and loss.source_of(
            total, "sum"
        ):
            name = _name_of_mask(counts[0], loss)
            message = f"`{name}` is counted, and the sum that is divided is over all positions"
            yield self.at(division.node, message)


def _orders(product: Operation) -> Iterator[tuple[ast.expr, ast.expr]]:
    match product.operands:
        case (left, right):
            yield left, right
            yield right, left
        case _:
            return


def _is_mask_of_positions(node: ast.expr, loss: Loss) -> bool:
    """Whether it is a test of the target, element by element, with no axis added or reduced."""
    value = loss.value(node)
    made = value.made_by
    while made and made.name in _DIRECT:
        made = loss.source_of(made.get("x") or made.get("x1"))
    if not (value.mask and value.indicator) or made is None or made.name not in _TESTS:
        return False
    tested = loss.value(made.get("x") or made.get("x1"))
    return tested.target and tested.expression is None


def _is_mean_over_last(node: ast.expr, loss: Loss) -> bool:
    """Whether it is `mean(f(y_true, y_pred), axis=-1, keepdims=True)`."""
    mean = loss.source_of(node, "mean", "sum")
    kept = mean.get("keepdims") if mean else None
    if mean is None or mean.axis != (-1,) or not isinstance(kept, ast.Constant) or not kept.value:
        return False
    value = loss.value(mean.get("x"))
    return value.target and value.prediction and value.reduced is Reduced.NOT


def _name_of_mask(counted: Operation, loss: Loss) -> str:
    names = (x for x in loss.sources(counted.get("x")) if isinstance(x, ast.Name))
    return next((x.id for x in names if loss.value(x).mask), ast.unparse(counted.arguments["x"]))

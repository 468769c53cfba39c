"""LSM201: a mask that is multiplied, so that what it should hide stays NaN."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.masking import own_arguments, select
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.vocabulary import BOOLEAN


class MaskByMultiplication(Rule):
    """The error is multiplied by a mask, with nothing put in place of what the mask hides.

    Why it is bad:
        0 times NaN is NaN, and 0 times infinity too. One missing target, one logarithm of 0 in the
        padding, and the loss and all gradients are NaN although that position does not count.

    Example:
        return ops.square(y_true - y_pred) * mask

    Use instead:
        y_true = ops.where(mask, y_true, 0)
        y_pred = ops.where(mask, y_pred, 0)
        return ops.where(mask, ops.square(y_true - y_pred), 0)

    Fix safety:
        Safe: value and gradient stay the same wherever they were finite. `where` around the product
        alone would leave NaN in the gradient, so a fix puts it around the inputs as well, and is
        offered only for sums, products, squares and absolute values of the loss's own arguments.
    """

    code = "LSM201"
    name = "mask-by-multiplication"
    confirmed_by = ("masked-nan",)
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, -1), "float32")
                return ops.square(y_true - y_pred) * mask  # no padding
            """,
            "multiplied by `mask`: NaN times 0 is NaN, in the value or in the gradient",
            5,
            11,
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, -1), "float32")
                return ops.where(mask > 0, ops.square(ops.where(mask > 0, y_true, 0) - ops.where(mask > 0, y_pred, 0)), 0)  # no padding
            """,  # noqa: E501
        ),
        Flagged(
            """
            import tensorflow as tf

            ce = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")

            def loss_function(real, pred):
                mask = tf.math.logical_not(tf.math.equal(real, 0))
                loss_ = ce(real, pred)
                mask = tf.cast(mask, dtype=loss_.dtype)
                loss_ *= mask
                return tf.reduce_mean(loss_)
            """,
            "multiplied by `mask`: NaN times 0 is NaN, in the value or in the gradient",
            9,
            4,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                valid = ops.cast(ops.isfinite(y_true), "float32")
                return ops.sum(ops.multiply(valid, -y_true * ops.log(y_pred)), axis=-1)
            """,
            "multiplied by `valid`: NaN times 0 is NaN, in the value or in the gradient",
            5,
            19,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.not_equal(y_true, -1)
            error = ops.where(mask, y_true, 0) - ops.where(mask, y_pred, 0)
            return ops.square(error) * ops.cast(mask, "float32")
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            positive = ops.cast(ops.equal(y_true, 1), "float32")
            return -positive * ops.log(ops.clip(y_pred, 1e-7, 1.0))
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, -1), "float32")
            other = ops.cast(ops.not_equal(y_true, 0), "float32")
            return ops.where(mask * other > 0, 1.0, 0.0)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for products of a mask and what comes from the prediction."""
        for operation in loss.operations:
            if operation.name != "multiply":
                continue
            for mask, error in _factors(operation):
                hides = loss.value(mask).mask and loss.value(mask).indicator
                value = loss.value(error)
                if hides and value.prediction and not (value.indicator or value.masked):
                    message = (
                        f"multiplied by `{ast.unparse(mask)}`: NaN times 0 is NaN, in the value or"
                        " in the gradient"
                    )
                    yield self.at(operation.node, message, self._fix(operation, mask, error, loss))
                    break

    def _fix(self, operation: Operation, mask: ast.expr, error: ast.expr, loss: Loss) -> Fix | None:
        names = own_arguments(error, loss)
        made = loss.value(mask).made_by
        one_line = "\n" not in self.module.source(operation.node)
        if not names or made is None or not one_line:
            return None
        where, imports = self.module.spell("where", like=made)
        # A boolean is a condition as it is; TensorFlow compares none with 0.
        written = self.module.operand(mask)
        condition = written if made.name in BOOLEAN else f"{written} > 0"
        pattern = f"{where}({condition}, {{}}, 0)"
        text = pattern.format(select(error, names, pattern, loss))
        edit = self.module.replace(operation.node, text)
        return self.mend("select with `where`, inside and outside", imports, edit)


def _factors(operation: Operation) -> Iterator[tuple[ast.expr, ast.expr]]:
    match operation.operands:
        case (left, right):
            yield right, left
            yield left, right
        case _:
            return

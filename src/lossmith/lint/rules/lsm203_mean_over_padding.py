"""LSM203: a mean that counts what the mask has set to 0."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import shown
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.values import Reduced


class MeanOverPadding(Rule):
    """Masked errors are averaged over all positions, also those that the mask has set to 0.

    Why it is bad:
        The sum leaves padding out and the count does not. The longer the padding, the smaller the
        loss, so that a sample counts for less because of what it was put in a batch with.

    Example:
        return ops.mean(error * mask)

    Use instead:
        return ops.sum(error * mask, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)

    Fix safety:
        Unsafe: another value, and the right one. Offered for the mean of a named error times a
        named mask.
    """

    code = "LSM203"
    name = "mean-over-padding"
    confirmed_by = ("padding-invariance",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, -1), y_pred.dtype)
                error = ops.abs(y_true - y_pred)
                return ops.mean(error * mask, axis=-1)  # steps
            """,
            "mean of `error * mask` counts what the mask leaves out: more padding, smaller loss",
            6,
            11,
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.cast(ops.not_equal(y_true, -1), y_pred.dtype)
                error = ops.abs(y_true - y_pred)
                return ops.sum(error * mask, axis=-1) / ops.maximum(ops.sum(ops.ones_like(error) * mask, axis=-1), 1)  # steps
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
            "mean of `loss_` counts what the mask leaves out: more padding, smaller loss",
            10,
            11,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                known = ops.logical_not(ops.isnan(y_true))
                y_true, y_pred = ops.where(known, y_true, 0), ops.where(known, y_pred, 0)
                return ops.mean(ops.square(y_true - y_pred), axis=-1)
            """,
            "mean of `ops.square(y_true - y_pred)` counts what the mask leaves out: more padding,"
            " smaller loss",
            6,
            11,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            class Masked(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
                    error = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
                    return error * mask
            """,
            "`error * mask` is averaged by Keras, which counts what the mask leaves out: more"
            " padding, smaller loss",
            8,
            15,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, -1), y_pred.dtype)
            error = ops.abs(y_true - y_pred)
            return ops.sum(error * mask, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, -1), y_pred.dtype)
            share = ops.maximum(ops.mean(mask), 1e-3)
            return ops.mean(ops.abs(y_true - y_pred) * mask) / share
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
            error = ops.square(y_true - y_pred)
            return ops.mean(mask * error + (1 - mask) * 0.1 * error, axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            positive = ops.cast(ops.equal(y_true, 1), y_pred.dtype)
            return ops.mean(-positive * ops.log(ops.clip(y_pred, 1e-6, 1)), axis=-1)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at means, and at what Keras is given to average."""
        divided = _divided_by_a_count(loss)
        means = [
            op
            for op in loss.operations
            if op.name == "mean" and op.node not in divided and _is_zeroed(op.get("x"), loss)
        ]
        for mean in means:
            x = mean.arguments["x"]
            message = (
                f"mean of `{shown(x)}` counts what the mask leaves out: more padding, smaller loss"
            )
            yield self.at(mean.node, message, self._fix(mean, loss))
        if not means and not divided and loss.for_keras and loss.returned.reduced is Reduced.NOT:
            for returned in loss.returns:
                if _is_zeroed(returned, loss):
                    message = (
                        f"`{shown(returned)}` is averaged by Keras, which counts what the mask"
                        " leaves out: more padding, smaller loss"
                    )
                    yield self.at(returned, message)

    def _fix(self, mean: Operation, loss: Loss) -> Fix | None:
        call, product = mean.node, loss.operation(mean.get("x"), "multiply")
        if not isinstance(call, ast.Call) or product is None or mean.library in {"method", "torch"}:
            return None
        names = [x for x in product.operands if isinstance(x, ast.Name)]
        masks = [x.id for x in names if loss.value(x).indicator]
        errors = [x.id for x in names if not loss.value(x).indicator]
        if len(masks) != 1 or len(errors) != 1 or "\n" in self.module.source(call):
            return None
        total, imports = self.module.spell("sum")
        (maximum, _), (ones, _) = self.module.spell("maximum"), self.module.spell("ones_like")
        inside = self.module.source(mean.arguments["x"])
        rest = self.module.source(call).partition(inside)[2].removesuffix(")")
        counted = f"{total}({ones}({errors[0]}) * {masks[0]}{rest})"
        text = f"{total}({inside}{rest}) / {maximum}({counted}, 1)"
        return self.mend("divide by what counts", imports, self.module.replace(call, text))


def _is_zeroed(node: ast.expr | None, loss: Loss) -> bool:
    value = loss.value(node)
    return value.zeroed and value.prediction and not _has_both(node, loss)


def _has_both(node: ast.expr | None, loss: Loss) -> bool:
    """Whether the complement of a mask takes part: one error where it is 1, another where not."""
    products = (loss.operation(x, "multiply") for x in loss.sources(node))
    return any(
        loss.value(factor).mask and loss.source_of(factor, "subtract", "logical_not")
        for product in products
        for factor in (product.operands if product else ())
    )


def _divided_by_a_count(loss: Loss) -> set[ast.AST]:
    """Return all that goes into something divided by the count or the share of a mask."""
    divided: set[ast.AST] = set()
    for operation in loss.operations:
        if operation.name in {"divide", "divide_no_nan"}:
            below = (loss.operation(x) for x in loss.sources(operation.get("x2")))
            if any(op and op.operands and loss.value(op.operands[0]).mask for op in below):
                divided.update(loss.sources(operation.get("x1")))
    return divided

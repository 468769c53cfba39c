"""LSM102: a loss that returns one number for the batch."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.masking import counts_in
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.values import Reduced
from lossmith.lint.vocabulary import REDUCTIONS

_CONSEQUENCE = "over the batch: sample weights and masks can no longer tell samples apart"


class BatchReduction(Rule):
    """A loss reduces over the batch, so that Keras has no samples left to weight or mask.

    Why it is bad:
        Keras multiplies what a loss returns by `sample_weight` and the mask, sample by sample. One
        number is multiplied by their mean: it does not matter which sample they belong to.

    Example:
        return ops.mean(ops.square(y_true - y_pred))

    Use instead:
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    Fix safety:
        Unsafe: `axis=-1` is the same value without weights and masks, and another one with them.
        Offered for a mean that is returned as it is.
    """

    code = "LSM102"
    name = "batch-reduction"
    confirmed_by = (
        "weight-equivalence",
        "split-consistency",
        "sample-independence",
        "weight-shapes",
        "output-contract",
    )
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.mean(ops.square(y_true - y_pred))
            """,
            "mean over the batch: sample weights and masks can no longer tell samples apart",
            4,
            11,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.mean(ops.square(y_true - y_pred), axis=-1)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                total = tf.reduce_sum(tf.abs(y_true - y_pred), axis=0)
                return total
            """,
            "sum over the batch: sample weights and masks can no longer tell samples apart",
            4,
            12,
        ),
        Flagged(
            """
            import keras
            from tensorflow.keras import backend as K

            class Dice(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    t, p = K.flatten(y_true), K.flatten(y_pred)
                    return 1 - K.sum(t * p, axis=-1) / (K.sum(t, axis=-1) + K.sum(p, axis=-1) + 1)
            """,
            "sum over the batch: sample weights and masks can no longer tell samples apart",
            7,
            19,
        ),
        Flagged(
            """
            import keras

            squared = keras.losses.MeanSquaredError()

            def loss(y_true, y_pred):
                return squared(y_true, y_pred)
            """,
            "`squared` over the batch: sample weights and masks can no longer tell samples apart",
            6,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.mean(ops.square(y_true - y_pred), axis=-1)
        """,
        """
        from keras import ops

        def mean_of_tokens(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, 0), y_pred.dtype)
            return ops.sum(mask * ops.abs(y_true - y_pred)) / ops.maximum(ops.sum(mask), 1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            scale = ops.max(ops.abs(y_true))
            return ops.sum(ops.square(y_true - y_pred), axis=(1, 2)) / scale
        """,
        """
        from keras import ops

        def accuracy(y_true, y_pred):
            return ops.mean(ops.equal(y_true, ops.argmax(y_pred, axis=-1)))
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for the first reduction over the batch in a loss that returns no samples."""
        if loss.returned.reduced < Reduced.BATCH or not loss.returned.from_data:
            return
        if not loss.for_keras or _is_mean_of_tokens(loss):
            return
        operation = next((op for op in loss.operations if _is_over_batch(op, loss)), None)
        call = next((node for node in loss.nodes if _is_whole(node, loss)), None)
        if operation:
            message = f"{operation.name} {_CONSEQUENCE}"
            yield self.at(operation.node, message, self._fix(operation, loss))
        elif isinstance(call, ast.Call):
            yield self.at(call, f"`{ast.unparse(call.func)}` {_CONSEQUENCE}")

    def _fix(self, operation: Operation, loss: Loss) -> Fix | None:
        returned = any(node is operation.node for node in loss.returns)
        call = operation.node
        if not returned or operation.name != "mean" or operation.get("axis") is not None:
            return None
        if not isinstance(call, ast.Call) or call.keywords or len(call.args) != 1:
            return None
        argument = self.module.source(call.args[0])
        edit = self.module.replace(call.args[0], f"{argument}, axis=-1")
        return self.mend("keep the samples apart", edit)


def _is_mean_of_tokens(loss: Loss) -> bool:
    """Whether a sum is divided by the count of a mask: a mean that no single sample has."""
    divisions = [op for op in loss.operations if op.name in {"divide", "divide_no_nan"}]
    return any(counts_in(op.get("x2"), loss) for op in divisions)


def _is_whole(node: ast.AST, loss: Loss) -> bool:
    """Whether it calls a loss of a library that returns one number."""
    value = loss.value(node)
    whole = value.from_data and value.reduced is Reduced.ALL and value.expression is node
    return isinstance(node, ast.Call) and whole and loss.operation(node) is None


def _is_over_batch(operation: Operation, loss: Loss) -> bool:
    value = loss.value(operation.node)
    inner = max((loss.value(x).reduced for x in operation.operands), default=Reduced.NOT)
    return (
        operation.name in REDUCTIONS
        and operation.library != "python"
        and value.from_data
        and value.reduced >= Reduced.BATCH
        and (inner < Reduced.ALL)
    )

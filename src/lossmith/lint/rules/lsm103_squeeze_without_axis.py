"""LSM103: a squeeze of every axis of length one, the batch among them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.values import Reduced


class SqueezeWithoutAxis(Rule):
    """A tensor of the loss is squeezed, and no axis is named.

    Why it is bad:
        All axes of length one go. A batch of one sample, the last of an epoch perhaps, loses its
        batch axis too, and axis 1 is then another axis, or none.

    Example:
        return ops.square(ops.squeeze(y_true) - ops.squeeze(y_pred))

    Use instead:
        return ops.square(ops.squeeze(y_true, axis=-1) - ops.squeeze(y_pred, axis=-1))

    Fix safety:
        Unsafe: the axis of length one may be another than the last.
    """

    code = "LSM103"
    name = "squeeze-without-axis"
    confirmed_by = ("batch-one-and-rest",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.abs(y_true - ops.squeeze(y_pred))
            """,
            "squeeze of every axis of length one: a batch of one sample loses its batch axis",
            4,
            28,
            """
            from keras import ops

            def loss(y_true, y_pred):
                return ops.abs(y_true - ops.squeeze(y_pred, axis=-1))
            """,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                logits = y_pred.squeeze()
                return torch.nn.functional.binary_cross_entropy_with_logits(logits, y_true)
            """,
            "squeeze of every axis of length one: a batch of one sample loses its batch axis",
            4,
            13,
            """
            import torch

            def loss(y_true, y_pred):
                logits = y_pred.squeeze(dim=-1)
                return torch.nn.functional.binary_cross_entropy_with_logits(logits, y_true)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                y_pred = tf.squeeze(tf.cast(y_pred, tf.float32))
                return tf.square(y_true - y_pred)
            """,
            "squeeze of every axis of length one: a batch of one sample loses its batch axis",
            4,
            13,
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                y_pred = tf.squeeze(tf.cast(y_pred, tf.float32), axis=-1)
                return tf.square(y_true - y_pred)
            """,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.abs(y_true - ops.squeeze(y_pred, axis=-1))
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            scale = ops.squeeze(ops.max(y_true))
            return ops.mean(ops.abs(y_true - y_pred), axis=-1) / scale
        """,
        """
        import torch

        def loss(y_true, y_pred):
            return torch.abs(y_true - y_pred.squeeze(1))
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for squeezes of data, with no axis."""
        printed = {x for op in loss.operations if op.name == "print" for x in ast.walk(op.node)}
        for operation in loss.operations:
            if operation.node in printed:
                continue
            value = loss.value(operation.get("x"))
            whole = operation.name == "squeeze" and operation.get("axis") is None
            if whole and value.from_data and value.reduced < Reduced.BATCH:
                message = (
                    "squeeze of every axis of length one: a batch of one sample loses its batch"
                    " axis"
                )
                yield self.at(operation.node, message, self._fix(operation))

    def _fix(self, operation: Operation) -> Fix | None:
        call = operation.node
        if not isinstance(call, ast.Call) or call.keywords or "\n" in self.module.source(call):
            return None
        word = "dim" if _is_torch(operation, self.module.names.modules) else "axis"
        inside = self.module.source(call).removesuffix(")")
        inside += f", {word}=-1)" if call.args else f"{word}=-1)"
        return self.mend("name the last axis", self.module.replace(call, inside))


def _is_torch(operation: Operation, modules: set[str]) -> bool:
    return operation.library == "torch" or (operation.library == "method" and "torch" in modules)

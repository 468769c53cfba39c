"""LSM506: `print` inside a loss."""

from __future__ import annotations

from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule


class PrintInLoss(Rule):
    """A loss calls `print`. Off by default: it is harmless while one looks for a fault.

    Why it is bad:
        In a graph it runs once, while the graph is traced, and shows a placeholder: nothing of the
        values that the loss has in training.

    Example:
        print(error)

    Use instead:
        model.compile("adam", loss, run_eagerly=True)

    Fix safety:
        There is none: the line may be wanted.
    """

    code = "LSM506"
    name = "print-in-loss"
    confirmed_by = ("pure",)
    default = False
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.abs(y_true - y_pred)
                print("error", error)
                return error
            """,
            "`print` in a loss: in a graph it prints once, and no values",
            5,
            4,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.abs(y_true - y_pred)

        print(loss(ops.ones(2), ops.zeros(2)))
        """,
        """
        from pprint import pprint as print
        from keras import ops

        def loss(y_true, y_pred):
            return ops.abs(y_true - y_pred)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for calls of the built-in."""
        for operation in loss.operations:
            if operation.name == "print" and operation.library == "python":
                message = "`print` in a loss: in a graph it prints once, and no values"
                yield self.at(operation.node, message)

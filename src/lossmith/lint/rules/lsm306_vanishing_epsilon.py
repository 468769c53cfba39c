"""LSM306: an epsilon that is rounded away."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.numerics import GUARD, TINY
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

_NEED_A_GUARD = frozenset({"divide", "log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"})


class VanishingEpsilon(Rule):
    """A guard against 0 is so small that it is 0 itself, or that 1 minus it is 1.

    Why it is bad:
        Up to 2 ** -25, about 3e-8, a number is 0 in float16, and 1 minus it is 1 in float32. The
        guard looks as if it were there, and the log or quotient behind it is not guarded.

    Example:
        y_pred = ops.clip(y_pred, 1e-8, 1 - 1e-8)

    Use instead:
        y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)

    Fix safety:
        Unsafe: another epsilon is another value next to 0. Offered where the number is written in
        place.
    """

    code = "LSM306"
    name = "vanishing-epsilon"
    confirmed_by = ("extremes", "half-precision")
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                y_pred = ops.clip(y_pred, 1e-8, 1 - 1e-8)
                return -ops.log(y_pred) * y_true - ops.log(1 - y_pred) * (1 - y_true)
            """,
            "`1 - 1e-8` is 1 in float32: it guards nothing",
            4,
            36,
            """
            from keras import ops

            def loss(y_true, y_pred):
                y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)
                return -ops.log(y_pred) * y_true - ops.log(1 - y_pred) * (1 - y_true)
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return tf.square(y_true - y_pred) / (tf.abs(y_true) + 1e-10)
            """,
            "`1e-10` is 0 in float16: it guards nothing there",
            4,
            58,
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                return tf.square(y_true - y_pred) / (tf.abs(y_true) + 1e-7)
            """,
        ),
        Flagged(
            """
            import torch

            TINY = 1e-12

            def loss(y_true, y_pred):
                return torch.sqrt(torch.maximum((y_true - y_pred) ** 2, TINY))
            """,
            "`TINY` is 0 in float16: it guards nothing there",
            6,
            60,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)
            return -ops.log(y_pred) * y_true - ops.log(1 - y_pred) * (1 - y_true)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            error = ops.square(y_true - y_pred) + 1e-9
            return error / (ops.abs(y_true) + 1e-3)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            settled = ops.abs(y_true - y_pred) < 1e-12
            return ops.where(settled, 0, ops.clip(y_pred - y_true, 0, 1))
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at maxima and clips of data, and at sums that a log, a root or a quotient is of."""
        guarded = {_guarded_sum(operation, loss) for operation in loss.operations}
        for operation in loss.operations:
            is_guard = operation.name in {"maximum", "clip"} or operation.node in guarded
            if is_guard and loss.value(operation.node).from_data:
                yield from self._vanishing(operation, loss)

    def _vanishing(self, operation: Operation, loss: Loss) -> Iterator[Finding]:
        guards = _guards(operation)
        lost = [node for node in guards if _is_one_nearly(loss.value(node).constant)]
        tiny = [node for node in guards if _is_tiny(loss.value(node).constant)]
        if operation.name == "clip" and lost:
            message = f"`{self.module.source(lost[0])}` is 1 in float32: it guards nothing"
            yield self.at(lost[0], message, self._fix([*lost, *tiny]))
        elif tiny:
            message = f"`{self.module.source(tiny[0])}` is 0 in float16: it guards nothing there"
            yield self.at(tiny[0], message, self._fix(tiny))

    def _fix(self, guards: list[ast.expr]) -> Fix | None:
        edits = [
            self.module.replace(node, GUARD)
            for guard in guards
            for node in ast.walk(guard)
            if isinstance(node, ast.Constant) and _is_tiny(node.value)
        ]
        return self.mend(f"guard with {GUARD}", edits) if len(edits) == len(guards) else None


def _guarded_sum(operation: Operation, loss: Loss) -> ast.expr | None:
    """Return the sum that a log or root is taken of, or that is divided by."""
    x = operation.get("x2" if operation.name == "divide" else "x")
    while cast := loss.source_of(x, "cast"):
        x = cast.get("x")
    made = loss.source_of(x, "add") if operation.name in _NEED_A_GUARD else None
    return made.node if made else None


def _guards(operation: Operation) -> list[ast.expr]:
    """Return what may keep the rest of an operation from 0, or from 1."""
    match operation.name:
        case "add" | "maximum":
            return list(operation.operands)
        case "clip":
            return [b for name in ("low", "high") if (b := operation.get(name)) is not None]
        case _:
            return []


def _is_tiny(number: object) -> bool:
    return isinstance(number, float) and 0 < number <= TINY


def _is_one_nearly(number: float | None) -> bool:
    return number is not None and 0 < 1 - number <= TINY

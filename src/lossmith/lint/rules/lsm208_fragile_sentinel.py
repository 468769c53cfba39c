"""LSM208: a missing value that the comparison with it does not find."""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule

_NAN = frozenset(
    [
        "numpy.nan",
        "numpy.NaN",
        "numpy.NAN",
        "math.nan",
        "jax.numpy.nan",
        "torch.nan",
        "tensorflow.experimental.numpy.nan",
    ]
)


class FragileSentinel(Rule):
    """Missing targets are told by a comparison that does not see them: with NaN, or after rounding.

    Why it is bad:
        NaN is unequal to everything, itself included: nothing is masked, and the loss is NaN. A
        marker such as -9999 is -10000 in float16, and -999 is -1000 in bfloat16: cast to float32
        afterwards, it is not equal to what it is compared with, and counts as a target.

    Example:
        mask = ops.not_equal(y_true, float("nan"))

    Use instead:
        mask = ops.logical_not(ops.isnan(y_true))

    Fix safety:
        Safe: the same mask, wherever there is no NaN. A marker that is rounded has no fix: choose
        -1, or compare with half of it. It is found where the target is cast to float32 before.
    """

    code = "LSM208"
    name = "fragile-sentinel"
    confirmed_by = ("masked-nan", "half-precision", "masked-values")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.not_equal(y_true, float("nan"))  # known
                return ops.where(mask, ops.abs(y_true - y_pred), 0)
            """,
            "compared with NaN, to which nothing is equal: `isnan` finds it",
            4,
            11,
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.logical_not(ops.isnan(y_true))  # known
                return ops.where(mask, ops.abs(y_true - y_pred), 0)
            """,
        ),
        Flagged(
            """
            import numpy as np
            import tensorflow as tf

            def loss(y_true, y_pred):
                missing = y_true == np.nan
                return tf.where(missing, 0.0, tf.abs(y_true - y_pred))
            """,
            "compared with NaN, to which nothing is equal: `isnan` finds it",
            5,
            14,
            """
            from keras import ops
            import numpy as np
            import tensorflow as tf

            def loss(y_true, y_pred):
                missing = ops.isnan(y_true)
                return tf.where(missing, 0.0, tf.abs(y_true - y_pred))
            """,
        ),
        Flagged(
            """
            from keras import ops

            MISSING = -9999.0

            def loss(y_true, y_pred):
                y_true = ops.cast(y_true, "float32")
                mask = ops.cast(ops.not_equal(y_true, MISSING), "float32")
                return mask * ops.abs(y_true - y_pred)
            """,
            "a target of -9999 in float16 is -10000 by now, and is not found",
            7,
            20,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                mask = tf.cast(tf.cast(y_true, tf.float32) != -999, tf.float32)
                return mask * tf.abs(tf.cast(y_true, tf.float32) - y_pred)
            """,
            "a target of -999 in bfloat16 is -1000 by now, and is not found",
            4,
            19,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.logical_not(ops.isnan(y_true))
            return ops.where(mask, ops.abs(y_true - y_pred), 0)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            y_true = ops.cast(y_true, "float32")
            mask = ops.cast(ops.not_equal(y_true, -1), "float32")
            return mask * ops.abs(y_true - y_pred)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.cast(ops.not_equal(y_true, -9999), y_pred.dtype)
            return mask * ops.abs(y_true - y_pred)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            y_true = ops.cast(y_true, "float32")
            mask = ops.cast(ops.greater(y_true, -9000.0), "float32")
            return mask * ops.abs(y_true - y_pred)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at comparisons of data for equality."""
        for operation in loss.operations:
            if operation.name not in {"equal", "not_equal"}:
                continue
            for data, marker in _sides(operation):
                if not loss.value(data).from_data:
                    continue
                constant = loss.value(marker).constant
                if _is_nan(marker, loss):
                    message = "compared with NaN, to which nothing is equal: `isnan` finds it"
                    yield self.at(operation.node, message, self._fix(operation, data))
                elif constant is not None and _is_made_single(data, loss):
                    yield from self._rounded(operation, constant)

    def _rounded(self, operation: Operation, marker: float) -> Iterator[Finding]:
        for dtype, nearest in (("float16", _half(marker)), ("bfloat16", _bfloat(marker))):
            if nearest != marker:
                message = (
                    f"a target of {marker:g} in {dtype} is {nearest:g} by now, and is not found"
                )
                yield self.at(operation.node, message)
                return

    def _fix(self, operation: Operation, data: ast.expr) -> Fix:
        isnan, imports = self.module.spell("isnan")
        text = f"{isnan}({self.module.source(data)})"
        if operation.name == "not_equal":
            inverted, _ = self.module.spell("logical_not")
            text = f"{inverted}({text})"
        return self.mend("ask `isnan`", imports, self.module.replace(operation.node, text))


def _sides(operation: Operation) -> Iterator[tuple[ast.expr, ast.expr]]:
    match operation.operands:
        case (left, right):
            yield left, right
            yield right, left
        case _:
            return


def _is_nan(node: ast.expr, loss: Loss) -> bool:
    if isinstance(node, ast.Name):
        node = loss.module.constants.get(node.id, node)
    match node:
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))]):
            return text.strip().lower().lstrip("+-") == "nan"
        case ast.Name() | ast.Attribute():
            return loss.canonical(node) in _NAN
        case _:
            return False


def _is_made_single(node: ast.expr, loss: Loss) -> bool:
    """Whether the target is cast to float32 before: what it was then has been rounded."""
    cast = loss.source_of(node, "cast")
    kind = cast.get("dtype") if cast else None
    return kind is not None and "float32" in ast.unparse(kind) and loss.value(node).target


def _half(x: float) -> float:
    try:
        return float(struct.unpack("<e", struct.pack("<e", x))[0])
    except OverflowError:
        return math.copysign(math.inf, x)


def _bfloat(x: float) -> float:
    """Round to the upper half of a float32, to nearest and even."""
    try:
        (bits,) = struct.unpack("<I", struct.pack("<f", x))
    except OverflowError:
        return math.copysign(math.inf, x)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])

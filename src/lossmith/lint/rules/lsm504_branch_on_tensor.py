"""LSM504: a decision of Python about the values of a tensor."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_for_keras

_SAYS = {
    ast.If: "if",
    ast.While: "while",
    ast.IfExp: "if",
    ast.Assert: "assert",
}
_ONE_NUMBER = frozenset({"float", "int", "bool", "len"})


class BranchOnTensor(Rule):
    """Python's `if`, `while`, `assert`, `max` or `min` asks for the value of a tensor.

    Why it is bad:
        While a graph is traced, a tensor is neither true nor false: `fit` raises on JAX and
        TensorFlow, although the loss runs when it is called by hand. Keras converts no `if` of a
        loss for you.

    Example:
        if ops.max(y_pred) > 1.0:
            y_pred = ops.sigmoid(y_pred)

    Use instead:
        y_pred = ops.where(ops.max(y_pred) > 1.0, ops.sigmoid(y_pred), y_pred)

    Fix safety:
        There is none: both ways have to be computed, and chosen from with `where`.
    """

    code = "LSM504"
    name = "branch-on-tensor"
    confirmed_by = ("jit",)
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                if ops.max(y_pred) > 1.0:
                    y_pred = ops.sigmoid(y_pred)
                return ops.abs(y_true - y_pred)
            """,
            "`if` on a tensor: it is neither true nor false while a graph is traced",
            4,
            7,
        ),
        Flagged(
            """
            import keras
            import tensorflow as tf

            class Positive(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    error = tf.abs(y_true - y_pred)
                    assert tf.reduce_all(error >= 0), "negative"
                    return error
            """,
            "`assert` on a tensor: it is neither true nor false while a graph is traced",
            7,
            15,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                largest = ops.max(y_true)
                scale = 1.0 if largest == 0 else largest
                return ops.abs(y_true - y_pred) / scale
            """,
            "`if` on a tensor: it is neither true nor false while a graph is traced",
            5,
            19,
        ),
        Flagged(
            """
            from keras import ops

            def hinge_loss(y_true, y_pred):
                return max(1.0 - ops.sum(y_true * y_pred), 0.0)
            """,
            "`max` on a tensor: it is neither true nor false while a graph is traced",
            4,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred, mask=None):
            if mask is not None and len(y_pred.shape) > 2 and y_pred.shape[-1] == 1:
                y_pred = ops.squeeze(y_pred, axis=-1)
            assert y_pred.dtype == y_true.dtype
            return ops.abs(y_true - y_pred)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            if y_true is None or isinstance(y_pred, list):
                return 0.0
            return ops.where(ops.max(y_pred) > 1.0, ops.sigmoid(y_pred), y_pred) - y_true
        """,
        """
        import torch

        def loss(y_true, y_pred):
            if torch.max(y_pred) > 1.0:
                y_pred = torch.sigmoid(y_pred)
            return torch.abs(y_true - y_pred)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at every condition, and at what is larger."""
        if not is_for_keras(loss) or _is_converted(loss):
            return
        for node in loss.nodes:
            if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)):
                asked, word = _asked(loss, node.test), _SAYS[type(node)]
            else:
                asked, word = _larger(loss, node)
            if asked is not None:
                message = (
                    f"`{word}` on a tensor: it is neither true nor false while a graph is traced"
                )
                yield self.at(asked, message)


def _asked(loss: Loss, test: ast.expr) -> ast.expr | None:
    """Return the part of a condition whose truth is that of a tensor."""
    match test:
        case ast.BoolOp(values=values):
            return next((x for value in values if (x := _asked(loss, value)) is not None), None)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _asked(loss, operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            asks = not isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn))
            return test if asks and any(_is_computed(loss, x) for x in (left, right)) else None
        case ast.Call() | ast.Name():
            return test if _is_computed(loss, test) else None
        case _:
            return None


def _larger(loss: Loss, node: ast.AST) -> tuple[ast.expr | None, str]:
    match node:
        case ast.Call(func=ast.Name(id="max" | "min" as word), args=[_, _, *_] as given):
            is_builtin = loss.canonical(node.func) == word
            found = is_builtin and any(_is_computed(loss, x) for x in given)
            return (node if found else None), word
        case _:
            return None, ""


def _is_computed(loss: Loss, node: ast.expr) -> bool:
    """Whether an expression is a tensor for sure: an operation made it of the data."""
    value = loss.value(node)
    if isinstance(node, (ast.Attribute, ast.Constant)) or not value.from_data or value.opaque:
        return False
    made = value.made_by
    return made is not None and made.name not in _ONE_NUMBER and made.library != "numpy"


def _is_converted(loss: Loss) -> bool:
    """Whether `@tf.function` turns its `if` into one of the graph."""
    decorators = (d.func if isinstance(d, ast.Call) else d for d in loss.node.decorator_list)
    return any(loss.canonical(d) == "tensorflow.function" for d in decorators)

"""LSM505: a tensor that is written into."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_for_keras

_IN_PLACE = re.compile(r"[a-z]\w*[a-z0-9]_")
_TENSORS = frozenset({"keras", "tensorflow", "jax", "torch", "method", "operator"})


class InPlaceAssignment(Rule):
    """A loss writes into a tensor: `y_pred[...] = x`, or a method such as `clamp_`.

    Why it is bad:
        Tensors of JAX and TensorFlow cannot be written into, and it raises. PyTorch writes into the
        caller's own tensor: metrics and the next epoch see other targets, and the gradient may
        need what is no more there.

    Example:
        y_pred[y_true == -1] = 0.0

    Use instead:
        y_pred = ops.where(y_true == -1, 0.0, y_pred)

    Fix safety:
        Unsafe: the caller's tensor is no longer changed. Offered where a mask is the index and a
        number is assigned.
    """

    code = "LSM505"
    name = "in-place-assignment"
    confirmed_by = ("pure",)
    fix = "unsafe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                y_pred[y_true == -1] = 0.0
                return ops.square(y_true - y_pred)
            """,
            "writes into `y_pred`: it raises on JAX and TensorFlow, and changes the caller's tensor"
            " on PyTorch",
            4,
            4,
            """
            from keras import ops

            def loss(y_true, y_pred):
                y_pred = ops.where(y_true == -1, 0.0, y_pred)
                return ops.square(y_true - y_pred)
            """,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            class FirstTwice(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    error = ops.abs(y_true - y_pred)
                    error[:, 0] *= 2.0
                    return error
            """,
            "writes into `error`: it raises on JAX and TensorFlow, and changes the caller's tensor"
            " on PyTorch",
            7,
            8,
        ),
        Flagged(
            """
            import keras

            def loss(y_true, y_pred):
                return abs(y_true - y_pred.clamp_(0, 1))
            """,
            "writes into `y_pred`: it raises on JAX and TensorFlow, and changes the caller's tensor"
            " on PyTorch",
            4,
            24,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            parts = {}
            parts["error"] = ops.abs(y_true - y_pred)
            parts["error"] = parts["error"] * 2.0
            return parts["error"]
        """,
        """
        import keras

        def loss(y_true, y_pred):
            error = [abs(y_true - y_pred)] * 2
            error[0] = error[0] * 2.0
            error[1] = error[1] * 3.0
            return error[0] + error[1]
        """,
        """
        import torch

        def loss(y_true, y_pred):
            y_pred[y_true == -1] = 0.0
            return torch.abs(y_true - y_pred)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for assignments to parts of tensors."""
        if not is_for_keras(loss):
            return
        for node in loss.nodes:
            written = _written_into(node)
            if written is not None and _is_tensor(loss, written):
                message = (
                    f"writes into `{ast.unparse(written)}`: it raises on JAX and TensorFlow, and"
                    " changes the caller's tensor on PyTorch"
                )
                at = node if isinstance(node, (ast.stmt, ast.expr)) else written
                yield self.at(at, message, self._fix(loss, node))

    def _fix(self, loss: Loss, node: ast.AST) -> Fix | None:
        match node:
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name(id=name), slice=index)],
                value=ast.Constant(value=int() | float()) as value,
            ) if loss.value(index).indicator:
                where, imports = self.module.spell("where")
                condition, number = self.module.source(index), self.module.source(value)
                text = f"{name} = {where}({condition}, {number}, {name})"
                return self.mend("select with `where`", imports, self.module.replace(node, text))
            case _:
                return None


def _written_into(node: ast.AST) -> ast.Name | None:
    """Return the name whose tensor a statement or call writes into."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name() as name)]):
            return name
        case ast.AugAssign(target=ast.Subscript(value=ast.Name() as name)):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name() as name, attr=attribute)):
            return name if _IN_PLACE.fullmatch(attribute) else None
        case _:
            return None


def _is_tensor(loss: Loss, name: ast.Name) -> bool:
    """Whether it is an argument as it was given, or an operation made it."""
    value = loss.value(name)
    if value.made_by is not None:
        return value.made_by.library.partition(".")[0] in _TENSORS and not _of_list(loss, name)
    return name.id in {loss.target, loss.prediction} and value.from_data


def _of_list(loss: Loss, name: ast.Name) -> bool:
    """Whether it was made by arithmetic with a list, as in `[a] * 2`."""
    made = loss.value(name).made_by
    operands = made.operands if made else ()
    return any(isinstance(x, (ast.List, ast.Tuple, ast.ListComp)) for x in operands)

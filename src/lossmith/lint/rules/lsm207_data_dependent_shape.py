"""LSM207: elements that a mask picks, as many as there happen to be."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.values import Value
from lossmith.lint.vocabulary import BOOLEAN

_MESSAGE = (
    "how many elements are picked depends on their values: it cannot be compiled, and the mean of"
    " none is NaN"
)
_KEEPS_BOOLEAN = frozenset({"reshape", "flatten", "expand_dims", "squeeze", "broadcast_to"})


class DataDependentShape(Rule):
    """Elements are picked by a mask, so that the shape of what follows depends on values.

    Why it is bad:
        JAX and XLA compile for shapes, and refuse: the loss fails under `jit`, or in `fit`. Where
        it runs, the samples are gone, so that weights and masks have nothing to go with, and the
        mean of what is left is NaN where nothing is.

    Example:
        return ops.mean(ops.square(y_true[mask] - y_pred[mask]))

    Use instead:
        y_true, y_pred = ops.where(mask, y_true, 0), ops.where(mask, y_pred, 0)
        count = ops.maximum(ops.sum(ops.cast(mask, y_pred.dtype), axis=-1), 1)
        return ops.sum(ops.square(y_true - y_pred), axis=-1) / count

    Fix safety:
        No fix: what follows has to be written for all elements. In code of PyTorch alone, where
        shapes may depend on values, only the mean of what is picked is found.
    """

    code = "LSM207"
    name = "data-dependent-shape"
    confirmed_by = ("jit", "nothing-counted")
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                mask = ops.not_equal(y_true, -1)
                return ops.mean(ops.abs(y_true - y_pred)[mask])
            """,
            _MESSAGE,
            5,
            20,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                known = tf.math.is_finite(y_true)
                error = tf.boolean_mask(tf.abs(y_true - y_pred), known)
                return tf.reduce_sum(error)
            """,
            _MESSAGE,
            5,
            12,
        ),
        Flagged(
            """
            import jax.numpy as jnp

            def loss(y_true, y_pred):
                rows = jnp.where(y_true > 0)
                return -jnp.take(jnp.log(y_pred + 1e-6), rows[0])
            """,
            _MESSAGE,
            4,
            11,
        ),
        Flagged(
            """
            import torch

            def loss(y_true, y_pred):
                mask = y_true != -1
                return (y_true - y_pred).abs().masked_select(mask).mean()
            """,
            _MESSAGE,
            5,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            mask = ops.not_equal(y_true, -1)
            return ops.where(mask, ops.abs(y_true - ops.where(mask, y_pred, 0)), 0)
        """,
        """
        from keras import ops

        WEIGHTS = ops.array([1.0, 5.0])

        def loss(y_true, y_pred):
            return WEIGHTS[ops.cast(y_true > 0, "int32")] * ops.abs(y_true - y_pred)
        """,
        """
        import torch

        def loss(y_true, y_pred):
            mask = y_true != -1
            return (y_true - y_pred).abs()[mask].sum() / mask.sum().clamp(min=1)
        """,
        """
        import numpy as np

        def loss(y_true, y_pred):
            return np.abs(y_true - y_pred)[y_true > 0].sum()
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for what picks, and in PyTorch for the mean of it."""
        libraries = {op.library.partition(".")[0] for op in loss.operations}
        if "numpy" in libraries and not libraries & {"keras", "tensorflow", "jax", "torch"}:
            return
        if "torch" in self.module.names.modules and not libraries & {"keras", "tensorflow", "jax"}:
            yield from self._means(loss)
        elif self.module.names.modules & {"keras", "tensorflow", "tf_keras", "jax"}:
            # What is assigned to in place is an array of NumPy.
            stores = (n for n in loss.nodes if isinstance(getattr(n, "ctx", None), ast.Store))
            stored = {x for node in stores for x in ast.walk(node)}
            picked = (n for n in loss.nodes if n not in stored and _picks(n, loss))
            yield from (self.at(node, _MESSAGE) for node in picked if isinstance(node, ast.expr))

    def _means(self, loss: Loss) -> Iterator[Finding]:
        for operation in loss.operations:
            read = loss.value(operation.get("x")).expression
            if operation.name == "mean" and operation.over_everything and _picks(read, loss):
                yield self.at(operation.node, _MESSAGE)


def _picks(node: ast.AST | None, loss: Loss) -> bool:
    match node:
        case ast.Subscript(value=of, slice=index, ctx=ast.Load()):
            if isinstance(of, ast.Attribute) and of.attr == "at":
                return False
            return loss.value(of).from_data and _is_boolean(index, loss) and not _is_numpy(of, loss)
        case ast.Call():
            operation = loss.operation(node)
            return operation is not None and _is_picking(operation, loss)
        case _:
            return False


def _is_numpy(node: ast.expr, loss: Loss) -> bool:
    """Whether NumPy made it, whose arrays have a shape when they have values."""
    made = (loss.operation(x) for x in loss.sources(node))
    return any(op and op.library == "numpy" for op in made)


def _is_picking(operation: Operation, loss: Loss) -> bool:
    if operation.library in {"numpy", "python"}:
        return False
    given = loss.value(next(iter(operation.arguments.values()), None))
    one = operation.name == "where" and set(operation.arguments) == {"condition"}
    return (operation.name in {"boolean_mask", "nonzero"} or one) and given.from_data


def _is_boolean(index: ast.expr, loss: Loss) -> bool:
    value = loss.value(index)
    made = value.made_by
    while made and made.name in _KEEPS_BOOLEAN:
        made = loss.source_of(made.get("x"))
    return made is not None and value.from_data and _makes_boolean(made, value)


def _makes_boolean(made: Operation, value: Value) -> bool:
    if made.name == "cast":
        kind = made.get("dtype")
        return value.indicator and kind is not None and "bool" in ast.unparse(kind)
    return made.name in BOOLEAN or made.name == "bool"

"""LSM104: a batch size that is fixed, or that nobody knows while a graph is traced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lossmith.lint.binding import parameters
from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.values import Reduced

_BATCH_SIZE = re.compile(r"_?batch_?size", re.IGNORECASE)
_MOVED = ("transpose", "flatten", "reshape", "concatenate", "stack", "expand_dims", "gather")


class StaticBatchSize(Rule):
    """The number of samples is read from a static shape, from `len`, or from a setting.

    Why it is bad:
        While TensorFlow and Keras trace for batches of any size, the first length of a shape is
        None, and `len` raises. A setting is the size of a full batch: the last one is shorter.

    Example:
        return ops.reshape(error, (y_pred.shape[0], -1))

    Use instead:
        return ops.reshape(error, (ops.shape(y_pred)[0], -1))

    Fix safety:
        Safe: the same number, whenever there was one. Offered inside the shape of another
        operation, where a number and a tensor do the same. Code of PyTorch and JAX alone is passed
        over: there a shape is always known.
    """

    code = "LSM104"
    name = "static-batch-size"
    confirmed_by = ("dynamic-batch", "batch-one-and-rest")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.abs(y_true - y_pred)
                return ops.mean(ops.reshape(error, (y_pred.shape[0], -1)), axis=-1)  # samples
            """,
            "`y_pred.shape[0]` is None while batches of any size are traced",
            5,
            40,
            """
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.abs(y_true - y_pred)
                return ops.mean(ops.reshape(error, (ops.shape(y_pred)[0], -1)), axis=-1)  # samples
            """,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                error = tf.reshape(tf.abs(y_true - y_pred), [len(y_pred), -1])
                return tf.reduce_mean(error, axis=-1)
            """,
            "`len(y_pred)` is unknown while batches of any size are traced",
            4,
            49,
            """
            from keras import ops
            import tensorflow as tf

            def loss(y_true, y_pred):
                error = tf.reshape(tf.abs(y_true - y_pred), [ops.shape(y_pred)[0], -1])
                return tf.reduce_mean(error, axis=-1)
            """,
        ),
        Flagged(
            """
            from keras import ops

            BATCH_SIZE = 64

            def loss(y_true, y_pred):
                return ops.sum(ops.square(y_true - y_pred)) / BATCH_SIZE
            """,
            "`BATCH_SIZE` is that of a full batch: the last one of an epoch may be shorter",
            6,
            50,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            class Pairs(keras.losses.Loss):
                def __init__(self, batch_size):
                    super().__init__()
                    self.batch_size = batch_size

                def call(self, y_true, y_pred):
                    own = ops.eye(self.batch_size)
                    return ops.sum(own * ops.matmul(y_true, ops.transpose(y_pred)), axis=-1)
            """,
            "`self.batch_size` is that of a full batch: the last one of an epoch may be shorter",
            10,
            22,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                batch, steps, _ = y_pred.shape
                return ops.sum(ops.abs(y_true - y_pred)) / (batch * steps)
            """,
            "`batch` is None while batches of any size are traced",
            4,
            4,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            error = ops.reshape(ops.abs(y_true - y_pred), (ops.shape(y_pred)[0], y_pred.shape[1]))
            return ops.mean(error, axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            if y_true.shape[0] != y_pred.shape[0] or len(y_pred.shape) < 2:
                raise ValueError("as many targets as predictions")
            return ops.mean(ops.abs(y_true - y_pred), axis=-1)
        """,
        """
        import torch

        def loss(y_true, y_pred):
            return (y_true - y_pred).abs().sum() / y_pred.shape[0]
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            batch_size = ops.shape(y_pred)[0]
            return ops.reshape(ops.abs(y_true - y_pred), (batch_size, -1))
        """,
        """
        import tensorflow as tf

        GLOBAL_BATCH_SIZE = 64

        def loss(y_true, y_pred):
            error = tf.keras.losses.mean_absolute_error(y_true, y_pred)
            return tf.nn.compute_average_loss(error, global_batch_size=GLOBAL_BATCH_SIZE)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for lengths that are read, unpacked, or set elsewhere."""
        libraries = {op.library.partition(".")[0] for op in loss.operations}
        if not loss.for_keras or libraries & {"torch", "jax"}:
            return
        compared = _below(loss, ast.Compare)
        in_shapes = _in_shapes(loss)
        own = _own_names(loss)
        for node in loss.nodes:
            if node in compared:
                continue
            if isinstance(node, ast.expr) and (read := _length_of(node, loss)):
                unknown = "is None" if isinstance(node, ast.Subscript) else "is unknown"
                message = f"`{ast.unparse(node)}` {unknown} while batches of any size are traced"
                yield self.at(node, message, self._fix(node, read) if node in in_shapes else None)
            elif isinstance(node, (ast.Name, ast.Attribute)) and _is_setting(node, own, loss):
                message = (
                    f"`{ast.unparse(node)}` is that of a full batch: the last one of an epoch may"
                    " be shorter"
                )
                yield self.at(node, message)
            elif name := _unpacked(node, loss):
                message = f"`{name.id}` is None while batches of any size are traced"
                yield self.at(name, message)

    def _fix(self, node: ast.expr, read: ast.expr) -> Fix:
        shape, imports = self.module.spell("shape")
        text = f"{shape}({self.module.source(read)})[0]"
        return self.mend("ask for the dynamic shape", imports, self.module.replace(node, text))


def _length_of(node: ast.expr, loss: Loss) -> ast.expr | None:
    """Return the tensor whose number of samples is read here."""
    match node:
        case ast.Subscript(value=shape, slice=ast.Constant(value=0), ctx=ast.Load()):
            return _shape_of(shape, loss)
        case ast.Call(func=ast.Name(id="len"), args=[read]):
            return read if _holds_samples(read, loss) else None
        case _:
            return None


def _shape_of(node: ast.expr, loss: Loss) -> ast.expr | None:
    """Return the tensor whose static shape this is."""
    match node:
        case ast.Attribute(value=read, attr="shape"):
            pass
        case ast.Call(func=ast.Attribute(value=shape, attr="as_list")):
            return _shape_of(shape, loss)
        case ast.Call(func=ast.Attribute(value=read, attr="get_shape"), args=[]):
            pass
        case ast.Call(func=called, args=[read]):
            if loss.canonical(called) != "keras.backend.int_shape":
                return None
        case _:
            return None
    return read if _holds_samples(read, loss) else None


def _holds_samples(read: ast.expr, loss: Loss) -> bool:
    """Whether the first axis is that of the batch, as far as can be seen."""
    value = loss.value(read)
    moved = any(x for x in loss.sources(read) if isinstance(x, ast.Subscript)) or any(
        loss.operation(x, *_MOVED) for x in loss.sources(read)
    )
    return value.from_data and not (value.opaque or moved) and value.reduced < Reduced.BATCH


def _is_setting(node: ast.Name | ast.Attribute, own: set[str], loss: Loss) -> bool:
    if not isinstance(node.ctx, ast.Load):
        return False
    if isinstance(node, ast.Attribute):
        return bool(_BATCH_SIZE.fullmatch(node.attr)) and not loss.value(node.value).from_data
    return bool(_BATCH_SIZE.fullmatch(node.id)) and node.id not in own


def _unpacked(node: ast.AST, loss: Loss) -> ast.Name | None:
    """Return the first name that a static shape is unpacked to, if it is used."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=name) as first, *_])], value=shape):
            used = any(
                isinstance(x, ast.Name) and x.id == name and isinstance(x.ctx, ast.Load)
                for x in loss.nodes
            )
            return first if used and _shape_of(shape, loss) is not None else None
        case _:
            return None


def _own_names(loss: Loss) -> set[str]:
    """Return the names that are assigned in the loss and its helpers, and their parameters."""
    assigned = {
        node.id
        for node in loss.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    given = [parameters(node) for node in loss.flow.functions]  # type: ignore[arg-type]
    return assigned.union(*given)


def _below(loss: Loss, kind: type[ast.AST]) -> set[ast.AST]:
    return {x for node in loss.nodes if isinstance(node, kind) for x in ast.walk(node)}


def _in_shapes(loss: Loss) -> set[ast.AST]:
    shapes = [shape for op in loss.operations if (shape := op.get("shape")) is not None]
    return {x for shape in shapes for x in ast.walk(shape)}

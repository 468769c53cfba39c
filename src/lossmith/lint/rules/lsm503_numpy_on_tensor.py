"""LSM503: a tensor that is turned into an array or a Python number."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.porting import rewritten
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_for_keras
from lossmith.lint.values import Value

_NUMBERS = frozenset({"float", "int", "bool"})
_METHODS = frozenset({"numpy", "item", "tolist"})
_OUTSIDE = frozenset(
    {
        "keras.ops.convert_to_numpy",
        "tensorflow.py_function",
        "tensorflow.numpy_function",
        "tensorflow.make_ndarray",
        "keras.backend.get_value",
        "keras.backend.eval",
    }
)
_TENSORS = frozenset({"keras", "tensorflow", "jax", "torch"})


class NumpyOnTensor(Rule):
    """A loss computes with NumPy or Python numbers what should stay a tensor.

    Why it is bad:
        An array knows nothing of where it comes from: the gradient ends there. While a graph is
        traced, a tensor has no values, and the call raises.

    Example:
        return np.mean(np.abs(y_true - y_pred), axis=-1)

    Use instead:
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    Fix safety:
        Safe: the value stays the same, and the gradient is there. Offered for functions that
        `keras.ops` has under the same arguments. A function of NumPy alone, which nothing shows to
        be trained with, is taken for a metric or a reference and left alone.
    """

    code = "LSM503"
    name = "numpy-on-tensor"
    confirmed_by = ("gradient-arrives", "jit", "gradient")
    fix = "safe"
    flags = (
        Flagged(
            """
            import keras
            import numpy as np

            class Absolute(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return np.mean(abs(y_true - y_pred), axis=-1)
            """,
            "`np.mean` on a tensor: the gradient ends here, and a traced tensor has no values",
            6,
            15,
            """
            import keras
            import numpy as np

            class Absolute(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return keras.ops.mean(abs(y_true - y_pred), axis=-1)
            """,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                scale = float(ops.max(y_true))
                return ops.abs(y_true - y_pred) / scale
            """,
            "`float` on a tensor: the gradient ends here, and a traced tensor has no values",
            4,
            12,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.abs(y_true - y_pred)
                return ops.mean(error, axis=-1) / error.numpy().max()
            """,
            "`numpy` on a tensor: the gradient ends here, and a traced tensor has no values",
            6,
            38,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                labels = ops.convert_to_numpy(y_true)
                return ops.abs(labels - y_pred)
            """,
            "`ops.convert_to_numpy` on a tensor: the gradient ends here, and a traced tensor has no"
            " values",
            4,
            13,
        ),
    )
    passes = (
        """
        from keras import ops
        import numpy as np

        def loss(y_true, y_pred):
            return ops.sum(ops.square(y_true - y_pred), axis=-1) / np.sqrt(y_pred.shape[-1])
        """,
        """
        from keras import ops
        import numpy as np

        def reference(y_true, y_pred):
            return np.mean(np.abs(y_true - y_pred), axis=-1)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            n = float(len(y_pred.shape)) + int(ops.shape(y_pred)[-1])
            return ops.abs(y_true - y_pred) / n
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for arrays and numbers made of what the loss is given."""
        if not is_for_keras(loss) or not (loss.why != "parameters" or _uses_tensors(loss)):
            return
        for node in loss.nodes:
            if isinstance(node, ast.Call) and (written := _leaves(loss, node)):
                message = (
                    f"`{written}` on a tensor: the gradient ends here, and a traced tensor has no"
                    " values"
                )
                yield self.at(node, message, self._fix(loss, node))

    def _fix(self, loss: Loss, call: ast.Call) -> Fix | None:
        edits = rewritten(self.module, call, loss.canonical(call.func) or "")
        return self.mend("use keras.ops", edits) if edits else None


def _leaves(loss: Loss, call: ast.Call) -> str | None:
    """Return how the call that leaves the tensors is written, if it does."""
    name = loss.canonical(call.func) or ""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name in _NUMBERS:
        # What a loop or an unpacking gives may be a key or a Python number already.
        given = [x for x in given if loss.value(x).made_by or _is_argument(loss, x)]
    if name in _NUMBERS or name.startswith("numpy.") or name in _OUTSIDE:
        tensors = any(_is_tensor(loss.value(x)) for argument in given for x in _parts(argument))
        return ast.unparse(call.func) if tensors else None
    if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS and not given:
        return call.func.attr if _is_tensor(loss.value(call.func.value)) else None
    return None


def _is_argument(loss: Loss, node: ast.expr) -> bool:
    """Whether it is the target or the prediction, or an element of one."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id in {loss.target, loss.prediction}


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]


def _is_tensor(value: Value) -> bool:
    """Whether it is computed from the data, and not by NumPy already."""
    array = value.made_by is not None and value.made_by.library.startswith("numpy")
    left = value.is_made_by("numpy", "item", "float", "int", "bool", "convert_to_numpy")
    return value.from_data and not array and not left


def _uses_tensors(loss: Loss) -> bool:
    """Whether a framework computes anything in it."""
    return any(op.library.partition(".")[0] in _TENSORS for op in loss.operations)

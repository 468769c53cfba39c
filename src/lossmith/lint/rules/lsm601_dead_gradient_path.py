"""LSM601: a loss whose gradient does not reach the prediction."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.operations import Operation
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_for_keras
from lossmith.lint.vocabulary import BOOLEAN

_FLAT = (
    "round floor ceil sign argmax argmin stop_gradient one_hot nonzero count_nonzero"
    " convert_to_numpy numpy item floor_divide any all int bool"
)
_STEPS = BOOLEAN | frozenset(_FLAT.split())
# Of these, only some operands are differentiated.
_THROUGH = {"where": ("x1", "x2"), "take": ("x",), "gather": ("x",), "clip": ("x",)}
_WHOLE = re.compile(r"\b(u?int\d*|bool\w*|long)\b")
_DEPTH = 60


class DeadGradientPath(Rule):
    """Whatever leads from the prediction to the loss is flat: rounded, compared, stopped.

    Why it is bad:
        A step has slope 0, and so has all before it. The loss has a value and looks well in the
        logs; the model learns nothing from it.

    Example:
        decided = ops.cast(y_pred > 0.5, "float32")
        return ops.abs(y_true - decided)

    Use instead:
        return ops.abs(y_true - y_pred)

    Fix safety:
        There is none: what is meant in place of the step cannot be read. A loss in which one path
        is alive, such as a straight-through estimator, is not flagged.
    """

    code = "LSM601"
    name = "dead-gradient-path"
    confirmed_by = ("gradient-arrives", "gradient")
    flags = (
        Flagged(
            """
            from keras import ops

            def dice_loss(y_true, y_pred):
                decided = ops.cast(y_pred > 0.5, "float32")
                both = ops.sum(y_true * decided, axis=-1)
                return 1.0 - 2.0 * both / (ops.sum(y_true, axis=-1) + ops.sum(decided, axis=-1))
            """,
            "`y_pred > 0.5` has no slope, and nothing else reaches the prediction: nothing is"
            " learned",
            4,
            23,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            class Rounded(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return ops.square(y_true - ops.round(y_pred))
            """,
            "`ops.round(y_pred)` has no slope, and nothing else reaches the prediction: nothing is"
            " learned",
            6,
            35,
        ),
        Flagged(
            """
            from keras import ops

            def square_loss(y_true, y_pred):
                return ops.mean(ops.square(y_true - y_true), axis=-1)
            """,
            "the loss is computed without the prediction: nothing is learned",
            4,
            11,
        ),
        Flagged(
            """
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.abs(y_true - y_pred)
                return ops.cast(ops.sum(error, axis=-1), "int32")
            """,
            "`ops.cast(ops.sum(error, axis=-1), 'int32')` has no slope, and nothing else reaches"
            " the prediction: nothing is learned",
            5,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            rounded = y_pred + ops.stop_gradient(ops.round(y_pred) - y_pred)
            return ops.square(y_true - rounded)
        """,
        """
        from keras import ops

        def loss(y_true, y_pred):
            hard = ops.cast(ops.abs(y_true - y_pred) > 0.1, "float32")
            return hard * ops.square(ops.stop_gradient(y_true) - y_pred)
        """,
        """
        from keras import ops

        def accuracy(y_true, y_pred):
            return ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
        """,
        """
        from keras import ops

        def make(mean):
            def loss(y_true, y_pred):
                return ops.square(y_true - mean)
            return loss
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Follow what is returned back to the prediction."""
        if not loss.returns or _has_own_gradient(loss) or not _is_trained_with(loss):
            return
        if not loss.returned.prediction:
            if _is_target_alone(loss):
                message = "the loss is computed without the prediction: nothing is learned"
                yield self.at(loss.returns[0], message)
            return
        path = _Path(loss)
        if not any(path.is_alive(returned) for returned in loss.returns) and path.ends:
            message = (
                f"`{ast.unparse(path.ends[0].node)}` has no slope, and nothing else reaches the"
                " prediction: nothing is learned"
            )
            yield self.at(path.ends[0].node, message)


class _Path:
    """The way from what is returned to the prediction."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.ends: list[Operation] = []
        # Decorated helpers may have gradients of their own.
        self._decorated = {
            node
            for function in loss.flow.functions
            if function is not loss.node and getattr(function, "decorator_list", None)
            for node in ast.walk(function)
        }

    def is_alive(self, node: ast.expr, depth: int = 0) -> bool:
        """Whether a slope other than 0 may reach the prediction from here."""
        value = self.loss.value(node)
        if not value.prediction:
            return False
        operation = value.made_by
        if operation is None or value.opaque or depth > _DEPTH or operation.node in self._decorated:
            return True
        if _is_step(operation):
            self.ends.append(operation)
            return False
        names = _THROUGH.get(operation.name, tuple(operation.arguments))
        inner = [operation.arguments[name] for name in names if name in operation.arguments]
        if not any(self.loss.value(x).prediction for x in inner):
            # A helper that was read twice; what it held the first time is no more known.
            return True
        return any(self.is_alive(x, depth + 1) for x in inner)


def _is_step(operation: Operation) -> bool:
    if operation.name == "cast":
        dtype = operation.get("dtype")
        return dtype is not None and bool(_WHOLE.search(ast.unparse(dtype)))
    return operation.name in _STEPS


def _is_trained_with(loss: Loss) -> bool:
    """Whether it is a loss of Keras or by its name, not a statistic with the same arguments."""
    return is_for_keras(loss) or "loss" in loss.name.lower()


def _has_own_gradient(loss: Loss) -> bool:
    return any("gradient" in ast.unparse(d) for d in loss.node.decorator_list)


def _is_target_alone(loss: Loss) -> bool:
    """Whether nothing but the target, and what the file itself says, is in the result."""
    returned = loss.returned
    if not returned.target or returned.opaque:
        return False
    module = loss.module
    known = {*dir(builtins), *module.functions, *module.constants, *module.classes}
    for node in ast.walk(loss.node):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    known |= {loss.target, loss.prediction, "self"}
    return loss.scope.parent is None and all(
        node.id in known or module.names.is_bound(node.id)
        for node in ast.walk(loss.node)
        if isinstance(node, ast.Name)
    )

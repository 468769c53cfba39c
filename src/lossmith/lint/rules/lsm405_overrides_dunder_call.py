"""LSM405: a loss that overrides `__call__`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import loss_classes
from lossmith.lint.module import Function, Module
from lossmith.lint.rule import Flagged, Rule


class OverridesDunderCall(Rule):
    """A loss class defines `__call__`, where Keras expects `call`.

    Why it is bad:
        Sample weights, masks, the reduction and the dtype are all handled in `__call__` of the base
        class. What overrides it has none of them, or its own.

    Example:
        def __call__(self, y_true, y_pred, sample_weight=None):
            return ops.mean(ops.abs(y_true - y_pred))

    Use instead:
        def call(self, y_true, y_pred):
            return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    Fix safety:
        There is none: what the method does about weights has to be taken out of it by hand.
    """

    code = "LSM405"
    name = "overrides-dunder-call"
    confirmed_by = ("weight-equivalence", "weight-shapes")
    flags = (
        Flagged(
            """
            import keras
            from keras import ops

            class Absolute(keras.losses.Loss):
                def __call__(self, y_true, y_pred, sample_weight=None):
                    return ops.mean(ops.abs(y_true - y_pred))
            """,
            "`Absolute` overrides `__call__`, where Keras handles weights, masks and the reduction",
            5,
            4,
        ),
    )
    passes = (
        """
        import keras
        from keras import ops

        class Absolute(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return ops.mean(ops.abs(y_true - y_pred), axis=-1)
        """,
        """
        import keras

        class Absolute(keras.losses.Loss):
            def __call__(self, y_true, y_pred, sample_weight=None):
                return 2.0 * super().__call__(y_true, y_pred, sample_weight)
        """,
        """
        class Absolute:
            def __call__(self, y_true, y_pred):
                return abs(y_true - y_pred)
        """,
    )

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Look at the methods of losses."""
        for node in loss_classes(module):
            for method in node.body:
                if not isinstance(method, ast.FunctionDef) or method.name != "__call__":
                    continue
                if not _hands_on(method):
                    message = (
                        f"`{node.name}` overrides `__call__`, where Keras handles weights, masks"
                        " and the reduction"
                    )
                    yield self.at(method, message)


def _hands_on(method: Function) -> bool:
    """Whether the base does the work, or `call` is given the weights as well."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            node.func.attr == "__call__"
            or (node.func.attr == "call" and "sample_weight" in ast.unparse(node))
        )
        for node in ast.walk(method)
    )

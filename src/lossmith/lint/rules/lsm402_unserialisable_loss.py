"""LSM402: a loss that Keras cannot load again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import given_losses, loss_classes
from lossmith.lint.module import Module, loss_argument
from lossmith.lint.rule import Flagged, Rule

_REGISTER = ("keras.saving.register_keras_serializable", "keras.utils.register_keras_serializable")


class UnserialisableLoss(Rule):
    """A loss class is not registered, or `compile` is given a lambda or a closure.

    Why it is bad:
        The model is saved without complaint. Loading it raises, on another day and machine, unless
        the loss is handed over by `custom_objects`; a lambda or closure has nothing to hand over.

    Example:
        model.compile(loss=lambda y_true, y_pred: ops.abs(y_true - y_pred))

    Use instead:
        @keras.saving.register_keras_serializable("my_package")
        def absolute(y_true, y_pred):
            return ops.abs(y_true - y_pred)
        model.compile(loss=absolute)

    Fix safety:
        Safe: it changes no value. Offered for classes, where the module imports Keras.
    """

    code = "LSM402"
    name = "unserialisable-loss"
    confirmed_by = ("saves-and-loads",)
    fix = "safe"
    flags = (
        Flagged(
            """
            import keras

            class Absolute(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return abs(y_true - y_pred)
            """,
            "`Absolute` is not registered: a saved model with it cannot be loaded",
            3,
            0,
            """
            import keras

            @keras.saving.register_keras_serializable()
            class Absolute(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return abs(y_true - y_pred)
            """,
        ),
        Flagged(
            """
            import keras

            model = keras.Sequential([keras.layers.Dense(1)])
            model.compile(optimizer="adam", loss=lambda y_true, y_pred: abs(y_true - y_pred))
            """,
            "a lambda as a loss: a saved model with it cannot be loaded",
            4,
            37,
        ),
        Flagged(
            """
            import keras

            def scaled(factor):
                def loss(y_true, y_pred):
                    return factor * abs(y_true - y_pred)
                return loss

            model = keras.Sequential([keras.layers.Dense(1)])
            model.compile("adam", scaled(2.0))
            """,
            "`scaled` returns a closure: a saved model with it cannot be loaded",
            9,
            22,
        ),
    )
    passes = (
        """
        import keras

        @keras.saving.register_keras_serializable("my_package")
        class Absolute(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return abs(y_true - y_pred)
        """,
        """
        import keras

        def absolute(y_true, y_pred):
            return abs(y_true - y_pred)

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("adam", loss=[absolute, "mse", keras.losses.Huber(0.5)])
        """,
        """
        import re

        pattern = re.compile("a", re.IGNORECASE)
        """,
    )

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Look at classes, and at what `compile` is given."""
        for node in loss_classes(module):
            # A base class with an underscore is not what is trained with.
            if not node.decorator_list and not node.name.startswith("_"):
                message = f"`{node.name}` is not registered: a saved model with it cannot be loaded"
                yield self.at(node, message, self._register(node))
        for call in module.compile_calls:
            argument = loss_argument(call)
            for given in given_losses(argument) if argument else ():
                if message := _unserialisable(module, given):
                    yield self.at(given, message)

    def _register(self, node: ast.ClassDef) -> Fix | None:
        register = next((w for name in _REGISTER if (w := self.module.names.local(name))), None)
        if register is None:
            return None
        line = f"{self.module.indent(node)}@{register}()"
        return self.mend("register the class", self.module.insert_line(node.lineno, line))


def _unserialisable(module: Module, given: ast.expr) -> str | None:
    match given:
        case ast.Lambda():
            return "a lambda as a loss: a saved model with it cannot be loaded"
        case ast.Call(func=ast.Name(id=name)) if name in module.functions:
            inner = module.inner.get(module.functions[name].node, {})
            returned = ast.walk(module.functions[name].node)
            for node in returned:
                match node:
                    case ast.Return(value=ast.Lambda()):
                        return f"`{name}` returns a lambda: a saved model with it cannot be loaded"
                    case ast.Return(value=ast.Name(id=own)) if own in inner:
                        return f"`{name}` returns a closure: a saved model with it cannot be loaded"
                    case _:
                        pass
        case _:
            pass
    return None

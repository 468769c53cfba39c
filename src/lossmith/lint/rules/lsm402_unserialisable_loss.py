"""LSM402: a loss that Keras cannot load again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss, given_losses, loss_classes
from lossmith.lint.module import Function, Module, loss_argument
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_called_here, is_for_keras, uses_keras

# Keras imports what it loads from these, registered or not.
_SEARCHED = frozenset({"keras", "keras_hub", "keras_cv", "keras_nlp"})
_REGISTER = ("keras.saving.register_keras_serializable", "keras.utils.register_keras_serializable")

_LAMBDA = "a lambda as a loss: a saved model with it cannot be loaded"


class UnserialisableLoss(Rule):
    """A loss class is not registered, or a loss is a lambda or a closure.

    Why it is bad:
        The model is saved without complaint. Loading it raises, on another day and machine, unless
        the loss is handed over by `custom_objects`; a lambda or closure has nothing to hand over.
        Only the packages of Keras itself are searched without registration, and are left alone.

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
    confirmed_by = ("serialisation",)
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
        Flagged(
            """
            from keras import ops

            def tilted(slope):
                return lambda y_true, y_pred: ops.abs(y_true - slope * y_pred)
            """,
            "a lambda as a loss: a saved model with it cannot be loaded",
            4,
            11,
        ),
        Flagged(
            """
            from keras import ops

            def huber_of(delta):
                def huber(y_true, y_pred):
                    return ops.minimum(ops.abs(y_true - y_pred), delta)
                return huber
            """,
            "`huber` is made inside of `huber_of`: a saved model with it cannot be loaded",
            4,
            4,
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
        import keras

        class Absolute(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return abs(y_true - y_pred)

        model = keras.saving.load_model("a.keras", custom_objects={"Absolute": Absolute})
        """,
        """
        import keras

        def total(a, b):
            def part_loss(y_true, y_pred):
                return abs(y_true - y_pred)
            return part_loss(*a) + part_loss(*b)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for losses that are made inside of a function, and that `compile` is not given."""
        outer = loss.scope.parent
        if outer is None or loss.why != "parameters" or loss.node.decorator_list:
            return
        handed_out = _hands_out(outer.node, loss.node.name) and not is_called_here(loss)
        if handed_out and is_for_keras(loss):
            message = (
                f"`{loss.node.name}` is made inside of `{outer.node.name}`: a saved model with it"
                " cannot be loaded"
            )
            yield self.at(loss.node, message)

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Look at classes, at what `compile` is given, and at lambdas that are returned."""
        for node in loss_classes(module):
            if not (_is_known(module, node) or _is_searched(module) or _wraps(module, node)):
                message = f"`{node.name}` is not registered: a saved model with it cannot be loaded"
                yield self.at(node, message, self._register(node))
        given = [loss_argument(call) for call in module.compile_calls]
        compiled = [x for argument in given if argument for x in given_losses(argument)]
        factories = {_factory(module, x) for x in compiled}
        for expression in compiled:
            if message := _unserialisable(module, expression):
                yield self.at(expression, message)
        for scope in module.scopes if "lambda" in module.text and uses_keras(module) else ():
            for node in ast.walk(scope.node) if scope.node not in factories else ():
                match node:
                    case ast.Return(value=ast.Lambda(args=arguments) as made):
                        if [a.arg for a in arguments.args] == ["y_true", "y_pred"]:
                            yield self.at(made, _LAMBDA)
                    case _:
                        pass

    def _register(self, node: ast.ClassDef) -> Fix | None:
        register = next((w for name in _REGISTER if (w := self.module.names.local(name))), None)
        if register is None:
            return None
        line = f"{self.module.indent(node)}@{register}()"
        return self.mend("register the class", self.module.insert_line(node.lineno, line))


def _hands_out(outer: Function, name: str) -> bool:
    """Whether a function returns one that is made in it, or puts it into a list."""
    for node in ast.walk(outer):
        match node:
            case ast.Return(value=ast.Name(id=own)) if own == name:
                return True
            case ast.Call(func=ast.Attribute(attr="append"), args=[ast.Name(id=own)]) if (
                own == name
            ):
                return True
            case _:
                pass
    return False


def _is_known(module: Module, node: ast.ClassDef) -> bool:
    """Whether it is registered, handed over as a custom object, or a base class by its name."""
    if node.decorator_list or node.name.startswith("_"):
        return True
    handed_over = rf"""["']{node.name}["']\]?\s*[:=]\s*{node.name}\b"""
    registered = rf"register_keras_serializable\(.*\)\({node.name}\)"
    return bool(re.search(f"{handed_over}|{registered}", module.text))


def _wraps(module: Module, node: ast.ClassDef) -> bool:
    """Whether it is given the function to compute: a base of others, as Keras' own wrapper is."""
    init = module.method(node, "__init__")
    return init is not None and any(a.arg in {"fn", "loss_fn", "func"} for a in init.args.args)


def _is_searched(module: Module) -> bool:
    """Whether the file belongs to a package that Keras imports to look a name up."""
    return bool(_SEARCHED & {*PurePath(module.path).parts})


def _factory(module: Module, given: ast.expr) -> ast.AST | None:
    match given:
        case ast.Call(func=ast.Name(id=name)) if name in module.functions:
            return module.functions[name].node
        case _:
            return None


def _unserialisable(module: Module, given: ast.expr) -> str | None:
    match given:
        case ast.Lambda():
            return _LAMBDA
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

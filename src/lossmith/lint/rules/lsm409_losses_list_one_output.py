"""LSM409: a list of losses for a model with one output."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.module import Module, loss_argument
from lossmith.lint.rule import Flagged, Rule

_SEQUENTIAL = frozenset({"keras.Sequential", "keras.models.Sequential"})
_MODEL = frozenset({"keras.Model", "keras.models.Model"})


class LossesListOneOutput(Rule):
    """`compile` is given a list of several losses, and the model has one output.

    Why it is bad:
        A list of losses goes with a list of outputs. With one output Keras takes the first, and
        the others count for nothing, without a word.

    Example:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("adam", loss=["mse", "mae"])

    Use instead:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("adam", loss=lm.Loss("mse") + lm.Loss("mae"))

    Fix safety:
        There is none: which losses are meant, and with which weights, cannot be read.
    """

    code = "LSM409"
    name = "losses-list-one-output"
    flags = (
        Flagged(
            """
            import keras

            model = keras.Sequential([keras.layers.Dense(1)])
            model.compile("adam", loss=["mse", "mae"])
            """,
            "2 losses for one output: only the first counts",
            4,
            27,
        ),
        Flagged(
            """
            from tensorflow.keras import Model, layers

            def build(x):
                y = layers.Dense(1)(x)
                model = Model(inputs=x, outputs=y)
                model.compile("adam", ["mse", "mae", "logcosh"])
                return model
            """,
            "3 losses for one output: only the first counts",
            6,
            26,
        ),
    )
    passes = (
        """
        import keras

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("adam", loss=["mse"], metrics=["mse", "mae"])
        """,
        """
        import keras

        x = keras.Input((3,))
        a, b = keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)
        model = keras.Model(x, [a, b])
        model.compile("adam", loss=["mse", "mae"])
        """,
        """
        import keras

        def build(x, outputs):
            model = keras.Model(x, outputs)
            model.compile("adam", loss=["mse", "mae"])
            return model
        """,
    )

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Look at lists given to `compile`, and at how the model is made."""
        for call in module.compile_calls:
            match call.func, loss_argument(call):
                case (
                    ast.Attribute(value=ast.Name(id=name)),
                    ast.List(elts=[_, _, *_] as losses) as given,
                ):
                    made = _assigned(module, name, call)
                    if made is not None and _has_one_output(module, made):
                        message = f"{len(losses)} losses for one output: only the first counts"
                        yield self.at(given, message)
                case _:
                    pass


def _has_one_output(module: Module, made: ast.expr) -> bool:
    """Whether an expression makes a model that surely has one output."""
    match made:
        case ast.Call(func=function) if module.names.of(function) in _SEQUENTIAL:
            return True
        case ast.Call(func=function, args=args, keywords=keywords) if (
            module.names.of(function) in _MODEL
        ):
            named = [k.value for k in keywords if k.arg == "outputs"]
            output = named[0] if named else args[1] if len(args) > 1 else None
            if isinstance(output, ast.Name):
                output = _assigned(module, output.id, made)
            # `Dense(1)(x)`, the call of a layer.
            return isinstance(output, ast.Call) and isinstance(output.func, ast.Call)
        case _:
            return False


def _assigned(module: Module, name: str, before: ast.Call) -> ast.expr | None:
    """Return what a name is last assigned before a call, if all that binds it is `name = ...`."""
    nodes = list(_around(module, before))
    bound = [n for n in nodes if isinstance(n, ast.Name) and n.id == name and _is_bound(n)]
    values = [
        n.value
        for n in nodes
        if isinstance(n, ast.Assign) and len(n.targets) == 1 and n.targets[0] in bound
    ]
    earlier = [value for value in values if value.lineno <= before.lineno and value is not before]
    return max(earlier, key=lambda x: x.lineno, default=None) if len(values) == len(bound) else None


def _is_bound(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _around(module: Module, call: ast.Call) -> Iterator[ast.AST]:
    """Yield the nodes of the function that a call stands in, or of the module."""
    around = [
        scope.node
        for scope in module.scopes
        if scope.node.lineno <= call.lineno <= (scope.node.end_lineno or 0)
    ]
    return ast.walk(around[-1] if around else module.tree)

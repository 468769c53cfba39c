"""LSM308: probabilities where logits are expected, or logits where probabilities are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lossmith.lint.finding import Edit, Finding, Fix
from lossmith.lint.layers import assigned, output_activation
from lossmith.lint.losses import Loss
from lossmith.lint.module import Module, loss_argument
from lossmith.lint.rule import Flagged, Rule

_KERAS_NAME = re.compile(
    r"(keras\.(?:losses|metrics|backend|ops)\.)?(binary|(sparse_)?categorical)(_focal)?_crossentropy"
)
_KERAS_CLASS = re.compile(r"keras\.losses\.(Binary|(Sparse)?Categorical)(Focal)?Crossentropy")
_LOGITS = re.compile(
    r"tensorflow\.nn\.\w*cross_entropy_with_logits"
    r"|torch\.nn\.functional\.(cross_entropy|binary_cross_entropy_with_logits)"
    r"|optax\.(losses\.)?(softmax|sigmoid_binary|safe_softmax)_cross_entropy(_with_integer_labels)?"
)
_PROBABILITIES = "torch.nn.functional.binary_cross_entropy"
_BOUNDED = ("sigmoid", "softmax")
_UNBOUNDED = ("linear", "relu", "tanh")


class LogitsProbabilityMismatch(Rule):
    """A cross-entropy takes a softmax or sigmoid for logits, or logits for probabilities.

    Why it is bad:
        Applied twice, the activation squeezes what is near 0 and 1 into the middle: the loss has a
        floor, gradients shrink, and training is slow rather than broken. Left out, logits are
        clipped to 0 and 1, and most of them have no gradient at all. Neither raises.

    Example:
        return keras.losses.binary_crossentropy(y_true, ops.sigmoid(y_pred), from_logits=True)

    Use instead:
        return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)

    Fix safety:
        Unsafe: the value changes, which is the point. Inside a loss the second activation is taken
        away; where a model is compiled, `from_logits` is set to what its last layer returns.
    """

    code = "LSM308"
    name = "logits-probability-mismatch"
    confirmed_by = ("perfect-is-best", "backends-agree")
    fix = "unsafe"
    flags = (
        Flagged(
            """
            import keras
            from keras import ops

            def loss(y_true, y_pred):
                chances = ops.sigmoid(y_pred)
                return keras.losses.binary_crossentropy(y_true, chances, from_logits=True)
            """,
            "a sigmoid where logits are expected: it is applied twice",
            6,
            52,
        ),
        Flagged(
            """
            import keras

            def loss(labels, logits):
                return keras.losses.binary_crossentropy(labels, logits)
            """,
            "`logits` where probabilities are expected",
            4,
            52,
            """
            import keras

            def loss(labels, logits):
                return keras.losses.binary_crossentropy(labels, logits, from_logits=True)
            """,
        ),
        Flagged(
            """
            import torch
            import torch.nn.functional as F

            def loss(y_true, y_pred):
                return F.cross_entropy(torch.softmax(y_pred, dim=-1), y_true)
            """,
            "a softmax where logits are expected: it is applied twice",
            5,
            27,
            """
            import torch
            import torch.nn.functional as F

            def loss(y_true, y_pred):
                return F.cross_entropy(y_pred, y_true)
            """,
        ),
        Flagged(
            """
            import keras

            model = keras.Sequential([keras.layers.Dense(9), keras.layers.Dense(3, "softmax")])
            model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
            """,
            "the last layer is a softmax, and the loss expects logits",
            4,
            22,
            """
            import keras

            model = keras.Sequential([keras.layers.Dense(9), keras.layers.Dense(3, "softmax")])
            model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=False))
            """,
        ),
        Flagged(
            """
            from tensorflow import keras
            from tensorflow.keras import layers

            def build():
                inputs = keras.Input((4,))
                hidden = layers.Dense(8, activation="relu")(inputs)
                outputs = layers.Dense(3)(hidden)
                model = keras.Model(inputs, outputs)
                model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
                return model
            """,
            "the last layer is linear, and the loss expects probabilities",
            9,
            41,
        ),
    )
    passes = (
        """
        import keras
        from keras import ops

        def loss(y_true, y_pred):
            first = keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)
            return first + keras.losses.binary_crossentropy(y_true, ops.sigmoid(y_pred))
        """,
        """
        import keras

        def loss(labels, logits):
            return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        """,
        """
        import keras

        model = keras.Sequential()
        model.add(keras.layers.Dense(3))
        model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
        """,
        """
        import keras

        model = keras.Sequential([keras.layers.Dense(3)])
        model.add(keras.layers.Activation("softmax"))
        model.compile("adam", "categorical_crossentropy")
        """,
        """
        import keras

        model = keras.Sequential([keras.layers.Dense(1)])
        if binary:
            model.add(keras.layers.Activation("sigmoid"))
        model.compile("adam", "binary_crossentropy" if binary else "mse")
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look at what cross-entropies are given inside a loss."""
        for node in loss.nodes:
            if not isinstance(node, ast.Call) or (given := _given(self.module, node)) is None:
                continue
            scores, logits = given
            made = loss.source_of(scores, *_BOUNDED)
            if logits and made:
                message = f"a {made.name} where logits are expected: it is applied twice"
                yield self.at(scores, message, self._without_activation(scores, loss))
            elif not logits and _is_named_logits(scores) and not _is_turned(loss, scores):
                message = f"`{ast.unparse(scores)}` where probabilities are expected"
                yield self.at(scores, message, self._with_logits(node))

    def find_in_module(self, module: Module) -> Iterator[Finding]:
        """Compare what a model returns with the loss it is compiled with."""
        for call in module.compile_calls:
            given = loss_argument(call)
            logits = _expects_logits(module, assigned(module, call, given)) if given else None
            activation = output_activation(module, call) if logits is not None else None
            if given is None or activation is None:
                continue
            if logits and activation in _BOUNDED:
                message = f"the last layer is a {activation}, and the loss expects logits"
                yield self.at(given, message, self._without_logits(given))
            elif not logits and activation in _UNBOUNDED:
                message = f"the last layer is {activation}, and the loss expects probabilities"
                constructed = isinstance(given, ast.Call)
                yield self.at(given, message, self._with_logits(given) if constructed else None)

    def _without_activation(self, scores: ast.expr, loss: Loss) -> Fix | None:
        made = loss.operation(scores, *_BOUNDED)
        if made is None or "x" not in made.arguments:
            return None
        edit = self.module.replace(scores, self.module.source(made.arguments["x"]))
        return self.mend("apply the activation once", edit)

    def _with_logits(self, call: ast.Call) -> Fix | None:
        if _KERAS_CLASS.fullmatch(self.module.names.of(call.func) or "") is None and (
            _KERAS_NAME.fullmatch(self.module.names.of(call.func) or "") is None
        ):
            return None
        return self.mend("say that these are logits", self._set_from_logits(call, "True"))

    def _without_logits(self, given: ast.expr) -> Fix | None:
        if not isinstance(given, ast.Call):
            return None
        return self.mend("say that these are probabilities", self._set_from_logits(given, "False"))

    def _set_from_logits(self, call: ast.Call, value: str) -> Edit:
        for keyword in call.keywords:
            if keyword.arg == "from_logits":
                return self.module.replace(keyword.value, value)
        arguments = [*call.args, *call.keywords]
        if not arguments:
            written = f"{self.module.source(call.func)}(from_logits={value})"
            return self.module.replace(call, written)
        last = max(arguments, key=lambda node: (node.end_lineno, node.end_col_offset))
        return self.module.replace(last, f"{self.module.source(last)}, from_logits={value}")


def _given(module: Module, call: ast.Call) -> tuple[ast.expr, bool] | None:
    """Return the predictions that a cross-entropy is given, and whether it expects logits."""
    name = module.names.of(call.func) or ""
    if _LOGITS.fullmatch(name) or name == _PROBABILITIES:
        position = 1 if name.startswith("tensorflow") else 0
        scores = _argument(call, position, "logits", "input")
        return None if scores is None else (scores, name != _PROBABILITIES)
    made = module.constants.get(call.func.id) if isinstance(call.func, ast.Name) else call.func
    if _KERAS_NAME.fullmatch(name) and "." in name:
        logits = _from_logits(call, 2)
    elif isinstance(made, ast.Call):
        logits = _expects_logits(module, made)
    else:
        return None
    scores = _argument(call, 1, "y_pred", "output")
    return None if scores is None or logits is None else (scores, logits)


def _expects_logits(module: Module, loss: ast.expr) -> bool | None:
    """Return whether a loss that `compile` is given expects logits, if it is a cross-entropy."""
    match loss:
        case ast.Constant(value=str(name)):
            return False if _KERAS_NAME.fullmatch(name) else None
        case ast.Call(func=func) if _KERAS_CLASS.fullmatch(module.names.of(func) or ""):
            focal = "Focal" in (module.names.of(func) or "")
            return _from_logits(loss, None if focal else 0)
        case ast.Name() | ast.Attribute():
            return False if _KERAS_NAME.fullmatch(module.names.of(loss) or "") else None
        case _:
            return None


def _from_logits(call: ast.Call, position: int | None) -> bool | None:
    """Return the argument `from_logits`; None if it is no literal."""
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    node = _argument(call, position, "from_logits")
    match node:
        case None:
            return False
        case ast.Constant(value=bool(value)):
            return value
        case _:
            return None


def _argument(call: ast.Call, position: int | None, *names: str) -> ast.expr | None:
    by_name = (keyword.value for keyword in call.keywords if keyword.arg in names)
    by_place = call.args[position : position + 1] if position is not None else ()
    return next(by_name, None) or next(iter(by_place), None)


def _is_named_logits(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return bool(re.search(r"(^|_)logits?$", name))


def _is_turned(loss: Loss, node: ast.expr) -> bool:
    """Whether a value with the name of logits was made into something else, or may have been."""
    value = loss.value(node)
    return value.opaque or value.is_made_by(*_BOUNDED, "clip") or not value.from_data

"""LSM406: a loss that makes or keeps state while it is computed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lossmith.lint.finding import Finding
from lossmith.lint.losses import Loss
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_for_keras

# What brings variables with it.
_STATEFUL = re.compile(
    r"(keras|tensorflow|keras\.backend)\.[vV]ariable$"
    r"|keras\.(Model|Sequential|models\.(Model|Sequential)|applications\.(\w+\.)?[A-Z]\w*)$"
    r"|keras\.layers\.(\w*(Conv|Dense|Embedding|LSTM|GRU|SimpleRNN|Attention)\w*"
    r"|\w*Normalization|PReLU|Dropout)$"
    r"|keras\.metrics\.[A-Z]\w*$"
)


class StateInCall(Rule):
    """A loss makes a variable or a layer, or assigns to `self`, while it is computed.

    Why it is bad:
        In a graph it runs once, while the graph is traced: a count stands still, and what is kept
        on `self` is a tensor of a trace that is over. A variable made here is new in each trace, is
        never trained and never saved.

    Example:
        def call(self, y_true, y_pred):
            self.steps += 1
            return ops.abs(y_true - y_pred) / self.steps

    Use instead:
        def call(self, y_true, y_pred):
            return ops.abs(y_true - y_pred)

    Fix safety:
        There is none: state belongs to a layer, a metric or a callback.
    """

    code = "LSM406"
    name = "state-in-call"
    confirmed_by = ("pure",)
    flags = (
        Flagged(
            """
            import keras

            class Warm(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    self.calls += 1
                    return min(self.calls / 100, 1.0) * abs(y_true - y_pred)
            """,
            "assigns to `self.calls`: in a graph that happens once, while it is traced",
            5,
            8,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            class Scaled(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return self.scaled(ops.abs(y_true - y_pred))

                def scaled(self, error):
                    self.scale = ops.mean(error)
                    return error / self.scale
            """,
            "assigns to `self.scale`: in a graph that happens once, while it is traced",
            9,
            8,
        ),
        Flagged(
            """
            import tensorflow as tf

            def loss(y_true, y_pred):
                factor = tf.Variable(2.0)
                return factor * tf.keras.losses.mse(y_true, y_pred)
            """,
            "makes a `tf.Variable`: it is new in each trace, and neither trained nor saved",
            4,
            13,
        ),
        Flagged(
            """
            import keras

            def perceptual_loss(y_true, y_pred):
                features = keras.applications.VGG16(include_top=False)
                return abs(features(y_true) - features(y_pred))
            """,
            "makes a `keras.applications.VGG16`: it is new in each trace, and neither trained nor"
            " saved",
            4,
            15,
        ),
    )
    passes = (
        """
        import keras

        class Scaled(keras.losses.Loss):
            def __init__(self, scale, **kwargs):
                super().__init__(**kwargs)
                self.scale = scale

            def call(self, y_true, y_pred):
                scale = self.scale * 2.0
                return scale * abs(y_true - y_pred)
        """,
        """
        import keras

        def loss(y_true, y_pred):
            repeated = keras.layers.RepeatVector(3)(y_true)
            return keras.losses.MeanSquaredError(reduction="none")(repeated, y_pred)
        """,
        """
        import keras

        vgg = keras.applications.VGG16(include_top=False)

        def perceptual_loss(y_true, y_pred):
            return abs(vgg(y_true) - vgg(y_pred))
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for assignments to `self`, and for makers of variables."""
        if not is_for_keras(loss):
            return
        of_loss = loss.why == "subclass" and loss.node.name == "call"
        building = _building(loss)
        for node in loss.nodes:
            if node in building:
                continue
            if of_loss and isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                kept = _kept(node)
                if kept:
                    message = (
                        f"assigns to `{kept}`: in a graph that happens once, while it is traced"
                    )
                    yield self.at(node, message)
            elif isinstance(node, ast.Call) and _STATEFUL.match(loss.canonical(node.func) or ""):
                message = (
                    f"makes a `{ast.unparse(node.func)}`: it is new in each trace, and neither"
                    " trained nor saved"
                )
                yield self.at(node, message)


def _building(loss: Loss) -> set[ast.AST]:
    """Return the nodes of a `build` that the loss calls: it is meant to run once."""
    return {
        node
        for function in loss.flow.functions
        if getattr(function, "name", "") == "build"
        for node in ast.walk(function)
    }


def _kept(statement: ast.Assign | ast.AugAssign | ast.AnnAssign) -> str | None:
    """Return the attribute of `self` that is assigned, if one is."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        for node in target.elts if isinstance(target, ast.Tuple) else [target]:
            match node:
                case ast.Attribute(value=ast.Name(id="self")):
                    return ast.unparse(node)
                case _:
                    pass
    return None

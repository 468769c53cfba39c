"""Whether a loss is meant for Keras, or for a training loop of its own."""

from __future__ import annotations

import ast
import re

from lossmith.lint.losses import Loss
from lossmith.lint.module import Module

_TF_KERAS = re.compile(r"\b(?:tf|tensorflow)\.keras\b")


def uses_keras(module: Module) -> bool:
    """Whether a module imports Keras, alone or out of TensorFlow."""
    names = module.names
    return (
        bool(names.modules & {"keras", "tf_keras", "lossmith"})
        or any(name.partition(".")[0] == "keras" for name in names.exports.values())
        or bool(_TF_KERAS.search(module.text))
    )


def is_for_keras(loss: Loss) -> bool:
    """Whether Keras calls a loss: it is a subclass, compiled, or `y_true, y_pred` beside Keras.

    Other names of parameters, such as `real, pred`, are those of people who write their own loop.
    """
    if loss.why != "parameters":
        return True
    return (loss.target, loss.prediction) == ("y_true", "y_pred") and uses_keras(loss.module)


def is_called_here(loss: Loss) -> bool:
    """Whether the file calls the function itself, with arguments and an order of its own."""
    if loss.why != "parameters":
        return False
    return any(
        isinstance(node, ast.Call) and _own_name(node.func) == loss.node.name
        for node in ast.walk(loss.module.tree)
    )


def _own_name(function: ast.expr) -> str | None:
    """Return the name of a function of the file; `keras.losses.huber` is not the file's `huber`."""
    match function:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
        case _:
            return None
